"""Where passkeys can be made: they are bound to a name, and browsers make none elsewhere."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest


def passkey_host(request: HttpRequest) -> str:
    """Give the name that passkeys are bound to: PUBLIC_URL's, else the one the browser asked for."""
    return urlsplit(settings.PUBLIC_URL or f"//{request.get_host()}").hostname or ""


def may_use_passkeys(request: HttpRequest) -> bool:
    """Whether browsers make passkeys here: only for names, never for bare addresses, and only over HTTPS or at home."""
    host = passkey_host(request)
    try:
        ip_address(host)
    except ValueError:
        return settings.IS_HTTPS or request.is_secure() or host == "localhost" or host.endswith(".localhost")
    return False

"""How people come in: allauth's adapter with the desk's settings."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal.ratelimit import get_ip
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from captions.models import Account


class DeskAccountAdapter(DefaultAccountAdapter):
    """Opens sign-up only where the operator allowed it, and notices that the first password is gone."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Say whether strangers may make an account."""
        return bool(settings.ALLOW_SIGNUP)

    def is_safe_url(self, url: str | None) -> bool:
        """Lead back only within this site; the library would also trust every other name in ALLOWED_HOSTS."""
        return bool(url) and url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count failed logins by account and network address.

        The library counts by account and by the Host header. That header is the caller's own words (any port passes
        ALLOWED_HOSTS), so every guess could come under another name; and counting by account alone would let anybody
        lock its owner out.
        """
        login = str(credentials.get("email", credentials.get("username", ""))).lower()
        return f"{get_ip(request)}:{login}"

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Set a password the person chose; the note about the printed one goes away with it."""
        super().set_password(user, password)
        Account.objects.filter(user_id=user.pk, has_first_password=True).update(has_first_password=False)

"""How people come in: allauth's adapter with the desk's settings."""

import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.core.internal.ratelimit import get_ip
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser, User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from captions import service_accounts
from captions.models import Account


class DeskBackend(AuthenticationBackend):
    """Knows people by their password. A program's account has none, and one that it got somehow opens nothing."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """Give the person whose name and password these are."""
        found: User | None = super().authenticate(request, **credentials)
        return None if found is None or service_accounts.is_service(found) else found


class DeskAccountAdapter(DefaultAccountAdapter):
    """Opens sign-up only where the operator allowed it, and notices that the first password is gone."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Say whether strangers may make an account."""
        return bool(settings.ALLOW_SIGNUP)

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """Refuse a name that looks like an address: people share albums by either, and would share with the wrong one.

        Operators may still give such names; they know whose address it is.
        """
        if "@" in username:
            raise self.validation_error("username_blacklisted")
        name: str = super().clean_username(username, shallow=shallow)
        return name

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Turn programs' accounts away, whichever way they come: password, passkey or another site's word."""
        if service_accounts.is_service(user):
            messages.error(request, _("This account is for programs. It acts by API tokens and cannot log in."))
            return redirect("account_login")
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return response

    def is_safe_url(self, url: str | None) -> bool:
        """Lead back only within this site; the library would also trust every other name in ALLOWED_HOSTS."""
        return bool(url) and url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Ask once more before steps that change who gets in, unless the person has only just logged in."""
        records = get_authentication_records(context.request, context.request.user)
        is_fresh = bool(records) and time.time() - records[-1]["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
        return not is_fresh and super().is_reauthentication_required(app=app, **kwargs)

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Name the ways to confirm who one is in the words of the pages."""
        words = {
            "reauthenticate": _("Your password"),
            "mfa_reauthenticate": _("A code"),
            "mfa_reauthenticate:webauthn": _("A passkey"),
        }
        methods = super().get_reauthentication_methods(user)
        return [{**way, "description": words.get(way["id"], way["description"])} for way in methods]

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

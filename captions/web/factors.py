"""Second factors on the pages: allauth's adapter and forms with the desk's rules, and the way to the first one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import structlog
from allauth.core import context
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, resolve_url
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from captions import sealing, second_factor
from captions.errors import FAILURES
from captions.web import failures
from captions.web.passkeys import passkey_host

log = structlog.get_logger(__name__)

#: What somebody may reach who has yet to set up a second factor: the way to it, and the way out.
_ON_THE_WAY: Final = {"account_reauthenticate", "account_logout", "preferences"}


class DeskMFAAdapter(DefaultMFAAdapter):
    """Keeps secrets unreadable in the database, and binds passkeys to the desk's own name."""

    def encrypt(self, text: str) -> str:
        """Lock a secret with the desk's SECRET_KEY: a stolen database then makes no codes."""
        return sealing.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Unlock a secret. After a change of SECRET_KEY it is lost, and no code fits any more."""
        try:
            return sealing.unseal(encrypted_text)
        except ValueError:
            # Never an empty secret: everybody could work out its codes.
            log.warning("second_factor_unreadable", hint="SECRET_KEY has changed")
            return str(generate_totp_secret())

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        """Name a new passkey by its number, until its owner finds a better name."""
        return _("Passkey %(number)d") % {
            "number": Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        }

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Bind passkeys to the host that people see."""
        return {"id": passkey_host(context.request), "name": "Caption Desk"}


class CodeForm(AuthenticateForm):
    """A code while logging in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _as_digits(self)

    def clean_code(self) -> str:
        """Take each code once."""
        return _used_up(self.user, super().clean_code())


class CodeAgainForm(ReauthenticateForm):
    """A code before a step that changes who gets in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _as_digits(self)

    def clean_code(self) -> str:
        """Take each code once."""
        return _used_up(self.user, super().clean_code())


class AppForm(ActivateTOTPForm):
    """The first code of an authenticator app that is being set up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _as_digits(self)

    def clean_code(self) -> str:
        """Take the code, which then logs nobody in any more."""
        return _used_up(self.user, super().clean_code())


def _as_digits(form: CodeForm | CodeAgainForm | AppForm) -> None:
    form.fields["code"].widget.attrs |= {"inputmode": "numeric", "autofocus": True}
    form.fields["code"].label = _("Code")


def _used_up(user: User, code: str) -> str:
    # The library forgets a used code after one step of time, while our tolerance lets it be right for three.
    steps = 2 * app_settings.TOTP_TOLERANCE + 1
    key = f"second-factor-used:{user.pk}:{normalize_user_code(code)}"
    if not cache.add(key, True, timeout=app_settings.TOTP_PERIOD * steps):
        raise get_adapter().validation_error("incorrect_code")
    return code


class SecondFactorFirst(MiddlewareMixin):
    """Leads people who must have a second factor, and have none, to set one up before anything else.

    Only sessions are led: requests with an API token come from programs. Without REQUIRE_SECOND_FACTOR it is not there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if settings.REQUIRE_SECOND_FACTOR == "no":
            raise MiddlewareNotUsed
        super().__init__(get_response)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """Let a request through, or answer with the way to a second factor."""
        # With its namespace: the administration calls a page of its own "mfa_authenticator_changelist".
        name = (request.resolver_match.view_name if request.resolver_match else "") or ""
        if name in _ON_THE_WAY or name.startswith("mfa_") or _is_by_token(request):
            return None
        if not isinstance(request.user, User) or not second_factor.is_missing(request.user):
            return None
        return _lead(request)


def _is_by_token(request: HttpRequest) -> bool:
    # As captions.api.authentication decides: with this header the session is not looked at, whatever the token is.
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    return request.path_info.startswith("/api/") and scheme.lower() == "bearer"


def _lead(request: HttpRequest) -> HttpResponse:
    if request.path_info.startswith("/api/"):
        failure = FAILURES["second_factor_missing"]
        error = {"code": failure.code, "detail": failure.words, "attr": None}
        body = {"type": "client_error", "errors": [error], "request_id": failures.request_id()}
        return JsonResponse(body, status=failure.status)
    if request.headers.get("HX-Request") == "true":
        return HttpResponseClientRedirect(resolve_url("mfa_index"))
    return redirect("mfa_index")

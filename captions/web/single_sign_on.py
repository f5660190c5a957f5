"""Logging in with the word of another site, by OpenID Connect; set up by the environment alone.

The library does the handshake (state, PKCE, code for token). Here stands what must hold beyond it: the identity token's
signature is checked on every login, both sources of claims speak of the same person, and nobody is let into an account
that was here before because of an e-mail address alone.
"""

from __future__ import annotations

from typing import Any, Final

import jwt
import structlog
from allauth.account.models import EmailAddress
from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET
from requests import RequestException

from captions.permissions import OPERATORS, REVIEWERS

log = structlog.get_logger(__name__)

PROVIDER_ID: Final = "oidc"
#: Signatures by a key pair. One by a shared secret, or none at all, would let others write identity tokens.
_SIGNATURES: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_CLOCKS_DIFFER_SECONDS: Final = 60
#: The provider does not answer, or its answer lacks what every one has; the library leaves these to us.
_BROKEN: Final = (OAuth2Error, RequestException, AttributeError, KeyError, TypeError, ValueError)


class Handshake(OpenIDConnectOAuth2Adapter):
    """The library's handshake, held to the specification where the library is lenient."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """Give the provider's own description. Raises OAuth2Error when it describes somebody else."""
        found: dict[str, Any] = super().openid_config
        if str(found.get("issuer", "")).rstrip("/") != settings.OIDC_ISSUER:
            raise OAuth2Error("The discovery document names another issuer.")
        return found

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        """Give who the provider says this is. Raises OAuth2Error when what it says does not hold together."""
        login = super().complete_login(request, app, token, **kwargs)
        said = login.account.extra_data
        if "id_token" not in said:
            raise OAuth2Error("No identity token came.")
        if "userinfo" in said and said["userinfo"].get("sub") != said["id_token"].get("sub"):
            raise OAuth2Error("The identity token and the user information speak of different people.")
        is_verified = settings.OIDC_TRUST_EMAIL and _claims(said).get("email_verified") in (True, "true")
        for address in login.email_addresses:
            address.verified = is_verified  # the library would take the word "false" for a yes
        return login

    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        try:
            if jwt.get_unverified_header(id_token).get("alg") not in _SIGNATURES:
                raise OAuth2Error("The identity token is not signed by a key pair.")
            algorithm, key = jwtkit.fetch_key(id_token, self.openid_config["jwks_uri"], jwtkit.lookup_kid_jwk)
            found: dict[str, Any] = jwt.decode(
                id_token,
                key=key,
                algorithms=[algorithm],
                audience=app.client_id,
                issuer=self.openid_config["issuer"],
                leeway=_CLOCKS_DIFFER_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, *_BROKEN) as error:
            raise OAuth2Error("The identity token cannot be read.") from error
        return found


class DeskSocialAdapter(DefaultSocialAccountAdapter):
    """Who may come in by the provider's word, and what they are here."""

    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[Any]:
        """Give the one provider that the environment names. Rows in the database open nothing."""
        if not settings.OIDC_ISSUER or provider not in (None, PROVIDER_ID, "openid_connect"):
            return []
        return [
            SocialApp(
                provider="openid_connect",
                provider_id=PROVIDER_ID,
                name=settings.OIDC_NAME,
                client_id=settings.OIDC_CLIENT_ID,
                secret=settings.OIDC_CLIENT_SECRET,
                settings={"server_url": settings.OIDC_ISSUER, "oauth_pkce_enabled": True},
            )
        ]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Say whether people whom the provider knows get an account at their first login."""
        return bool(settings.OIDC_SIGNUP)

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        """Find the account that was here before, when both sides have made sure of its e-mail address.

        An address that nobody here confirmed may have been typed in by somebody who waits for its owner.
        """
        for address in sociallogin.email_addresses:
            if address.verified:  # only with OIDC_TRUST_EMAIL, see Handshake
                kept = EmailAddress.objects.filter(email__iexact=address.email, verified=True).first()
                if kept is not None:
                    return kept.user, kept.email
        return None

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Let go of an address that somebody else here has; bring the groups of whoever is known up to date."""
        if sociallogin.is_existing:
            _set_groups(sociallogin.user, sociallogin.account.extra_data)
            return
        taken = [address for address in sociallogin.email_addresses if _is_taken(address.email)]
        if taken:
            sociallogin.email_addresses = [one for one in sociallogin.email_addresses if one not in taken]
            sociallogin.user.email = ""

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Make the account of somebody who comes for the first time."""
        user: User = super().save_user(request, sociallogin, form)
        _set_groups(user, sociallogin.account.extra_data)
        return user

    def on_authentication_error(self, request: HttpRequest, provider: Any, **facts: Any) -> None:
        """Write down why a login failed; the page says no more than that it did."""
        log.warning("single_sign_on_failed", error=str(facts.get("error")), cause=repr(facts.get("exception"))[:300])


@require_GET
def log_in(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Send somebody to the provider. It takes nothing from the address but where to come back to."""
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    provider = _provider(request, provider_id)
    try:
        answer: HttpResponseBase = provider.redirect(request, "login", next_url=get_next_redirect_url(request))
    except _BROKEN as error:
        answer = render_authentication_error(request, provider, exception=error)
    return answer


def come_back(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Take somebody in who comes from the provider."""
    provider = _provider(request, provider_id)
    try:
        answer: HttpResponseBase = OAuth2CallbackView.adapter_view(Handshake(request, provider_id))(request)
    except _BROKEN as error:
        answer = render_authentication_error(request, provider, exception=error)
    return answer


def cancelled(request: HttpRequest) -> HttpResponseBase:
    """Say that nothing happened to somebody who turned back."""
    return render(request, "socialaccount/login_cancelled.html")


def _provider(request: HttpRequest, provider_id: str) -> Any:
    try:
        return get_adapter().get_provider(request, provider=provider_id)
    except SocialApp.DoesNotExist:
        raise Http404 from None


def _is_taken(email: str) -> bool:
    by_row = EmailAddress.objects.filter(email__iexact=email).exists()
    return by_row or User.objects.filter(email__iexact=email).exists()


def _claims(said: dict[str, Any]) -> dict[str, Any]:
    return {**said.get("id_token", {}), **said.get("userinfo", {})}


def _set_groups(user: User, said: dict[str, Any]) -> None:
    """Let the provider decide who reviews and operates, where OIDC_GROUPS_CLAIM names the claim that says so."""
    if not settings.OIDC_GROUPS_CLAIM:
        return
    values = _claims(said).get(settings.OIDC_GROUPS_CLAIM) or []
    found = {str(value) for value in (values if isinstance(values, list) else [values])}
    for name, wanted in ((REVIEWERS, settings.OIDC_REVIEWERS), (OPERATORS, settings.OIDC_OPERATORS)):
        group, _made = Group.objects.get_or_create(name=name)
        if found & set(wanted):
            user.groups.add(group)
        else:
            user.groups.remove(group)

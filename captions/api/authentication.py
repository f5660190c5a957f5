"""Who asks: `Authorization: Bearer TOKEN` for programs; signed-in people come by DRF's session authentication."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from captions import tokens
from captions.models import ApiToken

SCHEME: Final = "bearer"


class TokenAuthentication(BaseAuthentication):
    """A request with a bearer token is judged by the token alone; its cookies are not looked at."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Give the token's person and the token; None when the request brings none. Raises AuthenticationFailed."""
        scheme, _space, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != SCHEME:
            return None
        token = tokens.find(secret.strip())
        if token is None:
            # Falling back to a session here would let a page act with a token that its sender thinks revoked.
            raise AuthenticationFailed(_("This token is unknown, expired or revoked. Make a new one."))
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme for WWW-Authenticate; without it DRF would answer 403 instead of 401."""
        return 'Bearer realm="Caption Desk"'

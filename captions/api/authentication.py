"""Who asks, and what their token opens: `Authorization: Bearer TOKEN` for programs.

Signed-in people come by DRF's session authentication.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from captions import tokens
from captions.errors import DeskError
from captions.models import ApiToken
from captions.scopes import Scope, allows

SCHEME: Final = "bearer"


class TokenAuthentication(BaseAuthentication):
    """A request with a bearer token is judged by the token alone; its cookies are not looked at."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Give the token's person and the token; None when the request brings none. Raises AuthenticationFailed."""
        secret = self.secret(request.META.get("HTTP_AUTHORIZATION", ""))
        if secret is None:
            return None
        token = tokens.find(secret)
        if token is None:
            # Falling back to a session here would let a page act with a token that its sender thinks revoked.
            raise AuthenticationFailed(_("This token is unknown, expired or revoked. Make a new one."))
        return token.user, token

    def secret(self, header: str) -> str | None:
        """Read the token's secret out of the header Authorization; None when another scheme stands there."""
        scheme, _space, secret = header.partition(" ")
        return secret.strip() if scheme.lower() == SCHEME else None

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme for WWW-Authenticate; without it DRF would answer 403 instead of 401."""
        return 'Bearer realm="Caption Desk"'


class BasicTokenAuthentication(TokenAuthentication):
    """Takes the token as the password of HTTP basic authentication too, for programs that know no other way.

    The user's name beside it is not read: the token alone says whose it is.
    """

    def secret(self, header: str) -> str | None:
        """Read the token's secret out of either scheme."""
        scheme, _space, given = header.partition(" ")
        if scheme.lower() != "basic":
            return super().secret(header)
        try:
            pair = base64.b64decode(given.strip(), validate=True).decode()
        except ValueError:
            return ""  # known to nobody: it is refused as a wrong token is
        return pair.partition(":")[2]

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme that these programs know."""
        return 'Basic realm="Caption Desk", charset="UTF-8"'


class TokenHasScope(BasePermission):
    """Refuses what the token's scopes do not open, before anything is looked up. Pages' sessions are not narrowed."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Let the request in. Raises DeskError `scope_missing`."""
        demand(request, view.scope(request.method))
        return True


def demand(request: Request, needed: Scope | None) -> None:
    """Raise DeskError `scope_missing` when the request's token does not open `needed`; None is open to every token."""
    token = request.auth
    if needed is not None and isinstance(token, ApiToken) and not allows(token.scopes, needed):
        words = _("This token does not open “%(scope)s”. Make one that does.")
        raise DeskError("scope_missing", detail=words % {"scope": needed.value})

"""API tokens: minting, finding and revoking. The secret exists twice, both times briefly: at minting and in a request.

A secret is `cdesk_`, 256 random bits, and six characters of checksum. The prefix and the checksum let scanners of
public code recognise a leaked one without asking us, and let us refuse garbage without asking the database.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from django.contrib.auth.models import User
from django.db import OperationalError, transaction
from django.db.models import Q, QuerySet

from captions.models import ApiToken
from captions.models.clock import DatabaseTime, database_now
from captions.scopes import Scope, parse

log = structlog.get_logger(__name__)

PREFIX: Final = "cdesk_"
LONGEST_DAYS: Final = 3650
USED_EVERY_SECONDS: Final = 60
_RANDOM_BYTES: Final = 32
_HINT: Final = 12
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK_LENGTH: Final = 6  # 62**6 > 2**32, so every CRC fits
_STALE: Final = Q(last_used_at=None) | Q(last_used_at__lt=DatabaseTime(after=-USED_EVERY_SECONDS))


def mint(
    *, user: User, name: str, days: int | None = None, scopes: Iterable[str] = (Scope.ADMIN,)
) -> tuple[ApiToken, str]:
    """Make a token for `user` and give it with its secret, which nobody can read again.

    `days` (1 to 3650) limits its life, counted from now by the database's clock; None means until it is revoked.
    `scopes` limit what it opens. Raises ValueError for other days, for an empty name and for scopes that do not exist.
    """
    name = " ".join(name.split())[: ApiToken._meta.get_field("name").max_length or 0]
    if not name:
        raise ValueError("A token needs a name.")
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"A token may live 1 to {LONGEST_DAYS} days.")
    held = [scope.value for scope in parse(scopes)]
    body = secrets.token_urlsafe(_RANDOM_BYTES)
    secret = PREFIX + body + _checksum(body)
    expires = None if days is None else database_now() + timedelta(days=days)
    token = ApiToken.objects.create(
        user=user, name=name, digest=_digest(secret), hint=secret[:_HINT], expires_at=expires, scopes=held
    )
    until = expires and expires.isoformat()
    log.info("token_minted", token=str(token.pk), user_id=user.pk, scopes=held, expires_at=until)
    return token, secret


def find(secret: str) -> ApiToken | None:
    """Give the live token of `secret` with its user; None when unknown, revoked, expired, or the person is inactive.

    Notes the use at most once a minute: every request would else write, and on SQLite wait for every other writer.
    """
    if not _well_formed(secret):
        return None
    live = _live().filter(digest=_digest(secret), user__is_active=True).select_related("user")
    token = live.annotate(is_stale=_STALE).first()
    if token is not None and token.is_stale:
        _note_use(token)
    return token


def is_live(token_id: UUID) -> bool:
    """Whether a token that was let in would be let in now."""
    return _live().filter(pk=token_id, user__is_active=True).exists()


def is_revoked(token_id: UUID) -> bool:
    """Whether a token was ended, or is gone; one that has expired was not."""
    return not ApiToken.objects.filter(pk=token_id, revoked_at=None).exists()


def revoke(*, token: ApiToken) -> bool:
    """End a token at once, for good. False when it was revoked before."""
    ended = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=DatabaseTime())
    if ended:
        log.info("token_revoked", token=str(token.pk), user_id=token.user_id)
    return bool(ended)


def _live() -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=DatabaseTime()), revoked_at=None)


def _note_use(token: ApiToken) -> None:
    try:
        with transaction.atomic():
            ApiToken.objects.filter(_STALE, pk=token.pk).update(last_used_at=DatabaseTime())
    except OperationalError:
        # A database too busy to write may still answer reads: the request must not fail for this note.
        log.warning("token_use_not_noted", token=str(token.pk))


def _digest(secret: str) -> str:
    # A fast hash is right here: 256 random bits cannot be guessed, unlike a password.
    return hashlib.sha256(secret.encode()).hexdigest()


def _well_formed(secret: str) -> bool:
    if not secret.startswith(PREFIX) or not secret.isascii():
        return False
    rest = secret[len(PREFIX) :]
    return rest[-_CHECK_LENGTH:] == _checksum(rest[:-_CHECK_LENGTH])


def _checksum(body: str) -> str:
    """Give the CRC-32 of `body` in six digits of base 62, as other token formats do."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits

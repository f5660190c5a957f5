"""Requests that a program may send again without doing anything twice: the header Idempotency-Key.

The first request with a key is carried out and its answer kept for a day; the same request again gets that answer, and
while the first is still being worked on, waits for it. draft-ietf-httpapi-idempotency-key-header-07.

An answer is kept after what it tells of is committed. Between the two a process can die: then the request is carried
out once more, and what guards against doubles is what guards without a key (the same bytes are one picture, an equal
open job is not asked for again).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from captions.connections import let_go
from captions.errors import DeskError
from captions.models import KeptAnswer
from captions.models.clock import DatabaseTime, database_now
from captions.models.identifiers import uuid7
from captions.places import Places

KEPT_FOR: Final = timedelta(hours=24)
#: Seconds that a request may take, waiting for its captions included, before its key is another's to take.
HELD_SECONDS: Final = 150.0
WAIT_SECONDS: Final = 30.0
_LOOK_EVERY_SECONDS: Final = 0.2
#: Requests of one person that wait for another with their key; each holds a thread and looks five times a second.
_waiting: Final = Places(20)
_LONGEST_KEY: Final = 255
_NOT_KEPT: Final = {"x-request-id", "ratelimit", "ratelimit-policy", "content-length", "date", "set-cookie"}


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to carry a request out, and to keep its answer."""

    id: UUID
    holder: UUID


def begin(*, user: User, key: str, fingerprint: str, wait_seconds: float = WAIT_SECONDS) -> Slot | KeptAnswer:
    """Give the right to carry out a request, or the answer that was kept for it.

    Waits, without a connection to the database, while another request with this key is being worked on. Raises
    DeskError `idempotency_key_wrong`, `idempotency_key_reused` when the key came with another request, and
    `idempotency_in_progress` when the first one takes longer than `wait_seconds`, or many of this person wait already.
    """
    if not 0 < len(key) <= _LONGEST_KEY or not all("!" <= letter <= "~" for letter in key):
        raise DeskError("idempotency_key_wrong")
    end = time.monotonic() + wait_seconds
    found = _take(user, key, fingerprint)
    with _waiting.one(user.pk) as may_wait:
        while found is None:
            if not may_wait or time.monotonic() > end:
                raise DeskError("idempotency_in_progress")
            let_go()
            time.sleep(_LOOK_EVERY_SECONDS)
            found = _take(user, key, fingerprint)
    return found


def _take(user: User, key: str, fingerprint: str) -> Slot | KeptAnswer | None:
    # Whoever waits for the first request comes by here again and again, and must not write each time.
    same = KeptAnswer.objects.filter(user=user, key=key)
    row = same.first()
    if row is not None and row.created_at < timezone.now() - KEPT_FOR:
        _old().filter(pk=row.pk).delete()
        row = None
    if row is None:
        made = _make(user, key, fingerprint)
        if made is not None:
            return made
        row = same.first()
    if row is None:  # the first request could not be answered, and gave the key back
        return None
    if row.fingerprint != fingerprint:
        raise DeskError("idempotency_key_reused")
    if row.status is not None:
        return row
    if row.held_until < database_now():
        holder = uuid7()
        dead = KeptAnswer.objects.filter(pk=row.pk, holder=row.holder, status=None)
        if dead.update(holder=holder, held_until=DatabaseTime(after=HELD_SECONDS)):
            return Slot(row.pk, holder)
    return None


def _make(user: User, key: str, fingerprint: str) -> Slot | None:
    """Be the first with a key; None when another request is."""
    holder = uuid7()
    until = DatabaseTime(after=HELD_SECONDS)
    try:
        with transaction.atomic():
            made = KeptAnswer.objects.create(
                user=user, key=key, fingerprint=fingerprint, holder=holder, held_until=until
            )
    except IntegrityError:
        return None
    return Slot(made.pk, holder)


def keep(slot: Slot, *, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Keep the answer for a day."""
    kept = {name: value for name, value in headers.items() if name.lower() not in _NOT_KEPT}
    _mine(slot).update(status=status, headers=kept, body=body)


def give_back(slot: Slot) -> None:
    """Let the next request with this key be carried out: this one's answer is none to keep."""
    _mine(slot).delete()


def _mine(slot: Slot) -> QuerySet[KeptAnswer]:
    return KeptAnswer.objects.filter(pk=slot.id, holder=slot.holder)


def tidy() -> int:
    """Forget answers older than a day; give how many."""
    return _old().delete()[0]


def _old() -> QuerySet[KeptAnswer]:
    return KeptAnswer.objects.filter(created_at__lt=timezone.now() - KEPT_FOR)

"""`?wait=SECONDS`: answer when the job has ended, without holding a thread or a database connection meanwhile.

A view answers at once and leaves a `Wait` on its response; `waits_for_job` wraps the view, waits in the event loop, and
lets the view fill the answer in. All waits of a process share one query every fifth of a second, whether the broker is
there or not. With a thread and a connection each, ten waits would use up a pool of ten connections and stop the site.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from captions.api import repeating
from captions.connections import let_go
from captions.models import CaptionJob
from captions.places import Places

log = structlog.get_logger(__name__)

LONGEST_SECONDS: Final = 60
LOOK_EVERY_SECONDS: Final = 0.2
#: Requests of one person that wait at once; whoever has more is answered as if the time were up.
_waiting: Final = Places(200)
_AT_ONCE: Final = 500  # SQLite limits the values in one query


@dataclass(frozen=True, slots=True)
class Wait:
    """What an answer waits for. `fill` changes the answer once the job has ended; it runs in the request's thread.

    With `others` it waits for those jobs too, in the same seconds. `even_late`: what is there is filled in when the
    time is up.
    """

    job_id: UUID
    seconds: float
    fill: Callable[[], None]
    others: tuple[UUID, ...] = ()
    even_late: bool = False


def wait_seconds(request: Request) -> float:
    """Read `?wait=` (0 to 60 seconds, 0 when absent). Raises ValidationError."""
    raw = request.query_params.get("wait", "0")
    try:
        seconds = float(raw) if raw.isascii() and "_" not in raw else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise ValidationError({"wait": _("Choose a number of seconds from 0 to %(most)s.") % {"most": LONGEST_SECONDS}})
    return seconds


def waits_for_job(view: Callable[..., HttpResponseBase]) -> Callable[..., Coroutine[Any, Any, HttpResponseBase]]:
    """Make a view of DRF asynchronous, so that its answer may wait for a job."""

    @functools.wraps(view)
    async def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = await sync_to_async(view)(request, *args, **kwargs)
        wait: Wait | None = getattr(response, "wait", None)
        if wait is not None and wait.seconds > 0:
            await sync_to_async(let_go)()
            try:
                if await _all_ended(wait, request.user.pk or 0) or wait.even_late:
                    await sync_to_async(_fill)(wait)
            except asyncio.CancelledError:
                # The caller hung up, and will come again with its key: there is no whole answer to give it then.
                if slot := getattr(response, "slot", None):
                    await sync_to_async(repeating.give_back)(slot)
                raise
        return response

    return answer


async def _all_ended(wait: Wait, person_id: int) -> bool:
    jobs = (wait.job_id, *wait.others)
    with _waiting.one(person_id) as may_wait:
        seconds = wait.seconds if may_wait else 0.0
        return all(await asyncio.gather(*(_room().ended(job, seconds=seconds) for job in jobs)))


def _fill(wait: Wait) -> None:
    try:
        wait.fill()
    except (DatabaseError, CaptionJob.DoesNotExist):
        # The picture is taken and the job is known: the answer without the caption still holds.
        log.warning("answer_not_filled", job=str(wait.job_id))


class WaitingRoom:
    """All waits of one event loop, and the one task that looks for them all."""

    def __init__(self) -> None:
        self._waits: dict[UUID, set[asyncio.Event]] = {}
        self._looking: asyncio.Task[None] | None = None
        # A thread of its own: its connection must be neither a request's nor one per look.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="waiting-room")

    async def ended(self, job_id: UUID, *, seconds: float) -> bool:
        """Wait at most `seconds` for the job to end; say whether it has."""
        event = asyncio.Event()
        self._waits.setdefault(job_id, set()).add(event)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_until_empty())
        try:
            await asyncio.wait_for(event.wait(), timeout=seconds)
        except TimeoutError:
            return False
        finally:
            self._leave(job_id, event)
        return True

    def _leave(self, job_id: UUID, event: asyncio.Event) -> None:
        events = self._waits.get(job_id, set())
        events.discard(event)
        if not events:
            self._waits.pop(job_id, None)

    async def _look_until_empty(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waits:
                asked = list(self._waits)
                for job_id in await loop.run_in_executor(self._thread, _ended, asked):
                    for event in self._waits.get(job_id, set()):
                        event.set()
                await asyncio.sleep(LOOK_EVERY_SECONDS)
        finally:
            with contextlib.suppress(RuntimeError):  # the process is ending and takes no more work
                loop.run_in_executor(self._thread, connections.close_all)


_rooms: WeakKeyDictionary[asyncio.AbstractEventLoop, WaitingRoom] = WeakKeyDictionary()


def _room() -> WaitingRoom:
    return _rooms.setdefault(asyncio.get_running_loop(), WaitingRoom())


def _ended(asked: list[UUID]) -> list[UUID]:
    """Give those of the jobs that are no longer open; none while the database does not answer."""
    still_open: set[UUID] = set()
    try:
        for start in range(0, len(asked), _AT_ONCE):
            some = CaptionJob.objects.filter(pk__in=asked[start : start + _AT_ONCE], state__in=CaptionJob.OPEN)
            still_open.update(some.values_list("pk", flat=True))
    except DatabaseError:
        log.warning("waiting_room_blind", exc_info=True)
        connections.close_all()
        return []
    return [job_id for job_id in asked if job_id not in still_open]

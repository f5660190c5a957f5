"""Signs of life: leases renewed in time, the worker's row kept up to date, and a watchdog for when neither happens."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.db.models import F

from captions import jobs
from captions.models import CaptionJob, Worker
from captions.models.clock import DatabaseTime
from worker.board import AwakeClock, Board, Patience

log = structlog.get_logger(__name__)

NO_DATABASE: Final = (DatabaseError, InterfaceError)
EXIT_STALLED: Final = 75  # EX_TEMPFAIL of sysexits.h: start me again
LONGEST_LAP_SECONDS: Final = 10.0  # health checks call a worker gone that was not seen for 30 s
SWEEP_SECONDS: Final = 10.0
LATE_SECONDS: Final = 45.0  # longer than a lap that waits for SQLite's writer or for PostgreSQL's pool


class Held:
    """The leases this process holds: which jobs, and by which attempt. Safe to use from several threads."""

    def __init__(self) -> None:
        self._attempts: dict[UUID, int] = {}
        self._lock = threading.Lock()

    def add(self, claimed: Iterable[CaptionJob]) -> None:
        """Note freshly claimed jobs."""
        with self._lock:
            self._attempts.update({job.pk: job.attempt for job in claimed})

    def drop(self, job_id: UUID, attempt: int) -> None:
        """Forget a job that ended, was given back or was lost; a newer attempt of the same job stays."""
        with self._lock:
            if self._attempts.get(job_id) == attempt:
                del self._attempts[job_id]

    def has(self, job: CaptionJob) -> bool:
        """Whether this attempt of the job is still ours as far as is known."""
        with self._lock:
            return self._attempts.get(job.pk) == job.attempt

    def all(self) -> dict[UUID, int]:
        """Give a copy: job → attempt."""
        with self._lock:
            return dict(self._attempts)


@dataclass
class Tally:
    """What the worker has done, for its row and for the watchdog. Each field has one writing thread."""

    captioned: int = 0
    fenced: int = 0
    claims: int = 0
    seconds_per_image: float | None = None
    is_working: bool = False
    backlog: int | None = None  # None: not known, the database does not answer
    _published: dict[str, int] = field(default_factory=lambda: {"captioned": 0, "fenced": 0, "claims": 0})

    def took(self, seconds: float, pictures: int) -> None:
        """Add a batch to the running mean of seconds per picture; it forgets old batches by and by."""
        now = seconds / max(1, pictures)
        before = self.seconds_per_image
        self.seconds_per_image = now if before is None else before + 0.2 * (now - before)

    def unpublished(self) -> dict[str, int]:
        """Give how much each count has grown since `published` was last called."""
        return {name: getattr(self, name) - known for name, known in self._published.items()}

    def published(self, grown: Mapping[str, int]) -> None:
        """Note that these growths are in the database now."""
        for name, more in grown.items():
            self._published[name] += more


class Row:
    """The worker's row in the database, kept in step with what is known here."""

    def __init__(self, name: str, tally: Tally, *, memory: Callable[[], int | None] = lambda: None) -> None:
        """`memory` gives the bytes in use on the worker's device, None while that is not known."""
        self.name, self.memory = name, memory
        self._tally = tally
        # The notice stays as it is until the model answers: it may say why the process before this one gave up.
        self._facts: dict[str, Any] = {"state": Worker.State.STARTING}
        self._lock = threading.Lock()

    def say(self, **facts: Any) -> None:
        """Change facts (fields of `Worker`) and try to write them; the next heartbeat writes what could not be."""
        self._facts |= facts
        try:
            self.write()
        except NO_DATABASE as error:
            log.warning("worker row not written", error=str(error).strip())

    def write(self) -> None:
        """Write the row, seen now. Raises DatabaseError."""
        with self._lock:
            grown = self._tally.unpublished()
            facts = {**self._facts, "seen_at": DatabaseTime(), "seconds_per_image": self._tally.seconds_per_image}
            if (memory := self.memory()) is not None:
                facts["memory_bytes"] = memory
            if grown["claims"]:
                facts["last_claim_at"] = DatabaseTime()
            counts = {name: grown[name] for name in ("captioned", "fenced")}
            growing = {name: F(name) + more for name, more in counts.items() if more}
            if not Worker.objects.filter(name=self.name).update(**facts, **growing):
                Worker.objects.create(name=self.name, **facts, **counts)
            self._tally.published(grown)


class Every(threading.Thread):
    """Calls `lap` every so often until it is stopped. A database that does not answer is logged once and waited for."""

    def __init__(self, name: str, seconds: float, lap: Callable[[], None], *, jitter: float = 0.0) -> None:
        super().__init__(name=name, daemon=True)
        self._seconds, self._lap, self._jitter = seconds, lap, jitter
        self._stopped = threading.Event()
        self._is_cut_off = False
        self.laps = 0

    def run(self) -> None:
        """Run laps; the first one comes at once."""
        while True:
            self._one()
            self.laps += 1
            if self._stopped.wait(self._seconds + random.uniform(0, self._jitter)):  # noqa: S311  # spreads load only
                break
        connection.close()

    def stop(self) -> None:
        """Ask it to end after the lap in hand."""
        self._stopped.set()

    def _one(self) -> None:
        try:
            close_old_connections()
            self._lap()
        except NO_DATABASE as error:
            if not self._is_cut_off:
                log.warning("database does not answer", thread=self.name, error=str(error).strip())
            self._is_cut_off = True
        except Exception:
            # One bad lap must not end the thread: the process would lose its leases for ever and look alive.
            log.exception("lap failed", thread=self.name)
        else:
            if self._is_cut_off:
                log.info("database answers again", thread=self.name)
            self._is_cut_off = False


def heartbeat(
    *,
    row: Row,
    held: Held,
    tally: Tally,
    lease_name: str,
    lease_seconds: float,
    models: Collection[str],
    takes_any: bool = True,
) -> Every:
    """Make the thread that renews the leases in `held`, forgets those that were lost, and writes the worker's row."""

    def lap() -> None:
        tally.backlog = None
        mine = held.all()
        if mine:
            kept = jobs.renew(held=mine, worker=lease_name, lease_seconds=lease_seconds)
            for job_id in mine.keys() - kept:
                held.drop(job_id, mine[job_id])
        row.write()
        tally.backlog = jobs.backlog(models, worker=lease_name, takes_any=takes_any).waiting if models else 0

    return Every("heartbeat", min(lease_seconds / 4, LONGEST_LAP_SECONDS), lap)


def sweeper(*, lease_seconds: float, found: Callable[[], None]) -> Every:
    """Make the thread that takes back expired leases of other workers: repair goes on without broker and timetable.

    `found` is called when there is something to do again.
    """

    def lap() -> None:
        swept = jobs.sweep(ring=False)
        if swept.expired > swept.poisoned:
            found()

    seconds = min(SWEEP_SECONDS, lease_seconds)
    return Every("sweeper", seconds, lap, jitter=seconds / 5)


class Watchdog(threading.Thread):
    """Ends the process when it is alive and does nothing. It uses neither database nor broker, so it cannot hang there.

    It ends the process when the heartbeat has not finished a lap for `late_seconds`, when work waits and none was taken
    for `stall_seconds` while the engine is idle, or when the supervisor is gone.
    """

    def __init__(
        self,
        *,
        tally: Tally,
        heart: Every,
        board: Board | None,
        stall_seconds: float,
        late_seconds: float = LATE_SECONDS,
        end: Callable[[int], object] = os._exit,
        tick_seconds: float = 0.5,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._tally, self._heart, self._board = tally, heart, board
        self._stall_seconds, self._late_seconds, self._tick_seconds = stall_seconds, late_seconds, tick_seconds
        self._end = end
        self._parent = os.getppid()
        clock = AwakeClock(stride=2 * tick_seconds)
        self._heart_patience, self._claim_patience = Patience(clock), Patience(clock)
        self._stopped = threading.Event()

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopped.wait(self._tick_seconds):
            if self._board:
                self._board.beat()
            trouble = self.trouble()
            if trouble:
                log.error("worker ends itself", reason=trouble)
                self._end(EXIT_STALLED)
                return

    def stop(self) -> None:
        """Ask it to end."""
        self._stopped.set()

    def trouble(self) -> str:
        """Say what is wrong, "" when nothing is."""
        if self._board and os.getppid() != self._parent:
            return "the supervisor is gone"
        if self._heart_patience.seconds(self._heart.laps) > self._late_seconds:
            return f"the heartbeat has not finished a lap for {self._late_seconds:g} s"
        idle_with_work = bool(self._tally.backlog) and not self._tally.is_working
        waited = self._claim_patience.seconds((idle_with_work, self._tally.claims))
        if idle_with_work and waited > self._stall_seconds:
            return f"{self._tally.backlog} jobs wait and none was taken for {self._stall_seconds:g} s"
        return ""

"""Keeps one caption worker running: starts it, watches it, kills it when it hangs, and starts it again.

The supervisor never imports torch, so nothing that a model does to its process can hurt it. It is what makes Celery's
solo pool safe: no time limits exist there, and a call into a GPU driver that hangs can only be ended from outside.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import structlog

from worker.board import AwakeClock, Board, Patience, blank_page
from worker.handover import Handover, new_name

log = structlog.get_logger(__name__)

TICK_SECONDS: Final = 0.1
GRACE_SECONDS: Final = 5.0  # after a batch's deadline, and after the time to drain
BOOT_SECONDS: Final = 120.0  # until the first sign of life: imports take their time on a busy machine
SILENCE_SECONDS: Final = 60.0  # without a sign of life from a process that had given one
REMEMBERED_SECONDS: Final = 300.0
CRASHES_TO_PAUSE: Final = 3
REPORT_SECONDS: Final = 120.0  # for how long a death is reported to a database that does not answer
ROW_DAYS: Final = 1
VMSTAT: Final = Path("/proc/vmstat")


class Supervisor:
    """One worker process at a time, under one name. Each process has a generation of its own behind that name."""

    def __init__(
        self,
        *,
        drain_seconds: float,
        pause_seconds: float,
        app: str = "worker.app",
        queues: Sequence[str] = ("captions",),
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        """`app` is the module of the Celery application, and `queues` are those it hears before its model is loaded.

        `pause_seconds` is the pause after three crashes in 5 minutes.
        """
        self.name = new_name()
        self.generation = 0
        self._queues = queues
        self._app, self._drain_seconds, self._pause_seconds = app, drain_seconds, pause_seconds
        self._grace_seconds = grace_seconds
        self._page = blank_page()
        self._board = Board(self._page.fileno())
        self._child: subprocess.Popen[bytes] | None = None
        self._memory_kills: int | None = None
        self._is_stopping = False  # plain, because a signal handler sets it: a lock might be held just then
        self._crashes: deque[float] = deque(maxlen=CRASHES_TO_PAUSE)
        self._reports: list[threading.Thread] = []

    def run(self) -> int:
        """Keep a worker running until asked to stop. Gives the exit status, 0."""
        self._in_background(tidy_rows)
        while True:
            child = self._start()
            why = self._watch(child)
            status = child.wait()
            if self._is_stopping:
                break
            death = Death(why) if why else death_by(status, self._memory_kills, memory_kills())
            log.error("worker process ended", worker=self.name, status=status, reason=death.reason)
            self._in_background(report, self._handover(), death)
            if self._is_told_to_stop_within(self._pause()):
                break
        self._in_background(report, self._handover(), Death("worker stopped"), True)
        for thread in self._reports:
            thread.join(self._grace_seconds)
        log.info("supervisor stopped", worker=self.name)
        return 0

    def ask_to_stop(self, *_: object) -> None:
        """Handle SIGTERM and SIGINT: the first lets the batch in hand be finished, the second does not."""
        if self._is_stopping and self._child:
            self._child.kill()
        self._is_stopping = True

    def _handover(self) -> Handover:
        return Handover(self.name, self.generation, self._page.fileno(), os.getpid(), time.time())

    def _start(self) -> subprocess.Popen[bytes]:
        self.generation += 1
        self._board.clear()
        self._memory_kills = memory_kills()
        handover = self._handover()
        options = [
            "--pool",
            "solo",
            "--concurrency",
            "1",
            "--queues",
            ",".join(self._queues),
            "--hostname",
            f"{self.name}@captions",
        ]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "celery", "--quiet", "-A", self._app, "worker", *options, *quiet],
            env={**os.environ, **handover.environment(), "CELERY_SKIP_CHECKS": "1"},
            pass_fds=[handover.board],
            process_group=0,  # Ctrl-C reaches the supervisor alone, which lets the batch in hand be finished
        )
        log.info("worker process started", worker=self.name, generation=self.generation, pid=self._child.pid)
        return self._child

    def _watch(self, child: subprocess.Popen[bytes]) -> str:
        """Wait for the process to end; kill it when it hangs. Gives why it was killed, "" when it was not."""
        clock = AwakeClock()
        batch, beats, leaving = Patience(clock), Patience(clock), Patience(clock)
        began = self._board.beats
        told = False
        while True:
            time.sleep(TICK_SECONDS)
            if child.poll() is not None:
                return ""
            if self._is_stopping and not told:
                child.send_signal(signal.SIGCONT)  # a stopped process could not hear the next one
                child.send_signal(signal.SIGTERM)
                told = True
            allowed = self._board.allowed_seconds
            patience = SILENCE_SECONDS if self._board.beats > began else BOOT_SECONDS
            trouble = ""
            if batch.seconds((self._board.batches, allowed)) > allowed + self._grace_seconds and allowed:
                trouble = f"batch not finished within {allowed:g} s"
            elif beats.seconds(self._board.beats) > patience:
                trouble = f"no sign of life for {patience:g} s"
            elif leaving.seconds(told) > self._drain_seconds + self._grace_seconds and told:
                trouble = f"not stopped within {self._drain_seconds:g} s"
            if trouble:
                log.error("worker process killed", worker=self.name, reason=trouble)
                child.kill()
                child.wait()
                return trouble

    def _is_told_to_stop_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not self._is_stopping and time.monotonic() < until:
            time.sleep(TICK_SECONDS)
        return self._is_stopping

    def _pause(self) -> float:
        """Seconds to wait before the next start: none after one crash, `pause_seconds` after three in five minutes."""
        now = time.monotonic()
        self._crashes.append(now)
        recent = sum(1 for then in self._crashes if now - then < REMEMBERED_SECONDS)
        pause = self._pause_seconds * (0.0, 0.1, 1.0)[min(recent, CRASHES_TO_PAUSE) - 1]
        if recent >= CRASHES_TO_PAUSE:
            log.error("worker process ended three times within five minutes, pausing", worker=self.name, seconds=pause)
        return pause

    def _in_background(self, errand: object, *details: object) -> None:
        """Run an errand that may hang on the database: the next worker process must not wait for it."""
        self._reports = [thread for thread in self._reports if thread.is_alive()]
        thread = threading.Thread(target=errand, args=details, daemon=True)  # type: ignore[arg-type]  # see callers
        thread.start()
        self._reports.append(thread)


@dataclass(frozen=True, slots=True)
class Death:
    """Why a worker process ended, in words for the job's history, and whether somebody outside killed it."""

    reason: str
    from_outside: bool = False


def death_by(status: int, memory_kills_before: int | None, memory_kills_after: int | None) -> Death:
    """Judge an exit status by whether the system killed any process for memory meanwhile (`memory_kills`).

    A picture can bring SIGKILL on its process only by eating up the memory. Without that, a person, a deployment or a
    test sent it, and whichever picture was in hand is innocent.
    """
    if status >= 0:
        return Death(f"worker process ended with status {status}")
    reason = f"worker process died by {signal.Signals(-status).name}"
    memory_stood = memory_kills_before is not None and memory_kills_before == memory_kills_after
    from_outside = -status == signal.SIGKILL and memory_stood
    return Death(f"{reason}, sent from outside" if from_outside else reason, from_outside)


def memory_kills(vmstat: Path = VMSTAT) -> int | None:
    """Count the processes that the kernel has killed for want of memory since it started; None where it does not tell.

    Kills within a container's own limit count as well (Linux, mm/oom_kill.c).
    """
    try:
        found = re.search(r"^oom_kill (\d+)$", vmstat.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


def report(handover: Handover, death: Death, is_stopped: bool = False) -> None:
    """Take back the leases of a dead worker process, so that nobody has to wait for them to run out.

    Its leases are under a name of its own, so a report that comes late harms no successor.
    """
    from django.db import DatabaseError, InterfaceError, close_old_connections, connection

    from captions import jobs
    from captions.models import Worker

    state = Worker.State.STOPPED if is_stopped else Worker.State.STARTING
    until = time.monotonic() + REPORT_SECONDS
    while True:
        close_old_connections()
        try:
            jobs.report_crash(worker=handover.lease_name, note=death.reason, from_outside=death.from_outside)
            Worker.objects.filter(name=handover.name).update(state=state)
        except (DatabaseError, InterfaceError) as error:
            log.warning("worker's end not reported yet", worker=handover.lease_name, error=str(error).strip())
            if time.monotonic() > until:
                break
            time.sleep(1)
        else:
            break
    connection.close()


def tidy_rows() -> None:
    """Forget workers that were not seen for a day; every start of a supervisor makes a new row."""
    from django.db import DatabaseError, InterfaceError, connection

    from captions.models import Worker
    from captions.models.clock import DatabaseTime

    try:
        Worker.objects.filter(seen_at__lt=DatabaseTime(after=-ROW_DAYS * 86400)).delete()
    except (DatabaseError, InterfaceError) as error:
        log.warning("old worker rows not removed", error=str(error).strip())
    finally:
        connection.close()


def supervise(app: str = "worker.app") -> NoReturn:
    """Run a supervisor as the main program of this process."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "captionsite.settings")
    import django

    django.setup()
    from django.conf import settings

    from captions.doorbell import queue_of

    # Celery must be told one queue at least, or it would take the scheduler's.
    queues = [queue_of("" if settings.CAPTION_SERVES_DEFAULT else settings.CAPTION_MODEL)]
    supervisor = Supervisor(
        app=app,
        queues=queues,
        drain_seconds=settings.DRAIN_SECONDS,
        pause_seconds=settings.CRASH_PAUSE_SECONDS,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.ask_to_stop)
    raise SystemExit(supervisor.run())

"""One worker process: load the model, warm it up, serve until told to stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from PIL import Image

from captions import jobs
from captions.doorbell import queue_of
from captions.models import Worker
from captions.params import complete, defaults_from
from worker.board import Board
from worker.drain import Drain
from worker.engine import Captioner, EngineError, load
from worker.engine.catalogue import entry_of
from worker.engine.choice import AUTO, DEMO_WORDS, REMEDY, choose
from worker.engine.devices import memory_in_use
from worker.engine.errors import DeviceLost
from worker.engine.resting import Resting
from worker.engine.tuning import Bounds, tune
from worker.handover import Handover
from worker.heartbeat import Held, Row, Tally, Watchdog, heartbeat, sweeper

log = structlog.get_logger(__name__)

EXIT_NO_MODEL: Final = 69  # EX_UNAVAILABLE of sysexits.h
EXIT_DEVICE_LOST: Final = 70  # EX_SOFTWARE: only a new process can use the device again
GOODBYE_SECONDS: Final = 3.0


class WorkerService:
    """Everything that runs in a worker process beside Celery's consumer, which only rings the bell.

    Model and device belong to one thread. The others renew leases, sweep and watch; none of them needs the broker.
    """

    def __init__(self, handover: Handover, *, hear: Callable[[Iterable[str]], object]) -> None:
        """Prepare; nothing runs before `start`. `hear` has Celery's consumer hear further queues."""
        self.handover = handover
        self._hear = hear
        self._board = Board(handover.board) if handover.board >= 0 else None
        self.held, self.tally = Held(), Tally()
        self.row = Row(handover.name, self.tally, memory=self._memory)
        self.drain: Drain | None = None
        self.models: set[str] = set()
        self._is_stopping = False
        self._main = threading.Thread(target=self._run, name="captions", daemon=True)
        self._heart = heartbeat(
            row=self.row,
            held=self.held,
            tally=self.tally,
            lease_name=handover.lease_name,
            lease_seconds=settings.LEASE_SECONDS,
            models=self.models,
            takes_any=settings.CAPTION_SERVES_DEFAULT,
        )
        self._sweeper = sweeper(lease_seconds=settings.LEASE_SECONDS, found=self.ring)
        self._watchdog = Watchdog(
            tally=self.tally, heart=self._heart, board=self._board, stall_seconds=settings.STALL_SECONDS
        )

    def start(self) -> None:
        """Begin to load the model; returns at once."""
        self._watchdog.start()
        self._heart.start()
        self._main.start()

    def ring(self) -> None:
        """Make the drain look for work now."""
        if self.drain:
            self.drain.bell.set()

    def ask_to_stop(self) -> None:
        """Claim nothing more. Quick and without locks, because it runs in a signal handler."""
        self._is_stopping = True
        if self.drain:
            self.drain.ask_to_stop()

    def stop(self, seconds: float) -> None:
        """Let the batch in hand be finished within `seconds`, else give its leases back and end the process at once."""
        self.ask_to_stop()
        if self.drain:
            self._main.join(seconds)
            if self._main.is_alive():
                log.warning("batch not finished in time, giving it back", seconds=seconds)
        for thread in (self._sweeper, self._heart, self._watchdog):
            thread.stop()
        _within(GOODBYE_SECONDS, self._say_goodbye)
        log.info("worker stopped", worker=self.handover.name)
        if self._main.is_alive():
            os._exit(0)  # leaving by the usual way would take the interpreter down under a thread that is in torch

    # --- The thread of the model -----------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            captioner = self._load()
            self.drain = self._make_drain(captioner)
            if self._is_stopping:
                self.drain.ask_to_stop()
            self._sweeper.start()
            self.drain.serve()
        except EngineError as error:
            code = EXIT_DEVICE_LOST if isinstance(error, DeviceLost) else EXIT_NO_MODEL
            self._give_up(code, str(error))
        except Exception as error:
            log.exception("worker failed")
            self._give_up(1, f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def _load(self) -> Captioner:
        captioner, notice = load_captioner(lambda words: self.row.say(notice=words))
        warm_up(captioner, self._deadline)
        if not settings.CAPTION_BATCH:
            find_batch(captioner, self._deadline)
        self.models |= names_of(captioner)
        entry = entry_of(captioner.name)
        self.row.say(
            state=Worker.State.READY,
            model=captioner.name[:200],
            title=entry.title if entry else "",
            names=published(self.models),
            takes_any=settings.CAPTION_SERVES_DEFAULT,
            revision=captioner.revision[:80],
            device=captioner.device[:40],
            precision=captioner.precision[:10],
            is_demo=captioner.is_demo,
            notice=notice[:500],
            defaults=plain(captioner.defaults),
            batch_size=captioner.batch,
        )
        self._hear(queue_of(name) for name in sorted(self.models))
        log.info(
            "worker ready",
            worker=self.handover.name,
            model=captioner.name,
            revision=captioner.revision,
            device=captioner.device,
            precision=captioner.precision,
            seconds=round(time.time() - self.handover.began, 1),
        )
        if captioner.is_demo:
            log.warning(" ".join(notice.split()))
        return captioner

    def _make_drain(self, captioner: Captioner) -> Drain:
        return Drain(
            captioner,
            lease_name=self.handover.lease_name,
            models=self.models,
            takes_any=settings.CAPTION_SERVES_DEFAULT,
            held=self.held,
            tally=self.tally,
            batch=captioner.batch,
            idle_seconds=settings.CAPTION_IDLE_SECONDS,
            lease_seconds=settings.LEASE_SECONDS,
            poll_seconds=settings.POLL_SECONDS,
            deadline=self._deadline,
        )

    def _memory(self) -> int | None:
        return memory_in_use(self.drain.captioner.device if self.drain else "cpu")

    def _deadline(self) -> AbstractContextManager[None]:
        return self._board.batch(settings.DEADLINE_SECONDS) if self._board else nullcontext()

    def _give_up(self, code: int, words: str) -> None:
        """Say why on the worker's row and end the process; the supervisor starts another one after a pause."""
        log.error("worker gives up", worker=self.handover.name, reason=words, status=code)
        _within(GOODBYE_SECONDS, lambda: self.row.say(state=Worker.State.STARTING, notice=words[:500]))
        os._exit(code)

    def _say_goodbye(self) -> None:
        """Give back what is still held and mark the row as stopped."""
        close_old_connections()
        try:
            jobs.release(held=self.held.all(), note="worker stopping")
            self.row.say(state=Worker.State.STOPPED)
        except (DatabaseError, InterfaceError) as error:
            log.warning("stopped without the database", error=str(error).strip())
        finally:
            connection.close()


def load_captioner(tell: Callable[[str], None]) -> tuple[Captioner, str]:
    """Load the model that the settings name; gives it with the notice that pages show. Raises EngineError.

    `tell` is called with a sentence from time to time while the model is being fetched.
    """
    name, notice = settings.CAPTION_MODEL, ""
    if name == AUTO:
        choice = choose(settings.MODEL_DIR, allow_download=settings.CAPTION_DOWNLOAD, progress=_progress(tell))
        name, notice = choice.name, choice.reason if choice.is_demo else ""
        log.info("model chosen", model=name)
    make = partial(
        load,
        name,
        device=settings.CAPTION_DEVICE,
        precision=settings.CAPTION_PRECISION,
        graphs=settings.CAPTION_GRAPHS,
        store=settings.MODEL_DIR,
        batch=settings.CAPTION_BATCH or None,
    )
    captioner = Resting(make) if settings.CAPTION_IDLE_SECONDS else make()
    return captioner, notice or (f"{DEMO_WORDS} To get the real model, run: {REMEDY}" if captioner.is_demo else "")


def names_of(captioner: Captioner) -> set[str]:
    """Give the names by which a job may ask for this model."""
    entry = entry_of(captioner.name)
    names = {captioner.name, f"{captioner.name}@{captioner.revision}", settings.CAPTION_MODEL}
    return (names | ({entry.name} if entry else set())) - {AUTO}


def published(names: Iterable[str]) -> list[str]:
    """Leave out where a model lies on this machine: people see the names."""
    return sorted(name[:200] for name in names if not name.startswith(("/", "~", ".")))


def warm_up(captioner: Captioner, deadline: Callable[[], AbstractContextManager[None]]) -> None:
    """Caption one grey picture with the model's defaults, so that the first real one is not the slow one."""
    picture = Image.new("RGB", (224, 224), (128, 128, 128))
    params = complete({"seed": 0}, defaults=defaults_from(captioner.defaults))
    with deadline():
        captioner.caption([picture], params)


def find_batch(captioner: Captioner, deadline: Callable[[], AbstractContextManager[None]]) -> None:
    """Choose how many pictures run at once, by running some within the settings' bounds."""

    def guard(run: Callable[[], object]) -> None:
        with deadline():
            run()

    bounds = Bounds(settings.CAPTION_BATCH_SECONDS, settings.CAPTION_MEMORY_MB * 2**20 or None)
    tune(captioner, complete({"seed": 0}, defaults=defaults_from(captioner.defaults)), bounds, guard=guard)


def plain(defaults: Any) -> dict[str, Any]:
    """Keep of a model's published defaults what JSON can hold."""
    return {str(name): value for name, value in defaults.items() if isinstance(value, bool | int | float | str | None)}


def _progress(tell: Callable[[str], None]) -> Callable[[int, int], None]:
    """Give a function that tells of a download at every tenth of it."""
    seen = -1

    def show(done: int, total: int) -> None:
        nonlocal seen
        tenth = 10 * done // total if total else 0
        if tenth != seen:
            seen = tenth
            words = f"Fetching the model: {done // 1_000_000} of {total // 1_000_000} MB."
            log.info(words)
            tell(words)

    return show


def _within(seconds: float, errand: Callable[[], object]) -> None:
    """Run an errand that may hang on the database, and wait for it no longer than this."""
    thread = threading.Thread(target=errand, daemon=True)
    thread.start()
    thread.join(seconds)

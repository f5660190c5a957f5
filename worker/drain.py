"""The drain: takes waiting jobs in batches, has them captioned, and hands the captions in, until nothing waits.

Three stages run at the same time, each in a thread of its own, so that the device never waits for files or rows:

    fetch     claims the next batch, opens its renditions and shrinks them
    caption   runs the model; the one thread that touches the device
    hand in   writes the results of the batch before

A ring only says "look" and a poll looks anyway, so whoever asks, and how often, changes nothing but the delay.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final, Literal

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connections
from PIL import Image, UnidentifiedImageError

from captions import doorbell, jobs
from captions.drafts import Draft
from captions.errors import DeskError
from captions.models import CaptionJob
from captions.params import GenerationParams, complete, defaults_from
from worker import renditions
from worker.engine import Candidate, Captioner, Prepared
from worker.engine.errors import DeviceLost, OutOfMemory
from worker.engine.resting import Resting
from worker.heartbeat import Held, Tally

log = structlog.get_logger(__name__)

READERS: Final = 4  # threads that open renditions; decoding WebP lets go of the interpreter's lock
SEEDS: Final = 2**31  # seeds are below this, as captions.params says
PAUSE_SECONDS: Final = 1.0  # between two tries while the database does not answer
CUT_OFF: Final = (OperationalError, InterfaceError)

Fault = Literal["input", "transient", "infra"]


@dataclass(frozen=True, slots=True)
class Task:
    """A claimed job with its prepared picture and the parameters in force, its own seed among them."""

    job: CaptionJob
    picture: Prepared
    params: GenerationParams


@dataclass(frozen=True, slots=True)
class Captioned:
    """A job that the model answered."""

    job: CaptionJob
    candidates: Sequence[Candidate]
    params: GenerationParams


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that could not be done, and whose fault that was."""

    job: CaptionJob
    code: str
    fault: Fault
    detail: str


Outcome = Captioned | Failed


@dataclass(frozen=True, slots=True)
class Fetched:
    """One claim: how many jobs it gave, those whose picture could be opened, and those whose picture could not.

    `was_empty_handed` says that nothing was held when it was made: only then does an empty claim mean an empty queue.
    """

    claimed: int
    tasks: Sequence[Task]
    failed: Sequence[Failed]
    was_empty_handed: bool


class Drain:
    """Drains the queue for one loaded model. `serve` runs in one thread for the life of the process."""

    def __init__(
        self,
        captioner: Captioner,
        *,
        lease_name: str,
        models: Collection[str],
        takes_any: bool = True,
        held: Held,
        tally: Tally,
        batch: int,
        lease_seconds: float,
        poll_seconds: float,
        idle_seconds: float = 0.0,
        deadline: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`models` and `takes_any` are as for `jobs.claim`; `deadline` guards every call of the engine."""
        self.captioner = captioner
        self.bell = threading.Event()
        self.is_stopping = False  # plain, because a signal handler sets it: a lock might be held just then
        self.ended = threading.Event()
        self._defaults = defaults_from(captioner.defaults)
        self._lease_name, self._models, self._held, self._tally = lease_name, models, held, tally
        self._takes_any = takes_any
        self._batch, self._lease_seconds, self._poll_seconds = batch, lease_seconds, poll_seconds
        self._deadline = deadline
        self._fetcher = ThreadPoolExecutor(1, "fetch")
        self._readers = ThreadPoolExecutor(READERS, "read")
        self._writer = ThreadPoolExecutor(1, "hand-in")
        self._idle_seconds, self._worked_at = idle_seconds, time.monotonic()
        self._coming: Future[Fetched | None] | None = None
        self._written: Future[None] | None = None
        self._is_cut_off = False

    # --- The loop --------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Drain whenever the bell rings and every `poll_seconds`, until asked to stop. Raises DeviceLost."""
        try:
            while not self.is_stopping:
                self.bell.clear()
                self.drain()
                self._wait_for_the_bell()
        finally:
            self.close()

    def ask_to_stop(self) -> None:
        """Claim nothing more and let `serve` return after the batch in hand."""
        self.is_stopping = True

    def _wait_for_the_bell(self) -> None:
        until = time.monotonic() + self._poll_seconds
        while not self.is_stopping and not self.bell.wait(min(0.25, self._poll_seconds)):
            self._rest_when_idle()
            if time.monotonic() >= until:
                return

    def _rest_when_idle(self) -> None:
        """Let the model go after `idle_seconds` without work; the next picture loads it again."""
        is_idle = self._idle_seconds and time.monotonic() - self._worked_at > self._idle_seconds
        if is_idle and isinstance(self.captioner, Resting) and not self.captioner.is_resting:
            self.captioner.rest()

    def close(self) -> None:
        """Hand in what is done, give back what is not, and end the threads. Twice does no harm."""
        if self.ended.is_set():
            return
        self._wait_until_written()
        self._give_all_back(None)
        for pool in (self._fetcher, self._writer):
            pool.submit(connections.close_all).result()  # each thread closes its own
        for pool in (self._fetcher, self._readers, self._writer):
            pool.shutdown()
        self.ended.set()

    def drain(self) -> int:
        """Work until nothing waits; gives how many jobs were taken. Raises DeviceLost, with all leases given back."""
        taken = 0
        coming = self._fetch_next()
        while True:
            fetched = coming.result()
            if fetched is None:
                break
            taken += fetched.claimed
            if fetched.claimed:
                coming = self._fetch_next()
                self._one_batch(fetched)
            else:
                # It waits for the write-back: a job that must run alone is not given to a worker that holds others.
                self._wait_until_written()
                if fetched.was_empty_handed:
                    break
                coming = self._fetch_next()
        self._wait_until_written()
        return taken

    def _one_batch(self, fetched: Fetched) -> None:
        if self.is_stopping:
            return  # not begun yet: `close` gives it back
        try:
            outcomes = [*fetched.failed, *self._captioned(fetched.tasks)]
        except DeviceLost:
            self.is_stopping = True
            self._wait_until_written()
            self._give_all_back(3)
            raise
        self._wait_until_written()
        self._written = self._writer.submit(self._hand_in, outcomes)

    def _fetch_next(self) -> Future[Fetched | None]:
        self._coming = self._fetcher.submit(self._fetch)
        return self._coming

    def _wait_until_written(self) -> None:
        if self._written:
            self._written.result()
            self._written = None

    # --- Fetch -----------------------------------------------------------------------------------------------------

    def _fetch(self) -> Fetched | None:
        """Claim a batch and open its pictures; None when asked to stop or when the database does not answer."""
        if self.is_stopping:
            return None
        close_old_connections()
        was_empty_handed = not self._held.all()
        try:
            claimed = jobs.claim(
                limit=self._batch,
                worker=self._lease_name,
                models=self._models,
                lease_seconds=self._lease_seconds,
                takes_any=self._takes_any,
            )
        except CUT_OFF as error:
            if not self._is_cut_off:
                log.warning("database does not answer, no work is taken", error=_words(error))
            self._is_cut_off = True
            return None
        if self._is_cut_off:
            log.info("database answers again, work is taken")
            self._is_cut_off = False
        self._held.add(claimed)
        if claimed:
            self._tally.claims += 1
        if len(claimed) == self._batch:
            # One ring wakes one worker; where there was a full batch another may find work too.
            doorbell.ring(claimed[0].model)
        opened = list(self._readers.map(self._open, claimed))
        return Fetched(
            claimed=len(claimed),
            tasks=[one for one in opened if isinstance(one, Task)],
            failed=[one for one in opened if isinstance(one, Failed)],
            was_empty_handed=was_empty_handed,
        )

    def _open(self, job: CaptionJob) -> Task | Failed:
        try:
            file = renditions.open_for(job.image, side=self.captioner.side)
            with file, Image.open(file, formats=("WEBP",)) as picture:
                return Task(job, self.captioner.prepare(picture.convert("RGB")), self._params(job))
        except (DeskError, FileNotFoundError, UnidentifiedImageError) as error:
            # An empty media folder is one that is not mounted; it must not end every waiting job as failed.
            fault: Fault = "input" if _has_pictures() else "infra"
            return Failed(job, "rendition_missing", fault, _words(error))
        except OSError as error:  # a network folder that is away for a while
            return Failed(job, "rendition_missing", "transient", _words(error))
        except Exception as error:  # noqa: BLE001  # whatever is wrong with one picture must not stop its neighbours
            return Failed(job, "model_failed", "transient", _words(error))

    def _params(self, job: CaptionJob) -> GenerationParams:
        params = complete(job.params, defaults=self._defaults)
        if params.do_sample and params.seed is None:
            params = replace(params, seed=secrets.randbelow(SEEDS))
        return params

    # --- Caption ---------------------------------------------------------------------------------------------------

    def _captioned(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Run the model on a batch; when that goes wrong, on each picture alone. Raises DeviceLost."""
        ours = [task for task in tasks if self._held.has(task.job)]  # a cancelled job is not worth the device's time
        if not ours:
            return []
        began = time.monotonic()
        try:
            found = self._run(ours)
        except DeviceLost:
            raise
        except Exception as error:  # noqa: BLE001  # whatever one picture does to the model, its neighbours go on
            if len(ours) == 1:
                return [_failure(ours[0].job, error)]
            log.warning("batch failed, trying its pictures alone", pictures=len(ours), error=_words(error))
            return [outcome for task in ours for outcome in self._captioned([task])]
        self._worked_at = time.monotonic()
        self._tally.took(time.monotonic() - began, len(ours))
        return list(found)

    def _run(self, tasks: Sequence[Task]) -> list[Captioned]:
        self._tally.is_working = True
        try:
            with self._deadline():
                answers = self.captioner.caption([task.picture for task in tasks], [task.params for task in tasks])
        finally:
            self._tally.is_working = False
        return [Captioned(task.job, candidates, task.params) for task, candidates in zip(tasks, answers, strict=True)]

    # --- Hand in ---------------------------------------------------------------------------------------------------

    def _hand_in(self, outcomes: Sequence[Outcome]) -> None:
        until = time.monotonic() + self._lease_seconds
        for outcome in outcomes:
            try:
                self._hand_in_one(outcome, until)
            except Exception:
                # The lease runs out and the job is tried again; its neighbours' captions must not be lost for it.
                log.exception("result dropped", job=str(outcome.job.pk))
            self._held.drop(outcome.job.pk, outcome.job.attempt)

    def _hand_in_one(self, outcome: Outcome, until: float) -> None:
        """Write one result. While the database does not answer it is kept, for as long as the lease may last."""
        while True:
            close_old_connections()
            try:
                is_kept = self._write(outcome)
            except CUT_OFF as error:
                if time.monotonic() > until:
                    raise
                log.warning("result not written yet", job=str(outcome.job.pk), error=_words(error))
                time.sleep(PAUSE_SECONDS)
            else:
                self._count(outcome, is_kept)
                return

    def _write(self, outcome: Outcome) -> bool:
        if isinstance(outcome, Failed):
            return _report(outcome)
        drafts = [Draft(text=one.text, score=one.score, tokens=len(one.token_ids)) for one in outcome.candidates]
        try:
            return jobs.complete(
                job_id=outcome.job.pk,
                attempt=outcome.job.attempt,
                candidates=drafts,
                model=self.captioner.name,
                revision=self.captioner.revision,
                params=outcome.params,
                seed=outcome.params.seed,
            )
        except CUT_OFF:
            raise
        except DeskError as error:
            fault: Fault = "input" if error.code == "no_words" else "transient"
            return _report(Failed(outcome.job, error.code, fault, ""))
        except (ValueError, DatabaseError) as error:
            log.exception("captions refused", job=str(outcome.job.pk))
            return _report(Failed(outcome.job, "model_failed", "transient", _words(error)))

    def _count(self, outcome: Outcome, is_kept: bool) -> None:
        job = outcome.job
        about = {"job": str(job.pk), "image": str(job.image_id), "attempt": job.attempt}
        if not is_kept:
            self._tally.fenced += 1
            log.warning("late result dropped", **about)
        elif isinstance(outcome, Failed):
            log.warning("job failed", **about, code=outcome.code, fault=outcome.fault, detail=outcome.detail)
        else:
            self._tally.captioned += 1
            log.info("captioned", **about)

    def _give_all_back(self, seconds: float | None) -> None:
        """Release every lease; `seconds` is how long this may take, None for as long as it takes."""
        if self._coming:
            wait([self._coming], seconds)  # a claim that is under way would else be held by nobody
        self._writer.submit(self._give_back).result(seconds)

    def _give_back(self) -> None:
        """Release every lease that is still held, so that nobody has to wait for it to run out."""
        close_old_connections()
        mine = self._held.all()
        if not mine:
            return
        try:
            released = jobs.release(held=mine, note="worker stopping")
        except CUT_OFF as error:
            log.warning("leases not given back, they run out", jobs=len(mine), error=_words(error))
            return
        for job_id, attempt in mine.items():
            self._held.drop(job_id, attempt)
        log.info("leases given back", jobs=released)


def _has_pictures() -> bool:
    try:
        with os.scandir(settings.MEDIA_ROOT) as entries:
            return any(True for _ in entries)
    except OSError:
        return False


def _failure(job: CaptionJob, error: Exception) -> Failed:
    if isinstance(error, OutOfMemory):
        # Counted, though it is the machine's fault: a search too wide for the device would else be tried for ever.
        return Failed(job, "out_of_memory", "transient", _words(error))
    return Failed(job, "model_failed", "transient", _words(error))


def _report(failed: Failed) -> bool:
    return jobs.fail(
        job_id=failed.job.pk,
        attempt=failed.job.attempt,
        code=failed.code,
        detail=failed.detail,
        worker_fault=failed.fault,
    )


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip()[:500]

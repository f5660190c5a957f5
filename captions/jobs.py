"""Every write of a caption job's state.

Each function is one transaction that changes the job, adds a JobEvent, settles the image's summary and, once committed,
tells the pages. The database row is the truth; rings and events are hints that may be lost, doubled or late.

Exactly one result: a claim hands out a lease with a number, `attempt`. Whoever writes back names that number in the
UPDATE's condition and looks at the count of changed rows. Nought means that the lease was lost in the meantime, to a
sweep, a cancel or another worker, and then nothing at all is written.

Order of locks, the same in all services: account, image, then job. Claims and sweeps find jobs before they know the
images; they never wait for a row (SKIP LOCKED), so they cannot be part of a circle.

Crashes: a worker that dies reports nothing; its supervisor does, or its leases run out. Which picture of the batch
killed it is unknown, so all are marked `isolate` and claimed alone from then on. Only a death that hits a job alone is
counted, and the second one ends the job as `poison_image`: such a picture costs three processes at most and its
neighbours nothing. A lease that merely ran out proves less (the machine was switched off, put to sleep or cut off from
the database), and so does a kill that came from outside, so it takes four of those. Between two tries a suspect waits
some seconds: whoever kills a worker because it has just begun to work (a deployment, a test) would else meet the same
innocent picture again and again, the first one that the next worker takes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, F, Min, QuerySet
from django.db.models.functions import Coalesce, Lower

from captions import auto_approve, doorbell, events, ledger, outbox, selectors
from captions.drafts import Draft
from captions.errors import FAILURES, DeskError
from captions.models import Account, CaptionJob, Image, JobEvent
from captions.models.clock import DatabaseTime, database_now
from captions.models.webhook import EventType
from captions.params import GenerationParams, Value, batch_key, digest
from captions.queueing import LaneCycle, awaited, choose, next_turn, open_lanes, waiting

log = structlog.get_logger(__name__)

State = CaptionJob.State
Lane = CaptionJob.Lane

POISON_CRASHES: Final = 2
POISON_EXPIRIES: Final = 4  # of leases that ran out, and of kills from outside
BACKOFF_SECONDS: Final = 5.0
CRASH_DELAY_SECONDS: Final = 5.0
INFRA_DELAY_SECONDS: Final = 1.0  # a failure that comes back at once would else spin without pause
SWEEP_AT_ONCE: Final = 100
BULK_AFTER: Final = 8  # pictures waiting; the next one its owner adds is part of a bulk import
_SWEEP_LOCK: Final = 0x6361_7074  # PostgreSQL's advisory lock of the sweep; any constant of our own

_cycle = LaneCycle()


@dataclass(frozen=True, slots=True)
class Requested:
    """The open job for what was asked, and whether this call made it."""

    job: CaptionJob
    created: bool


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did: leases taken back, of these set aside as poison, and whether the bell was rung."""

    expired: int = 0
    poisoned: int = 0
    rung: bool = False


@dataclass(frozen=True, slots=True)
class Backlog:
    """Jobs that could be claimed now, and how long the oldest has waited, in seconds."""

    waiting: int
    oldest_seconds: float


# --- Asked by people -----------------------------------------------------------------------------------------------


def request(
    *,
    image: Image,
    chosen: Mapping[str, Value],
    model: str = "",
    lane: int | None = Lane.INTERACTIVE,
    is_trial: bool = False,
) -> Requested:
    """Ask for captions of `image` with what a person chose (`params.parse`); an equal open request is answered instead.

    The caller holds no lock on the image, or holds the owner's account lock too. `lane` None leaves the choice to how
    much the owner has waiting already. `is_trial`: its captions are for the lab and never become the draft on show.
    Raises DeskError `not_found` when the image is gone or in the trash,
    `model_not_served` when no worker serves `model`, `queue_full` when its owner has as many jobs waiting as one person
    may.
    """
    with transaction.atomic():
        _lock_account(image.owner_id)
        if not _lock_image(image.pk, deleted_at__isnull=True):
            raise DeskError("not_found")
        existing = _open_twin(image.pk, model, digest(chosen), is_trial)
        if existing is not None:
            return Requested(existing, created=False)
        selectors.check_served(model)
        _check_room(image.owner_id)
        try:
            with transaction.atomic():
                job = _insert(image, chosen, model, _lane_for(image.owner_id) if lane is None else lane, is_trial)
        except IntegrityError:
            # The image's lock was not ours alone after all: the database's own rule, one open job, decides.
            existing = _open_twin(image.pk, model, digest(chosen), is_trial)
            if existing is None:
                raise
            return Requested(existing, created=False)
        _record(job, before="", after=State.QUEUED)
        if not is_trial and ledger.await_first_draft(image_id=image.pk):
            events.publish_all_on_commit([(job.owner_id, image.pk, Image.State.QUEUED)])
        else:
            _settle([job])
        doorbell.ring_on_commit(model)
    return Requested(job, created=True)


def cancel(*, job: CaptionJob, by: User | None = None) -> CaptionJob:
    """End an open job without captions; what a worker still hands in for it is dropped.

    Raises DeskError `job_not_open` when it has ended, `not_found` when it is gone.
    """
    with transaction.atomic():
        held = _hold(job.pk)
        if held is None:
            raise DeskError("not_found")
        if not held.is_open:
            raise DeskError("job_not_open")
        _move(held, State.CANCELLED, note=_who("cancelled", by), attempt=held.attempt + 1, finished_at=DatabaseTime())
    return CaptionJob.objects.select_related("image").get(pk=job.pk)


def retry(*, job: CaptionJob, by: User | None = None) -> CaptionJob:
    """Put a failed or cancelled job back into the queue; when an equal one is open already, that one is given.

    Raises DeskError `job_not_failed`, `model_not_served` when no worker serves the job's model, or `not_found` when the
    job is gone or its image is in the trash.
    """
    with transaction.atomic():
        _lock_account(job.owner_id)
        held = _hold(job.pk, deleted_at__isnull=True)
        if held is None:
            raise DeskError("not_found")
        if held.state not in (State.FAILED, State.CANCELLED):
            raise DeskError("job_not_failed")
        twin = _open_twin(held.image_id, held.model, held.params_digest, held.is_trial)
        if twin is None:
            selectors.check_served(held.model)
            _move(
                held,
                State.QUEUED,
                note=_who("retried", by),
                turn=next_turn(owner_id=held.owner_id, lane=held.lane),
                failures=0,
                # One more death sets a picture aside again that was set aside before.
                crashes=min(held.crashes, POISON_CRASHES - 1),
                available_at=None,
                finished_at=None,
                error_code="",
                error_detail="",
            )
            doorbell.ring_on_commit(held.model)
    return CaptionJob.objects.select_related("image").get(pk=job.pk if twin is None else twin.pk)


# --- Asked by workers ----------------------------------------------------------------------------------------------


def claim(
    *, limit: int, worker: str, models: Collection[str], lease_seconds: float, takes_any: bool = True
) -> list[CaptionJob]:
    """Lease up to `limit` waiting jobs of one model and batch key to `worker`; `models` are the names it answers for.

    `takes_any`: it takes jobs that ask for no model, too.

    Each job comes with its image and the `attempt` that complete, fail and renew must name. A job marked `isolate`
    comes alone, and only when the worker holds nothing else: an empty answer while it holds jobs may mean just that, so
    ask again once it holds none. `worker` must be the name of one process, not of one machine.
    """
    if limit < 1 or not worker or lease_seconds <= 0:
        raise ValueError(f"claim: limit {limit}, worker {worker!r}, lease of {lease_seconds} s")
    asked = awaited(_asked(models, takes_any))
    if not asked:
        return []  # SQLite has one writer: an idle worker must not take its place only to find nothing
    may = open_lanes(worker)
    lanes = [lane for lane in _cycle.lanes() if lane in may]
    if not lanes:
        return []
    with transaction.atomic():
        chosen = choose(limit=limit, worker=worker, models=asked, lanes=lanes)
        if not chosen:
            return []
        _lease(chosen, worker, lease_seconds)
        _show_drafting(chosen)
    _cycle.served()
    leased = CaptionJob.objects.select_related("image").in_bulk([job.pk for job in chosen])
    return [leased[job.pk] for job in chosen if job.pk in leased]


def renew(*, held: Mapping[UUID, int], worker: str, lease_seconds: float) -> set[UUID]:
    """Prolong the leases of `held` (job → attempt) and give those that are still held; the others' results are void."""
    kept: set[UUID] = set()
    with transaction.atomic():
        for job_id in sorted(held):  # the one order of locks for several jobs
            mine = CaptionJob.objects.filter(pk=job_id, attempt=held[job_id], state=State.RUNNING, leased_by=worker)
            if mine.update(lease_until=DatabaseTime(after=lease_seconds)):
                kept.add(job_id)
    return kept


def complete(
    *,
    job_id: UUID,
    attempt: int,
    candidates: Sequence[Draft],
    model: str,
    revision: str,
    params: GenerationParams,
    seed: int | None,
) -> bool:
    """Keep a worker's candidates, best first, and end the job. False: the lease was lost and nothing was written.

    `params` are all parameters that were in force. When no candidate has any words, the job ends as failed with
    `no_words`.
    """
    with transaction.atomic():
        job = _hold_lease(job_id, attempt)
        if job is None:
            return False
        try:
            with transaction.atomic():
                if not _move(job, State.DONE, settles=False, isolate=False, crashes=0, finished_at=DatabaseTime()):
                    return False
                drafts = ledger.add_generated(
                    job=job, candidates=candidates, model=model, revision=revision, params=params, seed=seed
                )
        except DeskError as refusal:
            return _fail(job, refusal.code, "", refusal.code)
        _note(job, EventType.CAPTION_CREATED, captions=outbox.drafts(drafts))
        _settle([job])
    return True


def fail(
    *,
    job_id: UUID,
    attempt: int,
    code: str,
    detail: str = "",
    worker_fault: Literal["input", "transient", "infra"],
) -> bool:
    """Report that a worker could not do a job. False: the lease was lost and nothing was written.

    "input": the picture's fault, the job ends as failed. "transient": tried again after 5, 10, 20, … seconds, up to
    JOB_RETRIES times, then failed. "infra": database, broker, memory or a shutdown; tried again and nothing counted.
    `code` is one of `captions.errors`; `detail` is for operators.
    """
    if code not in FAILURES:
        code, detail = "unknown", f"{code}: {detail}"
    note = f"{code}: {detail}" if detail else code
    with transaction.atomic():
        job = _hold_lease(job_id, attempt)
        if job is None:
            return False
        if worker_fault == "infra":
            return _requeue(job, note, INFRA_DELAY_SECONDS)
        if worker_fault == "transient" and job.failures < settings.JOB_RETRIES:
            return _requeue(job, note, _backoff(job.failures), failures=job.failures + 1)
        return _fail(job, code, detail, note)


def release(*, held: Mapping[UUID, int], note: str) -> int:
    """Give leases of `held` (job → attempt) back unused, as a worker that is told to stop does; gives how many."""
    released = 0
    for job_id in sorted(held):
        with transaction.atomic():
            job = _hold_lease(job_id, held[job_id])
            if job is not None and _move(job, State.QUEUED, note=note, attempt=job.attempt + 1, started_at=None):
                released += 1
                doorbell.ring_on_commit(job.model)
    return released


# --- Asked by nobody: repair ---------------------------------------------------------------------------------------


def sweep(*, ring: bool = True) -> Swept:
    """Take back expired leases by the crash rules and ring for waiting jobs. Any number of sweeps may run at once."""
    expired, poisoned = _crash(
        CaptionJob.objects.filter(state=State.RUNNING, lease_until__lte=DatabaseTime()),
        note="lease expired",
        enough=POISON_EXPIRIES,
        guard=_alone_in_sweeping,
    )
    rung = ring and _ring_for_waiting()
    return Swept(expired=expired, poisoned=poisoned, rung=rung)


def report_crash(*, worker: str, note: str, from_outside: bool = False) -> Swept:
    """Take back all leases of a dead worker at once; for its supervisor, before it starts another of the same name.

    `from_outside`: somebody killed it, so its death says little about the picture it had.
    """
    held = CaptionJob.objects.filter(state=State.RUNNING, leased_by=worker)
    expired, poisoned = _crash(held, note=note, enough=POISON_EXPIRIES if from_outside else POISON_CRASHES)
    return Swept(expired=expired, poisoned=poisoned, rung=expired > poisoned and _ring_for_waiting())


def backlog(models: Collection[str], *, worker: str = "", takes_any: bool = True) -> Backlog:
    """Count the jobs that `worker`, answering for `models`, could claim now; `takes_any` as for `claim`."""
    jobs = waiting(_asked(models, takes_any)).filter(lane__in=open_lanes(worker))
    found = jobs.aggregate(waiting=Count("pk"), since=Min(Coalesce("available_at", "created_at")))
    seconds = (database_now() - found["since"]).total_seconds() if found["since"] else 0.0
    return Backlog(waiting=found["waiting"], oldest_seconds=max(0.0, seconds))


# --- Inside --------------------------------------------------------------------------------------------------------


def _lock_account(owner_id: int) -> None:
    """Order one person's requests: turns and the count of waiting jobs are read and then written."""
    locked = Account.objects.select_for_update(no_key=True).filter(pk=owner_id).values_list("pk")
    if not list(locked):
        Account.objects.get_or_create(user_id=owner_id)
        list(locked.all())


def _lock_image(image_id: UUID, **conditions: Any) -> bool:
    locked = Image.objects.filter(pk=image_id, **conditions).order_by().select_for_update(no_key=True)
    return bool(list(locked.values_list("pk")))


def _hold(job_id: UUID, **image_conditions: Any) -> CaptionJob | None:
    """Lock the job's image and then the job; None when either is gone."""
    image_id = CaptionJob.objects.filter(pk=job_id).values_list("image_id", flat=True).first()
    if image_id is None or not _lock_image(image_id, **image_conditions):
        return None
    return CaptionJob.objects.select_for_update(no_key=True).filter(pk=job_id).first()


def _hold_lease(job_id: UUID, attempt: int) -> CaptionJob | None:
    job = _hold(job_id)
    if job is None or job.state != State.RUNNING or job.attempt != attempt:
        log.info("fenced", job=str(job_id), attempt=attempt)
        return None
    return job


def _open_twin(image_id: UUID, model: str, params_digest: str, is_trial: bool) -> CaptionJob | None:
    return CaptionJob.objects.filter(
        image_id=image_id, model=model, params_digest=params_digest, is_trial=is_trial, state__in=CaptionJob.OPEN
    ).first()


def _asked(models: Collection[str], takes_any: bool) -> list[str]:
    """Give what a job's field `model` may hold for such a worker."""
    return sorted({*models, ""} if takes_any else {*models} - {""})


def _lane_for(owner_id: int) -> int:
    """Choose the lane of a picture that nobody looks at: whoever has many waiting is importing."""
    return Lane.BULK if _has_waiting(owner_id, BULK_AFTER) else Lane.INTERACTIVE


def _check_room(owner_id: int) -> None:
    if _has_waiting(owner_id, settings.QUEUE_LIMIT_PER_OWNER):
        raise DeskError("queue_full")


def _has_waiting(owner_id: int, count: int) -> bool:
    """Say whether so many of somebody's jobs wait; it stops counting there."""
    mine = CaptionJob.objects.filter(owner_id=owner_id, state=State.QUEUED).order_by("lane", "turn")
    return mine[:count].count() >= count


def _insert(image: Image, chosen: Mapping[str, Value], model: str, lane: int, is_trial: bool) -> CaptionJob:
    return CaptionJob.objects.create(
        image=image,
        owner_id=image.owner_id,
        lane=lane,
        is_trial=is_trial,
        model=model,
        params=dict(chosen),
        params_digest=digest(chosen),
        batch_key=batch_key(chosen, model=model),
        turn=next_turn(owner_id=image.owner_id, lane=lane),
    )


def _lease(chosen: list[CaptionJob], worker: str, lease_seconds: float) -> None:
    # LOWER: SQLite, which keeps no statistics, would else read all waiting jobs by the index on their state.
    still_queued = CaptionJob.objects.alias(now=Lower("state")).filter(pk__in=[job.pk for job in chosen], now="queued")
    changed = still_queued.update(
        state=State.RUNNING,
        attempt=F("attempt") + 1,
        leased_by=worker,
        lease_until=DatabaseTime(after=lease_seconds),
        available_at=None,
        started_at=DatabaseTime(),
    )
    if changed != len(chosen):  # never trust a read: roll back rather than hand out a job twice
        raise RuntimeError(f"claimed {changed} of {len(chosen)} locked jobs")
    JobEvent.objects.bulk_create(
        JobEvent(job_id=job.pk, before=State.QUEUED, after=State.RUNNING, attempt=job.attempt + 1, worker=worker)
        for job in chosen
    )


def _show_drafting(chosen: list[CaptionJob]) -> None:
    """Write in one statement what settling each image of a claim would find: published words stay on show."""
    shown = [job for job in chosen if not job.is_trial]
    unpublished = [
        job.image_id for job in shown if job.image.published_caption_id is None and not job.image.is_decorative
    ]
    Image.objects.filter(pk__in=unpublished).update(state=Image.State.DRAFTING)
    states = {True: Image.State.DRAFTING, False: Image.State.APPROVED}
    events.publish_all_on_commit([(job.owner_id, job.image_id, states[job.image_id in unpublished]) for job in shown])


def _move(job: CaptionJob, to: str, *, note: str = "", settles: bool = True, **changes: Any) -> bool:
    """Change a locked job's state if it still is what was read, and write down that it did."""
    guarded = CaptionJob.objects.filter(pk=job.pk, attempt=job.attempt, state=job.state)
    if guarded.update(state=to, leased_by="", lease_until=None, **changes) != 1:
        return False
    attempt = changes.get("attempt", job.attempt)
    _record(job, before=job.state, after=to, attempt=attempt, worker=job.leased_by, note=note)
    if settles:
        _settle([job])
    return True


def _requeue(job: CaptionJob, note: str, seconds: float, **changes: Any) -> bool:
    return _move(job, State.QUEUED, note=note, available_at=DatabaseTime(after=seconds), started_at=None, **changes)


def _fail(job: CaptionJob, code: str, detail: str, note: str, **changes: Any) -> bool:
    failed = _move(
        job,
        State.FAILED,
        note=note,
        error_code=code,
        error_detail=detail[:500],
        finished_at=DatabaseTime(),
        **changes,
    )
    if failed:
        _note(job, EventType.JOB_FAILED, error={"code": code, "detail": FAILURES[code].english})
    return failed


def _note(job: CaptionJob, type: EventType, **data: Any) -> None:
    """Write down what a job came to. What the lab tries is nobody's caption yet."""
    if not job.is_trial:
        outbox.note(type=type, owner_id=job.owner_id, image_id=job.image_id, data={"job": str(job.pk), **data})


def _backoff(failures: int) -> float:
    """Seconds before another try after `failures` earlier ones: 5, 10, 20, … and up to a quarter more.

    Without the jitter, jobs that failed together would come back together.
    """
    seconds = BACKOFF_SECONDS * 2.0 ** min(failures, 10)
    return seconds * random.uniform(1.0, 1.25)  # noqa: S311  # spreads retries; nothing secret


def _record(
    job: CaptionJob, *, before: str, after: str, attempt: int | None = None, worker: str = "", note: str = ""
) -> None:
    JobEvent.objects.create(
        job_id=job.pk,
        before=before,
        after=after,
        attempt=job.attempt if attempt is None else attempt,
        worker=worker,
        note=note[:200],
    )


def _settle(jobs: Iterable[CaptionJob]) -> None:
    """Bring the summaries of the jobs' images up to date, and tell the pages after the commit."""
    owners = {job.image_id: job.owner_id for job in jobs}
    settled = [(owners[image_id], image_id, ledger.settle(image_id=image_id)) for image_id in sorted(owners)]
    events.publish_all_on_commit(settled)
    for _, image_id, state in settled:
        if state == Image.State.DRAFT:
            auto_approve.consider(image_id=image_id)


def _who(verb: str, by: User | None) -> str:
    return f"{verb} by {by.get_username()}" if by else verb


def _crash(
    overdue: QuerySet[CaptionJob], *, note: str, enough: int, guard: Callable[[], bool] = lambda: True
) -> tuple[int, int]:
    """Apply the crash rules to `overdue` jobs, some at a time; gives how many, and how many of them were poison.

    `enough` crashes alone, this one included, make a job poison.
    """
    expired = poisoned = 0
    while overdue.all().exists():
        with transaction.atomic():
            taken = _take_back(overdue.all(), note, enough) if guard() else []
        expired += len(taken)
        poisoned += taken.count(State.FAILED)
        if len(taken) < SWEEP_AT_ONCE:
            break
    if expired:
        log.warning("workers lost", jobs=expired, poisoned=poisoned, note=note)
    return expired, poisoned


def _take_back(overdue: QuerySet[CaptionJob], note: str, enough: int) -> list[str]:
    locked = list(overdue.order_by("id").select_for_update(skip_locked=True, no_key=True)[:SWEEP_AT_ONCE])
    images = Image.objects.filter(pk__in={job.image_id for job in locked}).order_by()
    lockable = set(images.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))
    return [_crashed(job, note, enough) for job in locked if job.image_id in lockable]


def _crashed(job: CaptionJob, note: str, enough: int) -> str:
    crashes = job.crashes + 1 if job.isolate else job.crashes
    changes: dict[str, Any] = {"isolate": True, "crashes": crashes, "attempt": job.attempt + 1}
    if job.isolate and crashes >= enough:
        _fail(job, "poison_image", note, note, **changes)
        return State.FAILED
    if job.isolate:
        changes["available_at"] = DatabaseTime(after=CRASH_DELAY_SECONDS)
    _move(job, State.QUEUED, note=note, started_at=None, **changes)
    return State.QUEUED


def _alone_in_sweeping() -> bool:
    """On PostgreSQL, whether no other sweep runs now; SQLite's IMMEDIATE transactions come one after another anyway."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_SWEEP_LOCK])
        return bool(cursor.fetchone()[0])


def _ring_for_waiting() -> bool:
    """Ring once for each model that jobs wait for and a worker serves; gives whether any bell was rung."""
    served = {name for one in selectors.serving().served for name in one.names}
    rings = [doorbell.ring(model) for model in awaited(["", *sorted(served)])]
    return any(rings)

"""One thing asked for many pictures: asked for at once, done one picture after the other in the background.

A picture that cannot be done (somebody else's, nothing to approve) is noted with its reason and the rest goes on. Where
something is full for a while, such as the person's queue, the job waits and goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet

from captions import accounts, jobs, review, selectors, tags, trash
from captions.errors import DeskError
from captions.models import BulkJob, Image
from captions.models.clock import DatabaseTime

log = structlog.get_logger(__name__)

MOST: Final = 1000
OPEN_AT_MOST: Final = 20
BUDGET_SECONDS: Final = 3.0
#: Pictures of one job before another person's has its turn.
TURN: Final = 20
FULL_PAUSE_SECONDS: Final = 15.0
KEPT_DAYS: Final = 7
Action, State = BulkJob.Action, BulkJob.State


def request(*, owner: User, action: str, images: Iterable[UUID], asked: Mapping[str, Any]) -> BulkJob:
    """Ask for `action` on pictures, each named once.

    Raises DeskError `bulk_empty`, `too_many_pictures`, and `bulk_limit` when the person has OPEN_AT_MOST under way.
    """
    ids = [str(image) for image in dict.fromkeys(images)]
    if not ids:
        raise DeskError("bulk_empty", attr="images")
    if len(ids) > MOST:
        raise DeskError("too_many_pictures", attr="images")
    with transaction.atomic():
        accounts.hold(owner)
        if BulkJob.objects.filter(owner=owner, state__in=BulkJob.OPEN).count() >= OPEN_AT_MOST:
            raise DeskError("bulk_limit")
        return BulkJob.objects.create(owner=owner, action=action, images=ids, asked=dict(asked))


def cancel(*, job: BulkJob) -> BulkJob:
    """Stop it; what is done stays done. Raises DeskError `job_not_open` when it has ended."""
    stopped = BulkJob.objects.filter(pk=job.pk, state__in=BulkJob.OPEN)
    if not stopped.update(state=State.CANCELLED, finished_at=DatabaseTime()):
        raise DeskError("job_not_open")
    job.refresh_from_db()
    return job


def of(user: User) -> QuerySet[BulkJob]:
    """Give a person's bulk jobs, newest first."""
    return BulkJob.objects.filter(owner=user)


def work(*, budget_seconds: float = BUDGET_SECONDS) -> int:
    """Go on with all open jobs in turn until none can, or for `budget_seconds`; gives how many pictures were done."""
    end, done = time.monotonic() + budget_seconds, 0
    while time.monotonic() < end:
        ready = Q(due_at=None) | Q(due_at__lte=DatabaseTime())
        open_jobs = BulkJob.objects.filter(ready, state__in=BulkJob.OPEN).order_by("created_at", "id")
        moved = 0
        for job_id in list(open_jobs.values_list("pk", flat=True)[:100]):
            for _ in range(TURN):
                if time.monotonic() > end or not _step(job_id):
                    break
                moved += 1
        if not moved:
            break
        done += moved
    return done


def tidy() -> int:
    """Forget jobs that ended KEPT_DAYS ago; gives how many."""
    old = BulkJob.objects.filter(finished_at__lt=DatabaseTime(after=-KEPT_DAYS * 24 * 3600.0))
    return old.delete()[0]


def _step(job_id: UUID) -> bool:
    """Deal with one picture of a job. False when there is nothing to do now."""
    with transaction.atomic():
        job = BulkJob.objects.select_for_update(of=("self",)).select_related("owner").filter(pk=job_id).first()
        if job is None or job.state not in BulkJob.OPEN:
            return False
        if not job.owner.is_active:  # whoever may no longer ask may no longer have anything done
            _end(job, State.CANCELLED)
            return False
        if job.position >= len(job.images):
            _end(job)
            return False
        try:
            with transaction.atomic():
                _ACTIONS[Action(job.action)](job, UUID(job.images[job.position]))
        except DeskError as refusal:
            if refusal.failure.retryable and refusal.failure.status == 429:
                BulkJob.objects.filter(pk=job.pk).update(due_at=DatabaseTime(after=FULL_PAUSE_SECONDS))
                return False
            failed = {"image": job.images[job.position], "code": refusal.code, "detail": refusal.noted}
            job.failures = [*job.failures, failed]
        job.position += 1
        job.state, job.due_at = State.RUNNING, None
        job.save(update_fields=["position", "state", "failures", "due_at"])
        if job.position == len(job.images):
            _end(job)
    return True


def _end(job: BulkJob, state: BulkJob.State = State.DONE) -> None:
    BulkJob.objects.filter(pk=job.pk).update(state=state, finished_at=DatabaseTime())


def _caption(job: BulkJob, image_id: UUID) -> None:
    image = selectors.captionable_image(job.owner, image_id)
    jobs.request(image=image, chosen=job.asked.get("params", {}), model=job.asked.get("model", ""), lane=None)


def _approve(job: BulkJob, image_id: UUID) -> None:
    image = _visible(job, image_id)
    if image.published_caption_id is None:  # approving twice is once
        review.approve(image=image, reviewer=job.owner)


def _reject(job: BulkJob, image_id: UUID) -> None:
    review.reject(image=_visible(job, image_id), reviewer=job.owner, reason=job.asked.get("reason", ""))


def _tag(job: BulkJob, image_id: UUID) -> None:
    selectors.own_image(job.owner, image_id)
    if off := job.asked.get("remove"):
        tags.unmark(owner=job.owner, images=[image_id], names=off)
    if on := job.asked.get("add"):
        tags.mark(owner=job.owner, images=[image_id], names=on)


def _delete(job: BulkJob, image_id: UUID) -> None:
    trash.discard(image=_visible(job, image_id), by=job.owner)


def _visible(job: BulkJob, image_id: UUID) -> Image:
    return selectors.image(job.owner, image_id)


_ACTIONS: Final[Mapping[BulkJob.Action, Callable[[BulkJob, UUID], None]]] = {
    Action.CAPTION: _caption,
    Action.APPROVE: _approve,
    Action.REJECT: _reject,
    Action.TAG: _tag,
    Action.DELETE: _delete,
}

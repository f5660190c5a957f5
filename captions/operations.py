"""What operators do to the queue and its workers: pause, resume, hours for bulk work, drain, retry what failed.

Nothing here stops a batch that runs: what was claimed is finished and handed in. All of it is in the database, so it
holds for every worker and outlives a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import Final

import structlog
from django.contrib.auth.models import User
from django.db.models import QuerySet

from captions import jobs
from captions.errors import FAILURES, DeskError
from captions.models import CaptionJob, Image, QueueControl, Worker
from captions.models.clock import DatabaseTime
from captions.permissions import is_operator

log = structlog.get_logger(__name__)

RETRY_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Retried:
    """How many failed jobs went back into the queue, and how many could not."""

    queued: int
    left: int


def pause(*, by: User) -> None:
    """Let no worker claim a job until `resume`. Twice does no harm. Raises DeskError `not_found` for others."""
    _check(by)
    _control()
    if QueueControl.objects.filter(pk=1, paused_at__isnull=True).update(paused_at=DatabaseTime(), paused_by=by):
        log.warning("queue paused", by=by.get_username())


def resume(*, by: User) -> None:
    """Let workers claim again. Raises DeskError `not_found` for people who are no operators."""
    _check(by)
    if QueueControl.objects.filter(pk=1, paused_at__isnull=False).update(paused_at=None, paused_by=None):
        log.warning("queue resumed", by=by.get_username())
    jobs.sweep()


def set_hours(*, by: User, opens_at: time | None, closes_at: time | None) -> None:
    """Bind the bulk lane to hours of the day, in the desk's time zone; two Nones let it run always.

    Raises DeskError `hours_need_two_ends`, `hours_are_equal`, or `not_found` for people who are no operators.
    """
    _check(by)
    if (opens_at is None) != (closes_at is None):
        raise DeskError("hours_need_two_ends")
    if opens_at is not None and opens_at == closes_at:
        raise DeskError("hours_are_equal")
    _control()
    QueueControl.objects.filter(pk=1).update(opens_at=opens_at, closes_at=closes_at)
    log.warning("hours of bulk work set", opens_at=str(opens_at), closes_at=str(closes_at), by=by.get_username())
    jobs.sweep()


def drain(*, by: User, worker: str, draining: bool = True) -> None:
    """Let a worker claim nothing more, so that it can be switched off without losing work; or take it up again.

    Raises DeskError `not_found` when there is no such worker, and for people who are no operators.
    """
    _check(by)
    if not Worker.objects.filter(name=worker).update(is_draining=draining):
        raise DeskError("not_found")
    log.warning("worker drains" if draining else "worker works again", worker=worker, by=by.get_username())
    if not draining:
        jobs.sweep()


def failed() -> QuerySet[CaptionJob]:
    """Give the failed jobs whose picture still shows the failure, and that may end better: not what is poison."""
    hopeless = [code for code, failure in FAILURES.items() if not failure.retryable]
    stuck = CaptionJob.objects.filter(
        state=CaptionJob.State.FAILED, image__state=Image.State.FAILED, image__deleted_at__isnull=True
    )
    return stuck.exclude(error_code__in=hopeless)


def retry_failed(*, by: User) -> Retried:
    """Put up to 1,000 of the jobs that `failed` gives back into the queue, oldest first.

    Raises DeskError `not_found` for people who are no operators.
    """
    _check(by)
    queued = left = 0
    for job in failed().order_by("created_at", "id")[:RETRY_AT_ONCE]:
        try:
            jobs.retry(job=job, by=by)
            queued += 1
        except DeskError:
            left += 1
    return Retried(queued, left)


def _check(by: User) -> None:
    if not is_operator(by):
        raise DeskError("not_found")


def _control() -> QueueControl:
    return QueueControl.objects.get_or_create(pk=1)[0]

"""Tasks of the timetable (queue `default`). Each makes one service call, may be lost or doubled, and repeats itself."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from captions import (
    auto_approve,
    bucket,
    bulk,
    calibration,
    checking,
    delivering,
    idempotency,
    ingest,
    jobs,
    outbox,
    review_queue,
    trash,
)


@shared_task(name="captions.sweep", ignore_result=True)
def sweep() -> None:
    """Take back the leases of dead workers and ring for jobs that wait."""
    jobs.sweep()


@shared_task(name="captions.check_uploads", ignore_result=True)
def check_uploads() -> None:
    """Go on with files that have arrived and that nobody checks any more."""
    checking.repair()


@shared_task(name="captions.tidy", ignore_result=True)
def tidy() -> None:
    """Remove what nobody needs: lost files, uploads given up, old trash, leases of reviews, answers, events."""
    checking.sweep()
    bucket.sweep()
    ingest.sweep_orphans()
    trash.purge(older_than_days=settings.TRASH_DAYS)
    review_queue.tidy()
    idempotency.tidy()
    outbox.tidy()
    bulk.tidy()


@shared_task(name="captions.bulk", ignore_result=True)
def bulk_jobs() -> None:
    """Go on with what was asked for many pictures at once."""
    bulk.work()


@shared_task(name="captions.deliver", ignore_result=True)
def deliver() -> None:
    """Send what waits for webhooks."""
    delivering.deliver()


@shared_task(name="captions.calibrate", ignore_result=True)
def calibrate() -> None:
    """Learn the quality score again when enough was decided since, and score drafts that have no score yet."""
    calibration.refresh()


@shared_task(name="captions.take_back", ignore_result=True)
def take_back() -> None:
    """Go on with taking back what rules approved, where an operator asked for it."""
    auto_approve.go_on_taking_back()

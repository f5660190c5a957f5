"""Tasks of the timetable (queue `default`). Each makes one service call, may be lost or doubled, and repeats itself."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from captions import auto_approve, calibration, ingest, jobs, trash


@shared_task(name="captions.sweep", ignore_result=True)
def sweep() -> None:
    """Take back the leases of dead workers and ring for jobs that wait."""
    jobs.sweep()


@shared_task(name="captions.tidy", ignore_result=True)
def tidy() -> None:
    """Remove files that no picture owns, and pictures that have lain in the trash long enough."""
    ingest.sweep_orphans()
    trash.purge(older_than_days=settings.TRASH_DAYS)


@shared_task(name="captions.calibrate", ignore_result=True)
def calibrate() -> None:
    """Learn the quality score again when enough was decided since, and score drafts that have no score yet."""
    calibration.refresh()


@shared_task(name="captions.take_back", ignore_result=True)
def take_back() -> None:
    """Go on with taking back what rules approved, where an operator asked for it."""
    auto_approve.go_on_taking_back()

"""Tasks of the timetable (queue `default`). Each makes one service call, may be lost or doubled, and repeats itself."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from captions import ingest, jobs, review_queue, trash


@shared_task(name="captions.sweep", ignore_result=True)
def sweep() -> None:
    """Take back the leases of dead workers and ring for jobs that wait."""
    jobs.sweep()


@shared_task(name="captions.tidy", ignore_result=True)
def tidy() -> None:
    """Remove files that no picture owns, pictures that have lain in the trash long enough, leases that ran out."""
    ingest.sweep_orphans()
    trash.purge(older_than_days=settings.TRASH_DAYS)
    review_queue.tidy()

"""What tests of jobs start from: pictures without files, and threads that use the database."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.contrib.auth.models import User
from django.db import connections, transaction

from captions import jobs, wordindex
from captions.drafts import Draft
from captions.models import CaptionJob, Image
from captions.params import GenerationParams

_number = iter(range(1, 10_000_000))
_number_lock = threading.Lock()


def make_image(owner: User) -> Image:
    """Add a picture's row; jobs never open its files."""
    with _number_lock:
        number = next(_number)
    made = Image.objects.create(
        owner=owner, number=number, sha256=hashlib.sha256(str(number).encode()).hexdigest(), format="PNG",
        width=40, height=30, bytes=99, thumbnail_width=40, thumbnail_height=30, screen_width=40, screen_height=30,
    )  # fmt: skip
    wordindex.refresh(image_ids=[made.pk])
    return made


def ask(owner: User, count: int = 1, **options: Any) -> list[CaptionJob]:
    """Request captions of that many new pictures."""
    chosen = options.pop("chosen", {})
    return [jobs.request(image=make_image(owner), chosen=chosen, **options).job for _ in range(count)]


def ask_in_vain(owner: User) -> None:
    """Request captions in a transaction that is rolled back."""
    with transaction.atomic():
        ask(owner)
        transaction.set_rollback(True)


def claim(worker: str = "w1", limit: int = 1, **options: Any) -> list[CaptionJob]:
    """Claim as a worker of the demo model does."""
    return jobs.claim(limit=limit, worker=worker, **{"models": {"demo"}, "lease_seconds": 60, **options})


def finish(job: CaptionJob, *texts: str, attempt: int | None = None) -> bool:
    """Hand in candidates for a claimed job."""
    return jobs.complete(
        job_id=job.pk,
        attempt=job.attempt if attempt is None else attempt,
        candidates=[Draft(text, -0.5 - rank, 5) for rank, text in enumerate(texts or ("a red circle",))],
        model="demo",
        revision="1",
        params=GenerationParams(),
        seed=7,
    )


def fresh(job: CaptionJob) -> CaptionJob:
    """Read a job's row again."""
    return CaptionJob.objects.select_related("image").get(pk=job.pk)


def expire(*claimed: CaptionJob) -> None:
    """Let leases run out, as a long silence would."""
    from captions.models.clock import DatabaseTime

    running = CaptionJob.objects.filter(pk__in=[job.pk for job in claimed], state=CaptionJob.State.RUNNING)
    running.update(lease_until=DatabaseTime(after=-1))


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls in threads of their own, all started together; gives their results, exceptions included."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        gate.wait(timeout=60)
        try:
            return call()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))

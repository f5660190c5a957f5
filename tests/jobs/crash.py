"""A worker's process that dies inside one service call: `python -m tests.jobs.crash SERVICE before|after`.

It dies by `os._exit` instead of the commit or right after it, which like SIGKILL runs no handler.
"""

from __future__ import annotations

import os
import sys
from typing import Any

DIED = 77


def die(*args: Any, **kwargs: Any) -> None:
    """End at once."""
    os._exit(DIED)


def arm(moment: str) -> None:
    """Put death in place of the next commit, or behind it."""
    from django.db.backends.base.base import BaseDatabaseWrapper

    if moment == "before":
        BaseDatabaseWrapper.commit = die  # type: ignore[method-assign]  # the point of this program
    else:
        BaseDatabaseWrapper.run_and_clear_commit_hooks = die  # type: ignore[method-assign]  # as above


def serve(service: str) -> None:
    """Call one service as a worker does, on the only running job there is."""
    from captions import jobs
    from captions.drafts import Draft
    from captions.models import CaptionJob
    from captions.params import GenerationParams

    if service == "claim":
        jobs.claim(limit=8, worker="dies", models={"demo"}, lease_seconds=60)
        return
    if service == "sweep":
        jobs.sweep()
        return
    job = CaptionJob.objects.get(state="running")
    if service == "complete":
        jobs.complete(
            job_id=job.pk, attempt=job.attempt, candidates=[Draft("a red circle", -0.5, 5)], model="demo", revision="1",
            params=GenerationParams(), seed=7,
        )  # fmt: skip
    elif service == "fail":
        jobs.fail(job_id=job.pk, attempt=job.attempt, code="model_failed", worker_fault="input")


def main() -> None:
    """Arm the moment and make the call."""
    import django

    django.setup()
    service, moment = sys.argv[1:]
    arm(moment)
    serve(service)
    raise SystemExit(f"survived: {service} {moment}")


if __name__ == "__main__":
    main()

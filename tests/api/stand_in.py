"""A process that claims jobs and hands in words through the real services, for tests of waiting that need no model.

It fails jobs with the seed 666, and leaves jobs with the seed 404 waiting.
"""

from __future__ import annotations

import os
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "captionsite.settings")
django.setup()

from captions import jobs  # noqa: E402  # Django must be set up first
from captions.drafts import Draft  # noqa: E402  # as above
from captions.params import complete  # noqa: E402  # as above

WORDS = "words of the stand-in"


def main() -> None:
    """Work until killed."""
    while True:
        claimed = jobs.claim(limit=20, worker="stand-in", models=["stand-in"], lease_seconds=600)
        for job in claimed:
            if job.params.get("seed") == 666:
                jobs.fail(job_id=job.pk, attempt=job.attempt, code="model_failed", worker_fault="input")
            elif job.params.get("seed") != 404:
                jobs.complete(
                    job_id=job.pk,
                    attempt=job.attempt,
                    candidates=[Draft(WORDS, -0.1)],
                    model="stand-in",
                    revision="1",
                    params=complete(job.params),
                    seed=None,
                )
        if not claimed:
            time.sleep(0.1)


if __name__ == "__main__":
    main()

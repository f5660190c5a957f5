"""A process that dies inside a service call leaves all of it behind or nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.db import connection

from captions import jobs
from captions.models import Caption, CaptionJob, JobEvent
from tests.harness import ROOT
from tests.jobs import crash
from tests.jobs.conftest import ask, claim, expire, finish, fresh
from tests.jobs.test_races import broken

pytestmark = pytest.mark.usefixtures("transactional_db")
State = CaptionJob.State


def database_url() -> str:
    """Name the test's own database to another process."""
    facts = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{facts['NAME']}"
    return f"postgres://{facts['USER']}@{facts['HOST']}:{facts['PORT']}/{facts['NAME']}"


def die_in(service: str, moment: str, redis_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.jobs.crash", service, moment],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "REDIS_URL": redis_url,
            "DJANGO_SETTINGS_MODULE": "captionsite.settings",
        },
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == crash.DIED, f"{service} {moment}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_it_gives_a_result_wholly_or_not_at_all(owner, broker, moment):
    (job,) = ask(owner)
    claim()
    die_in("complete", moment, broker.url)
    assert not broken()
    if moment == "after":
        assert (fresh(job).state, Caption.objects.count()) == (State.DONE, 1)
        return
    assert (fresh(job).state, Caption.objects.count()) == (State.RUNNING, 0)
    expire(job)
    assert jobs.sweep().expired == 1
    (again,) = claim("w2")
    assert finish(again)
    assert Caption.objects.count() == 1


def test_it_leaves_a_job_in_the_queue_when_it_dies_in_a_claim(owner, broker):
    ask(owner, 3)
    die_in("claim", "before", broker.url)
    assert set(CaptionJob.objects.values_list("state", "attempt")) == {("queued", 0)}
    die_in("claim", "after", broker.url)
    assert set(CaptionJob.objects.values_list("state", "attempt", "leased_by")) == {("running", 1, "dies")}
    assert jobs.report_crash(worker="dies", note="killed") == jobs.Swept(expired=3, rung=True)
    assert not broken()


def test_it_leaves_a_lease_to_the_next_sweep_when_it_dies_in_one(owner, broker):
    ask(owner)
    (job,) = claim()
    expire(job)
    die_in("sweep", "before", broker.url)
    assert fresh(job).state == State.RUNNING
    assert JobEvent.objects.filter(job=job).count() == 2
    assert jobs.sweep().expired == 1
    assert not broken()


def test_it_leaves_a_failure_untold_when_it_dies_telling_it(owner, broker):
    ask(owner)
    (job,) = claim()
    die_in("fail", "before", broker.url)
    assert fresh(job).state == State.RUNNING
    assert not broken()
    assert finish(job)

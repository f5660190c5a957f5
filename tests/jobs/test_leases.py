"""A result counts only under the lease it was made for."""

from __future__ import annotations

import datetime
import time

import pytest
from django.utils import timezone

from captions import jobs
from captions.models import Caption, CaptionJob, JobEvent
from captions.models.clock import DatabaseTime, database_now
from tests.jobs.conftest import ask, claim, expire, finish, fresh

State = CaptionJob.State


def test_it_drops_a_result_that_comes_after_the_lease_was_swept(owner):
    ask(owner)
    (late,) = claim("stopped")
    expire(late)
    assert jobs.sweep().expired == 1
    assert not finish(late, "too late")
    (again,) = claim("quick")
    assert not finish(late, "too late")
    assert finish(again, "in time")
    assert not finish(late, "too late")
    assert [caption.text for caption in Caption.objects.all()] == ["in time"]
    assert not JobEvent.objects.filter(worker="stopped", after="done").exists()


def test_it_drops_a_failure_reported_after_the_lease_was_lost(owner):
    ask(owner)
    (late,) = claim("stopped")
    expire(late)
    jobs.sweep()
    claim("quick")
    for fault in ("input", "transient", "infra"):
        assert not jobs.fail(job_id=late.pk, attempt=late.attempt, code="model_failed", worker_fault=fault)  # type: ignore[arg-type]  # the three words
    assert fresh(late).leased_by == "quick"


def test_it_writes_a_result_once_when_it_is_handed_in_twice(owner):
    ask(owner)
    (job,) = claim()
    assert finish(job)
    assert not finish(job)
    assert Caption.objects.count() == 1


def test_it_drops_the_result_of_a_cancelled_job(owner):
    ask(owner)
    (job,) = claim()
    jobs.cancel(job=job)
    assert jobs.renew(held={job.pk: job.attempt}, worker="w1", lease_seconds=60) == set()
    assert not finish(job)
    assert not Caption.objects.exists()


def test_it_lets_every_job_of_a_batch_end_by_itself(owner):
    ask(owner, 4)
    a, b, c, d = claim(limit=4)
    assert finish(a)
    assert jobs.fail(job_id=b.pk, attempt=b.attempt, code="rendition_missing", worker_fault="input")
    jobs.cancel(job=c)
    assert jobs.renew(held={job.pk: job.attempt for job in (a, b, c, d)}, worker="w1", lease_seconds=60) == {d.pk}
    assert [fresh(job).state for job in (a, b, c, d)] == [State.DONE, State.FAILED, State.CANCELLED, State.RUNNING]


def test_it_prolongs_a_lease_only_for_its_holder(owner):
    ask(owner)
    (job,) = claim(lease_seconds=10)
    held = {job.pk: job.attempt}
    assert jobs.renew(held=held, worker="somebody else", lease_seconds=500) == set()
    assert jobs.renew(held={job.pk: job.attempt - 1}, worker="w1", lease_seconds=500) == set()
    assert fresh(job).lease_until == job.lease_until
    assert jobs.renew(held=held, worker="w1", lease_seconds=500) == {job.pk}
    left = (fresh(job).lease_until - database_now()).total_seconds()
    assert 400 < left <= 500


def test_it_leaves_a_live_lease_alone(owner):
    ask(owner)
    claim()
    assert jobs.sweep() == jobs.Swept()


def test_it_takes_no_notice_of_a_process_whose_clock_jumps(owner, monkeypatch):
    ask(owner, 2)
    (live,) = claim()
    for hours in (-1, 1):
        jump = datetime.timedelta(hours=hours)
        real_time, real_now = time.time, timezone.now
        with monkeypatch.context() as clock:
            clock.setattr(time, "time", lambda real=real_time, jump=jump: real() + jump.total_seconds())
            clock.setattr(timezone, "now", lambda real=real_now, jump=jump: real() + jump)
            assert jobs.sweep().expired == 0
            assert jobs.renew(held={live.pk: live.attempt}, worker="w1", lease_seconds=60) == {live.pk}
            assert abs((fresh(live).lease_until - database_now()).total_seconds() - 60) < 30
            (other,) = claim("w2", lease_seconds=60)
            assert abs((other.lease_until - other.started_at).total_seconds() - 60) < 0.01
            assert jobs.release(held={other.pk: other.attempt}, note="") == 1
    assert finish(live)


def test_it_tells_the_databases_time_in_parts_of_a_second(owner):
    seen = set()
    for _ in range(50):
        seen.add(database_now().microsecond)
        time.sleep(0.002)
    assert len(seen) > 10
    assert abs((database_now() - timezone.now()).total_seconds()) < 5


@pytest.mark.parametrize("seconds", [0.25, 1.5, 3600, -0.75, -86400 * 40])
def test_it_adds_seconds_in_the_database(owner, seconds):
    (job,) = ask(owner)
    CaptionJob.objects.filter(pk=job.pk).update(available_at=DatabaseTime(after=seconds), finished_at=DatabaseTime())
    job = fresh(job)
    assert (job.available_at - job.finished_at).total_seconds() == pytest.approx(seconds, abs=0.002)


def test_it_compares_times_of_any_precision_in_the_database(owner):
    (job,) = ask(owner)
    mine = CaptionJob.objects.filter(pk=job.pk)
    for microsecond in (0, 1, 500_000, 999_999):
        mine.update(available_at=database_now().replace(microsecond=microsecond) - datetime.timedelta(seconds=2))
        assert mine.filter(available_at__lte=DatabaseTime()).exists()
        mine.update(available_at=database_now().replace(microsecond=microsecond) + datetime.timedelta(seconds=20))
        assert not mine.filter(available_at__lte=DatabaseTime()).exists()


def test_it_tries_again_later_and_later_and_then_gives_up(owner, settings):
    settings.JOB_RETRIES = 3
    (job,) = ask(owner)
    for wanted in (5, 10, 20):
        (held,) = claim()
        assert jobs.fail(job_id=held.pk, attempt=held.attempt, code="model_failed", worker_fault="transient")
        job = fresh(job)
        assert job.state == State.QUEUED
        delay = (job.available_at - database_now()).total_seconds()
        assert wanted - 2 < delay < wanted * 1.25 + 0.1
        assert claim() == []
        CaptionJob.objects.filter(pk=job.pk).update(available_at=DatabaseTime(after=-1))
    (held,) = claim()
    assert jobs.fail(job_id=held.pk, attempt=held.attempt, code="model_failed", detail="NaN", worker_fault="transient")
    job = fresh(job)
    assert (job.state, job.error_code, job.error_detail) == (State.FAILED, "model_failed", "NaN")


def test_it_counts_nothing_for_failures_of_the_house(owner, settings):
    settings.JOB_RETRIES = 0
    (job,) = ask(owner)
    for _ in range(4):
        (held,) = claim()
        assert jobs.fail(job_id=held.pk, attempt=held.attempt, code="out_of_memory", worker_fault="infra")
        job = fresh(job)
        assert (job.state, job.failures, job.crashes, job.isolate) == (State.QUEUED, 0, 0, False)
        assert claim() == [], "it would spin without a pause"
        CaptionJob.objects.filter(pk=job.pk).update(available_at=DatabaseTime(after=-1))


def test_it_gives_back_what_a_stopping_worker_holds(owner):
    ask(owner, 3)
    held = {job.pk: job.attempt for job in claim(limit=3)}
    stale = dict.fromkeys(held, 99)
    assert jobs.release(held=stale, note="told to stop") == 0
    assert jobs.release(held=held, note="told to stop") == 3
    assert set(CaptionJob.objects.values_list("state", "crashes", "isolate", "leased_by")) == {("queued", 0, False, "")}
    assert JobEvent.objects.filter(note="told to stop", worker="w1").count() == 3
    assert len(claim("w2", limit=3)) == 3

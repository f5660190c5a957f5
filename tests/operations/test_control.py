"""What operators do to the queue, and what claims make of it."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from captions import jobs, operations, queueing, selectors
from captions.errors import DeskError
from captions.models import CaptionJob, QueueControl, Worker
from captions.models.clock import database_now
from captions.permissions import OPERATORS
from tests.jobs.conftest import ask, claim
from tests.web.builders import worker

BULK = CaptionJob.Lane.BULK


@pytest.fixture
def operator(db: None) -> User:
    """Somebody of the group of operators."""
    made = User.objects.create(username="otto", password="!")
    made.groups.add(Group.objects.get(name=OPERATORS))
    return made


def hours_without_now() -> tuple[time, time]:
    """Give a window of an hour that begins six hours from now."""
    hour = timezone.localtime(database_now()).hour
    return time((hour + 6) % 24), time((hour + 7) % 24)


def test_it_hands_out_nothing_while_the_queue_is_paused(owner: User, operator: User) -> None:
    ask(owner)
    operations.pause(by=operator)
    assert claim() == []
    operations.resume(by=operator)
    assert len(claim()) == 1


def test_it_lets_a_claimed_job_end_while_the_queue_is_paused(owner: User, operator: User) -> None:
    ask(owner)
    [job] = claim()
    operations.pause(by=operator)
    assert jobs.renew(held={job.pk: job.attempt}, worker="w1", lease_seconds=60) == {job.pk}


def test_it_counts_no_backlog_while_paused_so_that_no_watchdog_kills_the_worker(owner: User, operator: User) -> None:
    ask(owner)
    operations.pause(by=operator)
    assert jobs.backlog({"demo"}).waiting == 0


def test_it_pauses_once_and_keeps_who_did_it_first(operator: User) -> None:
    operations.pause(by=operator)
    before = QueueControl.objects.get()
    operations.pause(by=User.objects.create_superuser("root"))
    assert QueueControl.objects.get().paused_by == operator
    assert QueueControl.objects.get().paused_at == before.paused_at


def test_it_says_on_a_waiting_job_that_the_queue_is_paused(owner: User, operator: User) -> None:
    worker()
    [job] = ask(owner)
    assert selectors.lack_of(job, selectors.serving()) is None
    operations.pause(by=operator)
    lack = selectors.lack_of(job, selectors.serving())
    assert lack is not None
    assert lack.code == "queue_paused"
    assert "paused the queue" in selectors.serving().notice


def test_it_keeps_bulk_work_to_its_hours_and_interactive_work_going(owner: User, operator: User) -> None:
    worker()
    [bulk] = ask(owner, lane=BULK)
    [single] = ask(owner)
    opens, closes = hours_without_now()
    operations.set_hours(by=operator, opens_at=opens, closes_at=closes)
    assert [job.pk for job in claim(limit=5)] == [single.pk]
    lack = selectors.lack_of(bulk, selectors.serving())
    assert lack is not None
    assert lack.code == "outside_hours"
    assert f"from {opens:%H:%M} to {closes:%H:%M}" in lack.words
    operations.set_hours(by=operator, opens_at=None, closes_at=None)
    assert [job.pk for job in claim(limit=5)] == [bulk.pk]


@pytest.mark.parametrize("ends", [(time(1), None), (None, time(1))])
def test_it_refuses_hours_with_one_end(operator: User, ends: tuple[Any, Any]) -> None:
    with pytest.raises(DeskError) as refused:
        operations.set_hours(by=operator, opens_at=ends[0], closes_at=ends[1])
    assert refused.value.code == "hours_need_two_ends"


def test_it_refuses_hours_without_a_minute(operator: User) -> None:
    with pytest.raises(DeskError) as refused:
        operations.set_hours(by=operator, opens_at=time(8), closes_at=time(8))
    assert refused.value.code == "hours_are_equal"


@given(now=st.times(), opens=st.times(), closes=st.times())
def test_it_lets_a_window_and_its_complement_share_the_day(now: time, opens: time, closes: time) -> None:
    if opens != closes:
        assert queueing.is_within(now, opens, closes) != queueing.is_within(now, closes, opens)


def test_it_lets_a_window_run_over_midnight() -> None:
    assert queueing.is_within(time(23), time(20), time(6))
    assert queueing.is_within(time(5, 59), time(20), time(6))
    assert not queueing.is_within(time(6), time(20), time(6))


def test_it_gives_a_draining_worker_nothing_and_others_all(owner: User, operator: User) -> None:
    worker(name="alpha")
    ask(owner, 2)
    operations.drain(by=operator, worker="alpha")
    assert claim("alpha/1") == []
    assert len(claim("beta/1")) == 1
    operations.drain(by=operator, worker="alpha", draining=False)
    assert len(claim("alpha/1")) == 1


def test_it_keeps_draining_when_the_worker_writes_its_row(operator: User) -> None:
    worker(name="alpha")
    operations.drain(by=operator, worker="alpha")
    worker(name="alpha")  # as a heartbeat does
    assert Worker.objects.get(name="alpha").is_draining


def test_it_names_a_worker_that_is_not_there(operator: User) -> None:
    with pytest.raises(DeskError) as refused:
        operations.drain(by=operator, worker="nobody")
    assert refused.value.code == "not_found"


def failed_job(owner: User, code: str) -> CaptionJob:
    """Let a job end as failed."""
    ask(owner)
    [job] = claim()
    jobs.fail(job_id=job.pk, attempt=job.attempt, code=code, worker_fault="input")
    return job


def test_it_retries_what_may_end_better_and_leaves_poison_alone(owner: User, operator: User) -> None:
    hopeful, hopeless = failed_job(owner, "model_failed"), failed_job(owner, "poison_image")
    assert operations.retry_failed(by=operator) == operations.Retried(queued=1, left=0)
    hopeful.refresh_from_db()
    hopeless.refresh_from_db()
    assert (hopeful.state, hopeless.state) == ("queued", "failed")


def test_it_leaves_a_failure_alone_that_a_person_has_written_over(owner: User, operator: User) -> None:
    from captions import ledger

    job = failed_job(owner, "model_failed")
    ledger.write(image=job.image, author=owner, text="A harbour at dawn.")
    assert operations.retry_failed(by=operator) == operations.Retried(queued=0, left=0)


@pytest.mark.parametrize(
    "act",
    [
        lambda by: operations.pause(by=by),
        lambda by: operations.resume(by=by),
        lambda by: operations.set_hours(by=by, opens_at=None, closes_at=None),
        lambda by: operations.drain(by=by, worker="alpha"),
        lambda by: operations.retry_failed(by=by),
    ],
    ids=["pause", "resume", "hours", "drain", "retry"],
)
def test_it_obeys_operators_only(stranger: User, act: Any) -> None:
    worker(name="alpha")
    with pytest.raises(DeskError) as refused:
        act(stranger)
    assert refused.value.code == "not_found"

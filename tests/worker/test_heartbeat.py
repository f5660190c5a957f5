"""Signs of life: leases, the worker's row, and the watchdog."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from captions import jobs
from captions.models import CaptionJob, Worker
from captions.models.clock import DatabaseTime, database_now
from tests.harness import until
from worker import board as boards
from worker.board import AwakeClock, Board, Patience, blank_page
from worker.handover import Handover
from worker.heartbeat import EXIT_STALLED, Every, Held, Row, Tally, Watchdog, heartbeat, sweeper


@pytest.fixture
def tally() -> Tally:
    return Tally()


def test_it_renews_leases_and_forgets_lost_ones(ask, tally: Tally) -> None:
    ask(3)
    held = Held()
    held.add(jobs.claim(limit=2, worker="w/1", models={"demo"}, lease_seconds=5))
    kept, lost = held.all()
    CaptionJob.objects.filter(pk=lost).update(lease_until=DatabaseTime(after=-1))
    jobs.sweep(ring=False)
    beat = heartbeat(row=Row("w", tally), held=held, tally=tally, lease_name="w/1", lease_seconds=600, models={"demo"})
    beat._lap()
    assert list(held.all()) == [kept]
    assert (CaptionJob.objects.get(pk=kept).lease_until - database_now()).total_seconds() > 500
    assert tally.backlog == 2
    assert Worker.objects.get().name == "w"


def test_it_keeps_a_newer_attempt_of_a_job_it_lost() -> None:
    held = Held()
    job = CaptionJob(attempt=3)
    held.add([job])
    held.drop(job.pk, 2)
    assert held.has(job)
    held.drop(job.pk, 3)
    assert not held.has(job)


@pytest.mark.django_db
def test_it_adds_up_counts_in_its_row(tally: Tally) -> None:
    row = Row("w", tally)
    row.say(state=Worker.State.READY, model="demo")
    tally.captioned, tally.fenced, tally.claims = 5, 1, 2
    tally.took(4.0, pictures=2)
    row.write()
    tally.captioned = 7
    row.write()
    written = Worker.objects.get(name="w")
    assert (written.captioned, written.fenced, written.seconds_per_image) == (7, 1, 2.0)
    assert written.last_claim_at is not None
    assert (written.state, written.model) == (Worker.State.READY, "demo")


@pytest.mark.django_db
def test_it_writes_its_row_again_when_somebody_removed_it(tally: Tally) -> None:
    row = Row("w", tally)
    row.say(state=Worker.State.READY, model="demo")
    Worker.objects.all().delete()
    row.write()
    assert Worker.objects.get().model == "demo"


def test_it_goes_on_after_a_lap_that_failed() -> None:
    errors = iter([OperationalError("gone"), ValueError("a defect")])

    def lap() -> None:
        for error in errors:
            raise error

    thread = Every("test", 0.01, lap)
    thread.start()
    try:
        until(lambda: thread.laps >= 4, what="laps go on")
    finally:
        thread.stop()
        thread.join(10)
    assert not thread.is_alive()


def test_it_sweeps_for_workers_that_are_gone(ask) -> None:
    ask(2)
    jobs.claim(limit=1, worker="dead/1", models={"demo"}, lease_seconds=60)
    CaptionJob.objects.filter(leased_by="dead/1").update(lease_until=DatabaseTime(after=-1))
    found = threading.Event()
    sweeper(lease_seconds=60, found=found.set)._lap()
    assert found.is_set()
    assert set(CaptionJob.objects.values_list("state", flat=True)) == {"queued"}


# --- Watchdog ------------------------------------------------------------------------------------------------------


def watchdog(tally: Tally, *, laps: int = 0, board: Board | None = None, **options) -> Watchdog:
    heart = Every("heart", 60, lambda: None)
    heart.laps = laps
    return Watchdog(tally=tally, heart=heart, board=board, **{"stall_seconds": 60, "late_seconds": 60, **options})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that only moves when told: `clock.now += 1`."""
    made = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(boards, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def pass_seconds(clock: SimpleNamespace, dog: Watchdog, seconds: int) -> str:
    """Let time pass while the watchdog looks twice a second; gives the first trouble it sees."""
    for _ in range(2 * seconds):
        clock.now += 0.5
        if trouble := dog.trouble():
            return trouble
    return ""


def test_it_is_content_while_nothing_waits(clock: SimpleNamespace, tally: Tally) -> None:
    dog = watchdog(tally, late_seconds=1e9)
    tally.backlog = 0
    assert pass_seconds(clock, dog, 600) == ""
    tally.backlog = None  # the database does not answer: another process would not hear it either
    assert pass_seconds(clock, dog, 600) == ""


def test_it_notices_that_work_waits_and_none_is_taken(clock: SimpleNamespace, tally: Tally) -> None:
    dog = watchdog(tally, late_seconds=1e9)
    tally.backlog = 3
    assert pass_seconds(clock, dog, 55) == ""
    tally.claims += 1
    assert pass_seconds(clock, dog, 55) == ""
    assert pass_seconds(clock, dog, 10) == "3 jobs wait and none was taken for 60 s"


def test_it_leaves_a_long_batch_to_the_supervisor(clock: SimpleNamespace, tally: Tally) -> None:
    dog = watchdog(tally, late_seconds=1e9)
    tally.backlog, tally.is_working = 3, True
    assert pass_seconds(clock, dog, 600) == ""


def test_it_notices_a_heart_that_stands_still(clock: SimpleNamespace, tally: Tally) -> None:
    dog = watchdog(tally, late_seconds=30)
    assert pass_seconds(clock, dog, 25) == ""
    dog._heart.laps += 1
    assert pass_seconds(clock, dog, 25) == ""
    assert pass_seconds(clock, dog, 10) == "the heartbeat has not finished a lap for 30 s"


def test_it_does_not_count_the_time_in_which_the_process_was_stopped(clock: SimpleNamespace, tally: Tally) -> None:
    dog = watchdog(tally, late_seconds=30)
    tally.backlog = 3
    assert pass_seconds(clock, dog, 20) == ""
    clock.now += 3600
    assert dog.trouble() == ""
    assert pass_seconds(clock, dog, 5) == ""


def test_it_notices_that_the_supervisor_is_gone(tally: Tally) -> None:
    with blank_page() as page:
        dog = watchdog(tally, board=Board(page.fileno()))
        dog._parent += 1
        assert dog.trouble() == "the supervisor is gone"


def test_it_ends_the_process_and_gives_signs_of_life_before(tally: Tally) -> None:
    ended: list[int] = []
    with blank_page() as page:
        board = Board(page.fileno())
        dog = watchdog(tally, board=board, stall_seconds=0.2, tick_seconds=0.02, end=ended.append)
        tally.backlog = 1
        dog.start()
        dog.join(30)
        assert board.beats >= 2
    assert ended == [EXIT_STALLED]


# --- Between two processes -----------------------------------------------------------------------------------------


def test_it_shows_the_supervisor_what_it_is_at() -> None:
    with blank_page() as page:
        ours, theirs = Board(page.fileno()), Board(page.fileno())
        if os.fork() == 0:  # the child writes and dies in the middle of a batch
            theirs.beat()
            with theirs.batch(12.5):
                os._exit(0)
        os.wait()
        assert (ours.beats, ours.batches, ours.allowed_seconds) == (1, 1, 12.5)
        ours.clear()
        assert ours.allowed_seconds == 0
        with theirs.batch(3.0):
            assert ours.allowed_seconds == 3.0
        assert (ours.batches, ours.allowed_seconds) == (2, 0)


def test_it_measures_how_long_something_stays_the_same(clock: SimpleNamespace) -> None:
    patience = Patience(AwakeClock(stride=1.0))
    assert patience.seconds("a") == 0
    clock.now += 0.75
    assert patience.seconds("a") == 0.75
    assert patience.seconds("b") == 0
    clock.now += 50  # stopped and continued
    assert patience.seconds("b") == 1.0


def test_it_hands_names_over_by_the_environment() -> None:
    handover = Handover("desk-1", generation=4, board=7, parent=99, began=12.25)
    assert Handover.read(handover.environment()) == handover
    assert handover.lease_name == "desk-1/4"
    alone, another = Handover.read({}), Handover.read({})
    assert alone.name != another.name
    assert (alone.board, alone.parent) == (-1, 0)

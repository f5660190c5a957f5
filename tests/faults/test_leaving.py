"""A worker is asked to stop while it works."""

from __future__ import annotations

import signal

from tests.faults.conftest import MakeWorkshop
from tests.faults.workshop import child_of, send


def test_it_finishes_the_batch_in_hand_and_gives_back_the_rest(workshop: MakeWorkshop, kind: str) -> None:
    desk = workshop(kind, LEASE_SECONDS="60")
    desk.order("seconds", "0.05")
    desk.fill(90)
    for threshold in (10, 35, 60):
        worker = desk.start_scripted()
        desk.until_done(threshold)
        assert worker.stop() == 0, worker.log.read_text()[-3000:]
        assert desk.rows.states()["running"] == 0
    desk.start_scripted()
    desk.until_at_rest()
    desk.check(captioned=90)
    assert max(desk.ran().values()) == 1


def test_it_gives_back_a_batch_that_takes_too_long(workshop: MakeWorkshop) -> None:
    desk = workshop("sqlite", LEASE_SECONDS="60", DRAIN_SECONDS="1")
    desk.order("hang-3")
    desk.fill(4)
    worker = desk.start_scripted()
    desk.until_true(lambda: not (desk.orders / "hang-3").exists(), 60, "the batch hangs")
    assert worker.stop() == 0, worker.log.read_text()[-3000:]
    assert desk.rows.states() == {"queued": 4}
    assert desk.rows.isolated() == 0
    desk.start_scripted()
    desk.until_at_rest()
    desk.check(captioned=4)


def test_it_dies_with_its_supervisor_and_recovers_when_the_leases_run_out(workshop: MakeWorkshop) -> None:
    desk = workshop("sqlite", LEASE_SECONDS="3")
    desk.order("hang-3")
    desk.fill(4)
    worker = desk.start_scripted()
    desk.until_true(lambda: not (desk.orders / "hang-3").exists(), 60, "the batch hangs")
    orphan = child_of(worker)
    worker.process.kill()
    worker.process.wait()
    desk.until_true(lambda: not send(orphan, 0), 20, "the worker process is gone too")
    desk.start_scripted()
    desk.until_at_rest()
    desk.check(captioned=4)


def test_it_starts_again_when_its_process_is_stopped_from_outside(workshop: MakeWorkshop) -> None:
    desk = workshop("sqlite")
    worker = desk.start_scripted()
    desk.until_ready()
    first = child_of(worker)
    assert send(first, signal.SIGTERM)
    desk.until_true(lambda: child_of(worker) not in (None, first), 30, "another process was started")
    desk.fill(3)
    desk.until_done(3)
    desk.check(captioned=3)

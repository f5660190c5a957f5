"""A worker process crashes, hangs, or loses its device: its supervisor sees to it that the work goes on."""

from __future__ import annotations

from tests.faults.conftest import MakeWorkshop
from tests.faults.workshop import starts_of


def test_it_goes_on_after_a_crash_a_hang_and_a_lost_device(workshop: MakeWorkshop, kind: str) -> None:
    desk = workshop(kind, DEADLINE_SECONDS="3", LEASE_SECONDS="60")
    for order in ("segv-5", "hang-20", "lost-30"):
        desk.order(order)
    desk.fill(40)
    worker = desk.start_scripted()
    desk.until_at_rest()
    desk.check(captioned=40)
    assert starts_of(worker) == 4, worker.log.read_text()[-3000:]
    # Leases last a minute, so all this came from the supervisor's reports and not from leases that ran out.
    assert "worker process died by SIGSEGV" in desk.rows.notes(5)
    assert "batch not finished within 3 s" in desk.rows.notes(20)
    assert desk.rows.notes(30)[-1] == "worker stopping"  # given back by the process itself: nobody's fault
    assert desk.rows.failures() == []


def test_it_retries_a_picture_that_breaks_the_model_and_then_says_so(workshop: MakeWorkshop) -> None:
    desk = workshop("sqlite", JOB_RETRIES="0")
    desk.order("raise-3")
    desk.order("memory-4")
    desk.fill(8)
    worker = desk.start_scripted()
    desk.until_at_rest()
    assert desk.rows.failures() == [(3, "model_failed"), (4, "out_of_memory")]
    desk.check(captioned=6, failed=2)
    assert starts_of(worker) == 1


def test_it_ends_a_process_that_lives_and_takes_no_work(workshop: MakeWorkshop) -> None:
    desk = workshop("sqlite", STALL_SECONDS="5")
    desk.order("wedge")
    desk.fill(3)
    worker = desk.start_scripted()
    desk.until_at_rest()
    desk.check(captioned=3)
    assert "jobs wait and none was taken for 5 s" in worker.log.read_text()
    assert starts_of(worker) >= 2

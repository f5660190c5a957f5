"""Stop workers for longer than their leases last, and let them go on: what they hand in then is dropped."""

from __future__ import annotations

from tests.faults.conftest import MakeWorkshop
from tests.faults.workshop import Workshop, child_of, freeze, name_of
from tests.harness import Child, until

LEASE = 2.0
STALE_AT_LEAST = 10
AHEAD = 60  # jobs: more than the other worker ends while one is stopped


def busy_one(desk: Workshop, workers: list[Child]) -> Child | None:
    """Give a worker that holds a whole batch, while no job waits to run alone."""
    if desk.rows.isolated():
        return None
    holders = desk.rows.holders()
    return next((worker for worker in workers if holders[name_of(worker)] >= 8), None)


def top_up(desk: Workshop, filled: int) -> int:
    """Add pictures so that AHEAD jobs are open when fewer than half are: the stops must meet work on any machine.

    Gives how many pictures the desk holds.
    """
    lacking = AHEAD - desk.rows.open_jobs()
    if lacking <= AHEAD // 2:
        return filled
    desk.fill(lacking, first=filled + 1)
    return filled + lacking


def late_results(workers: list[Child]) -> int:
    """Count the results that workers were told to drop."""
    return sum(worker.log.read_text().count("late result dropped") for worker in workers)


def test_it_drops_every_late_result_of_a_worker_that_was_stopped(workshop: MakeWorkshop, kind: str) -> None:
    desk = workshop(kind, LEASE_SECONDS=f"{LEASE:g}")
    desk.order("seconds", "0.1")
    filled = top_up(desk, 0)
    workers = [desk.start_scripted() for _ in range(2)]
    desk.until_ready(2)
    stops = 0

    def supplied_and_busy() -> Child | None:
        nonlocal filled
        filled = top_up(desk, filled)  # jobs that are to run alone may take all that was there
        return busy_one(desk, workers)

    while late_results(workers) < STALE_AT_LEAST:
        assert stops < 8, f"{late_results(workers)} late results after {stops} stops\n{desk.logs()}"
        worker = until(supplied_and_busy, seconds=120, every=0.02, what="a worker holds a whole batch")
        freeze(child_of(worker), 2 * LEASE + 0.5)
        stops += 1
        until(lambda one=worker: not desk.rows.holders()[name_of(one)], what="it has noticed that it lost its leases")
    desk.order("seconds", "0.01")
    desk.until_at_rest()
    desk.check(captioned=filled)
    late = late_results(workers)
    until(lambda: desk.rows.fenced() == late, what=f"the workers' rows count {late} late results")
    print(f"{kind}: {stops} stops, {late} late results of {filled}, all dropped")

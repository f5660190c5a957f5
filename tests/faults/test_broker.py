"""The broker dies, comes back empty, or never was there."""

from __future__ import annotations

import time

from tests.faults.conftest import MakeWorkshop
from tests.faults.workshop import starts_of


def test_it_hears_the_bell_again_after_the_broker_was_killed(workshop: MakeWorkshop) -> None:
    # So long a poll that within this test only a ring can start the work.
    desk = workshop("sqlite", POLL_SECONDS="60")
    worker = desk.start_scripted()
    desk.until_ready()
    desk.order("seconds", "0.1")
    desk.fill(12)
    desk.until_done(2)
    for cycle in range(3):  # the first time in the middle of the queue
        desk.redis.kill()
        time.sleep(1)
        desk.redis.start()
        desk.until_done(12 + cycle)
        desk.until_logged(worker, "Connected to redis", times=cycle + 2)
        desk.fill(1, first=100 + cycle)
        desk.until_done(13 + cycle, seconds=30)
    desk.check(captioned=15)
    assert starts_of(worker) == 1
    assert max(desk.ran().values()) == 1


def test_it_does_everything_by_looking_itself_when_there_is_no_broker(workshop: MakeWorkshop, kind: str) -> None:
    desk = workshop(kind)
    desk.redis.kill()
    desk.fill(20)
    worker = desk.start_scripted()
    desk.until_done(20)
    desk.fill(5, first=21)
    desk.until_done(25)
    assert worker.stop() == 0, worker.log.read_text()[-3000:]
    desk.check(captioned=25)
    assert desk.rows.workers("stopped") == 1

"""Two workers of one desk with a model each: every job goes to the right one, and each hears its own bell."""

from __future__ import annotations

import time

import redis

from captions.doorbell import queue_of
from tests.faults.conftest import MakeWorkshop
from tests.faults.scripted import MODEL
from tests.faults.workshop import Workshop

NAME = "some/model"


def drafted_by(desk: Workshop) -> dict[str, int]:
    return dict(desk.rows.ask("SELECT model, COUNT(*) FROM captions_caption GROUP BY model"))


def test_it_rings_the_worker_that_serves_the_model_and_no_other(workshop: MakeWorkshop, kind: str) -> None:
    # So long a poll that within this test only a ring can start the work.
    desk = workshop(kind, POLL_SECONDS="60")
    demo = desk.start_scripted()
    strict = desk.start_scripted(**{MODEL: NAME, "CAPTION_MODEL": NAME, "CAPTION_SERVES_DEFAULT": "no"})
    desk.until_ready(2)
    desk.until_logged(demo, "Started consuming from captions.demo")
    desk.until_logged(strict, "Started consuming from captions.some-model")
    time.sleep(1)  # both have looked once by now and wait for their bells
    desk.fill(3, model=NAME)
    desk.until_done(3, seconds=20)
    desk.fill(3, first=11)
    desk.until_done(6, seconds=20)
    desk.fill(3, first=21, model="demo")
    desk.until_done(9, seconds=20)
    assert drafted_by(desk) == {NAME: 3, "demo": 6}
    with redis.Redis.from_url(desk.redis.url) as client:
        assert [client.llen(queue) for queue in ("captions", "captions.demo", queue_of(NAME))] == [0, 0, 0]


def test_it_hears_its_model_s_bell_again_after_the_broker_was_killed(workshop: MakeWorkshop) -> None:
    desk = workshop("sqlite", POLL_SECONDS="60", CAPTION_MODEL=NAME, CAPTION_SERVES_DEFAULT="no", **{MODEL: NAME})
    desk.redis.kill()  # its names are known before it has ever reached the broker
    worker = desk.start_scripted()
    desk.until_ready()
    for cycle in range(2):
        desk.redis.start()
        desk.until_logged(worker, "Connected to redis", times=cycle + 1)
        desk.fill(1, first=1 + cycle, model=NAME)
        desk.until_done(1 + cycle, seconds=30)
        desk.redis.kill()
    assert drafted_by(desk) == {NAME: 2}

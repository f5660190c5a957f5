"""The doorbell is heard when the broker is there and costs next to nothing when it is not."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from functools import partial

import pytest
import redis
from django.db import transaction

from captions import broker as visits
from captions import doorbell, jobs
from captions.models import CaptionJob
from tests.jobs.conftest import ask, ask_in_vain, at_once, make_image
from tests.services import RedisServer, free_port


def waiting_rings(server: RedisServer) -> int:
    with redis.Redis.from_url(server.url) as client:
        return int(client.llen("captions"))


def point_to(settings, port: int) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def black_hole(settings) -> Iterator[socket.socket]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as hole:
        hole.setblocking(False)
        point_to(settings, hole.getsockname()[1])
        yield hole


def visitors(hole: socket.socket) -> int:
    """Count the connections since the last look."""
    count = 0
    while True:
        try:
            hole.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_it_sends_a_task_by_name_without_any_payload(broker):
    assert doorbell.ring()
    with redis.Redis.from_url(broker.url) as client:
        (message,) = client.lrange("captions", 0, -1)
        assert 0 < client.ttl("captions") <= doorbell.RING_SECONDS
    envelope = json.loads(message)
    assert envelope["headers"]["task"] == "captions.drain"
    assert envelope["headers"]["ignore_result"] is True
    assert envelope["content-type"] == "application/json"
    args, kwargs, _ = json.loads(base64.b64decode(envelope["body"]))
    assert (args, kwargs) == ([], {})


def test_it_leaves_no_more_rings_waiting_than_workers_could_use(broker):
    assert all(doorbell.ring() for _ in range(50))
    assert waiting_rings(broker) == doorbell.RINGS_WAITING
    assert visits.counts["coalesced"] == 50 - doorbell.RINGS_WAITING


def test_it_rings_again_once_rings_were_taken(broker):
    for _ in range(30):
        doorbell.ring()
    with redis.Redis.from_url(broker.url) as client:
        client.lpop("captions", 10)
    doorbell.ring()
    assert waiting_rings(broker) == doorbell.RINGS_WAITING - 10 + 1


def test_it_rings_after_the_broker_was_emptied_or_restarted(broker):
    assert doorbell.ring()
    broker.flush()
    assert doorbell.ring()
    assert waiting_rings(broker) == 1
    broker.kill()
    broker.start()
    assert doorbell.ring()
    assert waiting_rings(broker) == 1


def test_it_keeps_its_connections_however_often_it_rings(broker):
    with redis.Redis.from_url(broker.url) as client:
        for _ in range(100):
            assert doorbell.ring()
            client.delete("captions")
        assert client.info("clients")["connected_clients"] <= 6


def test_it_rings_from_many_threads_at_once(broker):
    assert at_once(*[doorbell.ring] * 20) == [True] * 20
    assert 1 <= waiting_rings(broker) <= doorbell.RINGS_WAITING + 20


def test_it_rings_from_a_forked_process(broker):
    assert doorbell.ring()
    child = os.fork()
    if child == 0:
        os._exit(0 if doorbell.ring() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert waiting_rings(broker) == 2


def test_it_rings_when_a_job_is_committed_and_not_before(transactional_db, broker, owner):
    image = make_image(owner)
    with transaction.atomic():
        jobs.request(image=image, chosen={})
        assert waiting_rings(broker) == 0
    assert waiting_rings(broker) == 1
    ask_in_vain(owner)
    assert waiting_rings(broker) == 1
    assert CaptionJob.objects.count() == 1


def test_it_rings_for_jobs_that_wait_when_it_sweeps(db, owner, broker):
    assert jobs.sweep() == jobs.Swept()
    ask(owner)  # the test's transaction is never committed, so this is a job whose ring was lost
    assert jobs.sweep().rung
    assert not jobs.sweep(ring=False).rung
    assert waiting_rings(broker) == 1


def test_it_takes_the_request_with_the_broker_off(transactional_db, owner, settings):
    point_to(settings, free_port())
    (job,) = ask(owner)
    assert CaptionJob.objects.get().pk == job.pk
    assert visits.counts["failed"] == 1
    ask(owner, 5)
    assert visits.counts["failed"] == 1
    assert visits.counts["paused"] >= 5


def test_it_asks_a_silent_broker_once_and_then_lets_it_be(black_hole):
    began = time.monotonic()
    assert not doorbell.ring()
    # A second is the budget. Celery's own connection would wait for more than forty.
    assert time.monotonic() - began < 10
    assert visitors(black_hole) == 1
    assert [doorbell.ring() for _ in range(100)] == [False] * 100
    assert visitors(black_hole) == 0


def test_it_makes_threads_wait_together_and_not_in_a_row(black_hole):
    began = time.monotonic()
    assert at_once(*[doorbell.ring] * 20) == [False] * 20
    assert time.monotonic() - began < 10


def test_it_gives_up_on_a_broker_that_falls_silent_in_between(broker):
    assert doorbell.ring()
    assert broker.process
    broker.process.send_signal(signal.SIGSTOP)
    try:
        assert not doorbell.ring()
        assert not doorbell.ring()
        assert (visits.counts["failed"], visits.counts["paused"]) == (1, 1)
    finally:
        broker.process.send_signal(signal.SIGCONT)
    visits.breaker.succeeded()
    assert doorbell.ring()


def test_it_sends_one_visitor_per_pause_until_the_broker_is_back(monkeypatch):
    now = 100.0
    monkeypatch.setattr(visits.time, "monotonic", lambda: now)
    breaker = visits.Breaker(pause_seconds=5)
    assert breaker.may_pass()
    assert breaker.may_pass()
    assert breaker.failed()
    assert not breaker.may_pass()
    now += 5
    assert [breaker.may_pass() for _ in range(3)] == [True, False, False]
    assert not breaker.failed()
    now += 5
    assert breaker.may_pass()
    assert breaker.succeeded()
    assert not breaker.succeeded()
    assert [breaker.may_pass() for _ in range(3)] == [True] * 3


def test_it_comes_back_by_itself_after_the_pause(broker, monkeypatch):
    broker.kill()
    assert not doorbell.ring()
    broker.start()
    assert not doorbell.ring()
    later = partial(lambda real: real() + visits.PAUSE_SECONDS, time.monotonic)
    monkeypatch.setattr(visits.time, "monotonic", later)
    assert doorbell.ring()
    assert doorbell.ring()
    assert waiting_rings(broker) == 2

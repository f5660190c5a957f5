"""The doorbell: tells caption workers that there may be something to do. The only publisher of task names.

A ring says "look", nothing more; what is to be done stands in the database. So a ring may be lost, doubled or late:
workers look by themselves every POLL_SECONDS, and sweeps ring again for jobs that wait. No more than `RINGS_WAITING`
are left waiting: each of them makes a worker look after the commit that would have rung once more. Rings that nobody
takes vanish after `RING_SECONDS` by the broker's own clock. (Celery's `expires` compares the clocks of two machines;
where these disagree by a minute, workers throw every ring away without a word.)

Each model has a queue of its own: a ring for a job that asks for one must not wake, and be used up by, a worker of
another. Jobs that ask for none ring on `captions`.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from functools import partial
from typing import Final

import redis
import structlog
from django.conf import settings
from django.db import transaction
from kombu import Connection

from captions import broker
from captionsite.celery import app

log = structlog.get_logger(__name__)

QUEUE: Final = "captions"
DRAIN: Final = "captions.drain"
RINGS_WAITING: Final = 16
RING_SECONDS: Final = 60

_connections: dict[str, Connection] = {}
_lock = threading.Lock()


def queue_of(model: str) -> str:
    """Give the queue on which workers that answer for `model` are rung; jobs that ask for none ("") ring on `captions`.

    The name holds small letters, digits and hyphens alone. Two models never share one: where letters had to go, a hash
    of the whole name follows.
    """
    if not model:
        return QUEUE
    slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:40]
    ending = "" if slug == model else f"--{hashlib.sha256(model.encode()).hexdigest()[:12]}"
    return f"{QUEUE}.{slug}{ending}"


def ring(model: str = "") -> bool:
    """Ring for the workers that serve `model`, "" for those that take jobs without one.

    False when it could not be; never raises and takes about a second at the worst.
    """
    return broker.visit(partial(_ring, queue=queue_of(model))) is True


def ring_on_commit(model: str = "") -> None:
    """Ring once the running transaction is committed, or at once outside of one."""

    def ring_now() -> None:  # a functools.partial has no __qualname__, which Django's log of robust callbacks wants
        ring(model)

    transaction.on_commit(ring_now, robust=True)


def _ring(client: redis.Redis, *, queue: str) -> bool:
    if int(client.llen(queue)) >= RINGS_WAITING:
        broker.counts["coalesced"] += 1
        return True
    # One channel is not for several threads. Whoever waits here waits for at most one visit that goes wrong.
    if not _lock.acquire(timeout=broker.BUDGET_SECONDS):
        raise redis.TimeoutError("another thread is still ringing")
    try:
        _send(queue)
    finally:
        _lock.release()
    client.expire(queue, RING_SECONDS)
    broker.counts["rung"] += 1
    return True


def _send(queue: str) -> None:
    """Send by a connection of our own: the workers' transport waits far longer than a web request may."""
    url = settings.CELERY_BROKER_URL
    if url not in _connections:
        budget = {"socket_timeout": broker.BUDGET_SECONDS, "socket_connect_timeout": broker.BUDGET_SECONDS}
        _connections[url] = Connection(url, connect_timeout=broker.BUDGET_SECONDS, transport_options=budget)
    try:
        app.send_task(DRAIN, queue=queue, connection=_connections[url], retry=False, ignore_result=True)
    except broker.UNHEARD:
        _connections.pop(url).release()
        raise


def _forget() -> None:
    global _lock  # noqa: PLW0603  # a lock that another thread held during the fork would stay locked for ever
    _lock = threading.Lock()
    _connections.clear()


os.register_at_fork(after_in_child=_forget)

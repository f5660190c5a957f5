"""Short visits to the Redis-protocol server by processes that must never wait for it: a second at most, then none.

Rings and events are hints: work goes on without them. So whoever asks here gets None when the server does not answer,
and after a failure nobody asks for some seconds. Without that pause a server that swallows packets would cost every
upload a second.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

import redis
import structlog
from django.conf import settings
from kombu.exceptions import KombuError
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

BUDGET_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 5.0
UNHEARD: Final = (redis.RedisError, KombuError, OSError)

# What became of the visits of this process, by kind: "failed", "paused", and what the visitors count themselves.
counts: Counter[str] = Counter()


class Breaker:
    """Lets everybody through while visits succeed; after a failure one visitor per pause, to see whether it is back."""

    def __init__(self, pause_seconds: float = PAUSE_SECONDS) -> None:
        self.pause_seconds = pause_seconds
        self._open_until: float | None = None
        self._lock = threading.Lock()

    def may_pass(self) -> bool:
        """Whether to try now. Whoever passes an open breaker starts its next pause, so that others do not follow."""
        with self._lock:
            if self._open_until is None:
                return True
            if time.monotonic() < self._open_until:
                return False
            self._open_until = time.monotonic() + self.pause_seconds
            return True

    def failed(self) -> bool:
        """Start a pause; gives whether visits succeeded until now."""
        with self._lock:
            is_news = self._open_until is None
            self._open_until = time.monotonic() + self.pause_seconds
            return is_news

    def succeeded(self) -> bool:
        """End the pause; gives whether there was one."""
        with self._lock:
            was_open = self._open_until is not None
            self._open_until = None
            return was_open


breaker = Breaker()
_clients: dict[str, redis.Redis] = {}


def visit(errand: Callable[[redis.Redis], Answer]) -> Answer | None:
    """Run `errand` with a client whose every answer must come within a second; None when there is no server."""
    if not breaker.may_pass():
        counts["paused"] += 1
        return None
    try:
        answer = _with_one_reconnection(errand)
    except UNHEARD as error:
        counts["failed"] += 1
        if breaker.failed():
            log.warning("broker does not answer", error=f"{type(error).__name__}: {error}")
        return None
    if breaker.succeeded():
        log.info("broker answers again")
    return answer


def _with_one_reconnection(errand: Callable[[redis.Redis], Answer]) -> Answer:
    try:
        return errand(_client())
    except redis.ConnectionError:
        # A kept connection dies with a restarted server; a refused new one costs nothing. Only silence costs a second.
        return errand(_client())


def _client() -> redis.Redis:
    url = settings.REDIS_URL
    if url not in _clients:
        _clients[url] = redis.Redis.from_url(
            url,
            socket_timeout=BUDGET_SECONDS,
            socket_connect_timeout=BUDGET_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
    return _clients[url]


def forget() -> None:
    """Start afresh, as a process that has just been forked must: sockets are not shared, and locks may be held."""
    global breaker  # noqa: PLW0603  # one breaker per process is the point
    breaker = Breaker()
    _clients.clear()


os.register_at_fork(after_in_child=forget)

"""Progress for open pages: publish after a commit, subscribe from a stream.

Events are hints as rings are: a page that missed one is told to fetch afresh. A process keeps one connection that hears
the events of all owners, however many streams it serves; a stream costs it a queue of bounded size.

What a subscriber gets, each a dict with `kind`:

    open      listening from now on; what happened before must be fetched
    image     an image changed: `image` (its id), `state`, and what else the publisher said
    gap       events may have been missed: fetch afresh
    offline   there is no connection; poll until the next "open" or "gap"
    beat      nothing happened for a while; lets a stream write a sign of life and notice that its reader has gone
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
import structlog
from django.conf import settings
from django.db import transaction
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from captions import broker, permissions

log = structlog.get_logger(__name__)

Event = dict[str, Any]

CHANNEL: Final = "desk:events:"
BEAT_SECONDS: Final = 15.0
QUEUED_AT_MOST: Final = 200
QUIET_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0
_LOST: Final = (redis.RedisError, OSError, TimeoutError)


def publish_on_commit(*, owner_id: int, image_id: UUID, state: str, **more: Any) -> None:
    """Tell open pages that an image changed, once the running transaction is committed, or never.

    Its owner's pages hear of it, and those of the people with whom one of its albums is shared.
    """
    publish_all_on_commit([(owner_id, image_id, state)], **more)


def publish_all_on_commit(changes: Sequence[tuple[int, UUID, str]], **more: Any) -> None:
    """Do the same for several images, each with its owner's id and its state."""

    def publish_now() -> None:
        shared_with = permissions.readers(image_id for _, image_id, _ in changes)
        for owner_id, image_id, state in changes:
            event = {"kind": "image", "image": str(image_id), "state": str(state), **more}
            for person_id in (owner_id, *sorted(shared_with.get(image_id, ()))):
                publish(owner_id=person_id, event=event)

    transaction.on_commit(publish_now, robust=True)


def publish(*, owner_id: int, event: Event) -> bool:
    """Send one event to the owner's open pages. False when it could not be; never raises for a broker that is off."""
    words = json.dumps(event, separators=(",", ":"), default=str)
    return broker.visit(lambda client: client.publish(f"{CHANNEL}{owner_id}", words)) is not None


async def subscribe(owner_id: int, *, beat_seconds: float = BEAT_SECONDS) -> AsyncGenerator[Event, None]:
    """Give the owner's events as they come, for ever; close the iterator (or cancel its task) to unsubscribe.

    Listening begins with the first step of the iteration. It never raises for a broker that is off, and it uses no
    database connection.
    """
    listener = _listener_of_this_loop()
    subscription = listener.add(owner_id)
    try:
        while True:
            yield await subscription.next(beat_seconds)
    finally:
        listener.remove(owner_id, subscription)


class Subscription:
    """One stream's events that it has not taken yet."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add an event; a reader that is too slow loses all of them and is told so."""
        if len(self._events) >= QUEUED_AT_MOST:
            self._events.clear()
            event = {"kind": "gap"}
        self._events.append(event)
        self._arrived.set()

    async def next(self, beat_seconds: float) -> Event:
        """Wait for the next event, or give a beat when there is none for that long."""
        if not self._events:
            self._arrived.clear()
            try:
                async with asyncio.timeout(beat_seconds):
                    await self._arrived.wait()
            except TimeoutError:
                return {"kind": "beat"}
        return self._events.popleft()


class Listener:
    """The one connection of an event loop. It lives while there are subscribers and reconnects by itself."""

    def __init__(self) -> None:
        self._subscriptions: dict[int, set[Subscription]] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_online: bool | None = None  # None: not known yet

    def add(self, owner_id: int) -> Subscription:
        """Begin to keep the owner's events."""
        subscription = Subscription()
        self._subscriptions.setdefault(owner_id, set()).add(subscription)
        if self._is_online is not None:
            subscription.put({"kind": "open" if self._is_online else "offline"})
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="desk events")
        return subscription

    def remove(self, owner_id: int, subscription: Subscription) -> None:
        """Forget a subscriber; the last one takes the connection along."""
        those = self._subscriptions.get(owner_id, set())
        those.discard(subscription)
        if not those:
            self._subscriptions.pop(owner_id, None)
        if not self._subscriptions and self._task is not None:
            self._task.cancel()
            self._task = None
            self._is_online = None

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with _connection() as heard:
                    self._came_online()
                    pause = FIRST_PAUSE_SECONDS
                    await self._hear(heard)
            except _LOST as error:
                self._went_offline(error)
            await asyncio.sleep(pause * random.uniform(1.0, 1.5))  # noqa: S311  # spreads reconnections
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _hear(self, heard: redis.asyncio.client.PubSub) -> None:
        """Hand events on until the connection is lost; raises one of `_LOST`."""
        quiet = False
        while True:
            message = await heard.get_message(timeout=QUIET_SECONDS)
            if message is None:
                # A connection can die without a word (a pulled cable): ask, and be answered before the next silence.
                if quiet:
                    raise TimeoutError("no answer from the broker")
                quiet = True
                async with asyncio.timeout(QUIET_SECONDS):
                    await heard.ping()
                continue
            quiet = False
            if message["type"] == "pmessage":
                self._hand_on(message["channel"], message["data"])
            elif message["type"] == "psubscribe":
                self._tell_all({"kind": "gap"})  # the library lost its connection and made another without a word

    def _hand_on(self, channel: bytes, data: bytes) -> None:
        try:
            owner_id, event = int(channel.removeprefix(CHANNEL.encode())), json.loads(data)
        except ValueError:
            log.warning("an event that nobody can read", channel=repr(channel))
            return
        for subscription in self._subscriptions.get(owner_id, ()):
            subscription.put(event)

    def _came_online(self) -> None:
        kind = "open" if self._is_online is None else "gap"
        self._is_online = True
        self._tell_all({"kind": kind})

    def _went_offline(self, error: BaseException) -> None:
        if self._is_online is False:
            return
        log.warning("events are off", error=f"{type(error).__name__}: {error}")
        self._is_online = False
        self._tell_all({"kind": "offline"})

    def _tell_all(self, event: Event) -> None:
        for those in self._subscriptions.values():
            for subscription in those:
                subscription.put(event)


# One per event loop: its connection and its queues belong to the loop that made them.
_listeners: WeakKeyDictionary[asyncio.AbstractEventLoop, Listener] = WeakKeyDictionary()


def _listener_of_this_loop() -> Listener:
    return _listeners.setdefault(asyncio.get_running_loop(), Listener())


@contextlib.asynccontextmanager
async def _connection() -> AsyncIterator[redis.asyncio.client.PubSub]:
    """Connect and listen to all owners; when the body begins, the broker has confirmed it."""
    client = redis.asyncio.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=broker.BUDGET_SECONDS, retry=Retry(NoBackoff(), 0)
    )
    heard = client.pubsub()
    try:
        async with asyncio.timeout(3 * broker.BUDGET_SECONDS):
            await heard.psubscribe(f"{CHANNEL}*")
            while (message := await heard.get_message(timeout=broker.BUDGET_SECONDS)) is not None:
                if message["type"] == "psubscribe":
                    break
            else:
                raise TimeoutError("no answer from the broker")
        yield heard
    finally:
        with contextlib.suppress(*_LOST):
            await heard.aclose()  # type: ignore[no-untyped-call]  # redis-py left it so
            await client.aclose()

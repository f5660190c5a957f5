"""Open pages hear what happened to their owner's pictures, or hear that they may have missed something."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
import uvloop
from django.db import transaction

from captions import broker as visits
from captions import events, jobs
from tests.jobs.conftest import ask, ask_in_vain, claim, finish
from tests.services import RedisServer, free_port

Heard = list[dict[str, Any]]


@asynccontextmanager
async def listening(owner_id: int, **options: Any) -> AsyncIterator[Heard]:
    """Collect a subscriber's events in a list while the body runs."""
    heard: Heard = []

    async def listen() -> None:
        async for event in events.subscribe(owner_id, **options):
            heard.append(event)

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in another process
            await asyncio.sleep(0.01)


def kinds(heard: Heard) -> list[str]:
    return [event["kind"] for event in heard]


async def say(owner_id: int, **event: Any) -> bool:
    return await asyncio.to_thread(events.publish, owner_id=owner_id, event={"kind": "image", **event})


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def subscribers(server: RedisServer) -> int:
    with redis.Redis.from_url(server.url) as client:
        return sum(int(each["psub"]) > 0 for each in client.client_list())


def test_it_hears_its_owners_events_and_nobody_elses(broker):
    async def story() -> None:
        async with listening(1) as mine, listening(2) as theirs:
            await until(lambda: mine and theirs)
            assert await say(1, image="a", state="draft")
            assert await say(2, image="b", state="queued")
            await until(lambda: len(mine) > 1 and len(theirs) > 1)
        assert mine == [{"kind": "open"}, {"kind": "image", "image": "a", "state": "draft"}]
        assert theirs == [{"kind": "open"}, {"kind": "image", "image": "b", "state": "queued"}]

    run(story())


def test_it_serves_many_streams_over_one_connection_and_closes_it_after_the_last(broker):
    async def story() -> None:
        async with listening(1) as first:
            await until(lambda: first)
            for _ in range(3):
                async with listening(1) as second, listening(7) as third:
                    await until(lambda heard=(second, third): all(heard))
                    assert subscribers(broker) == 1
            await say(1)
            await until(lambda: len(first) == 2)
        await until(lambda: subscribers(broker) == 0)
        await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "desk events"])

    run(story())


def test_it_unsubscribes_when_the_iterator_is_closed(broker):
    async def story() -> None:
        stream = events.subscribe(1)
        assert await anext(stream) == {"kind": "open"}
        await stream.aclose()
        await until(lambda: subscribers(broker) == 0)

    run(story())


def test_it_beats_while_nothing_happens(broker):
    async def story() -> None:
        async with listening(1, beat_seconds=0.05) as heard:
            await until(lambda: kinds(heard).count("beat") >= 3)
            await say(1)
            await until(lambda: "image" in kinds(heard))

    run(story())


def test_it_says_when_it_lost_the_broker_and_that_it_may_have_missed_something(broker):
    async def story() -> None:
        async with listening(1) as heard:
            await until(lambda: heard)
            broker.kill()
            await until(lambda: "offline" in kinds(heard))
            async with listening(1) as late:
                await until(lambda: late)
                assert kinds(late) == ["offline"]
                broker.start()
                await until(lambda: "gap" in kinds(heard) and "gap" in kinds(late))
            visits.forget()
            await say(1, image="after")
            await until(lambda: heard[-1].get("image") == "after")
        assert kinds(heard) == ["open", "offline", "gap", "image"]

    run(story())


def test_it_says_at_once_that_there_is_no_broker(settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    async def story() -> None:
        async with listening(1) as heard:
            await until(lambda: heard)
            assert kinds(heard) == ["offline"]

    run(story())


def test_it_notices_a_connection_that_died_without_a_word(broker, monkeypatch):
    monkeypatch.setattr(events, "QUIET_SECONDS", 0.3)

    async def story() -> None:
        async with listening(1) as heard:
            await until(lambda: heard)
            broker.process.send_signal(signal.SIGSTOP)
            try:
                await until(lambda: "offline" in kinds(heard))
            finally:
                broker.process.send_signal(signal.SIGCONT)
            await until(lambda: "gap" in kinds(heard))

    run(story())


def test_it_stays_connected_through_a_long_silence(broker, monkeypatch):
    monkeypatch.setattr(events, "QUIET_SECONDS", 0.05)

    async def story() -> None:
        async with listening(1, beat_seconds=1.0) as heard:
            await until(lambda: kinds(heard).count("beat") >= 2)
            await say(1)
            await until(lambda: "image" in kinds(heard))
        assert "offline" not in kinds(heard)

    run(story())


def test_it_bounds_what_a_slow_reader_costs_and_tells_it_to_fetch_afresh(broker):
    async def story() -> None:
        stream = events.subscribe(1)
        assert await anext(stream) == {"kind": "open"}
        async with listening(1) as quick:
            await until(lambda: quick)
            for number in range(events.QUEUED_AT_MOST + 5):
                await say(1, image=number)
            await until(lambda: len(quick) == events.QUEUED_AT_MOST + 6)
        rest = [await anext(stream) for _ in range(5)]
        assert [event.get("image", event["kind"]) for event in rest] == ["gap", 201, 202, 203, 204]
        await stream.aclose()

    run(story())


def test_it_ignores_what_nobody_can_read(broker):
    async def story() -> None:
        async with listening(1) as heard:
            await until(lambda: heard)
            with redis.Redis.from_url(broker.url) as client:
                client.publish("desk:events:1", "{ half of it")
                client.publish("desk:events:somebody", "{}")
            await say(1, image="a")
            await until(lambda: len(heard) > 1)
            assert kinds(heard) == ["open", "image"]

    run(story())


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_it_serves_every_event_loop_of_the_process(broker, make_loop):
    ready = threading.Barrier(3)
    heard: list[Heard] = [[], []]

    async def story(mine: Heard) -> None:
        stream = events.subscribe(1)
        mine.append(await anext(stream))
        await asyncio.to_thread(ready.wait, 30)
        mine.append(await anext(stream))
        await stream.aclose()

    def live(mine: Heard) -> None:
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(story(mine))

    threads = [threading.Thread(target=live, args=(mine,)) for mine in heard]
    for thread in threads:
        thread.start()
    ready.wait(30)
    assert events.publish(owner_id=1, event={"kind": "image"})
    for thread in threads:
        thread.join(30)
    assert heard == [[{"kind": "open"}, {"kind": "image"}]] * 2


def test_it_tells_every_state_of_a_job_after_its_commit(transactional_db, broker, owner):
    with redis.Redis.from_url(broker.url) as client, client.pubsub() as ear:
        ear.subscribe(f"desk:events:{owner.pk}")
        assert ear.get_message(timeout=5)["type"] == "subscribe"
        with transaction.atomic():
            (job,) = ask(owner)
            assert ear.get_message(timeout=0.1) is None
        (held,) = claim()
        finish(held)
        ask_in_vain(owner)
        again = jobs.request(image=job.image, chosen={}).job
        jobs.cancel(job=again)
        told = []
        while (message := ear.get_message(timeout=1)) is not None:
            told.append(events.json.loads(message["data"]))
    assert [event["state"] for event in told] == ["queued", "drafting", "draft", "queued", "draft"]
    assert {event["image"] for event in told} == {str(job.image_id)}

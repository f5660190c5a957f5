"""Server-sent events of the pages: what they say, what they cost, when they end."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client

from captions import events
from captions.places import Places
from captions.web import live
from tests.factories import browser_of
from tests.services import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)


async def opened(user: User) -> StreamingHttpResponse:
    """Open the stream of a person who is logged in."""
    client = AsyncClient()
    await sync_to_async(client.force_login)(user)
    answer = await client.get("/events/")
    assert answer.status_code == 200
    assert isinstance(answer, StreamingHttpResponse)
    return answer


async def first(lines: AsyncIterator[bytes], wanted: bytes) -> bytes:
    """Give the first piece that holds something wanted."""
    async with asyncio.timeout(20):
        async for line in lines:
            if wanted in line:
                return line
    raise AssertionError(f"the stream ended without {wanted!r}")


def test_it_tells_what_happens_to_the_persons_pictures(owner: User, stranger: User, broker: RedisServer) -> None:
    image = str(uuid.uuid4())

    async def story() -> bytes:
        answer = await opened(owner)
        assert answer["Content-Type"] == "text/event-stream"
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Accel-Buffering"] == "no"
        lines = aiter(answer.streaming_content)
        assert await anext(lines) == b"retry: 3000\n\n"
        await first(lines, b"event: open")
        for owner_id, state in ((stranger.pk, "failed"), (owner.pk, "draft")):
            event = {"kind": "image", "image": image, "state": state}
            await sync_to_async(events.publish)(owner_id=owner_id, event=event)
        return await first(lines, b"event: image")

    heard = async_to_sync(story)()
    assert json.loads(heard.split(b"data: ")[1]) == {"kind": "image", "image": image, "state": "draft"}


def test_it_refuses_whoever_is_not_logged_in() -> None:
    async def story() -> int:
        return (await AsyncClient().get("/events/")).status_code

    assert async_to_sync(story)() == 403


def test_it_says_that_it_is_offline_without_a_broker(owner: User) -> None:
    async def story() -> bytes:
        return await first(aiter((await opened(owner)).streaming_content), b"event: offline")

    assert async_to_sync(story)()


def test_it_ends_after_a_time_so_that_permissions_are_read_again(
    owner: User, broker: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LONGEST_SECONDS", 0.0)

    async def story() -> list[bytes]:
        answer = await opened(owner)
        async with asyncio.timeout(20):
            return [line async for line in answer.streaming_content]

    lines = async_to_sync(story)()
    assert len(lines) == 2


async def asked(browser: Client) -> tuple[ApplicationCommunicator, dict[str, Any]]:
    """Ask for the stream of a browser as the web server does, so that it can hang up; gives how the answer begins.

    Django's own client would leave a connection to the database behind.
    """
    cookie = f"sessionid={browser.cookies['sessionid'].value}".encode()
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/events/", "raw_path": b"/events/",
        "query_string": b"", "headers": [(b"cookie", cookie), (b"host", b"localhost")],
    }  # fmt: skip
    stream = ApplicationCommunicator(get_asgi_application(), scope)
    await stream.send_input({"type": "http.request"})
    return stream, await stream.receive_output(20)


async def connected(browser: Client) -> ApplicationCommunicator:
    """Open the stream of a browser; listening from now on."""
    stream, start = await asked(browser)
    assert start["status"] == 200
    while b"event: open" not in (await stream.receive_output(20))["body"]:
        pass
    return stream


async def hang_up(*streams: ApplicationCommunicator) -> None:
    """Let browsers go."""
    for stream in streams:
        await stream.send_input({"type": "http.disconnect"})
        await stream.wait(20)


def test_it_keeps_no_thread_for_an_open_stream(owner: User, broker: RedisServer) -> None:
    browser = browser_of(owner)

    async def story() -> tuple[int, int]:
        streams = [await connected(browser)]
        before = threading.active_count()
        streams += [await connected(browser) for _ in range(5)]
        for _ in range(100):  # a thread that was told to end needs a moment for it
            if (after := threading.active_count()) <= before:
                break
            await asyncio.sleep(0.05)
        await hang_up(*streams)
        return before, after

    before, after = asyncio.run(story())
    assert after <= before


def test_it_holds_no_database_connection(owner: User, broker: RedisServer) -> None:
    browser, opened_by_anybody = browser_of(owner), []

    def note(connection: BaseDatabaseWrapper, **_: Any) -> None:
        opened_by_anybody.append(connection)

    async def story() -> tuple[int, int]:
        streams = [await connected(browser) for _ in range(3)]
        held = sum(one.connection is not None for one in opened_by_anybody)
        await hang_up(*streams)
        return held, sum(one.connection is not None for one in opened_by_anybody)

    connection_created.connect(note)
    try:
        assert asyncio.run(story()) == (0, 0)
    finally:
        connection_created.disconnect(note)
    assert opened_by_anybody


def test_it_listens_for_only_so_many_pages_of_one_person(
    owner: User, stranger: User, broker: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_listening", Places(1))
    hers, theirs = browser_of(owner), browser_of(stranger)

    async def story() -> tuple[int, bytes]:
        streams = [await connected(hers), await connected(theirs)]
        refused, start = await asked(hers)
        await refused.wait(20)
        await hang_up(*streams)
        await hang_up(await connected(hers))
        return start["status"], dict(start["headers"])[b"Retry-After"]

    assert asyncio.run(story()) == (429, b"3")


def test_it_ends_a_page_s_stream_that_slipped_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_listening", Places(0))

    async def read() -> list[str]:
        return [line async for line in live._lines(1)]

    assert asyncio.run(read()) == ["retry: 3000\n\n"]

"""Answers that go on for minutes: server-sent events of pages and of the API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from asgiref.sync import SyncToAsync, sync_to_async
from django.http import StreamingHttpResponse

from captions.connections import let_go
from captions.places import Places

KIND: Final = "text/event-stream"


def event_stream(lines: AsyncIterator[str]) -> StreamingHttpResponse:
    """Give the answer that sends `lines` as they come. It holds neither a thread nor a connection to the database."""
    response = StreamingHttpResponse(_without_thread(lines), content_type=KIND)
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # a proxy that collects the answer would hold every event back
    return response


async def in_a_place(
    lines: AsyncGenerator[str, None], *, places: Places, person_id: int, retry_ms: int
) -> AsyncIterator[str]:
    """Say after how many milliseconds to come back, then send `lines` while the person has a place; end without one."""
    yield f"retry: {retry_ms}\n\n"
    # Taken here and not in the view: a stream that is never read to this point would never give its place back.
    with places.one(person_id) as has_place:
        if has_place:
            async with aclosing(lines):
                async for line in lines:
                    yield line


async def _without_thread(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    # Not before the first line: middleware still runs in the thread after the view, and may ask the database once more.
    # A connection that ends with its thread is never given back: ten open pages would use up the pool.
    await sync_to_async(let_go)()
    _give_thread_back()
    async for line in lines:
        yield line


def _give_thread_back() -> None:
    """End the thread that the request's synchronous parts ran in; asgiref keeps one until the answer is complete.

    A stream lives for minutes and needs none: without this a hundred open pages hold a hundred idle threads.
    """
    context = SyncToAsync.thread_sensitive_context.get(None)
    thread = SyncToAsync.context_to_thread_executor.pop(context, None) if context is not None else None
    if thread is not None:
        thread.shutdown(wait=False)

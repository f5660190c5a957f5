"""Answers that go on for minutes: server-sent events of pages and of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from asgiref.sync import SyncToAsync
from django.http import StreamingHttpResponse

KIND: Final = "text/event-stream"


def event_stream(lines: AsyncIterator[str]) -> StreamingHttpResponse:
    """Give the answer that sends `lines` as they come."""
    response = StreamingHttpResponse(_without_thread(lines), content_type=KIND)
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # a proxy that collects the answer would hold every event back
    return response


async def _without_thread(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    _give_thread_back()  # not before the first line: middleware still runs in it after the view
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

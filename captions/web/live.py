"""Server-sent events: tells a person's open pages which pictures changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from captions import events
from captions.places import Places
from captions.streaming import event_stream, in_a_place

# A stream ends after this long and the browser comes back by itself, so that whoever was logged out or switched off in
# the meantime is heard no longer than that.
LONGEST_SECONDS = 300.0
RETRY_MS = 3000
# Streams of one person in this process. A page closes its own while it is hidden, so people need a handful; a page that
# finds no place asks for news instead.
_listening: Final = Places(50)


async def stream(request: HttpRequest) -> HttpResponseBase:
    """Stream what happens to the person's pictures; the data of each event is JSON (see captions.events)."""
    user = await request.auser()
    if not user.is_authenticated:
        return HttpResponse("Log in first.\n", status=403, content_type="text/plain")
    if _listening.are_full(user.pk):
        headers = {"Retry-After": str(RETRY_MS // 1000)}
        return HttpResponse("Too many pages are open.\n", status=429, content_type="text/plain", headers=headers)
    return event_stream(_lines(user.pk))


def _lines(owner_id: int) -> AsyncIterator[str]:
    return in_a_place(_told(owner_id), places=_listening, person_id=owner_id, retry_ms=RETRY_MS)


async def _told(owner_id: int) -> AsyncGenerator[str, None]:
    end = asyncio.get_running_loop().time() + LONGEST_SECONDS
    async with aclosing(events.subscribe(owner_id)) as heard:
        async for event in heard:
            if event["kind"] == "beat":
                yield ": beat\n\n"  # noticed by proxies and by a reader that has gone, shown to nobody
            else:
                yield f"event: {event['kind']}\ndata: {json.dumps(event)}\n\n"
            if asyncio.get_running_loop().time() > end:
                return

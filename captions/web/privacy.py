"""Keeps people's pages out of caches that others, or later visitors at the same screen, read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import cast

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.decorators import sync_and_async_middleware

Sync = Callable[[HttpRequest], HttpResponseBase]
Async = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def keep_private(get_response: Sync | Async) -> Sync | Async:
    """Mark every answer that says nothing else as one person's, to be asked for anew each time.

    A page and its htmx fragment share an address, so caches must also keep those apart.
    """
    if iscoroutinefunction(get_response):
        later = cast(Async, get_response)

        async def wait(request: HttpRequest) -> HttpResponseBase:
            return _marked(await later(request))

        return wait
    now = cast(Sync, get_response)

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _marked(now(request))

    return answer


def _marked(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Cache-Control", "private, no-cache")
    patch_vary_headers(response, ["HX-Request"])
    return response

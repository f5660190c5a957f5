"""Requests that must be refused before Django sees them.

Its ASGI handler spools the whole body to a file before any view, middleware or setting can object: a stranger without
an account could fill the disk with one endless request. And it falls over a Content-Type of unknown encoding. This
wrapper looks first.
"""

from __future__ import annotations

import errno
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from django.utils.http import parse_header_parameters

from captions.errors import FAILURES, Failure

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

#: What a multipart form adds to the picture: boundaries, names, parameters.
FRAME_BYTES: Final = 1024 * 1024
#: Without script, a form of the pages sends several pictures at once.
PICTURES_PER_FORM: Final = 10
_DISK_FULL: Final = {errno.ENOSPC, errno.EDQUOT}


class BodyLimit:
    """Answers 413 for a body above the limit, by its declared length at once, else as soon as that many bytes came.

    Also 400 for a Content-Type that cannot be read, and 507 when the disk is full.

    `picture_bytes` is the most that one picture may have; below /api/ a request carries one picture.
    """

    def __init__(self, app: App, *, picture_bytes: int) -> None:
        self.app = app
        self.picture_bytes = picture_bytes

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_api = scope["path"].startswith("/api/")
        limit = self.picture_bytes * (1 if is_api else PICTURES_PER_FORM) + FRAME_BYTES
        if _header(scope, b"content-length").isdigit() and int(_header(scope, b"content-length")) > limit:
            await _refuse(send, FAILURES["file_too_large"], is_api)
            return
        if not _is_readable(_header(scope, b"content-type")):
            await _refuse(send, FAILURES["bad_request"], is_api)
            return
        counted = _Counted(receive, limit)
        started = _Started(send)
        try:
            await self.app(scope, counted, started)
        except OSError as error:
            if error.errno not in _DISK_FULL or started.is_true:
                raise
            await _refuse(send, FAILURES["disk_full"], is_api)
            return
        if counted.is_over and not started.is_true:
            await _refuse(send, FAILURES["file_too_large"], is_api)


class _Counted:
    """Receives for Django until the limit; then says that the client went away, which makes Django drop the rest."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit = receive, limit
        self._bytes = 0
        self.is_over = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes <= self._limit:
            return message
        self.is_over = True
        return {"type": "http.disconnect"}


class _Started:
    """Sends for Django, and remembers whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_true = False

    async def __call__(self, message: Message) -> None:
        self.is_true = True
        await self._send(message)


def _header(scope: Message, wanted: bytes) -> bytes:
    return next((bytes(value) for name, value in scope["headers"] if name == wanted), b"")


def _is_readable(content_type: bytes) -> bool:
    try:
        parse_header_parameters(content_type.decode("latin1"))
    except ValueError:
        return False
    return True


async def _refuse(send: Send, failure: Failure, is_api: bool) -> None:
    number = str(uuid.uuid4())
    body, kind = failure.words.encode(), b"text/plain; charset=utf-8"
    if is_api:
        side = "server_error" if failure.status >= 500 else "client_error"
        entry = {"code": failure.code, "detail": failure.words, "attr": None}
        body, kind = json.dumps({"type": side, "errors": [entry], "request_id": number}).encode(), b"application/json"
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", number.encode()),
    ]
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

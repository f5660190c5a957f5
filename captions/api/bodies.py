"""Requests that must be refused before Django sees them.

Its ASGI handler spools the whole body to a file before any view, middleware or setting can object: a stranger without
an account could fill the disk with one endless request. And it falls over a Content-Type of unknown encoding, and
PostgreSQL over a NUL in what is looked up. This wrapper looks first.
"""

from __future__ import annotations

import codecs
import errno
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from django.conf import settings
from django.utils.http import parse_header_parameters

from captions.api.shapes import Shape, of_openai, ours, plain
from captions.errors import FAILURES, Failure

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

#: What a multipart form adds to the picture: boundaries, names, parameters.
FRAME_BYTES: Final = 1024 * 1024
#: The most that a body may have in which a picture stands as JSON: that is held in memory whole, several times over.
INLINE_BYTES: Final = 28 * 1024 * 1024
#: Without script, a form of the pages sends several pictures at once.
PICTURES_PER_FORM: Final = 10
#: Where that form is sent to (captions.web.urls); reading the addresses here would load the whole site too early.
ADDING: Final = "/images/"
#: What Django's middleware would have added.
SAFETY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_DISK_FULL: Final = {errno.ENOSPC, errno.EDQUOT}


class BodyLimit:
    """Answers 413 for a body above the limit, by its declared length at once, else as soon as that many bytes came.

    Also 400 for a Content-Type that cannot be read and for a NUL in the query or a cookie, and 507 when the disk is
    full.

    `picture_bytes` is the most that one picture may have; below /api/ and /models/ a request carries one picture, below
    /v1/ and /label-studio/ in JSON, and of the pages only the form that adds pictures carries any.
    """

    def __init__(self, app: App, *, picture_bytes: int) -> None:
        self.app = app
        self.picture_bytes = picture_bytes

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        shape = next((shape for prefix, shape in _SHAPES.items() if scope["path"].startswith(prefix)), None)
        limit = self._limit(scope["path"])
        if _header(scope, b"content-length").isdigit() and int(_header(scope, b"content-length")) > limit:
            await _refuse(send, FAILURES["file_too_large"], shape)
            return
        if not _is_readable(_header(scope, b"content-type")) or _has_nul(scope):
            await _refuse(send, FAILURES["bad_request"], shape)
            return
        counted = _Counted(receive, limit)
        started = _Started(send)
        try:
            await self.app(scope, counted, started)
        except OSError as error:
            if error.errno not in _DISK_FULL or started.is_true:
                raise
            await _refuse(send, FAILURES["disk_full"], shape)
            return
        if counted.is_over and not started.is_true:
            await _refuse(send, FAILURES["file_too_large"], shape)

    def _limit(self, path: str) -> int:
        if path.startswith(("/v1/", "/label-studio/")):
            return INLINE_BYTES
        if path.startswith(("/api/", "/models/")):
            return self.picture_bytes + FRAME_BYTES
        if path == ADDING:
            return self.picture_bytes * PICTURES_PER_FORM + FRAME_BYTES
        return settings.DATA_UPLOAD_MAX_MEMORY_SIZE + FRAME_BYTES


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
        _, details = parse_header_parameters(content_type.decode("latin1"))
    except ValueError:
        return False
    return _is_text_encoding(str(details.get("charset", "utf-8")))


def _is_text_encoding(name: str) -> bool:
    """Whether Django can decode a form by this name; it passes over unknown ones, and falls over "hex" and its like."""
    try:
        codecs.lookup(name)
    except (LookupError, ValueError):
        return True
    try:
        b"0".decode(name, "replace")
    except (LookupError, ValueError):
        return False
    return True


def _has_nul(scope: Message) -> bool:
    """Whether a NUL hides in the query, or in a cookie, where it is written as \\000."""
    query, cookie = scope.get("query_string", b""), _header(scope, b"cookie")
    return b"%00" in query or b"\0" in query or b"\\000" in cookie or b"\0" in cookie


#: How a refusal looks for programs, by the beginning of the address; pages get words.
_SHAPES: Final[dict[str, Shape]] = {
    "/api/": ours,
    "/v1/": of_openai,
    "/models/": plain,
    "/label-studio/": plain,
}


async def _refuse(send: Send, failure: Failure, shape: Shape | None) -> None:
    number = str(uuid.uuid4())
    body, kind = failure.english.encode(), b"text/plain; charset=utf-8"
    if shape is not None:
        told = shape(failure.code, failure.english, failure.status, number)
        body, kind = json.dumps(told).encode(), b"application/json"
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", number.encode()),
        *SAFETY,
    ]
    if settings.SECURE_HSTS_SECONDS:
        headers.append((b"strict-transport-security", f"max-age={settings.SECURE_HSTS_SECONDS}".encode()))
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""The header Idempotency-Key of the API: which request came, and its kept answer (captions.idempotency)."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import structlog
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import DatabaseError
from django.http import HttpResponse, HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from captions import idempotency
from captions.models import KeptAnswer

log = structlog.get_logger(__name__)

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
MULTIPART: Final = "multipart/form-data"
_PIECE: Final = 1024 * 1024


class Replayed(Exception):
    """The request was carried out before: `answer` is what was answered then."""

    def __init__(self, kept: KeptAnswer) -> None:
        super().__init__(kept.key)
        self.answer = HttpResponse(bytes(kept.body), status=kept.status, headers={**kept.headers, REPLAYED: "true"})


def begin(request: Request) -> idempotency.Slot | None:
    """Claim the request's key; None when it came without one.

    Raises Replayed, DeskError as `idempotency.begin` does, and ParseError for a form that cannot be read.
    """
    key = request.headers.get(HEADER)
    if request.method != "POST" or key is None:
        return None
    person = request.user
    if not isinstance(person, User):
        return None  # views for anybody change nothing
    found = idempotency.begin(user=person, key=key, fingerprint=fingerprint(request))
    if isinstance(found, KeptAnswer):
        raise Replayed(found)
    return found


def keep(slot: idempotency.Slot, answer: HttpResponseBase) -> None:
    """Keep an answer, now and once more when it is filled in later."""
    if not isinstance(answer, Response):
        _keep(slot, answer, getattr(answer, "content", b""))
        return
    body = answer.rendered_content  # sets Content-Type too
    _keep(slot, answer, body)
    if getattr(answer, "wait", None) is not None:
        answer.add_post_render_callback(lambda filled: _keep(slot, filled, filled.content))


def _keep(slot: idempotency.Slot, answer: HttpResponseBase, body: bytes) -> None:
    try:
        idempotency.keep(slot, status=answer.status_code, headers=answer.headers, body=body)
    except DatabaseError:
        log.warning("answer_not_kept", exc_info=True)  # what was asked for is done; the caller must learn so


def fingerprint(request: Request) -> str:
    """Give the SHA-256 of what was asked: address, type and body.

    A form is taken by its fields and files: clients draw a new boundary whenever they send it.
    """
    digest = hashlib.sha256()
    kind = request._request.content_type or ""
    _add(digest, request.get_full_path(), kind)
    if kind == MULTIPART:
        request.data  # noqa: B018  # reads the form, or raises what is wrong with it
        for name, values in sorted(request.POST.lists()):
            _add(digest, name, *values)
        for name, files in sorted(request.FILES.lists()):
            for file in files:
                _add(digest, name, file.name or "")
                _add_file(digest, file)
    else:
        _add_body(digest, request)
    return digest.hexdigest()


def _add(digest: Any, *words: str) -> None:
    for word in words:
        raw = word.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw) + raw)


def _add_file(digest: Any, file: UploadedFile[bytes]) -> None:
    digest.update(b"%d:" % (file.size or 0))
    for piece in file.chunks():
        digest.update(piece)
    file.seek(0)


def _add_body(digest: Any, request: Request) -> None:
    """Read the body where the server has spooled it, and go back to its beginning; a small one may be in memory."""
    stream = getattr(request._request, "_stream", None)
    if stream is None or not getattr(stream, "seekable", bool)():
        digest.update(request._request.body)
        return
    while piece := stream.read(_PIECE):
        digest.update(piece)
    stream.seek(0)

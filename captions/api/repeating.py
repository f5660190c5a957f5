"""The header Idempotency-Key of the API: which request came, and its kept answer (captions.idempotency)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import structlog
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import DatabaseError
from django.http import HttpResponse, HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from captions import idempotency
from captions.api.failures import request_number
from captions.api.shapes import ours
from captions.errors import FAILURES
from captions.models import ApiToken, KeptAnswer

log = structlog.get_logger(__name__)

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
MULTIPART: Final = "multipart/form-data"
_PASSING: Final = {401, 403, 408, 423, 429}
#: Headers that are part of what is asked: the whole of a new upload by tus, and the name of a picture in a body.
_ASKING: Final = (
    "Upload-Length",
    "Upload-Defer-Length",
    "Upload-Metadata",
    "Upload-Checksum",
    "Upload-Concat",
    "Content-Disposition",
)
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


def keep(slot: idempotency.Slot, answer: HttpResponseBase, *, holds_secret: bool = False) -> None:
    """Keep an answer; one that will be another in a moment, or is a fault of ours, gives the key back.

    An answer that waits for captions is kept once it is filled in; until then other requests with the key wait. Where
    it `holds_secret`, only that it was given is kept.
    """
    if is_passing(answer):
        give_back(slot)
    elif holds_secret and answer.status_code < 400:
        _keep(slot, 409, {"Content-Type": "application/json"}, _refusal("idempotency_answer_secret"))
    elif getattr(answer, "wait", None) is not None:
        answer.slot = slot  # type: ignore[attr-defined]  # waits_for_job gives it back when the caller hangs up
        answer.add_post_render_callback(  # type: ignore[attr-defined]  # only DRF's answers wait
            lambda filled: _keep(slot, filled.status_code, filled.headers, filled.content)
        )
    else:
        body = answer.rendered_content if isinstance(answer, Response) else getattr(answer, "content", b"")
        _keep(slot, answer.status_code, answer.headers, body)


def is_passing(answer: HttpResponseBase) -> bool:
    """Whether the same request may be answered otherwise in a moment: then nobody must get this answer for a day."""
    if answer.status_code >= 500 or answer.status_code in _PASSING:
        return True
    if answer.status_code < 400:
        return False
    return any(code in FAILURES and FAILURES[code].retryable for code in _codes(getattr(answer, "data", None)))


def _codes(data: Any) -> list[str]:
    """Give the codes of a refusal, in our shape or in that of another service (captions.api.compatible)."""
    if not isinstance(data, dict):
        return []
    if "errors" in data:
        return [error["code"] for error in data["errors"]]
    error = data.get("error")
    return [error["code"]] if isinstance(error, dict) else [data["code"]] if "code" in data else []


def give_back(slot: idempotency.Slot) -> None:
    """Free the key; a database that does not answer frees it later."""
    try:
        idempotency.give_back(slot)
    except DatabaseError:
        log.warning("key_not_given_back", exc_info=True)


def _keep(slot: idempotency.Slot, status: int, headers: Mapping[str, str], body: bytes) -> None:
    try:
        idempotency.keep(slot, status=status, headers=headers, body=body)
    except DatabaseError:
        log.warning("answer_not_kept", exc_info=True)  # what was asked for is done; the caller must learn so


def _refusal(code: str) -> bytes:
    failure = FAILURES[code]
    return json.dumps(ours(code, failure.words, failure.status, request_number())).encode()


def fingerprint(request: Request) -> str:
    """Give the SHA-256 of what was asked: address, type, body, and what the asker's token opens.

    What some scopes were answered, a token with others must not be given. A form is taken by its fields
    and files: clients draw a new boundary whenever they send it.
    """
    digest = hashlib.sha256()
    kind = request._request.content_type or ""
    _add(digest, request.get_full_path(), kind, *(request.headers.get(name, "") for name in _ASKING))
    if isinstance(request.auth, ApiToken):
        _add(digest, *request.auth.scopes)
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

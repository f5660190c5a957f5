"""Headers of the tus protocol, version 1.0.0 (https://tus.io/protocols/resumable-upload): read, checked, written."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from django.conf import settings
from django.utils.http import http_date
from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from captions import uploads
from captions.api.base import DeskView
from captions.errors import DeskError
from captions.models import Upload

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,creation-with-upload,expiration,termination,checksum"
PIECE: Final = "application/offset+octet-stream"
_LARGEST_NUMBER: Final = 15  # digits; more bytes than any disk has
_OVERRIDDEN: Final = {"PATCH", "DELETE", "HEAD"}


class Piece(BaseParser):
    """Leaves the bytes where they are: checking a page's CSRF token asks for a form's fields, and there are none."""

    media_type = PIECE

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> dict[str, Any]:
        """Give no field, and read nothing."""
        return {}


class TusView(DeskView):
    """Base of both addresses: the version in every answer, the method that a client behind an old proxy means."""

    parser_classes = [Piece]
    is_marked = False  # how far an upload is must be kept nowhere, says the protocol

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Take X-HTTP-Method-Override for the method, as the protocol demands."""
        meant = request.META.get("HTTP_X_HTTP_METHOD_OVERRIDE", "").upper()
        if request.method == "POST" and meant in _OVERRIDDEN:
            request.method = meant
        return super().dispatch(request, *args, **kwargs)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Say what this server can do."""
        return Response(status=204, headers=abilities())

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Name the version in every answer."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Tus-Resumable"] = VERSION
        if answer.status_code == 412:
            answer["Tus-Version"] = VERSION
        return answer


def abilities() -> dict[str, str]:
    """Give the headers that say what this server can do."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(max(settings.MAX_UPLOAD_BYTES, settings.MAX_ARCHIVE_BYTES)),
        "Tus-Checksum-Algorithm": ",".join(uploads.ALGORITHMS),
    }


def check_version(request: Request) -> None:
    """Raise DeskError `tus_version` unless the request speaks ours."""
    if request.META.get("HTTP_TUS_RESUMABLE") != VERSION:
        raise DeskError("tus_version")


def number(request: Request, name: str) -> int:
    """Read a header that holds a count of bytes. Raises DeskError `upload_header_wrong`."""
    raw = request.META.get("HTTP_" + name.upper().replace("-", "_"), "")
    if not raw.isascii() or not raw.isdigit() or len(raw) > _LARGEST_NUMBER:
        words = _("Send the header %(name)s with a whole number of bytes.") % {"name": name}
        raise DeskError("upload_header_wrong", detail=words)
    return int(raw)


def length(request: Request) -> int:
    """Read how long the file is. Raises DeskError `upload_header_wrong`."""
    if "HTTP_UPLOAD_DEFER_LENGTH" in request.META:
        raise DeskError("upload_header_wrong", detail=_("This server must know the length first: send Upload-Length."))
    return number(request, "Upload-Length")


def is_piece(request: Request) -> bool:
    """Whether the body is bytes of a file."""
    return (request._request.content_type or "") == PIECE


def body_size(request: Request) -> int:
    """Give how many bytes of the file this request carries."""
    return int(request.META.get("CONTENT_LENGTH") or 0)


def metadata(request: Request) -> dict[str, str]:
    """Read `key base64,key base64`; a key alone has an empty value. Raises DeskError `upload_header_wrong`."""
    raw = request.META.get("HTTP_UPLOAD_METADATA", "")
    found: dict[str, str] = {}
    for pair in raw.split(",") if raw.strip() else []:
        key, _space, value = pair.strip().partition(" ")
        if not key or key in found:
            raise _wrong(
                _("The header %(name)s must hold pairs of a name, a space and a value in base64, separated by commas."),
                "Upload-Metadata",
            )
        found[key] = _decoded(value.strip())
    return found


def checksum(request: Request) -> tuple[str, bytes] | None:
    """Read `sha256 base64`. Raises DeskError `upload_header_wrong`."""
    raw = request.META.get("HTTP_UPLOAD_CHECKSUM")
    if raw is None:
        return None
    algorithm, _space, value = raw.partition(" ")
    if algorithm not in uploads.ALGORITHMS:
        raise _wrong(
            _("The header %(name)s must hold one of %(algorithms)s, a space and the digest in base64."),
            "Upload-Checksum",
        )
    try:
        return algorithm, base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(_("The header %(name)s must hold a digest in base64."), "Upload-Checksum") from None


def encoded(values: dict[str, str]) -> str:
    """Write Upload-Metadata."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items() if value)


def expiry(upload: Upload) -> dict[str, str]:
    """Say until when an upload that is not complete is kept."""
    if upload.state != Upload.State.OPEN:
        return {}
    return {"Upload-Expires": http_date(upload.expires_at.timestamp())}


def outcome(upload: Upload) -> dict[str, str]:
    """Say what became of an upload: not part of the protocol, but it saves programs a request."""
    said = {"Desk-Upload-State": str(upload.state)}
    if upload.image_id:
        said["Desk-Image"] = str(upload.image_id)
    if upload.error_code:
        said["Desk-Error"] = upload.error_code
    return said


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        raise _wrong(_("The header %(name)s must hold values in base64 of UTF-8."), "Upload-Metadata") from None


def _wrong(words: str, name: str) -> DeskError:
    detail = words % {"name": name, "algorithms": ", ".join(uploads.ALGORITHMS)}
    return DeskError("upload_header_wrong", detail=detail)

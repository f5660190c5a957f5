"""One picture out of a request: a form with the field `file`, the picture itself as the body, or JSON with its address.

The server has spooled the body to a file before any of this runs, and the multipart reader spools its parts again, so
that neither is ever whole in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final, cast

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError, UnsupportedMediaType, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from captions import outbound
from captions.api.base import refuse_repeated
from captions.api.repeating import MULTIPART
from captions.api.serializers import NamedPictureBody
from captions.connections import let_go
from captions.errors import DeskError
from captions.params import KNOB, Value, parse
from captions.places import Places

#: Types that a picture never has. curl sends the second one when it is not told otherwise.
NOT_PICTURES: Final = {"application/x-www-form-urlencoded"}
JSON: Final = "application/json"
#: An address with its parameters is short; JSON is held in memory whole.
LONGEST_JSON: Final = 64 * 1024
#: How long the fetching of a picture by its address may take in all, in seconds, and through how many redirects.
FETCH_SECONDS: Final = 20.0
FETCH_REDIRECTS: Final = 3
#: How many are fetched at once for one person, in one web process: each holds a thread for as long as a server likes.
FETCHES_PER_PERSON: Final = 8
_fetching: Final = Places(FETCHES_PER_PERSON)
#: Query parameters that are no generation parameter.
BESIDE: Final = {"wait", "model", "filename"}


class MultipartForm(MultiPartParser):
    """A multipart form. Django's parser takes a broken one for an empty one, and the request would seem to succeed."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Read fields and files. Raises ParseError when there is a body, and nothing in it could be read."""
        form = super().parse(stream, media_type, parser_context)
        if not form.data and not form.files:
            raise ParseError
        return form


@dataclass(frozen=True, slots=True)
class Upload:
    """The picture's bytes and what the caller wants done with them."""

    file: IO[bytes]
    filename: str
    chosen: dict[str, Value]
    model: str


@contextmanager
def take(request: Request) -> Iterator[Upload]:
    """Read the request; what had to be fetched is there until the end of the block.

    Raises DeskError `no_file`, `file_too_large` and those of `outbound.fetch`, ParamsInvalid, ValidationError,
    ParseError.
    """
    refuse_repeated(request.query_params)
    if request._request.content_type == JSON:
        with _named(request) as upload:
            yield upload
    else:
        yield _sent(request)


@contextmanager
def fetched(address: str, *, attr: str, person_id: int) -> Iterator[outbound.Fetched]:
    """Fetch a picture that somebody named. Raises DeskError `too_many_fetches`, and as `outbound.fetch` does."""
    let_go()  # a slow server must not keep a database connection from everybody else
    limit = settings.MAX_UPLOAD_BYTES
    try:
        with _fetching.one(person_id) as may_fetch:
            if not may_fetch:
                raise DeskError("too_many_fetches")
            with outbound.fetch(address, limit=limit, seconds=FETCH_SECONDS, redirects=FETCH_REDIRECTS) as found:
                yield found
    except DeskError as error:
        if error.code.startswith("address_"):
            error.attr = attr
        raise


@contextmanager
def _named(request: Request) -> Iterator[Upload]:
    """Read JSON with the address of a picture, and fetch it."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LONGEST_JSON:
        raise DeskError("body_too_large")
    body = NamedPictureBody(data=request.data)
    body.is_valid(raise_exception=True)
    given = cast(dict[str, Any], request.data)  # the serializer has refused everything else
    query = {name: value for name, value in request.query_params.items() if name not in BESIDE}
    beside = {name: value for name, value in given.items() if name not in {"url", "model"}}
    chosen = _chosen({**query, **beside})
    model = read_model(given.get("model") or request.query_params.get("model", ""))
    assert request.user.pk is not None  # the permission classes have let only people with an account in
    with fetched(body.validated_data["url"], attr="url", person_id=request.user.pk) as found:
        yield Upload(found.file, request.query_params.get("filename", "") or found.filename, chosen, model)


def _sent(request: Request) -> Upload:
    query = {name: value for name, value in request.query_params.items() if name not in BESIDE}
    model, filename = request.query_params.get("model", ""), request.query_params.get("filename", "")
    kind = request._request.content_type or ""  # Django has read it, without its parameters and in small letters
    size = int(request.META.get("CONTENT_LENGTH") or 0)
    if kind == MULTIPART:
        fields, file = _form(request)
        model = fields.pop("model", model)
        return Upload(file, filename or file.name or "", _chosen({**query, **fields}), read_model(model))
    if kind in NOT_PICTURES:
        words = _("Send the picture with its own type (Content-Type: image/jpeg), not %(kind)s.") % {"kind": kind}
        raise UnsupportedMediaType(kind, words)
    if size > settings.MAX_UPLOAD_BYTES:
        raise DeskError("file_too_large", attr="file")
    chosen = _chosen(query)
    if not size:
        raise DeskError("no_file", attr="file")
    # HttpRequest reads like a file; django-stubs does not say so.
    body = cast(IO[bytes], request._request)
    return Upload(body, filename or _declared_name(request), chosen, read_model(model))


def read_model(raw: Any) -> str:
    """Read the name of a model. Raises ValidationError for what can be none."""
    if not isinstance(raw, str) or len(raw) > 200 or not raw.isprintable():
        raise ValidationError({"model": _("Give the name of a model, at most 200 characters.")})
    return raw.strip()


def _chosen(given: dict[str, Any]) -> dict[str, Value]:
    if "wait" in given and "wait" not in KNOB:
        raise ValidationError({"wait": _("Put it into the address: ?wait=30.")})
    return parse(given, strict=True)


def _form(request: Request) -> tuple[dict[str, Any], UploadedFile[bytes]]:
    files: list[UploadedFile[bytes]] = request.FILES.getlist("file")
    if not files:
        raise DeskError("no_file", attr="file")
    others = sorted(set(request.FILES) - {"file"})
    if len(files) > 1 or others:
        raise ValidationError(
            {others[0] if others else "file": _("Send one picture per request, as the field “file”.")}
        )
    if (files[0].size or 0) > settings.MAX_UPLOAD_BYTES:
        raise DeskError("file_too_large", attr="file")
    refuse_repeated(request.POST)
    return request.POST.dict(), files[0]


def _declared_name(request: Request) -> str:
    try:
        _kind, details = parse_header_parameters(request.META.get("HTTP_CONTENT_DISPOSITION", ""))
    except ValueError:  # an encoding that nobody knows: a picture needs no name
        return ""
    return str(details.get("filename", ""))

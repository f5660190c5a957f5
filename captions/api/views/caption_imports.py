"""Captions from labelling tools, in one file."""

from __future__ import annotations

from typing import IO, Any, Final, cast

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from captions import caption_imports, labels, languages
from captions.api import examples
from captions.api.authentication import demand
from captions.api.base import DeskView, refuse_empty, refuse_repeated, refuse_unknown
from captions.api.bodies import INLINE_BYTES
from captions.api.repeating import MULTIPART
from captions.api.serializers import BINARY, CaptionImportFileSerializer, CaptionImportSerializer
from captions.api.uploads import MultipartForm
from captions.errors import DeskError
from captions.models import Caption
from captions.scopes import Scope

#: Texts that one request may bring: each is a transaction of its own, and somebody waits for the answer.
MOST: Final = 2000
#: How long that may take; on a small machine so many texts take minutes, and proxies give up after one.
SECONDS: Final = 40.0
_TRUTHS: Final = {"true": True, "false": False}


class CaptionImports(DeskView):
    """Words that were written in Label Studio or CVAT."""

    writes = Scope.CAPTIONS_WRITE
    queryset = Caption.objects.none()
    serializer_class = CaptionImportSerializer
    parser_classes = [MultipartForm]
    refuses = {"POST": [400, 413]}

    @extend_schema(
        operation_id="import_captions",
        summary="Bring captions in from Label Studio or CVAT",
        tags=["captions"],
        parameters=[
            OpenApiParameter("approve", bool, description="Publish the words, which needs `reviews:write` as well."),
            OpenApiParameter("language", str, description="Of the words, BCP 47; `en` when left out."),
        ],
        request={
            "application/json": {"type": "array", "items": {"type": "object"}},
            "multipart/form-data": CaptionImportFileSerializer,
            "application/xml": BINARY,
            "application/zip": BINARY,
        },
        responses={200: CaptionImportSerializer},
        examples=examples.CAPTION_IMPORT,
    )
    def post(self, request: Request) -> Response:
        """Send Label Studio's JSON export, or CVAT's XML 1.1 (alone or in its ZIP file), as the body or as `file`.

        A picture is found by `data.id`, by its sha256, or by its file's name. Texts are added as your words; one that
        the picture has already is not written twice, so the same file may be sent again; do so while `waiting` is above
        0, for then the time of a request was too short for all. Nothing is ever overwritten.
        """
        refuse_unknown(request, {"approve", "language"})
        refuse_empty(request)
        refuse_repeated(request.query_params)
        approve = _approve(request)
        if approve:
            demand(request, Scope.REVIEWS_WRITE)
        found = labels.read(_file(request), most_bytes=INLINE_BYTES, most=MOST)
        language = request.query_params.get("language", languages.DEFAULT)
        outcome = caption_imports.bring_in(
            by=self.person, labels=found, approve=approve, language=language, seconds=SECONDS
        )
        return Response(self.get_serializer(outcome).data)


def _approve(request: Request) -> bool:
    given = request.query_params.get("approve", "false")
    if given not in _TRUTHS:
        raise ValidationError({"approve": _("Write true or false.")})
    return _TRUTHS[given]


def _file(request: Request) -> IO[bytes]:
    if int(request.META.get("CONTENT_LENGTH") or 0) > INLINE_BYTES:
        raise DeskError("body_too_large")  # it is held in memory whole, several times over
    if request._request.content_type != MULTIPART:
        if not int(request.META.get("CONTENT_LENGTH") or 0):
            raise DeskError("labels_empty")
        return cast(IO[bytes], request._request)  # HttpRequest reads like a file; django-stubs does not say so
    files: list[Any] = request.FILES.getlist("file")
    if len(files) != 1:
        raise ValidationError({"file": _("Send one file, as the field “file”.")})
    return cast(IO[bytes], files[0])

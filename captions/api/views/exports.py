"""Words and pictures as one download, made while it is sent."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from captions import selectors
from captions.api import examples
from captions.api.base import DeskView, refuse_empty, refuse_repeated, refuse_unknown
from captions.api.schema import JSON
from captions.api.serializers import BINARY
from captions.errors import DeskError
from captions.exports import FORMATS
from captions.exports.sending import MOST, send
from captions.models import Image

_WHICH: Final = ("q", "album", "ids")
_TYPES: Final = {one.content_type.partition(";")[0] for one in FORMATS.values()}
_OTHERS: Final = sorted(_TYPES - {JSON})


class Exports(DeskView):
    """Pictures and their words in one of the formats."""

    queryset = Image.objects.none()
    serializer_class = None
    pagination_class = None
    refuses = {"GET": [400, 404]}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Never refuse by Accept: `format` says what is wanted."""
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(
        operation_id="export_captions",
        summary="Export words, or pictures and words",
        tags=["exports"],
        parameters=[
            OpenApiParameter("format", str, enum=list(FORMATS), required=True, description="How they are written."),
            OpenApiParameter("q", str, description="Those that this search finds."),
            OpenApiParameter("album", OpenApiTypes.UUID, description="Those in this album, yours or shared with you."),
            OpenApiParameter("ids", str, description=f"These: ids with commas between, {MOST:,} at most."),
        ],
        responses={
            (200, JSON): OpenApiResponse({"type": "array", "items": {"type": "object"}}, "Tasks for Label Studio."),
            (200, *_OTHERS): OpenApiResponse(BINARY, "A file of the type that belongs to `format`."),
        },
        examples=examples.EXPORT,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """All your own pictures, oldest first, or those that one of `q`, `album` and `ids` names.

        Of other people's pictures the clean copy goes out, never the original.
        """
        refuse_unknown(request, {"format", *_WHICH})
        refuse_empty(request)
        refuse_repeated(request.query_params)
        format = request.query_params.get("format", "")
        return send(request._request, self.person, self._images(), format, token=self.token)

    def _images(self) -> QuerySet[Image]:
        asked = {name: self.request.query_params[name] for name in _WHICH if name in self.request.query_params}
        if len(asked) > 1:
            raise ValidationError(dict.fromkeys(sorted(asked), _("Give one of these alone.")))
        if "q" in asked:
            return selectors.search(self.person, asked["q"]).rows
        if "album" in asked:
            return selectors.images_of(selectors.album(self.person, asked["album"]))
        if "ids" in asked:
            return selectors.visible(self.person).filter(pk__in=_ids(asked["ids"]))
        return selectors.images(self.person)


def _ids(given: str) -> list[UUID]:
    named = given.split(",")
    if len(named) > MOST:
        raise DeskError("too_many_to_export", attr="ids")
    try:
        return [UUID(one.strip()) for one in named]
    except ValueError:
        raise ValidationError({"ids": _("Write ids with commas between.")}) from None

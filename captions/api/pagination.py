"""Cursor pages: stable while pictures arrive, and as quick at the end of a long list as at its start."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from captions.errors import DeskError
from captions.finding import Found
from captions.models import Image

if TYPE_CHECKING:  # rest_framework.views imports this module while it is being imported itself
    from rest_framework.views import APIView

PAGE_SIZE: Final = 50
LARGEST_PAGE: Final = 200
ORDERINGS: Final = ("newest", "oldest")
NAMES: Final = ("cursor", "limit", "ordering")
_NOT_OURS: Final = "This is no cursor of ours. Take it from “next” or “previous”."


class Newest(BasePagination):
    """Newest first, or `ordering=oldest`; `limit` takes 1 to 200.

    A cursor holds the time and id of the last row shown, so that a page begins exactly after it whatever was added or
    removed since. DRF's own keeps the time alone and counts rows of one time, which skips some when those change.
    """

    def paginate_queryset(
        self, queryset: QuerySet[Any, Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """Give one page of rows that have `created_at` and `id`. Raises ValidationError for a wrong name or value."""
        assert isinstance(queryset, QuerySet), "a list has no index to begin a page at"
        self._address = request.build_absolute_uri()
        limit, ordering = _limit(request), _ordering(request)
        cursor = _read(request.query_params.get("cursor"))
        backwards = cursor is not None and cursor[0] == "before"
        descending = (ordering == "newest") != backwards
        rows = queryset.order_by(*(("-created_at", "-id") if descending else ("created_at", "id")))
        if cursor:
            rows = rows.filter(_beyond(cursor[1], cursor[2], descending))
        found = list(rows[: limit + 1])
        page, more = found[:limit], len(found) > limit
        if backwards:
            page.reverse()
        self._next = self._link("after", page[-1]) if page and (more or backwards) else None
        self._previous = self._link("before", page[0]) if page and cursor and (more or not backwards) else None
        return page

    def get_paginated_response(self, data: Any) -> Response:
        """Wrap a page: addresses of the next and the previous one, null where there is none, and the rows."""
        return Response({"next": self._next, "previous": self._previous, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the wrapping."""
        link = {
            "type": ["string", "null"],
            "format": "uri",
            "example": "https://captions.example.org/api/v1/images/?cursor=YWZ0ZXJ8MjAyNg",
        }
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**link, "description": "Where the page after this one is; null on the last page."},
                "previous": {**link, "description": "Where the page before this one is; null on the first page."},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Describe the query parameters."""
        return [
            _parameter("cursor", {"type": "string"}, "Where the page begins: take it from `next` or `previous`."),
            _parameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE_SIZE},
                f"How many rows a page has, at most {LARGEST_PAGE}.",
            ),
            _parameter(
                "ordering",
                {"type": "string", "enum": list(ORDERINGS), "default": ORDERINGS[0]},
                "Newest or oldest first, by the time of creation.",
            ),
        ]

    def _link(self, side: str, row: Model) -> str:
        cursor = f"{side}|{row.created_at.isoformat()}|{row.pk}"  # type: ignore[attr-defined]  # every model listed has it
        encoded = base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")
        return str(replace_query_param(self._address, "cursor", encoded))


class Best(Newest):
    """Results of a search, best first. Pages lead on only: what was best before may have changed since."""

    def cut(self, found: Found, request: Request) -> list[Image]:
        """Give one page. Raises ValidationError for a wrong cursor or limit."""
        self._address = request.build_absolute_uri()
        try:
            page = found.page(after=request.query_params.get("cursor", ""), size=_limit(request))
        except DeskError:
            raise ValidationError({"cursor": _NOT_OURS}) from None
        self._previous = None
        self._next = str(replace_query_param(self._address, "cursor", page.after)) if page.after else None
        return list(page.rows)


class Whole(Newest):
    """A short list in the wrapping of a page, so that programs read every list alike."""

    def paginate_queryset(
        self, queryset: QuerySet[Any, Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """Give all rows."""
        self._next = self._previous = None
        return list(queryset)

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """There is nothing to choose."""
        return []


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _beyond(at: datetime, key: uuid.UUID, descending: bool) -> Q:
    # The first condition is implied by the second; it is what the index on the time can use.
    if descending:
        return Q(created_at__lte=at) & (Q(created_at__lt=at) | Q(id__lt=key))
    return Q(created_at__gte=at) & (Q(created_at__gt=at) | Q(id__gt=key))


def _limit(request: Request) -> int:
    raw = request.query_params.get("limit", str(PAGE_SIZE))
    if raw.isascii() and raw.isdigit() and len(raw) < 10 and 1 <= int(raw) <= LARGEST_PAGE:
        return int(raw)
    raise ValidationError({"limit": f"Choose a whole number from 1 to {LARGEST_PAGE}."})


def _ordering(request: Request) -> str:
    ordering = request.query_params.get("ordering", ORDERINGS[0])
    if ordering not in ORDERINGS:
        raise ValidationError({"ordering": f"Choose {' or '.join(ORDERINGS)}."})
    return ordering


def _read(raw: str | None) -> tuple[str, datetime, uuid.UUID] | None:
    if raw is None:
        return None
    try:
        encoded = raw.encode("ascii")
        side, at, key = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), b"-_", validate=True).decode().split("|")
        moment = parse_datetime(at)
        if side not in {"after", "before"} or moment is None or moment.tzinfo is None:
            raise ValueError(raw)
        return side, moment.astimezone(UTC), uuid.UUID(key)
    except (ValueError, binascii.Error, OverflowError):
        raise ValidationError({"cursor": _NOT_OURS}) from None

"""Cursor pages: stable while pictures arrive, and as quick at the end of a long list as at its start."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
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
BY_TIME: Final = {"newest": ("created_at", True), "oldest": ("created_at", False)}
BY_QUALITY: Final = {"least_sure": ("quality", False), "surest": ("quality", True)}
NAMES: Final = ("cursor", "limit", "ordering")
_NOT_OURS: Final = gettext_lazy("This is no cursor of ours. Take it from “next” or “previous”.")


class Newest(BasePagination):
    """Newest first, or `ordering=oldest`; `limit` takes 1 to 200.

    `orderings` names the field of each ordering and whether it falls; the first is taken when none is asked for. Rows
    whose field is empty have no place in its ordering. A cursor holds the value (a time, say) and id of the last row
    shown, so that a page begins exactly after it whatever was added or removed since. DRF's own keeps the time alone
    and counts rows of one time, which skips some when those change.
    """

    orderings: Mapping[str, tuple[str, bool]] = BY_TIME
    ordering_words = "Newest or oldest first, by the time of creation."

    def paginate_queryset(
        self, queryset: QuerySet[Any, Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """Give one page of rows that have the ordering's field. Raises ValidationError for a wrong name or value."""
        assert isinstance(queryset, QuerySet), "a list has no index to begin a page at"
        self._address = request.build_absolute_uri()
        limit = _limit(request)
        self._field, falls = self.orderings[_ordering(request, self.orderings)]
        cursor = _read(request.query_params.get("cursor"), self._field)
        backwards = cursor is not None and cursor[0] == "before"
        descending = falls != backwards
        sign = "-" if descending else ""
        rows = queryset.order_by(f"{sign}{self._field}", f"{sign}id")
        if self._field == "quality":  # only drafts have one; said with their state, an index has the order ready
            rows = rows.filter(quality__isnull=False, state=Image.State.DRAFT)
        if cursor:
            rows = rows.filter(_beyond(self._field, cursor[1], cursor[2], descending))
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
                {"type": "string", "enum": list(self.orderings), "default": next(iter(self.orderings))},
                self.ordering_words,
            ),
        ]

    def _link(self, side: str, row: Model) -> str:
        value = getattr(row, self._field)
        cursor = f"{side}|{value.isoformat() if isinstance(value, datetime) else repr(value)}|{row.pk}"
        encoded = base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")
        return str(replace_query_param(self._address, "cursor", encoded))


class NewestOrSurest(Newest):
    """Pages of pictures: by time, or their drafts by quality score."""

    orderings: Mapping[str, tuple[str, bool]] = {**BY_TIME, **BY_QUALITY}
    ordering_words = (
        "Newest or oldest first, by the time of creation. `least_sure` and `surest` list only pictures whose draft has "
        "a quality score, by that score."
    )


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


def _beyond(field: str, value: datetime | float, key: uuid.UUID, descending: bool) -> Q:
    # The first condition is implied by the second; it is what the index on the field can use.
    side = "lt" if descending else "gt"
    return Q(**{f"{field}__{side}e": value}) & (Q(**{f"{field}__{side}": value}) | Q(**{f"id__{side}": key}))


def _limit(request: Request) -> int:
    raw = request.query_params.get("limit", str(PAGE_SIZE))
    if raw.isascii() and raw.isdigit() and len(raw) < 10 and 1 <= int(raw) <= LARGEST_PAGE:
        return int(raw)
    raise ValidationError({"limit": _("Choose a whole number from 1 to %(most)s.") % {"most": LARGEST_PAGE}})


def _ordering(request: Request, orderings: Mapping[str, tuple[str, bool]]) -> str:
    ordering = request.query_params.get("ordering", next(iter(orderings)))
    if ordering not in orderings:
        raise ValidationError({"ordering": _("Choose one of these: %(names)s.") % {"names": ", ".join(orderings)}})
    return ordering


def _read(raw: str | None, field: str) -> tuple[str, datetime | float, uuid.UUID] | None:
    if raw is None:
        return None
    try:
        encoded = raw.encode("ascii")
        side, at, key = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), b"-_", validate=True).decode().split("|")
        if side not in {"after", "before"}:
            raise ValueError(raw)
        return side, _moment(at) if field == "created_at" else _chance(at), uuid.UUID(key)
    except (ValueError, binascii.Error, OverflowError):
        raise ValidationError({"cursor": _NOT_OURS}) from None


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None or moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)


def _chance(text: str) -> float:
    chance = float(text)
    if not 0 <= chance <= 1:
        raise ValueError(text)
    return chance

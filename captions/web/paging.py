"""Keyset pages, newest first: a page starts after a row, not after a count, so nothing shifts while pictures arrive."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from captions.errors import DeskError

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page, the mark after which the next one starts, and that before which the one above ends; "" for none."""

    rows: Sequence[Row]
    after: str
    before: str = ""


def page_of(rows: QuerySet[Row], *, after: str = "", before: str = "", size: int, by: str = "created_at") -> Page[Row]:
    """Cut a page from rows ordered by the time `by`, newest first, then by id: what follows the mark `after`, or what
    stands right above the mark `before`.

    Raises DeskError `page_unknown` when the mark cannot be read.
    """
    if before:
        return _page_above(rows, before, size, by)
    if after:
        rows = rows.filter(_beyond(after, by, "lt"))
    found = list(rows.order_by(f"-{by}", "-id")[: size + 1])
    more = len(found) > size
    above = mark_of(found[0], by) if after and found else ""
    return Page(found[:size], mark_of(found[size - 1], by) if more else "", above)


def _page_above(rows: QuerySet[Row], before: str, size: int, by: str) -> Page[Row]:
    found = list(rows.filter(_beyond(before, by, "gt")).order_by(by, "id")[: size + 1])
    more = len(found) > size
    shown = found[:size][::-1]
    return Page(shown, mark_of(shown[-1], by) if shown else "", mark_of(shown[0], by) if more else "")


def mark_of(row: Model, by: str = "created_at") -> str:
    """Give the mark that stands for "after this row"."""
    return base64.urlsafe_b64encode(f"{getattr(row, by).isoformat()}|{row.pk}".encode()).decode().rstrip("=")


def _beyond(mark: str, by: str, side: str) -> Q:
    """Give the condition for rows older ("lt") or newer ("gt") than the one that a mark stands for."""
    try:
        padded = mark + "=" * (-len(mark) % 4)
        moment, _, key = base64.urlsafe_b64decode(padded.encode()).decode().partition("|")
        at, last = datetime.fromisoformat(moment), UUID(key)
        if at.tzinfo is None:
            raise ValueError("a time without a zone")
        at = at.astimezone(UTC)  # now, not in the database's driver: near the years 1 and 9999 there is no such time
    except (ValueError, binascii.Error, OverflowError):  # also UnicodeError, which is a ValueError
        raise DeskError("page_unknown") from None
    return Q(**{f"{by}__{side}": at}) | Q(**{by: at, f"id__{side}": last})

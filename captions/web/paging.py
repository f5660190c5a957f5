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
    """One page and the mark after which the next one starts, "" on the last."""

    rows: Sequence[Row]
    after: str


def page_of(rows: QuerySet[Row], *, after: str, size: int, by: str = "created_at") -> Page[Row]:
    """Cut the page that follows the mark `after` from rows ordered by the time `by`, newest first, then by id.

    Raises DeskError `page_unknown` when the mark cannot be read.
    """
    if after:
        rows = rows.filter(_older_than(after, by))
    found = list(rows.order_by(f"-{by}", "-id")[: size + 1])
    more = len(found) > size
    return Page(found[:size], mark_of(found[size - 1], by) if more else "")


def mark_of(row: Model, by: str = "created_at") -> str:
    """Give the mark that stands for "after this row"."""
    return base64.urlsafe_b64encode(f"{getattr(row, by).isoformat()}|{row.pk}".encode()).decode().rstrip("=")


def _older_than(mark: str, by: str) -> Q:
    try:
        padded = mark + "=" * (-len(mark) % 4)
        moment, _, key = base64.urlsafe_b64decode(padded.encode()).decode().partition("|")
        at, last = datetime.fromisoformat(moment), UUID(key)
        if at.tzinfo is None:
            raise ValueError("a time without a zone")
        at = at.astimezone(UTC)  # now, not in the database's driver: near the years 1 and 9999 there is no such time
    except (ValueError, binascii.Error, OverflowError):  # also UnicodeError, which is a ValueError
        raise DeskError("page_unknown") from None
    return Q(**{f"{by}__lt": at}) | Q(**{by: at, "id__lt": last})

"""CSV for spreadsheets: RFC 4180, UTF-8, one picture a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.db.models import QuerySet

from captions.exports.rows import Row, chunks, rows
from captions.models import Image

# A spreadsheet runs a cell that begins like this as a formula, and captions and file names come from strangers:
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
# Without the mark at the beginning, Excel takes UTF-8 for the code page of the machine.
_BEGINNING: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"


def write(user: User, images: QuerySet[Image]) -> Iterator[bytes]:
    """Give the table: names of the columns first; lists with ", " between, an empty cell where there is nothing.

    Words that a spreadsheet would run as a formula have an apostrophe before them.
    """
    yield head()
    for portion in chunks(images):
        yield lines(rows(user, portion))


def head() -> bytes:
    """Give the line with the names of the columns."""
    return _BEGINNING.encode() + _written([[field.name for field in fields(Row)]])


def lines(said: Sequence[Row]) -> bytes:
    """Give one line for each picture."""
    return _written([[_cell(value) for value in astuple(row)] for row in said])


def _written(cells: list[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(cells)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = ", ".join(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value

"""CSV for spreadsheets: RFC 4180, UTF-8, one picture a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
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
    yield _BEGINNING.encode() + _lines([[field.name for field in fields(Row)]])
    for portion in chunks(images):
        yield _lines([[_cell(value) for value in astuple(row)] for row in rows(user, portion)])


def _lines(cells: list[list[Any]]) -> bytes:
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

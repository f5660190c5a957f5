"""Words and pictures on their way out: one file a format. See `FORMATS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import User
from django.db.models import QuerySet

from captions.exports import archive, lines, table
from captions.models import Image


@dataclass(frozen=True, slots=True)
class Format:
    """A way of handing on pictures that a person may see: `write` gives its bytes in pieces, oldest picture first.

    `suffix` is the ending of the file's name, `content_type` the type of its bytes.
    """

    name: str
    suffix: str
    content_type: str
    write: Callable[[User, QuerySet[Image]], Iterator[bytes]]


FORMATS: Final = {
    one.name: one
    for one in (
        Format("csv", "csv", "text/csv; charset=utf-8", table.write),
        Format("jsonl", "jsonl", "application/jsonl; charset=utf-8", lines.write),
        Format("zip", "zip", "application/zip", archive.write),
    )
}

"""Words and pictures on their way out: one file a format. See `FORMATS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from django.contrib.auth.models import User
from django.db.models import QuerySet

from captions.exports import archive, cvat, label_studio, lines, table
from captions.models import Image


class Writer(Protocol):
    """Gives pictures' words in pieces; `address` gives where a picture can be seen."""

    def __call__(self, user: User, images: QuerySet[Image], *, address: Callable[[Image], str]) -> Iterator[bytes]:
        """Give the pieces."""


@dataclass(frozen=True, slots=True)
class Format:
    """A way of handing on pictures that a person may see: `write` gives its bytes in pieces, oldest picture first.

    `suffix` is the ending of the file's name, `content_type` the type of its bytes.
    """

    name: str
    suffix: str
    content_type: str
    write: Writer


def _without_addresses(write: Callable[[User, QuerySet[Image]], Iterator[bytes]]) -> Writer:
    def written(user: User, images: QuerySet[Image], *, address: Callable[[Image], str]) -> Iterator[bytes]:
        return write(user, images)

    return written


FORMATS: Final = {
    one.name: one
    for one in (
        Format("csv", "csv", "text/csv; charset=utf-8", _without_addresses(table.write)),
        Format("jsonl", "jsonl", "application/jsonl; charset=utf-8", _without_addresses(lines.write)),
        Format("zip", "zip", "application/zip", _without_addresses(archive.write)),
        Format("label-studio", "json", "application/json; charset=utf-8", label_studio.write),
        Format("cvat", "zip", "application/zip", _without_addresses(cvat.write)),
    )
}

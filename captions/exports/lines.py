"""JSON Lines for programs: one object a picture, nothing changed or left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from captions.exports.rows import Row, chunks, rows
from captions.models import Image


def write(user: User, images: QuerySet[Image]) -> Iterator[bytes]:
    """Give one line a picture: its row, with null where there is nothing."""
    for portion in chunks(images):
        yield b"".join(line(row) for row in rows(user, portion))


def line(row: Row, **more: Any) -> bytes:
    """Give one line; `more` stands before the row's own values."""
    return json.dumps({**more, **asdict(row)}, cls=DjangoJSONEncoder, ensure_ascii=False).encode() + b"\n"

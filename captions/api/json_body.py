"""JSON bodies, measured before they are read.

Two bytes of JSON can cost a process a hundred: `[[],[],…]` becomes a list each, and a list of a million wrong ids a
million refusals in words. What matters is thus not the length of a body but how many parts it has.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.utils import json

from captions.errors import DeskError
from captions.plain import json_parts

#: Names, values and entries of lists; the largest body that an address of ours takes, two thousand ids, has a fifth.
MOST_PARTS: Final = 10_000
#: Of bodies that other services' programs write, which carry more than we asked for.
MOST_FOREIGN_PARTS: Final = 200_000


class Json(JSONParser):
    """JSON of at most MOST_PARTS. Its length is bounded by DATA_UPLOAD_MAX_MEMORY_SIZE, as DRF does for its own."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Read the body. Raises ParseError, and DeskError `body_too_large`."""
        return _read(stream, parser_context, MOST_PARTS)


class PictureJson(BaseParser):
    """JSON in which a picture stands as base64, and which may thus be long; the view looks at its length before.

    It is no JSONParser to DRF, which would hold one to DATA_UPLOAD_MAX_MEMORY_SIZE.
    """

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Read the body. Raises ParseError, and DeskError `body_too_large`."""
        return _read(stream, parser_context, MOST_FOREIGN_PARTS)


def _read(stream: Any, context: Any, most: int) -> Any:
    encoding = (context or {}).get("encoding", settings.DEFAULT_CHARSET)
    try:
        text = stream.read().decode(encoding)
        if json_parts(text) > most:  # counted in letters: UTF-7 would hide the signs from a count of bytes
            raise DeskError("body_too_large")
        return json.loads(text, parse_constant=json.strict_constant)
    except (ValueError, LookupError):
        raise ParseError from None

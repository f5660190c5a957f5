"""XML that strangers wrote, read element by element with expat: no tree is built, and nothing else is ever opened.

A document that declares its type is refused whole. Entities can be declared nowhere else, so none can name a file or
an address (XXE), and none can grow into gigabytes (https://docs.python.org/3/library/xml.html#xml-security).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final, Protocol

# Trees of `xml.etree` would take a hundred bytes for every byte of `<a/>`; what makes XML dangerous is refused below.
from xml.parsers import expat  # nosec B407

from captions.errors import DeskError

#: Elements within elements; what people write has about ten.
DEEPEST: Final = 100
#: Elements that are read while somebody waits for the answer: 28 MiB of `<a/>` would keep a processor busy for long.
MOST_ELEMENTS: Final = 500_000


class Reader(Protocol):
    """Is told of elements as they come."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Hear that an element begins."""

    def end(self, name: str, text: str) -> None:
        """Hear that an element ends, with the text that stood in it, without that of elements within."""


def read(data: bytes | str, reader: Reader, *, most: int | None = MOST_ELEMENTS) -> None:
    """Tell `reader` of all elements, in order; of any number when `most` is None.

    Raises DeskError `xml_unreadable`, `xml_declares_type`, `body_too_large`.
    """
    parser = expat.ParserCreate()
    texts: list[list[str]] = []
    count = itertools.count(1)

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(texts) >= DEEPEST:
            raise DeskError("xml_unreadable")
        if most is not None and next(count) > most:
            raise DeskError("body_too_large")
        texts.append([])
        reader.start(name, attributes)

    def end(name: str) -> None:
        reader.end(name, "".join(texts.pop()))

    def write(text: str) -> None:
        texts[-1].append(text)

    def refuse(*_declared: object) -> None:
        raise DeskError("xml_declares_type")

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = write, refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError):  # the last two: an encoding that nobody knows, or a wrong one
        raise DeskError("xml_unreadable") from None

"""Text that people and models hand in: made fit for one line of a page, a header or a log, and measured."""

from __future__ import annotations

import unicodedata
from typing import Final

# Marks that turn the direction of reading; in a list they would turn the neighbours' words round too.
_DIRECTION_MARKS: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str) -> str:
    """Give `text` in Unicode's composed form, white space collapsed, without control characters and direction marks."""
    kept = (mark for mark in unicodedata.normalize("NFC", text) if mark.isspace() or not _is_unfit(mark))
    return " ".join("".join(kept).split())


def has_a_word(text: str) -> bool:
    """Whether there is a letter, a digit or a pictogram in `text`."""
    return any(mark.isalnum() or unicodedata.category(mark) == "So" for mark in text)


def json_parts(text: str) -> int:
    """Give at least the number of names, values and entries in JSON, without reading it; texts may add to it."""
    return sum(text.count(sign) for sign in ",[{")


def _is_unfit(mark: str) -> bool:
    # Cs: half of a surrogate pair, which no database stores. The last one is the byte order mark.
    return mark in _DIRECTION_MARKS or unicodedata.category(mark) in ("Cc", "Cs") or mark == "\ufeff"

"""What changed between two captions, by whole words."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Kind = Literal["same", "removed", "added"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words that stayed, went or came."""

    kind: Kind
    words: str


def difference(before: str, after: str) -> list[Piece]:
    """Compare by words, punctuation included: what was removed stands before what was added in its place."""
    old, new = before.split(), after.split()
    pieces: list[Piece] = []
    for what, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            pieces.append(Piece("same", " ".join(old[a:b])))
            continue
        if b > a:
            pieces.append(Piece("removed", " ".join(old[a:b])))
        if d > c:
            pieces.append(Piece("added", " ".join(new[c:d])))
    return pieces

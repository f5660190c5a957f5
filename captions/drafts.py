"""Draft: what a worker hands in for one candidate caption."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Draft:
    """One candidate: `score` is its mean token log-probability (natural logarithm, at most 0) over `tokens` tokens."""

    text: str
    score: float | None = None
    tokens: int | None = None

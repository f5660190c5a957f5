"""Sentences that pages share: places, durations, scores, names of models and people."""

from __future__ import annotations

import math

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _

from captions.models import Review

_ORDINALS = (
    "First",
    "Second",
    "Third",
    "Fourth",
    "Fifth",
    "Sixth",
    "Seventh",
    "Eighth",
    "Ninth",
    "Tenth",
)
_DEMO = "demo"


def duration(seconds: float) -> str:
    """Say a length of time roughly: 6.2 becomes "6 seconds"."""
    if seconds < 90:
        return _count(max(1, round(seconds)), "second")
    if seconds < 90 * 60:
        return _count(round(seconds / 60), "minute")
    if seconds < 36 * 3600:
        return _count(round(seconds / 3600), "hour")
    return _count(round(seconds / 86400), "day")


def place_in_queue(place: int) -> str:
    """Say the place of a waiting job, counted from 1."""
    return f"{_ORDINALS[place - 1]} in the queue." if place <= len(_ORDINALS) else f"Number {place} in the queue."


def score(mean_log_probability: float | None) -> str:
    """Give the model's own guess from 0 to 1: the geometric mean of its words' probabilities."""
    if mean_log_probability is None:
        return ""
    return f"{math.exp(min(0.0, mean_log_probability)):.2f}"


def quality(chance: float) -> str:
    """Give a quality score: never rounded up to a 1.00 that nobody can promise."""
    return f"{min(chance, 0.99):.2f}"


def captioner(model: str, *, first: bool = False) -> str:
    """Name a model in a sentence; `first` when it begins one."""
    if model == _DEMO:
        return "Demo captioner" if first else "the demo captioner"
    return model.rsplit("/", 1)[-1]


def person(someone: AbstractBaseUser | None, *, viewer: AbstractBaseUser) -> str:
    """Name a person as the viewer sees them."""
    if someone is None:
        return "somebody"
    return "you" if someone.pk == viewer.pk else someone.get_username()


def rule(review: Review, *, viewer: AbstractBaseUser) -> str:
    """Say by whose rule a draft was approved, and which quality score it had; `by_rule` should be read with it."""
    approval = getattr(review, "by_rule", None)  # rows from before the rule kept its scores have none
    name = person(review.reviewer, viewer=viewer)
    whose = _("your rule") if review.reviewer_id == viewer.pk else _("rule of %(name)s") % {"name": name}
    if approval is None:
        return whose
    return _("%(rule)s, quality score %(score)s") % {"rule": whose, "score": quality(approval.quality)}


def reason(review: Review) -> str:
    """Give the reason of a rejection as it stands in a sentence; other words stay as they were typed."""
    if review.reason in Review.Reason.values:
        return Review.Reason(review.reason).label.lower()
    return review.reason


def counted(number: int, one: str, many: str = "") -> str:
    """Give a number with its noun: "1 picture", "3 pictures"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def file_size(count: int) -> str:
    """Give a size in bytes as people write it, in decimal units."""
    if count < 1000:
        return _count(count, "byte")
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def _count(number: int, unit: str) -> str:
    return counted(number, unit)

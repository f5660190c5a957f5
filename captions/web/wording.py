"""Sentences that pages share: places, durations, scores, names of models and people."""

from __future__ import annotations

import math

from django.contrib.auth.models import AbstractBaseUser
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from captions.models import Review

_ORDINALS = (
    gettext_noop("First"),
    gettext_noop("Second"),
    gettext_noop("Third"),
    gettext_noop("Fourth"),
    gettext_noop("Fifth"),
    gettext_noop("Sixth"),
    gettext_noop("Seventh"),
    gettext_noop("Eighth"),
    gettext_noop("Ninth"),
    gettext_noop("Tenth"),
)
_REASONS = {
    Review.Reason.WRONG: gettext_noop("wrong about the picture"),
    Review.Reason.COUNT: gettext_noop("wrong count"),
    Review.Reason.VAGUE: gettext_noop("too vague"),
    Review.Reason.LANGUAGE: gettext_noop("badly worded"),
    Review.Reason.OTHER: gettext_noop("something else"),
}
_DEMO = "demo"


def duration(seconds: float) -> str:
    """Say a length of time roughly: 6.2 becomes "6 seconds"."""
    if seconds < 90:
        number = max(1, round(seconds))
        words = ngettext("%(number)s second", "%(number)s seconds", number)
    elif seconds < 90 * 60:
        number = round(seconds / 60)
        words = ngettext("%(number)s minute", "%(number)s minutes", number)
    elif seconds < 36 * 3600:
        number = round(seconds / 3600)
        words = ngettext("%(number)s hour", "%(number)s hours", number)
    else:
        number = round(seconds / 86400)
        words = ngettext("%(number)s day", "%(number)s days", number)
    return words % {"number": number}


def place_in_queue(place: int) -> str:
    """Say the place of a waiting job, counted from 1."""
    if place > len(_ORDINALS):
        return _("Number %(place)s in the queue.") % {"place": place}
    return _("%(ordinal)s in the queue.") % {"ordinal": _(_ORDINALS[place - 1])}


def decimal(number: float, places: int) -> str:
    """Write a number with so many decimal places, with the reader's decimal sign."""
    return number_format(f"{number:.{places}f}", places)  # given the number itself, it cuts instead of rounding


def score(mean_log_probability: float | None) -> str:
    """Give the model's own guess from 0 to 1: the geometric mean of its words' probabilities."""
    if mean_log_probability is None:
        return ""
    return decimal(math.exp(min(0.0, mean_log_probability)), 2)


def quality(chance: float) -> str:
    """Give a quality score: never rounded up to a 1.00 that nobody can promise."""
    return decimal(min(chance, 0.99), 2)


def captioner(model: str, *, first: bool = False) -> str:
    """Name a model in a sentence; `first` when it begins one."""
    if model == _DEMO:
        return _("Demo captioner") if first else _("the demo captioner")
    return model.rsplit("/", 1)[-1]


def person(someone: AbstractBaseUser | None, *, viewer: AbstractBaseUser) -> str:
    """Name a person as the viewer sees them."""
    if someone is None:
        return _("somebody")
    return _("you") if someone.pk == viewer.pk else someone.get_username()


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
        return _(_REASONS[Review.Reason(review.reason)])
    return review.reason


def file_size(count: int) -> str:
    """Give a size in bytes as people write it, in decimal units."""
    if count < 1000:
        return ngettext("%(number)s byte", "%(number)s bytes", count) % {"number": count}
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{decimal(count / 1_000_000, 1)} MB"

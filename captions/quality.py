"""The quality score of a draft: the chance, from 0 to 1, that a reviewer approves it unchanged.

A score is computed from five features of the draft by plain arithmetic on plain numbers: a weighted sum, the logistic
function and, once decisions were learned from, a curve that was fitted to them. Until then `PRIOR` is used, a formula
fixed by hand. What is learned from, and how, is in `captions.calibration`; nothing here needs scikit-learn.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import OuterRef, Subquery

from captions.models import Calibration, Caption

LOWEST_LOG_PROBABILITY: Final = -10.0
UNKNOWN_LOG_PROBABILITY: Final = -2.0  # of drafts whose model gives no score
MOST_WORDS: Final = 200
LARGEST_MARGIN: Final = 10.0
_LOOP: Final = 2  # words in a row that count as a loop when they come again

_WORD: Final = re.compile(r"\w+(?:['’]\w+)*")
_BOILERPLATE: Final = re.compile(
    r"\W*(?:(?:this|it|here|there) (?:is|are) )?(?:an?|the|some)? ?(?:\w+ )?"
    r"(?:picture|image|photo|photograph|photography|view|shot|close.up|screenshot)s? (?:of|showing|that shows)\b"
    r"|\W*(?:this|there) (?:is|are)\b",
    re.IGNORECASE,
)


class Features(NamedTuple):
    """What a score is computed from; one number each, the same for the same draft at any time.

    log_probability  mean token log-probability, natural logarithm, from -10 to 0; -2 when the model gives none
    length           logarithm of 1 + the number of words, from 0 (no word) to log 201 (200 words or more)
    loops            share of the pairs of neighbouring words that stood before in the draft, from 0 to below 1
    boilerplate      1 when it opens with words that say nothing ("a picture of", "there is"; English only), else 0
    margin           log_probability minus that of the second draft of the same job, from 0 to 10; 0 without one
    """

    log_probability: float
    length: float
    loops: float
    boilerplate: float
    margin: float


def features(*, text: str, score: float | None, second: float | None = None) -> Features:
    """Give the features of a draft; `score` and `second` are mean log-probabilities of it and of its job's second."""
    words = _WORD.findall(text.casefold())
    first = UNKNOWN_LOG_PROBABILITY if score is None else _within(score, LOWEST_LOG_PROBABILITY, 0.0)
    margin = 0.0 if score is None or second is None else _within(score - second, 0.0, LARGEST_MARGIN)
    return Features(
        log_probability=first,
        length=math.log1p(min(len(words), MOST_WORDS)),
        loops=_repeated_share(words),
        boilerplate=float(_BOILERPLATE.match(text) is not None),
        margin=margin,
    )


def _within(value: float, low: float, high: float) -> float:
    return low if math.isnan(value) else min(high, max(low, value))


def _repeated_share(words: Sequence[str]) -> float:
    pairs = [tuple(words[at : at + _LOOP]) for at in range(len(words) - _LOOP + 1)]
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0


# --- From features to a score --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Formula:
    """Plain numbers that make a score of features.

    The sum of `intercept` and `weights` times ((feature - mean) / scale) goes through the logistic function; then the
    curve through the points (`xs`, `ys`), straight between them and level outside, maps it to a share of approvals. A
    formula without points has no such curve. All lists of features are in the order of `Features`; `xs` rises, and
    `ys` never falls, so that a better sum never gives a worse score.
    """

    intercept: float
    weights: tuple[float, ...]
    means: tuple[float, ...] = (0.0,) * len(Features._fields)
    scales: tuple[float, ...] = (1.0,) * len(Features._fields)
    xs: tuple[float, ...] = ()
    ys: tuple[float, ...] = ()

    def score(self, found: Features) -> float:
        """Give the score, from 0 to 1."""
        shifted = zip(found, self.means, self.scales, self.weights, strict=True)
        chance = logistic(
            self.intercept + sum(weight * (value - mean) / scale for value, mean, scale, weight in shifted)
        )
        return self._on_the_curve(chance) if self.xs else chance

    def _on_the_curve(self, x: float) -> float:
        right = bisect_right(self.xs, x)
        if right == 0:
            return self.ys[0]
        if right == len(self.xs):
            return self.ys[-1]
        (x0, x1), (y0, y1) = self.xs[right - 1 : right + 1], self.ys[right - 1 : right + 1]
        return y0 + (y1 - y0) * (x - x0) / (x1 - x0)

    def as_dict(self) -> dict[str, Any]:
        """Give it as `Calibration.fitted` keeps it."""
        lists = {name: list(getattr(self, name)) for name in ("weights", "means", "scales", "xs", "ys")}
        return {"features": list(Features._fields), "intercept": self.intercept, **lists}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Formula | None:
        """Read what `as_dict` gave; None when it was kept by a version that knew other features."""
        if kept.get("features") != list(Features._fields):
            return None
        lists = {name: tuple(map(float, kept[name])) for name in ("weights", "means", "scales", "xs", "ys")}
        return cls(intercept=float(kept["intercept"]), **lists)


def logistic(value: float) -> float:
    """Give 1 / (1 + e^-value) without overflow."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    grown = math.exp(value)
    return grown / (1 + grown)


#: In force until enough decisions exist. A draft of nine words that the model gives 0.82 a word scores 0.76.
PRIOR: Final = Formula(
    intercept=0.8,
    weights=Features(log_probability=2.0, length=0.3, loops=-5.0, boilerplate=-0.7, margin=0.4),
)

# --- Of drafts in the database -------------------------------------------------------------------------------------

_kept: tuple[UUID | None, Formula] = (None, PRIOR)


def runner_up(job: str) -> Subquery:
    """Give the mean log-probability of the second draft of a job, to annotate rows whose field `job` names it."""
    return Subquery(Caption.objects.filter(job_id=OuterRef(job), rank=2).order_by().values("score")[:1])


def of_draft(caption_id: UUID) -> float | None:
    """Give the score of one draft by the newest calibration; None for words that no model drafted. One query.

    Every score asks which calibration is the newest: a worker that kept on using an older one would put drafts into
    the wrong order until it is started again.
    """
    newest = Calibration.objects.order_by("-fitted_at", "-id").values("id")[:1]
    drafts = Caption.objects.filter(pk=caption_id, job__isnull=False).order_by()
    found = drafts.annotate(second=runner_up("job_id"), calibration=Subquery(newest))
    row = found.values_list("text", "score", "second", "calibration").first()
    if row is None:
        return None
    text, score, second, calibration_id = row
    return formula(calibration_id).score(features(text=text, score=score, second=second))


def formula(calibration_id: UUID | None) -> Formula:
    """Give the formula of a calibration, kept from the last call when it is the same; the prior for None."""
    global _kept  # noqa: PLW0603  # one value of this process, replaced whole; threads at worst read it once more
    kept_id, kept = _kept
    if calibration_id is None:
        return PRIOR
    if calibration_id != kept_id:
        found = Calibration.objects.filter(pk=calibration_id).values_list("fitted", flat=True).first()
        kept = (Formula.from_dict(found) if found else None) or PRIOR
        _kept = (calibration_id, kept)
    return kept

"""Learning the quality score from what reviewers decided, and giving every waiting draft its score.

A decision counts once for each draft that was shown: the first one of a person that stands. Approved unchanged is 1;
corrected, rejected, or another draft of the job chosen instead is 0. What a rule approved never counts, and neither
does what people decide while such an approval stands: they look at those only when they are wrong, which would teach
the score that drafts it is sure of are bad.

Two steps: a logistic regression on the features, then isotonic regression of the outcomes on the chances that it gives
for decisions held out of its fit (Niculescu-Mizil and Caruana, "Predicting good probabilities with supervised
learning", 2005). Whatever is shown about the fit comes from a second round of holding out around both steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import structlog
from django.db.models import Case, Exists, F, FloatField, OuterRef, Q, QuerySet, Value, When

from captions import ledger, quality
from captions.models import Calibration, Caption, Image, Review
from captions.quality import Features, Formula

if TYPE_CHECKING:
    import numpy as np

log = structlog.get_logger(__name__)

ENOUGH: Final = 50
ENOUGH_OF_EACH: Final = 10
NEW_ENOUGH: Final = 20  # decisions since the last fit that make another one worth while
MOST: Final = 20_000  # the newest decisions; older ones are of other models and habits
FOLDS: Final = 5
BINS: Final = 10
THRESHOLDS: Final = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99)
AT_ONCE: Final = 500
_SEED: Final = 0
_Z: Final = 1.959964  # of a 95 % interval

Decision = Review.Decision


@dataclass(frozen=True, slots=True)
class Example:
    """A draft that a person decided on: what its score is computed from, and whether it was approved unchanged."""

    features: Features
    approved: bool
    model: str


class Interval(NamedTuple):
    """A share with the bounds between which the true one lies in 95 of 100 cases."""

    share: float
    low: float
    high: float


def wilson(right: int, of: int) -> Interval:
    """Give the share of `right` in `of` with its 95 % interval (Wilson, 1927); 0 to 1 when `of` is 0."""
    if not of:
        return Interval(0.0, 0.0, 1.0)
    share, square = right / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    # At the ends the bound is the share itself; the arithmetic would miss it by its last digit.
    return Interval(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


# --- What people decided -------------------------------------------------------------------------------------------


def outcomes() -> dict[UUID, bool]:
    """Give for each job whose best draft a person decided on whether it was approved unchanged; newest 20,000."""
    return dict(islice(_decisions(), MOST))  # newest first, so that the first decision is what stays


def _decisions() -> Iterator[tuple[UUID, bool]]:
    by_rule = ledger.standing(Review.objects.filter(image_id=OuterRef("image_id"), is_automatic=True))
    decisions = ledger.standing(Review.objects.filter(is_automatic=False)).exclude(Exists(by_rule)).order_by("-id")
    shown = ("decision", "caption__kind", "caption__job_id", "caption__rank", "caption__parent__job_id")
    corrected = Q(caption__kind=Caption.Kind.EDITED, caption__parent__job__isnull=False) & ~Q(decision=Decision.REJECT)
    about_a_draft = Q(caption__job__isnull=False) | corrected
    rows = decisions.filter(about_a_draft, caption__purpose=Caption.Purpose.ALT).values_list(*shown)
    for decision, kind, job_id, rank, seen_job_id in rows.iterator(chunk_size=2000):
        if kind == Caption.Kind.GENERATED:
            yield job_id, decision == Decision.APPROVE and rank == 1
        else:
            yield seen_job_id, False


def examples() -> list[Example]:
    """Give the decided drafts with their features; three queries, and one for each 500 drafts."""
    decided = outcomes()
    found = []
    jobs = list(decided)
    for start in range(0, len(jobs), AT_ONCE):
        some = jobs[start : start + AT_ONCE]
        best = Caption.objects.filter(job_id__in=some, rank=1, purpose=Caption.Purpose.ALT).order_by()
        rows = best.annotate(second=quality.runner_up("job_id"))
        for job_id, text, score, second, model in rows.values_list("job_id", "text", "score", "second", "model"):
            made = quality.features(text=text, score=score, second=second)
            found.append(Example(made, decided[job_id], model))
    return found


def new_decisions(since: datetime | None) -> int:
    """Count what people decided since then; it stops counting at `NEW_ENOUGH`."""
    made = Review.objects.filter(is_automatic=False).exclude(decision=Decision.UNDO)
    if since is not None:
        # Ids sort by time and are the one index over all reviews. A minute earlier, for machines whose clocks differ.
        made = made.filter(id__gte=UUID(int=(int(since.timestamp() * 1000) - 60_000) << 80), created_at__gt=since)
    return made.order_by("-id")[:NEW_ENOUGH].count()


def newest() -> Calibration | None:
    """Give the calibration in force, or None while the prior is."""
    return Calibration.objects.order_by("-fitted_at", "-id").first()


# --- The fit -------------------------------------------------------------------------------------------------------


def refresh() -> Calibration | None:
    """Learn again when enough was decided since the last time, and score what has none yet; for the timetable."""
    last = newest()
    made = calibrate() if new_decisions(last.fitted_at if last else None) >= NEW_ENOUGH else None
    if made is None:
        rescore(only_missing=True)
    return made


def calibrate() -> Calibration | None:
    """Learn from all decisions and score every waiting draft anew; None and no change while there are too few."""
    known = examples()
    if not are_enough(known):
        return None
    made = _fit_and_measure(known)
    made.save()
    log.info("calibrated", decisions=made.decisions, approved=made.approved, brier=round(made.brier, 4))
    rescore()
    return made


def are_enough(known: Sequence[Example]) -> bool:
    """Whether there are 50 decisions, and 10 of each outcome among them."""
    approved = sum(one.approved for one in known)
    return len(known) >= ENOUGH and min(approved, len(known) - approved) >= ENOUGH_OF_EACH


def _fit_and_measure(known: Sequence[Example]) -> Calibration:
    import numpy as np

    x = np.array([one.features for one in known], dtype=float)  # (decisions, features)
    y = np.array([one.approved for one in known], dtype=int)  # (decisions,)
    held_out = _held_out_scores(x, y)
    return Calibration(
        method="logistic+isotonic",
        decisions=len(known),
        approved=int(y.sum()),
        fitted=fit(x, y).as_dict(),
        bins=reliability(held_out, y.tolist()),
        thresholds=[_at(threshold, held_out, y.tolist()) for threshold in THRESHOLDS],
        by_model=_by_model(known, held_out),
        brier=_brier(held_out, y.tolist()),
    )


def fit(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> Formula:
    """Fit a formula; `x` has the shape (decisions, features), `y` is 1 where the draft was approved unchanged."""
    # Here alone: importing scikit-learn takes a second and a half and 80 MB, which no page or worker should pay.
    import numpy as np
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    means, scales = x.mean(axis=0), x.std(axis=0)
    scales[scales < 1e-9] = 1.0  # a feature that never varied has nothing to say, and must not become infinite
    shifted = (x - means) / scales
    regression = LogisticRegression(C=1.0, max_iter=1000)
    chances = cross_val_predict(regression, shifted, y, cv=_folds(y), method="predict_proba")[:, 1]
    surest = 1 / (len(y) + 2)  # so few decisions never prove that something is certain (Laplace's rule of succession)
    curve = IsotonicRegression(y_min=surest, y_max=1 - surest, out_of_bounds="clip").fit(chances, y)
    regression.fit(shifted, y)
    xs, ys = _points(np.asarray(curve.X_thresholds_), np.asarray(curve.y_thresholds_))
    return Formula(
        intercept=float(regression.intercept_[0]),
        weights=tuple(map(float, regression.coef_[0])),
        means=tuple(map(float, means)),
        scales=tuple(map(float, scales)),
        xs=xs,
        ys=ys,
    )


def _points(xs: Iterable[float], ys: Iterable[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Leave out points that repeat an `x`: between two of them there would be nothing to divide by."""
    kept: dict[float, float] = {}
    for x, y in zip(xs, ys, strict=True):
        kept[float(x)] = float(y)
    return tuple(kept), tuple(kept.values())


def _folds(y: np.ndarray[Any, Any]) -> Any:
    from sklearn.model_selection import StratifiedKFold

    rarer = int(min(y.sum(), len(y) - y.sum()))
    return StratifiedKFold(n_splits=max(2, min(FOLDS, rarer)), shuffle=True, random_state=_SEED)


def _held_out_scores(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> list[float]:
    """Score every decision by a formula that has not seen it."""
    scores = [0.0] * len(y)
    for learned, held in _folds(y).split(x, y):
        formula = fit(x[learned], y[learned])
        for place in held.tolist():
            scores[place] = formula.score(Features(*x[place].tolist()))
    return scores


def _brier(scores: Sequence[float], y: Sequence[int]) -> float:
    return sum((score - outcome) ** 2 for score, outcome in zip(scores, y, strict=True)) / len(y)


def reliability(scores: Sequence[float], y: Sequence[int]) -> list[dict[str, float]]:
    """Give the reliability diagram: bins of equal width, those without a decision left out."""
    bins: dict[int, list[tuple[float, int]]] = {}
    for score, outcome in zip(scores, y, strict=True):
        bins.setdefault(min(BINS - 1, int(score * BINS)), []).append((score, outcome))
    return [_bin(place, rows) for place, rows in sorted(bins.items())]


def _bin(place: int, rows: Sequence[tuple[float, int]]) -> dict[str, float]:
    share, low, high = wilson(sum(outcome for _, outcome in rows), len(rows))
    return {
        "from": place / BINS,
        "to": (place + 1) / BINS,
        "mean": sum(score for score, _ in rows) / len(rows),
        "share": share,
        "low": low,
        "high": high,
        "decisions": len(rows),
    }


def _at(threshold: float, scores: Sequence[float], y: Sequence[int]) -> dict[str, float]:
    passing = [outcome for score, outcome in zip(scores, y, strict=True) if score >= threshold]
    return {"threshold": threshold, "passed": len(passing), "right": sum(passing)}


def _by_model(known: Sequence[Example], scores: Sequence[float]) -> list[dict[str, Any]]:
    groups: dict[str, list[tuple[float, int]]] = {}
    for one, score in zip(known, scores, strict=True):
        groups.setdefault(one.model, []).append((score, int(one.approved)))
    return [
        {
            "model": model,
            "decisions": len(rows),
            "approved": sum(outcome for _, outcome in rows),
            "mean": sum(score for score, _ in rows) / len(rows),
            "brier": _brier([score for score, _ in rows], [outcome for _, outcome in rows]),
        }
        for model, rows in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]


# --- Scores of what waits ------------------------------------------------------------------------------------------


def rescore(*, only_missing: bool = False) -> int:
    """Score waiting drafts anew by the newest calibration, 500 at a time; gives how many scores changed.

    Each batch is one statement of its own that changes only pictures still showing the draft that was read, so it may
    run beside workers and reviewers and be stopped at any moment.
    """
    last = newest()
    formula = quality.formula(last.pk if last else None)
    changed = 0
    waiting = Image.objects.filter(state=Image.State.DRAFT, deleted_at__isnull=True, caption__job__isnull=False)
    if only_missing:
        waiting = waiting.filter(quality__isnull=True)
    after: tuple[datetime, UUID] | None = None
    while rows := list(_some_after(waiting, after)):
        scores = {
            row.caption_id: formula.score(quality.features(text=row.text, score=row.log_probability, second=row.second))
            for row in rows
            if row.caption_id
        }
        old = {row.caption_id: row.quality for row in rows}
        changed += _write({key: new for key, new in scores.items() if not _is_same(old[key], new)})
        after = (rows[-1].created_at, rows[-1].id)
    return changed


class _Waiting(NamedTuple):
    id: UUID
    created_at: datetime
    quality: float | None
    caption_id: UUID | None
    text: str
    log_probability: float | None
    second: float | None


def _some_after(waiting: QuerySet[Image], after: tuple[datetime, UUID] | None) -> Iterator[_Waiting]:
    if after:
        at, key = after
        waiting = waiting.filter(Q(created_at__gte=at) & (Q(created_at__gt=at) | Q(id__gt=key)))
    shown = waiting.annotate(second=quality.runner_up("caption__job_id")).order_by("created_at", "id")
    names = ("id", "created_at", "quality", "caption_id", "caption__text", "caption__score", "second")
    return map(_Waiting._make, shown.values_list(*names)[:AT_ONCE])


def _is_same(old: float | None, new: float) -> bool:
    return old is not None and abs(old - new) < 1e-9


def _write(scores: dict[UUID, float]) -> int:
    if not scores:
        return 0
    # By caption and not by picture: one that shows another draft by now has the score of that one already.
    by_caption = Case(
        *(When(caption_id=key, then=Value(score)) for key, score in scores.items()),
        default=F("quality"),
        output_field=FloatField(),
    )
    return Image.objects.filter(caption_id__in=scores, state=Image.State.DRAFT).update(quality=by_caption)

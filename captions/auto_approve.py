"""Approving drafts above a threshold without a person's eyes. Off until an operator switches it on.

Whoever switches the rule on has to confirm what it would have done with drafts that people decided on. From then on a
draft that arrives is approved when its quality score reaches the threshold, marked as automatic, in the name of that
operator. The rule never touches a picture on which a person has decided or for which a person has written words. All
that it approved in one run can be taken back together, except where a person has been since.

People win every race: the rule looks while it holds the picture's row locked, as every decision of a person does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from captions import calibration, ledger, review
from captions.calibration import Interval, wilson
from captions.errors import DeskError
from captions.models import AutoApproval, AutoApproveRun, Calibration, Caption, Image, Review, ReviewPolicy
from captions.permissions import is_operator

log = structlog.get_logger(__name__)

AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a threshold would have done with reviewed drafts: how many would have passed, how many of those rightly."""

    threshold: float
    decisions: int
    passed: int
    right: int

    @property
    def share(self) -> float:
        """The share of drafts that would have passed."""
        return self.passed / self.decisions if self.decisions else 0.0

    @property
    def is_tested(self) -> bool:
        """Whether any reviewed draft scored so high."""
        return self.passed > 0

    @property
    def correct(self) -> Interval:
        """The share of those that were approved unchanged, with its 95 % interval."""
        return wilson(self.right, self.passed)


def forecasts(known: Calibration | None) -> list[Forecast]:
    """Give what each threshold would have done, by scores that were held out from the fit; nothing without a fit."""
    rows = known.thresholds if known else []
    return [Forecast(row["threshold"], known.decisions, row["passed"], row["right"]) for row in rows if known]


# --- The switch ----------------------------------------------------------------------------------------------------


def current_run() -> AutoApproveRun | None:
    """Give the run that goes on now, or None while the rule is off."""
    return AutoApproveRun.objects.filter(ended_at__isnull=True).select_related("started_by").first()


def switch_on(*, by: User, threshold: float, calibration_id: UUID | str, is_confirmed: bool) -> AutoApproveRun:
    """Let drafts pass from `threshold` on; `calibration_id` names the numbers that the operator has read.

    A run that goes on is ended. Raises DeskError `forbidden`, `rule_not_confirmed`, `calibration_missing`,
    `calibration_changed`, `threshold_unknown`, `threshold_untested`.
    """
    _check_operator(by)
    if not is_confirmed:
        raise DeskError("rule_not_confirmed", attr="confirmed")
    with transaction.atomic():
        policy = _hold_policy()
        known = calibration.newest()
        if known is None:
            raise DeskError("calibration_missing")
        if str(known.pk) != str(calibration_id):
            raise DeskError("calibration_changed", attr="calibration")
        chosen = _forecast(known, threshold)
        _end_run(by)
        run = AutoApproveRun.objects.create(
            threshold=chosen.threshold,
            calibration=known,
            decisions=chosen.decisions,
            passed=chosen.passed,
            right=chosen.right,
            started_by=by,
        )
        policy.auto_approve_from, policy.auto_approve_by, policy.auto_approve_since = run.threshold, by, run.started_at
        policy.save(update_fields=["auto_approve_from", "auto_approve_by", "auto_approve_since"])
    log.info("rule switched on", threshold=run.threshold, by=by.get_username())
    return run


def switch_off(*, by: User) -> None:
    """Let nothing pass any more; what was approved stays. Off already, it stays off. Raises DeskError `forbidden`."""
    _check_operator(by)
    with transaction.atomic():
        _switch_off(by)
    log.info("rule switched off", by=by.get_username())


def _switch_off(by: User) -> None:
    policy = _hold_policy()
    _end_run(by)
    policy.auto_approve_from = None
    policy.save(update_fields=["auto_approve_from"])


def _check_operator(person: User) -> None:
    if not is_operator(person):
        raise DeskError("forbidden")


def _hold_policy() -> ReviewPolicy:
    """Lock the one row of rules, so that two operators' switches come one after the other."""
    ReviewPolicy.objects.get_or_create(pk=1)
    return ReviewPolicy.objects.select_for_update(of=("self",), no_key=True).get(pk=1)


def _end_run(by: User) -> None:
    AutoApproveRun.objects.filter(ended_at__isnull=True).update(ended_at=timezone.now(), ended_by=by)


def _forecast(known: Calibration, threshold: float) -> Forecast:
    chosen = next((one for one in forecasts(known) if abs(one.threshold - threshold) < 1e-9), None)
    if chosen is None:
        raise DeskError("threshold_unknown", attr="threshold")
    if not chosen.is_tested:
        raise DeskError("threshold_untested", attr="threshold")
    return chosen


# --- The rule ------------------------------------------------------------------------------------------------------


def consider(*, image_id: UUID) -> Review | None:
    """Approve the draft on show if the rule is on and lets it pass; gives the review. One query while it does not.

    Runs in the transaction that ended a job, after `settle`, with the image's row locked.
    """
    policy = ReviewPolicy.objects.order_by()
    passing = Image.objects.filter(
        pk=image_id,
        state=Image.State.DRAFT,
        deleted_at__isnull=True,
        is_decorative=False,
        published_caption__isnull=True,
        quality__gte=Subquery(policy.values("auto_approve_from")[:1]),
        # A draft that waited already when the rule was switched on comes into view again when a later job is cancelled.
        caption__created_at__gte=Subquery(policy.values("auto_approve_since")[:1]),
        caption__job__isnull=False,
    ).exclude(Exists(_peoples_decisions(OuterRef("pk"))) | Exists(_peoples_words(OuterRef("pk"))))
    image = passing.select_related("caption").order_by().first()
    if image is None or image.quality is None:
        return None
    run = current_run()
    if run is None or not is_operator(run.started_by):  # nobody answers for a rule whose author has left
        return None
    made = review.approve_by_rule(image=image, author=run.started_by)
    AutoApproval.objects.create(review=made, run=run, quality=image.quality)
    return made


def _peoples_decisions(image: OuterRef) -> QuerySet[Review]:
    """All that people decided, also what was taken back: whoever did that had looked."""
    return Review.objects.filter(image_id=image, is_automatic=False)


def _peoples_words(image: OuterRef) -> QuerySet[Caption]:
    return Caption.objects.filter(image_id=image, author__isnull=False)


# --- Taking a run back ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a run's approvals: all, those taken back since, those that nobody has touched, the others."""

    approved: int
    taken_back: int
    untouched: int

    @property
    def touched(self) -> int:
        """Approvals that a person confirmed, changed or overruled; these stay as that person left them."""
        return self.approved - self.taken_back - self.untouched


def tally(run: AutoApproveRun) -> Tally:
    """Count what became of a run's approvals; two queries, and nothing is changed."""
    counted = AutoApproval.objects.filter(run=run).order_by()
    numbers = counted.aggregate(approved=Count("pk"), taken_back=Count("review__undone_by"))
    return Tally(numbers["approved"], numbers["taken_back"], untouched(run).count())


def untouched(run: AutoApproveRun) -> QuerySet[AutoApproval]:
    """Give the approvals of a run that stand, on pictures that no person has decided on or written words for."""
    image = OuterRef("review__image_id")
    standing = AutoApproval.objects.filter(
        run=run,
        review__undone_by__isnull=True,
        review__image__deleted_at__isnull=True,
        review__image__is_decorative=False,
        review__image__published_caption_id=F("review__caption_id"),
    )
    return standing.exclude(Exists(_peoples_decisions(image)) | Exists(_peoples_words(image))).order_by()


def take_back(*, run: AutoApproveRun, by: User) -> int:
    """End a run and take back what nobody has touched: 200 at once, and the rest by the timetable; gives how many.

    Raises DeskError `forbidden`.
    """
    _check_operator(by)
    with transaction.atomic():
        if AutoApproveRun.objects.filter(pk=run.pk, ended_at__isnull=True).exists():
            _switch_off(by)
        asked = AutoApproveRun.objects.filter(pk=run.pk, take_back_at__isnull=True)
        asked.update(take_back_by=by, take_back_at=timezone.now())
    log.info("run is taken back", run=str(run.pk), by=by.get_username())
    return _take_some_back(AutoApproveRun.objects.select_related("take_back_by").get(pk=run.pk))


def go_on_taking_back() -> int:
    """Take back the rest of what operators asked for; gives how many. May run several times at once."""
    done = 0
    for run in AutoApproveRun.objects.filter(take_back_at__isnull=False, taken_back_at__isnull=True).select_related(
        "take_back_by"
    ):
        while some := _take_some_back(run):
            done += some
    return done


def _take_some_back(run: AutoApproveRun) -> int:
    assert run.take_back_by is not None
    some = list(untouched(run).values_list("pk", "review__image_id")[:AT_ONCE])
    done = sum(_take_one_back(run, review_id, image_id, run.take_back_by) for review_id, image_id in some)
    if len(some) < AT_ONCE:
        AutoApproveRun.objects.filter(pk=run.pk, taken_back_at__isnull=True).update(taken_back_at=timezone.now())
    return done


def _take_one_back(run: AutoApproveRun, review_id: UUID, image_id: UUID, by: User) -> bool:
    with transaction.atomic():
        try:
            ledger.hold(image_id)
        except DeskError:
            return False  # it went into the trash in the meantime
        if not untouched(run).filter(pk=review_id).exists():
            return False  # a person came first
        decision = Review.objects.select_related("image", "caption").get(pk=review_id)
        review.take_back_by_rule(decision=decision, by=by)
    return True

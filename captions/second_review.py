"""Decisions that another person makes once more without seeing the first one. They change nothing: they measure.

Whoever decides leaves, by chance, a row for somebody else (`sample`); the review desk mixes these rows into other
people's queues. What the second person would have published is kept beside the first decision, and nothing else moves.
"""

from __future__ import annotations

import secrets
from typing import Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from captions import ledger, selectors
from captions.errors import DeskError
from captions.models import Caption, Image, Review, ReviewPolicy, SecondReview
from captions.models.clock import DatabaseTime
from captions.permissions import is_operator, may_review

Decision = Review.Decision

_PARTS: Final = 1_000_000
_DECIDED: Final = (Image.State.APPROVED, Image.State.REJECTED)


def share() -> float:
    """Give the share of decisions, from 0 to 1, that another person makes once more."""
    return ReviewPolicy.objects.filter(pk=1).values_list("second_review_share", flat=True).first() or 0.0


def set_share(*, to: float, by: User) -> None:
    """Set that share. Raises DeskError `forbidden` unless an operator does, `share_out_of_range` outside 0 to 1."""
    if not is_operator(by):
        raise DeskError("forbidden")
    if not 0 <= to <= 1:  # also refuses a number that is none
        raise DeskError("share_out_of_range", attr="share")
    ReviewPolicy.objects.update_or_create(pk=1, defaults={"second_review_share": to})


def sample(*, decision: Review) -> None:
    """Put a decision before another person, by chance. Runs in the transaction that made the decision."""
    if decision.is_automatic or decision.decision == Decision.UNDO:
        return
    if secrets.randbelow(_PARTS) < share() * _PARTS:
        SecondReview.objects.create(first=decision, image_id=decision.image_id)


def waiting(user: User) -> QuerySet[SecondReview]:
    """Give what this person could decide a second time: others' decisions that stand, longest waiting first.

    A picture that has new drafts waits as a draft; it is not put before anybody in two ways at once.
    """
    pictures = selectors.reviewable(user).filter(state__in=_DECIDED).select_related(None).order_by()
    rows = SecondReview.objects.filter(decision="", first__undone_by__isnull=True, image__in=pictures.values("pk"))
    return rows.exclude(first__reviewer_id=user.pk).order_by("asked_at", "id")


def looked_at(row: SecondReview) -> Caption:
    """Give the caption that the first person had before them: of a correction, what it corrected."""
    caption = row.first.caption
    return (caption.parent or caption) if row.first.decision == Decision.EDIT else caption


def decide(
    *, row: SecondReview, reviewer: User, decision: str, caption: Caption | None = None, text: str = ""
) -> SecondReview:
    """Write down what `reviewer` would have decided. Sent twice it is written down once.

    Raises DeskError `not_found` when the picture is gone or not theirs to review, `already_decided` when somebody
    else was quicker or the first decision was taken back, and those of `ledger.clean` for an edit.
    """
    words = _words(row, decision, caption, text)
    with transaction.atomic():
        held = ledger.hold(row.image_id)
        if not may_review(reviewer, held) or row.first.reviewer_id == reviewer.pk:
            raise DeskError("not_found")
        now = SecondReview.objects.select_related("first__caption", "image").get(pk=row.pk)
        if now.decision and (now.reviewer_id, now.decision, now.text) == (reviewer.pk, decision, words):
            return now
        if now.decision or Review.objects.filter(undoes_id=now.first_id).exists():
            raise DeskError("already_decided")
        SecondReview.objects.filter(pk=row.pk).update(
            reviewer=reviewer, decision=decision, text=words, agrees=words == _published(now.first),
            decided_at=DatabaseTime(),
        )  # fmt: skip
    now.refresh_from_db()
    return now


def take_back(*, row: SecondReview, reviewer: User) -> None:
    """Let a second decision wait again. Raises DeskError `nothing_to_undo` unless it is this person's."""
    undone = SecondReview.objects.filter(pk=row.pk, reviewer=reviewer).exclude(decision="")
    if not undone.update(reviewer=None, decision="", text="", agrees=None, decided_at=None):
        raise DeskError("nothing_to_undo")


def find(user: User, id: UUID | str) -> SecondReview:
    """Give one second review of a picture that the person may review. Raises DeskError `not_found`."""
    try:
        row = SecondReview.objects.select_related("first__caption__parent", "image").get(pk=UUID(str(id)))
    except (ValueError, SecondReview.DoesNotExist):
        raise DeskError("not_found") from None
    selectors.image(user, row.image_id)
    return row


def _words(row: SecondReview, decision: str, caption: Caption | None, text: str) -> str:
    """Give the words they would publish; "" for a rejection."""
    if decision == Decision.REJECT:
        return ""
    if decision == Decision.EDIT:
        return ledger.clean(text)
    chosen = caption or looked_at(row)
    if chosen.image_id != row.image_id:
        raise DeskError("caption_of_another_image", attr="caption")
    return chosen.text


def _published(first: Review) -> str:
    return "" if first.decision == Decision.REJECT else first.caption.text

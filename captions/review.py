"""Decisions of people on captions: approve, edit, reject, and taking a decision back.

What is published follows from the decisions that stand, in their order: an approval or a correction publishes its
caption, a rejection of the published caption unpublishes it. So taking one back gives the same as if it had never been.

`seen` is what `last_seen` gave when the page was made; with it, a decision that somebody else made in the meantime
raises DeskError `already_decided` instead of being overruled unawares. Without it the later decision simply counts.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from captions import languages, ledger, outbox, second_review
from captions.errors import DeskError
from captions.models import Caption, Image, Review
from captions.models.webhook import EventType
from captions.permissions import is_operator, may_review
from captions.plain import one_line

Decision = Review.Decision


def approve(*, image: Image, reviewer: User, caption: Caption | None = None, seen: str | None = None) -> Review:
    """Publish a caption; by default the one the card shows. Sent twice it is written down once.

    Raises DeskError `not_found`, `nothing_to_review`, `caption_of_another_image`, `already_decided`.
    """
    with transaction.atomic():
        held = _hold(image, reviewer)
        chosen = _chosen(held, caption)
        return _repeated(held, reviewer, Decision.APPROVE, chosen) or _decide(
            held, reviewer, Decision.APPROVE, chosen, seen
        )


def edit(
    *,
    image: Image,
    reviewer: User,
    text: str,
    caption: Caption | None = None,
    seen: str | None = None,
    language: str | None = None,
) -> Review:
    """Publish a correction of a caption, added as a new one; unchanged words approve the caption as it is.

    `language` None keeps the caption's; another one is a correction too. Raises DeskError `caption_empty`,
    `caption_too_long`, `language_unknown` and those of `approve`.
    """
    words = ledger.clean(text)
    with transaction.atomic():
        held = _hold(image, reviewer)
        parent = _chosen(held, caption)
        tag = parent.language if language is None else languages.clean(language)
        if (words, tag) == (parent.text, parent.language):
            return approve(image=held, reviewer=reviewer, caption=parent, seen=seen)
        last = _last_standing(held)
        if (
            last
            and last.decision == Decision.EDIT
            and (last.caption.parent_id, last.caption.text, last.caption.language) == (parent.pk, words, tag)
        ):
            repeated = _repeated(held, reviewer, Decision.EDIT, last.caption)
            if repeated:
                return repeated
        _check_seen(held, seen)
        kind = Caption.Kind.EDITED
        corrected = ledger.add(image=held, kind=kind, author=reviewer, text=words, parent=parent, language=tag)
        return _decide(held, reviewer, Decision.EDIT, corrected, None)


def reject(
    *, image: Image, reviewer: User, caption: Caption | None = None, reason: str = "", seen: str | None = None
) -> Review:
    """Refuse a caption; `reason` is a value of Review.Reason or a person's own words, at most 200 characters.

    Raises DeskError `reason_too_long` and those of `approve`.
    """
    why = one_line(reason)
    if len(why) > 200:
        raise DeskError("reason_too_long", attr="reason")
    with transaction.atomic():
        held = _hold(image, reviewer)
        chosen = _chosen(held, caption)
        return _repeated(held, reviewer, Decision.REJECT, chosen) or _decide(
            held, reviewer, Decision.REJECT, chosen, seen, reason=why
        )


def undo(*, image: Image, reviewer: User) -> Review:
    """Take back this person's last decision that stands, or what a rule approved; operators take back anybody's.

    Raises DeskError `not_found`, `nothing_to_undo`.
    """
    with transaction.atomic():
        held = _hold(image, reviewer)
        decisions = ledger.standing(held.reviews.all())
        if not is_operator(reviewer):
            decisions = decisions.filter(Q(reviewer=reviewer) | Q(is_automatic=True))
        last = decisions.select_related("caption").order_by("-id").first()
        if last is None:
            raise DeskError("nothing_to_undo")
        return _decide(held, reviewer, Decision.UNDO, last.caption, None, undoes=last)


def approve_by_rule(*, image: Image, author: User) -> Review:
    """Publish the draft on show by the rule that `author` switched on; `captions.auto_approve` decides whether.

    The caller holds the image's row locked. Raises DeskError `nothing_to_review`.
    """
    return _decide(image, author, Decision.APPROVE, _chosen(image, None), None, is_automatic=True)


def take_back_by_rule(*, decision: Review, by: User) -> Review:
    """Take back what a rule approved; `by` ordered it for the whole run. The caller holds the image's row locked."""
    return _decide(decision.image, by, Decision.UNDO, decision.caption, None, undoes=decision)


def last_seen(image: Image) -> str:
    """Give a mark of the decisions made so far, for `seen` of a later decision; "" before the first."""
    newest = Review.objects.filter(image_id=image.pk).order_by("-id").values_list("id", flat=True).first()
    return str(newest) if newest else ""


def _hold(image: Image, reviewer: User) -> Image:
    held = ledger.hold(image.pk)
    if not may_review(reviewer, held):
        raise DeskError("not_found")
    return held


def _chosen(image: Image, caption: Caption | None) -> Caption:
    chosen = caption or image.caption
    if chosen is None:
        raise DeskError("nothing_to_review")
    if chosen.image_id != image.pk:
        raise DeskError("caption_of_another_image", attr="caption")
    if chosen.purpose != Caption.Purpose.ALT:
        raise DeskError("words_not_reviewed", attr="caption")
    return chosen


def _last_standing(image: Image) -> Review | None:
    return ledger.standing(image.reviews.all()).select_related("caption").order_by("-id").first()


def _repeated(image: Image, reviewer: User, decision: str, caption: Caption) -> Review | None:
    """Give the last decision when this one, from a double click or a lost answer, would only say it again."""
    last = _last_standing(image)
    if last is None or last.reviewer_id != reviewer.pk or last.caption_id != caption.pk:
        return None
    if last.is_automatic:
        return None  # whoever switched the rule on has not looked: now they have
    said_so = {decision, Decision.EDIT} if decision == Decision.APPROVE else {decision}
    return last if last.decision in said_so else None


def _check_seen(image: Image, seen: str | None) -> None:
    if seen is not None and seen != last_seen(image):
        raise DeskError("already_decided")


def _decide(
    image: Image,
    reviewer: User,
    decision: str,
    caption: Caption,
    seen: str | None,
    *,
    reason: str = "",
    undoes: Review | None = None,
    is_automatic: bool = False,
) -> Review:
    _check_seen(image, seen)
    made = Review.objects.create(
        id=ledger.new_id(image.pk),
        image=image,
        caption=caption,
        reviewer=reviewer,
        decision=decision,
        reason=reason,
        undoes=undoes,
        is_automatic=is_automatic,
        published_before_id=image.published_caption_id,
    )
    published = _published(image)
    # The database lets no image be approved without published words, so both change in one statement.
    Image.objects.filter(pk=image.pk).update(
        published_caption_id=published, state=Image.State.APPROVED if published else Image.State.DRAFT
    )
    _note(image, made, published)
    ledger.settle_and_tell(image=image)
    second_review.sample(decision=made)
    return made


_EVENTS: Final = {
    Decision.APPROVE: EventType.CAPTION_APPROVED,
    Decision.EDIT: EventType.CAPTION_APPROVED,
    Decision.REJECT: EventType.CAPTION_REJECTED,
    Decision.UNDO: EventType.REVIEW_UNDONE,
}


def _note(image: Image, made: Review, published: UUID | None) -> None:
    """Write down a decision. `published_caption` is what stands after it, null when nothing does."""
    told: dict[str, Any] = {
        "review": str(made.pk),
        "decision": made.decision,
        "caption": outbox.words(made.caption),
        "published_caption": published and str(published),
        "is_automatic": made.is_automatic,
    }
    if made.reason:
        told["reason"] = made.reason
    outbox.note(type=_EVENTS[Decision(made.decision)], owner_id=image.owner_id, image_id=image.pk, data=told)


def _published(image: Image) -> UUID | None:
    """Read from the decisions that stand which caption is published."""
    published: UUID | None = None
    decisions = ledger.standing(image.reviews.all()).order_by("id")
    for decision, caption_id in decisions.values_list("decision", "caption_id"):
        if decision != Decision.REJECT:
            published = caption_id
        elif caption_id == published:
            published = None
    return published

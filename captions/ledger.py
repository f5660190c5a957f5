"""The captions of an image: adding to them, and the summary that follows from them. Nothing here changes a caption.

Locks: whoever adds words or settles holds the image's row locked, so that ids of one image's captions and reviews rise
in the order in which they were written, whatever the machines' clocks say. Orders that matter are read from the ids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When

from captions import events, languages, quality, wordindex
from captions.drafts import Draft
from captions.errors import DeskError
from captions.models import Caption, CaptionJob, Image, ImageChange, Review
from captions.models.identifiers import uuid7
from captions.params import GenerationParams
from captions.plain import has_a_word, one_line

# --- Words ---------------------------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Give `text` on one line, fit to be shown (`captions.plain.one_line`).

    Raises DeskError `caption_empty` when no word is left, `caption_too_long` above 2,000 characters.
    """
    words = one_line(text)
    if not has_a_word(words):
        raise DeskError("caption_empty", attr="text")
    if len(words) > Caption.MAX_LENGTH:
        raise DeskError("caption_too_long", attr="text")
    return words


def write(*, image: Image, author: User, text: str, language: str = languages.DEFAULT) -> Caption:
    """Add words that a person wrote by hand. They wait for a review; sent twice in a row they are added once.

    Raises DeskError `not_found` when the image is gone or in the trash, `language_unknown`, and those of `clean`.
    """
    words, tag = clean(text), languages.clean(language)
    with transaction.atomic():
        held = hold(image.pk)
        newest = _newest_words(held.pk).first()
        same = (Caption.Kind.WRITTEN, author.pk, words, tag)
        if newest and (newest.kind, newest.author_id, newest.text, newest.language) == same:
            return newest
        return _add(image=held, kind=Caption.Kind.WRITTEN, author=author, text=words, language=tag)


def bring_in(*, image: Image, author: User, text: str, language: str = languages.DEFAULT) -> tuple[Caption, bool]:
    """Add words that a person wrote elsewhere, and say whether they are new here.

    Words that the image has already, whoever wrote or drafted them, are given as they are: the published ones before
    others, then the newest. Raises as `write` does.
    """
    words, tag = clean(text), languages.clean(language)
    with transaction.atomic():
        held = hold(image.pk)
        same = Caption.objects.filter(image_id=held.pk, purpose=Caption.Purpose.ALT, text=words)
        is_published = Case(When(pk=held.published_caption_id, then=Value(0)), default=Value(1))
        known = same.order_by(is_published, "-id").first()
        if known is not None:
            return known, False
        return _add(image=held, kind=Caption.Kind.IMPORTED, author=author, text=words, language=tag), True


def edit(*, caption: Caption, author: User, text: str, language: str | None = None) -> Caption:
    """Add a person's correction of `caption`; unchanged words add nothing and give `caption` back.

    `language` None keeps the caption's; another one is a correction too. Raises DeskError `not_found` when the image
    is gone or in the trash, `language_unknown`, and those of `clean`.
    """
    words = clean(text)
    tag = caption.language if language is None else languages.clean(language)
    with transaction.atomic():
        held = hold(caption.image_id)
        if (words, tag) == (caption.text, caption.language):
            return caption
        kind = Caption.Kind.EDITED
        return _add(image=held, kind=kind, author=author, text=words, parent=caption, language=tag)


def restore(*, caption: Caption, author: User) -> Caption:
    """Make earlier words the newest again by adding them once more; those on show already are given back as they are.

    Raises DeskError `not_found` when the image is gone or in the trash.
    """
    with transaction.atomic():
        held = hold(caption.image_id)
        is_long = caption.purpose == Caption.Purpose.LONG
        newest = (_newest_long if is_long else _newest_words)(held.pk).first()
        if newest and caption.pk in (newest.pk, newest.parent_id if newest.kind == Caption.Kind.RESTORED else None):
            return newest
        return _add(
            image=held,
            kind=Caption.Kind.RESTORED,
            author=author,
            text=caption.text,
            parent=caption,
            purpose=Caption.Purpose.LONG if is_long else Caption.Purpose.ALT,
            language=caption.language,
        )


def add_generated(
    *,
    job: CaptionJob,
    candidates: Sequence[Draft],
    model: str,
    revision: str,
    params: GenerationParams,
    seed: int | None,
) -> list[Caption]:
    """Add a job's candidates, best first, ranked from 1. Runs in the transaction that ends the job, before `settle`.

    A candidate without words is left out. Raises DeskError `no_words` when none is left.
    """
    usable = [(words, draft.score) for draft in candidates if (words := _clean_generated(draft.text))]
    if not usable:
        raise DeskError("no_words")
    first = new_id(job.image_id)
    return Caption.objects.bulk_create(
        Caption(
            id=UUID(int=first.int + place),
            image_id=job.image_id,
            kind=Caption.Kind.GENERATED,
            purpose=Caption.Purpose.TRIAL if job.is_trial else Caption.Purpose.ALT,
            job=job,
            text=words,
            rank=place + 1,
            score=score if score is not None and math.isfinite(score) else None,
            model=model[:200],
            revision=revision[:80],
            params=params.as_dict(),
            seed=seed,
        )
        for place, (words, score) in enumerate(usable)
    )


def hold(image_id: UUID) -> Image:
    """Lock an image for the rest of the transaction. Raises DeskError `not_found` when it is gone or in the trash."""
    held = Image.objects.select_for_update(no_key=True).filter(pk=image_id, deleted_at__isnull=True).first()
    if held is None:
        raise DeskError("not_found")
    return held


def new_id(image_id: UUID) -> UUID:
    """Make an id above those of all captions and reviews of an image that the caller holds locked."""
    made = uuid7()
    for model in (Caption, Review):
        # Another machine's clock may be ahead of ours: words added later must never sort as older.
        last = model.objects.filter(image_id=image_id).order_by("-id").values_list("id", flat=True).first()
        if last is not None and made <= last:
            made = UUID(int=last.int + 1)
    return made


def add(
    *,
    image: Image,
    kind: str,
    author: User,
    text: str,
    parent: Caption | None = None,
    purpose: str = Caption.Purpose.ALT,
    language: str = languages.DEFAULT,
) -> Caption:
    """Insert a person's cleaned words for an image that the caller holds locked and settles afterwards."""
    caption = Caption(
        id=new_id(image.pk),
        image=image,
        kind=kind,
        author=author,
        text=text,
        parent=parent,
        purpose=purpose,
        language=language,
    )
    caption.save()
    return caption


def _add(*, image: Image, **words: Any) -> Caption:
    caption = add(image=image, **words)
    settle_and_tell(image=image)
    return caption


def _clean_generated(text: str) -> str:
    try:
        return clean(text[: Caption.MAX_LENGTH])  # a model's runaway sentence is cut; nobody could shorten it
    except DeskError:
        return ""


# --- The summary ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Decision:
    """The last decision that stands, and whether any standing one was about the newest words."""

    caption_id: UUID
    at: datetime
    covers_newest: bool


def standing(reviews: QuerySet[Review]) -> QuerySet[Review]:
    """Narrow to decisions that hold: neither taken back nor themselves the taking back."""
    return reviews.filter(undone_by__isnull=True).exclude(decision=Review.Decision.UNDO)


def settle(*, image_id: UUID) -> str:
    """Bring an image's `state`, `caption` and `quality` up to date (rules: `Image`) and give the state.

    Three queries at most; a fourth when another draft becomes the caption on show, to score it, and three more when the
    image is to be found by other words from now on.

    Runs in the transaction of whatever changed the image, its jobs, captions or reviews, with its row locked.
    Raises Image.DoesNotExist when the image is gone.
    """
    facts = _facts(image_id)
    state, caption_id = _summary(image_id, facts)
    score = _quality(state, caption_id, facts)
    if (state, caption_id, score) != (facts["state"], facts["caption_id"], facts["quality"]):
        Image.objects.filter(pk=image_id).update(state=state, caption_id=caption_id, quality=score)
    if not _is_found_by(caption_id, facts):
        wordindex.refresh(image_ids=[image_id])
    return state


def await_first_draft(*, image_id: UUID) -> bool:
    """Settle an empty image whose first job waits now. False, and nothing is done, when it has a past to be weighed.

    What is empty has neither words nor jobs that ended: most uploads come this way, and need not look for any.
    """
    empty = Image.objects.filter(pk=image_id, state=Image.State.EMPTY, caption=None)
    return empty.update(state=Image.State.QUEUED) == 1


def _quality(state: str, caption_id: UUID | None, facts: Mapping[str, Any]) -> float | None:
    """Give the score of the draft on show, None while there is none; one that was scored already keeps its score."""
    if state != Image.State.DRAFT or caption_id is None or not facts["newest_job"]:
        return None
    if caption_id == facts["caption_id"] and facts["quality"] is not None:
        return float(facts["quality"])
    return quality.of_draft(caption_id)


def settle_and_tell(*, image: Image) -> str:
    """Settle an image whose row the caller holds locked, tell open pages after the commit, and give the state."""
    state = settle(image_id=image.pk)
    events.publish_on_commit(owner_id=image.owner_id, image_id=image.pk, state=state)
    return state


def _is_found_by(caption_id: UUID | None, facts: Mapping[str, Any]) -> bool:
    """Whether searches find the image by the caption on show, or not at all while it lies in the trash."""
    is_indexed = facts["search_words__id"] is not None
    if facts["deleted_at"] is not None:
        return not is_indexed
    return is_indexed and facts["search_words__shown"] == caption_id


def _summary(image_id: UUID, facts: Mapping[str, Any]) -> tuple[str, UUID | None]:
    """Give the state and the id of the caption on show."""
    if facts["is_decorative"]:
        return Image.State.APPROVED, facts["published_caption_id"] or facts["newest"]
    if facts["published_caption_id"]:
        return Image.State.APPROVED, facts["published_caption_id"]
    newest = facts["newest"]
    if facts["job_state"] == CaptionJob.State.RUNNING:
        return Image.State.DRAFTING, newest
    if facts["job_state"] == CaptionJob.State.QUEUED:
        return Image.State.QUEUED, newest
    decision = _last_decision(image_id, facts)
    if newest and not (decision and decision.covers_newest):
        return Image.State.DRAFT, newest
    if decision and not _ended_badly_since(decision, facts):
        return Image.State.REJECTED, decision.caption_id  # were the last one an approval, its words would be published
    return _state_of_last_job(facts["job_state"]), newest


def _facts(image_id: UUID) -> Mapping[str, Any]:
    jobs = CaptionJob.objects.filter(image_id=OuterRef("pk"), is_trial=False)
    jobs = jobs.order_by(_TELLING, F("finished_at").desc(), "-id")
    newest = _newest_words(OuterRef("pk"))
    return (
        Image.objects.order_by()
        .annotate(
            job_state=Subquery(jobs.values("state")[:1]),
            job_finished_at=Subquery(jobs.values("finished_at")[:1]),
            newest=Subquery(newest.values("id")[:1]),
            newest_job=Subquery(newest.values("job_id")[:1]),
        )
        .values(
            "state",
            "caption_id",
            "quality",
            "published_caption_id",
            "is_decorative",
            "job_state",
            "job_finished_at",
            "newest",
            "newest_job",
            "deleted_at",
            "search_words__id",
            "search_words__shown",
        )
        .get(pk=image_id)
    )


# Of an image's jobs a running one tells most, then a waiting one, then the one that ended last.
_TELLING: Final = Case(
    When(state=CaptionJob.State.RUNNING, then=Value(0)),
    When(state=CaptionJob.State.QUEUED, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


def _newest_words(image: UUID | OuterRef) -> QuerySet[Caption]:
    """Give what an image could show, newest first: of each job the best candidate, and all that people wrote.

    A correction that its author took back stays in the history and is not shown again by itself.
    """
    taken_back = Review.objects.filter(
        caption_id=OuterRef("pk"), decision=Review.Decision.EDIT, undone_by__isnull=False
    )
    words = Caption.objects.filter(Q(rank=1) | Q(rank__isnull=True), image_id=image, purpose=Caption.Purpose.ALT)
    return words.exclude(Exists(taken_back)).order_by("-id")


def _newest_long(image: UUID) -> QuerySet[Caption]:
    """Give the long descriptions of an image, newest first, without those that somebody took away."""
    away = ImageChange.objects.filter(image_id=image, subject=ImageChange.Subject.LONG).values_list("before", flat=True)
    words = Caption.objects.filter(image_id=image, purpose=Caption.Purpose.LONG)
    return words.exclude(pk__in=[UUID(pk) for pk in away]).order_by("-id")


def _last_decision(image_id: UUID, facts: Mapping[str, Any]) -> _Decision | None:
    decisions = standing(Review.objects.filter(image_id=image_id))
    about_newest = Q(caption_id__gte=facts["newest"]) if facts["newest"] else Q(pk__isnull=True)
    if facts["newest_job"]:
        about_newest |= Q(caption__job_id=facts["newest_job"])  # whoever decided on one candidate saw the others
    last = (
        decisions.annotate(covers_newest=Exists(decisions.filter(about_newest)))
        .order_by("-id")
        .values_list("caption_id", "created_at", "covers_newest")
        .first()
    )
    return _Decision(*last) if last else None


def _ended_badly_since(decision: _Decision, facts: Mapping[str, Any]) -> bool:
    ended = facts["job_finished_at"]
    return bool(ended and ended > decision.at and _state_of_last_job(facts["job_state"]) != Image.State.EMPTY)


def _state_of_last_job(state: str | None) -> str:
    if state == CaptionJob.State.FAILED:
        return Image.State.FAILED
    if state == CaptionJob.State.CANCELLED:
        return Image.State.CANCELLED
    return Image.State.EMPTY

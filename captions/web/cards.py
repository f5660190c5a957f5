"""What a picture's card shows: its mark, its words, where they came from and what can be done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import OuterRef, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from captions import ledger, permissions, selectors
from captions.errors import FAILURES, DeskError
from captions.models import Caption, CaptionJob, Image, Review
from captions.permissions import Rights
from captions.web import wording
from captions.web.paging import mark_of


class Look(StrEnum):
    """How a card looks; the values are the names that style and script know."""

    QUEUE = "queue"
    WAIT = "wait"
    RUN = "run"
    DRAFT = "draft"
    APPROVED = "approved"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EMPTY = "empty"


MARKS = {
    Look.QUEUE: ("", gettext_lazy("In the queue")),
    Look.WAIT: ("wait", gettext_lazy("Waits for a worker")),
    Look.RUN: ("run", gettext_lazy("Drafting")),
    Look.DRAFT: ("draft", gettext_lazy("Draft")),
    Look.APPROVED: ("ok", gettext_lazy("Approved")),
    Look.REJECTED: ("no", gettext_lazy("Rejected")),
    Look.FAILED: ("bad", gettext_lazy("Failed")),
    Look.CANCELLED: ("", gettext_lazy("Cancelled")),
    Look.EMPTY: ("", gettext_lazy("No caption")),
}
OPEN = (Look.QUEUE, Look.WAIT, Look.RUN)
# The mean over recent batches is not there before the first batch; a CPU takes about this long for one picture.
_SECONDS_WHEN_UNKNOWN = 3.0
NARROWEST, WIDEST = 40, 300  # hundredths of the height; what is beyond gets a mat


@dataclass(frozen=True)
class Provenance:
    """One sentence: who or what, how, and after `joint` when. A `code` stands before it, in a face of its own."""

    words: str
    at: datetime | None = None
    code: str = ""
    after: str = ""
    joint: str = ", "


@dataclass(frozen=True)
class Card:
    """One picture as a page shows it. `problem` is the failure of the last act, shown on the card itself.

    `lacks` says what its open job waits for, beside its place in the queue; "" while a worker would take it.
    """

    image: Image
    look: Look
    provenance: Provenance
    seen: str = ""
    job: CaptionJob | None = None
    says: str = ""
    percent: int = 0
    can_use_another_model: bool = False
    serving_name: str = ""

    is_redrafting: bool = False
    lacks: str = ""
    problem: DeskError | None = field(default=None, compare=False)
    rights: Rights = field(default=Rights())

    @cached_property
    def id(self) -> SafeString:
        """The picture's id: a card's template writes it a dozen times."""
        return SafeString(self.image.pk)

    @cached_property
    def number(self) -> SafeString:
        """The picture's number, as it is written."""
        return SafeString(self.image.number)

    @cached_property
    def page(self) -> SafeString:
        """The address of the picture's page."""
        return SafeString(reverse("image", args=[self.image.pk]))

    @property
    def place(self) -> str:
        """The mark that stands for "after this picture"."""
        return mark_of(self.image)

    @property
    def shape(self) -> str:
        """The class of its width over its height, in steps of a twentieth: rows know their sizes without a file."""
        ratio = 100 * self.image.thumbnail_width / self.image.thumbnail_height
        return f"r-{min(WIDEST, max(NARROWEST, round(ratio / 5) * 5))}"

    @property
    def caption(self) -> Caption | None:
        """The words the card shows."""
        return self.image.caption

    @property
    def mark(self) -> str:
        """The style name of the state's mark."""
        return MARKS[self.look][0]

    @property
    def label(self) -> str:
        """The state in words."""
        return str(MARKS[self.look][1])

    @property
    def failure_words(self) -> str:
        """What stopped the last job, in words."""
        failure = FAILURES.get(self.job.error_code) if self.job else None
        return (failure or FAILURES["unknown"]).words

    @property
    def is_open(self) -> bool:
        """Whether the card changes by itself before long."""
        return self.look in OPEN or self.is_redrafting

    @property
    def alt(self) -> str:
        """The approved caption, nothing for a decorative picture; a draft nobody vouched for is never alt text."""
        if self.image.is_decorative:
            return ""
        if self.image.published_caption is not None:
            return self.image.published_caption.text
        if not self.image.filename:
            return _("Picture %(number)s, no approved caption yet") % {"number": self.image.number}
        named = {"number": self.image.number, "file": self.image.filename}
        return _("Picture %(number)s, no approved caption yet, file %(file)s") % named


@dataclass(frozen=True)
class _Facts:
    """What the cards of one page need besides their images."""

    jobs: dict[UUID, CaptionJob]
    reviews: dict[UUID, Review]
    seen: dict[UUID, str]
    places: dict[UUID, selectors.Place]
    serving: selectors.Serving
    viewer: User
    rights: dict[UUID, Rights]


def cards_of(
    images: Sequence[Image],
    *,
    viewer: User,
    problem: DeskError | None = None,
    serving: selectors.Serving | None = None,
) -> list[Card]:
    """Build the cards of one page with a fixed number of queries, however many there are."""
    serving = serving or selectors.serving()
    jobs = _newest_jobs(image.pk for image in images)
    facts = _Facts(
        jobs=jobs,
        places=selectors.queue_places(jobs.values(), served_by=serving),
        reviews=_standing_reviews(image.pk for image in images),
        seen=_newest_decisions(image.pk for image in images),
        serving=serving,
        viewer=viewer,
        rights=permissions.rights(viewer, images),
    )
    return [_card(image, facts, problem) for image in images]


def card_of(
    image: Image, *, viewer: User, problem: DeskError | None = None, serving: selectors.Serving | None = None
) -> Card:
    """Build one card."""
    return cards_of([image], viewer=viewer, problem=problem, serving=serving)[0]


def _card(image: Image, facts: _Facts, problem: DeskError | None) -> Card:
    job = facts.jobs.get(image.pk)
    lack = selectors.lack_of(job, facts.serving) if job else None
    look = _look(image, lack)
    says, percent = _progress(look, job, lack, facts)
    return Card(
        image=image,
        look=look,
        provenance=provenance(image, look, job, facts.reviews.get(image.pk), viewer=facts.viewer),
        seen=facts.seen.get(image.pk, ""),
        job=job,
        says=says,
        percent=percent,
        can_use_another_model=lack is not None and facts.serving.answers_for("") and bool(job and job.model),
        serving_name=wording.captioner(facts.serving.model),
        is_redrafting=look not in OPEN and bool(job and job.is_open),
        lacks=lack.words if lack else "",
        problem=problem,
        rights=facts.rights[image.pk],
    )


def _look(image: Image, lack: selectors.Lack | None) -> Look:
    if image.state == Image.State.QUEUED:
        return Look.WAIT if lack else Look.QUEUE
    return {
        Image.State.DRAFTING: Look.RUN,
        Image.State.DRAFT: Look.DRAFT,
        Image.State.APPROVED: Look.APPROVED,
        Image.State.REJECTED: Look.REJECTED,
        Image.State.FAILED: Look.FAILED,
        Image.State.CANCELLED: Look.CANCELLED,
    }.get(Image.State(image.state), Look.EMPTY)


def _progress(look: Look, job: CaptionJob | None, lack: selectors.Lack | None, facts: _Facts) -> tuple[str, int]:
    """Give the sentence of a card that changes by itself, and how far its bar stands, in per cent."""
    serving = facts.serving
    if job is None or look not in OPEN:
        return "", 0
    if lack is not None:
        return lack.words, 0
    if look is Look.QUEUE:
        return _queue_words(job, facts.places[job.pk]), 0
    expected = max(1.0, (serving.seconds_per_image or _SECONDS_WHEN_UNKNOWN) * 2)
    spent = (timezone.now() - (job.started_at or timezone.now())).total_seconds()
    drafts = int(job.params.get("num_captions", 1) or 1)
    left = expected - spent
    when = _("in about %(duration)s") % {"duration": wording.duration(left)} if left > 1 else _("soon")
    words = ngettext(
        "The caption is being written and should be here %(when)s.",
        "%(number)s captions are being written and should be here %(when)s.",
        drafts,
    )
    says = words % {"number": drafts, "when": when}
    return says, min(95, max(5, round(100 * spent / expected)))


def _queue_words(job: CaptionJob, here: selectors.Place) -> str:
    place, seconds = here
    words = wording.place_in_queue(max(1, place))
    if job.failures:
        then = _("It is tried again after a failure.")
    elif seconds is None:
        then = _("A draft comes by itself.")
    else:
        then = _("A draft should be here in about %(duration)s.") % {"duration": wording.duration(seconds)}
    return f"{words} {then}"


def provenance(image: Image, look: Look, job: CaptionJob | None, review: Review | None, *, viewer: User) -> Provenance:
    """Say where a card's words came from, or what is known while there are none."""
    caption = image.caption
    if look in OPEN:
        return _waiting_since(look, job, image)
    if look is Look.FAILED and job is not None:
        return Provenance(
            "", code=job.error_code, after=_(", attempt %(number)s") % {"number": job.attempt}, at=job.finished_at
        )
    if look is Look.REJECTED and review is not None:
        why = wording.reason(review)
        by = _("Rejected by %(who)s") % {"who": wording.person(review.reviewer, viewer=viewer)}
        return Provenance(f"{by}: {why}" if why else by, at=review.created_at)
    if caption is None:
        return Provenance(_("Added"), at=image.created_at, joint=" ")
    if image.is_decorative and image.published_caption_id is None:
        return origin(caption, viewer=viewer)
    if look is Look.APPROVED and review is not None:
        return Provenance(_approved(image.published_caption or caption, review, viewer=viewer), at=review.created_at)
    return origin(caption, viewer=viewer)


def origin(caption: Caption, *, viewer: User) -> Provenance:
    """Say where the words of one caption came from."""
    if caption.kind == Caption.Kind.GENERATED:
        score = wording.score(caption.score)
        named = wording.captioner(caption.model, first=True)
        words = _("%(model)s, score %(score)s") % {"model": named, "score": score} if score else named
        return Provenance(words, at=caption.created_at)
    words = _("%(deed)s by %(who)s") % {
        "deed": _DEED[Caption.Kind(caption.kind)],
        "who": wording.person(caption.author, viewer=viewer),
    }
    return Provenance(words, at=caption.created_at)


_DEED = {
    Caption.Kind.EDITED: gettext_lazy("Edited"),
    Caption.Kind.WRITTEN: gettext_lazy("Written by hand"),
    Caption.Kind.IMPORTED: gettext_lazy("Imported"),
    Caption.Kind.RESTORED: gettext_lazy("Restored"),
    Caption.Kind.GENERATED: gettext_lazy("Drafted"),
}


def _approved(caption: Caption, review: Review, *, viewer: User) -> str:
    reviewer = wording.person(review.reviewer, viewer=viewer)
    if review.is_automatic:
        words = {"model": wording.captioner(caption.model), "rule": wording.rule(review, viewer=viewer)}
        return _("Drafted by %(model)s, approved by %(rule)s") % words
    if caption.kind == Caption.Kind.GENERATED:
        words = {"model": wording.captioner(caption.model), "reviewer": reviewer}
        return _("Drafted by %(model)s, approved by %(reviewer)s") % words
    words = {"deed": str(_DEED[Caption.Kind(caption.kind)]), "reviewer": reviewer}
    if caption.author_id == review.reviewer_id:
        return _("%(deed)s and approved by %(reviewer)s") % words
    words["who"] = wording.person(caption.author, viewer=viewer)
    return _("%(deed)s by %(who)s, approved by %(reviewer)s") % words


def _waiting_since(look: Look, job: CaptionJob | None, image: Image) -> Provenance:
    if look is Look.RUN and job is not None:
        return Provenance(_("Started"), at=job.started_at, joint=" ")
    if look is Look.WAIT and job is not None:
        waited = (timezone.now() - job.created_at).total_seconds()
        return Provenance(_("Waiting for %(duration)s") % {"duration": wording.duration(waited)})
    return Provenance(_("Added"), at=image.created_at, joint=" ")


def _newest_jobs(images: Iterable[UUID]) -> dict[UUID, CaptionJob]:
    ids = list(images)
    newest = (
        CaptionJob.objects.filter(image=OuterRef("pk"), is_trial=False).order_by("-created_at", "-id").values("pk")[:1]
    )
    chosen = Image.objects.filter(pk__in=ids).annotate(newest=Subquery(newest)).values("newest")
    return {job.image_id: job for job in CaptionJob.objects.filter(pk__in=chosen)}


def _standing_reviews(images: Iterable[UUID]) -> dict[UUID, Review]:
    """Give the last decision of each image that was not taken back."""
    decisions = ledger.standing(Review.objects.filter(image__in=list(images))).select_related("reviewer", "by_rule")
    return {review.image_id: review for review in decisions.order_by("id")}


def _newest_decisions(images: Iterable[UUID]) -> dict[UUID, str]:
    """Give what `review.last_seen` gives, for many images at once."""
    rows = Review.objects.filter(image__in=list(images)).order_by("id").values_list("image_id", "id")
    return {image_id: str(review_id) for image_id, review_id in rows}

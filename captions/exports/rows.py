"""What an export says about each picture, the same in every format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import F, QuerySet

from captions import ledger, selectors
from captions.models import Caption, Image, Review

#: Pictures that are read, and turned into bytes, at once.
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Row:
    """One picture with its words and where they came from.

    `text` are the approved words; None while no person or rule approved any, and then `draft` has those on show. What
    belongs into `alt` is `alt_text`: "" for a decorative picture, else `text`. `model` to `author` tell of the words in
    `text`, or else of those in `draft`; `score` is the mean log-probability of their tokens. Times have a zone.
    """

    id: UUID
    number: int
    owner: str
    filename: str
    title: str
    state: str
    text: str | None
    alt_text: str | None
    draft: str | None
    language: str | None
    long_description: str | None
    tags: Sequence[str]
    albums: Sequence[str]
    is_decorative: bool
    kind: str | None
    model: str | None
    revision: str | None
    score: float | None
    author: str | None
    approved_by: str | None
    approved_by_rule: bool
    approved_at: datetime | None
    width: int
    height: int
    format: str
    bytes: int
    sha256: str
    created_at: datetime


def chunks(images: QuerySet[Image]) -> Iterator[list[Image]]:
    """Give the pictures in portions, oldest first, whatever order `images` has; never all of them in memory."""
    # Each portion is a query of its own: a cursor over all would hold one transaction for as long as a reader is slow.
    last: UUID | None = None
    while True:
        rest = images if last is None else images.filter(pk__gt=last)
        portion = list(rest.order_by("pk")[:CHUNK])
        if portion:
            yield portion
        if len(portion) < CHUNK:
            return
        last = portion[-1].pk


def rows(user: User, images: Sequence[Image]) -> list[Row]:
    """Say of each picture what the person may know about it; eight queries however many there are."""
    ids = [image.pk for image in images]
    beside = selectors.beside(user, ids)
    approvals = _approvals(ids)
    return [_row(image, beside, approvals.get(image.pk)) for image in images]


def _row(image: Image, beside: selectors.Beside, approval: Review | None) -> Row:
    published, shown = image.published_caption, image.published_caption or image.caption
    text = published.text if published else None
    long = beside.long.get(image.pk)
    by_rule = image.pk in beside.by_rule
    return Row(
        id=image.pk,
        number=image.number,
        owner=image.owner.get_username(),
        filename=image.filename,
        title=image.title,
        state=image.state,
        text=text,
        alt_text="" if image.is_decorative else text,
        draft=image.caption.text if image.caption and not published else None,
        language=shown.language if shown else None,
        long_description=long.text if long else None,
        tags=beside.tags.get(image.pk, []),
        albums=[name for _, name in beside.albums.get(image.pk, [])],
        is_decorative=image.is_decorative,
        kind=shown.kind if shown else None,
        model=(shown.model or None) if shown else None,
        revision=(shown.revision or None) if shown else None,
        score=shown.score if shown else None,
        author=_author(shown),
        approved_by=approval.reviewer.get_username() if approval else None,
        approved_by_rule=by_rule,
        approved_at=approval.created_at if approval else None,
        width=image.width,
        height=image.height,
        format=image.format,
        bytes=image.bytes,
        sha256=image.sha256,
        created_at=image.created_at,
    )


def _author(caption: Caption | None) -> str | None:
    return caption.author.get_username() if caption and caption.author else None


def _approvals(images: Sequence[UUID]) -> dict[UUID, Review]:
    """Give the last standing decision that approved each picture's published words."""
    approving = (Review.Decision.APPROVE, Review.Decision.EDIT)
    decisions = Review.objects.filter(
        image__in=images, caption=F("image__published_caption"), decision__in=approving
    ).select_related("reviewer")
    return {decision.image_id: decision for decision in ledger.standing(decisions).order_by("id")}

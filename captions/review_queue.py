"""The queue of drafts in front of reviewers: who is handed which picture next, and for how long.

A picture that is handed out is leased for a short time of the database's clock, so that two people never look at the
same one. The lease is renewed while the page is open, given back on leaving or skipping, and passes to somebody else
once it ran out. It is about who looks; what may be decided is still checked by `captions.review` with `seen`.

Locks: pictures before leases, and leases in the order of their pictures. `take` leaves out pictures that somebody else
holds locked and never waits for one. Two people may still choose the same picture, when the second began to read
before the first had committed: the lease's row, one a picture, decides between them.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from captions import ledger, review, second_review, selectors
from captions.errors import DeskError
from captions.models import Album, AlbumImage, AlbumShare, Caption, Image, Review, ReviewLease, SecondReview
from captions.models.clock import DatabaseTime
from captions.permissions import is_reviewer
from captions.selectors import COUNTED

#: Most pictures that one person is handed at once; more would only keep them from others.
AT_MOST: Final = 20
#: Drafts of one run to choose among.
ALTERNATIVES: Final = 5
#: Of so many pictures handed out, one is a second review while any waits.
SECOND_EVERY: Final = 4
#: Another try, when others were handed what was chosen.
_TRIES: Final = 5


class Order(models.TextChoices):
    """Which draft comes next."""

    LEAST_SURE = "least-sure", "Least sure first"
    OLDEST = "oldest", "Oldest first"
    ALBUM = "album", "Album by album"


@dataclass(frozen=True)
class Turn:
    """One picture in front of one reviewer.

    `shown` is the caption to decide on, `drafts` what may be chosen instead, best first and `shown` among them. `seen`
    is the mark for `captions.review`. With `second`, somebody decided before; the decision goes there.
    """

    image: Image
    shown: Caption
    drafts: Sequence[Caption]
    seen: str
    second: SecondReview | None = None


# --- Handing out ---------------------------------------------------------------------------------------------------


def take(
    *,
    reviewer: User,
    count: int,
    order: str = Order.LEAST_SURE,
    album: UUID | None = None,
    besides: Collection[UUID] = (),
    last: Sequence[UUID] = (),
    mix: bool = True,
) -> list[Turn]:
    """Hand out the next pictures, at most `count` and `AT_MOST`, each leased to `reviewer` alone.

    Those they hold already come first, so that asking twice gives the same. `besides` are left out; `last` are those
    they skipped, which come when nothing else is left. With `mix`, second reviews are strewn in.
    Raises DeskError `not_found` for an album that is not theirs to review.
    """
    wanted = min(count, AT_MOST)
    scope = _Scope(reviewer, order, find_album(reviewer, album) if album else None, _held(reviewer))
    drafts: list[UUID] = []
    mixes = mix and album is None
    rows = _take_second(scope, wanted, besides, chance=True) if mixes else []
    for _ in range(_TRIES):
        missing = wanted - len(drafts) - len(rows)
        if missing < 1:
            break
        chosen, leased = _take_some(scope, missing, [*besides, *drafts], last)
        drafts += leased
        if chosen == len(leased):
            break
    missing = wanted - len(drafts) - len(rows)
    if mixes and missing > 0:
        rows += _take_second(scope, missing, [*besides, *(row.image_id for row in rows)], chance=False)
    return _strewn(_turns(reviewer, drafts), _second_turns(reviewer, rows))


def renew(*, reviewer: User, images: Collection[UUID]) -> set[UUID]:
    """Keep pictures for another while, and give those that are still this person's; the others belong to others now.

    A lease that ran out is taken up again while nobody else has the picture.
    """
    with transaction.atomic():
        mine = set(_locked(ReviewLease.objects.filter(image_id__in=images, reviewer=reviewer)))
        ReviewLease.objects.filter(image_id__in=mine, reviewer=reviewer).update(until=_end())
    gone = set(images) - mine
    if gone:
        with transaction.atomic():
            pictures = selectors.reviewable(reviewer).filter(pk__in=gone).order_by("pk")
            mine |= _lease(reviewer, _lock_pictures(pictures, len(gone)))
    return mine


def give_back(*, reviewer: User, images: Collection[UUID]) -> None:
    """Let others have these pictures at once."""
    with transaction.atomic():
        mine = _locked(ReviewLease.objects.filter(image_id__in=images, reviewer=reviewer))
        ReviewLease.objects.filter(image_id__in=mine, reviewer=reviewer).delete()


def tidy() -> None:
    """Remove leases that ran out."""
    ReviewLease.objects.filter(until__lt=DatabaseTime()).delete()


@dataclass(frozen=True)
class _Scope:
    """What somebody wants to be handed; `held` are the pictures that are before them already."""

    reviewer: User
    order: str
    album: Album | None
    held: Collection[UUID]

    def parts(self) -> Iterator[QuerySet[Image]]:
        """Give the drafts in order, in parts that an index can each answer; the next part when one is used up."""
        for drafts in self._sources():
            if self.held:
                yield drafts.filter(pk__in=self.held)
            yield _not_others(drafts, self.reviewer)

    def _sources(self) -> Iterator[QuerySet[Image]]:
        drafts = selectors.to_review(self.reviewer)
        if self.album is not None:
            yield _ordered(drafts.filter(places__album=self.album), self.order)
        elif self.order == Order.ALBUM:
            for album in albums(self.reviewer)[:AT_MOST]:
                yield _ordered(drafts.filter(places__album=album), self.order)
            yield _ordered(drafts.exclude(Exists(AlbumImage.objects.filter(image_id=OuterRef("pk")))), self.order)
        else:
            yield _ordered(drafts, self.order)


def _ordered(drafts: QuerySet[Image], order: str) -> QuerySet[Image]:
    if order == Order.OLDEST:
        return drafts.order_by("created_at", "id")
    return drafts.order_by(F("quality").asc(nulls_last=True), "id")


def _take_some(scope: _Scope, count: int, besides: Collection[UUID], last: Sequence[UUID]) -> tuple[int, list[UUID]]:
    """Lease up to `count` drafts in one transaction; give how many were chosen, and those that became ours."""
    with transaction.atomic():
        chosen: list[UUID] = []
        for part in scope.parts():
            chosen += _lock_pictures(part.exclude(pk__in=[*besides, *last, *chosen]), count - len(chosen))
            if len(chosen) == count:
                break
        else:
            chosen += _skipped(scope, count - len(chosen), {*besides, *chosen}, last)
        leased = _lease(scope.reviewer, chosen)
    return len(chosen), [one for one in chosen if one in leased]


def _skipped(scope: _Scope, count: int, besides: Collection[UUID], last: Sequence[UUID]) -> list[UUID]:
    """Choose among pictures that the person skipped, first skipped first."""
    again = [one for one in last if one not in besides][:count]
    drafts = _not_others(selectors.to_review(scope.reviewer), scope.reviewer).filter(pk__in=again)
    if scope.album is not None:
        drafts = drafts.filter(places__album=scope.album)
    free = set(_lock_pictures(drafts.order_by("pk"), count))
    return [one for one in again if one in free]


def _held(reviewer: User) -> list[UUID]:
    held = ReviewLease.objects.filter(reviewer=reviewer, until__gt=DatabaseTime())
    return list(held.order_by("until").values_list("image_id", flat=True)[:COUNTED])


def _not_others(drafts: QuerySet[Image], reviewer: User) -> QuerySet[Image]:
    held = ReviewLease.objects.filter(image_id=OuterRef("pk"), until__gt=DatabaseTime())
    return drafts.filter(~Exists(held.exclude(reviewer_id=reviewer.pk)))


def _lock_pictures(pictures: QuerySet[Image], count: int) -> list[UUID]:
    # SQLite ignores row locks; there the transaction itself began IMMEDIATE and is the only writer.
    free = pictures.select_related(None).select_for_update(of=("self",), skip_locked=True, no_key=True)
    return list(free.values_list("pk", flat=True)[:count])


def _lease(reviewer: User, images: Sequence[UUID]) -> set[UUID]:
    """Write the leases of pictures that the caller holds locked; give those that became this person's."""
    if not images:
        return set()
    rows = [ReviewLease(image_id=image, reviewer=reviewer, until=_end()) for image in sorted(images)]
    ReviewLease.objects.bulk_create(rows, ignore_conflicts=True)
    ours = Q(reviewer=reviewer) | Q(until__lte=DatabaseTime())
    free = _locked(ReviewLease.objects.filter(ours, image_id__in=images))
    ReviewLease.objects.filter(image_id__in=free).update(reviewer=reviewer, until=_end())
    return set(free)


def _locked(leases: QuerySet[ReviewLease]) -> list[UUID]:
    return list(leases.order_by("image_id").select_for_update(of=("self",)).values_list("image_id", flat=True))


def _end() -> DatabaseTime:
    return DatabaseTime(after=settings.REVIEW_LEASE_SECONDS)


def _take_second(scope: _Scope, count: int, besides: Collection[UUID], *, chance: bool) -> list[SecondReview]:
    """Lease pictures that wait for a second review: as many as chance gives of `count`, or as many as there are."""
    reviewer = scope.reviewer
    waiting = second_review.waiting(reviewer).exclude(image_id__in=besides)
    # One that they hold already is before them still, whatever chance says now.
    chosen = list(waiting.filter(image_id__in=scope.held).values_list("pk", "image_id")[:count]) if scope.held else []
    wanted = sum(not secrets.randbelow(SECOND_EVERY) for _ in range(count)) if chance else count
    if wanted > len(chosen):
        leased_by_others = ReviewLease.objects.filter(image_id=OuterRef("image_id"), until__gt=DatabaseTime())
        free = waiting.exclude(pk__in=[pk for pk, _ in chosen]).filter(~Exists(leased_by_others))
        chosen += free.values_list("pk", "image_id")[: wanted - len(chosen)]
    if not chosen:
        return []
    with transaction.atomic():
        pictures = Image.objects.filter(pk__in=[image for _, image in chosen]).order_by("pk")
        leased = _lease(reviewer, _lock_pictures(pictures, len(chosen)))
    rows = second_review.waiting(reviewer).filter(pk__in=[pk for pk, image in chosen if image in leased])
    return list(rows.select_related("first__caption__parent", "first__caption__author"))


# --- What is before the reviewer -----------------------------------------------------------------------------------


def turn(*, reviewer: User, image: Image, second: SecondReview | None = None) -> Turn | None:
    """Give a picture as it would be handed out, whoever holds its lease; None when it is not to be decided now."""
    found = _second_turns(reviewer, [second]) if second else _turns(reviewer, [image.pk])
    return next(iter(found), None)


def _turns(reviewer: User, ids: Sequence[UUID]) -> list[Turn]:
    # The marks are read before the pictures: a decision that falls between makes the mark old, never the picture.
    seen = _seen(ids)
    images = {image.pk: image for image in selectors.to_review(reviewer).filter(pk__in=ids)} if ids else {}
    shown = {pk: images[pk].caption for pk in ids if pk in images}
    captions = [caption for caption in shown.values() if caption is not None]
    drafts = _drafts(captions)
    return [Turn(images[one.image_id], one, drafts[one.pk], seen.get(one.image_id, "")) for one in captions]


def _second_turns(reviewer: User, rows: Sequence[SecondReview]) -> list[Turn]:
    ids = [row.image_id for row in rows]
    images = {image.pk: image for image in selectors.reviewable(reviewer).filter(pk__in=ids)} if ids else {}
    shown = {row.image_id: second_review.looked_at(row) for row in rows if row.image_id in images}
    drafts = _drafts(shown.values())
    return [
        Turn(images[row.image_id], shown[row.image_id], drafts[shown[row.image_id].pk], "", row)
        for row in rows
        if row.image_id in images
    ]


def _drafts(captions: Iterable[Caption]) -> dict[UUID, list[Caption]]:
    """Give, for each caption, the drafts of the same run; people's words stand alone."""
    listed = list(captions)
    runs: dict[UUID, list[Caption]] = {}
    found = Caption.objects.filter(
        job_id__in={one.job_id for one in listed if one.job_id}, purpose=Caption.Purpose.ALT, rank__lte=ALTERNATIVES
    )
    for draft in found.order_by("rank"):
        assert draft.job_id is not None
        runs.setdefault(draft.job_id, []).append(draft)
    return {one.pk: _with(one, runs.get(one.job_id, []) if one.job_id else []) for one in listed}


def _with(shown: Caption, run: list[Caption]) -> list[Caption]:
    return run if any(draft.pk == shown.pk for draft in run) else [shown, *run][:ALTERNATIVES]


def _seen(ids: Sequence[UUID]) -> dict[UUID, str]:
    """Give what `review.last_seen` gives, for many pictures at once."""
    rows = Review.objects.filter(image__in=ids).order_by("id").values_list("image_id", "id") if ids else ()
    return {image: str(pk) for image, pk in rows}


def _strewn(drafts: list[Turn], seconds: list[Turn]) -> list[Turn]:
    """Mix second reviews in at places that nobody can foresee."""
    mixed = list(drafts)
    for one in seconds:
        mixed.insert(secrets.randbelow(len(mixed) + 1), one)
    return mixed


def waiting(user: User, *, album: Album | None = None) -> int:
    """Count what waits for a decision of this person, second reviews included; not beyond `COUNTED`."""
    if album is not None:
        drafts = selectors.to_review(user).select_related(None).order_by()
        return drafts.filter(places__album=album)[:COUNTED].count()
    again = second_review.waiting(user).order_by()[:COUNTED].count()
    return min(COUNTED, selectors.drafts_waiting(user) + again)


def albums(user: User) -> QuerySet[Album]:
    """Give the albums in which drafts wait for this person, by name."""
    drafts = selectors.to_review(user).select_related(None).order_by().values("pk")
    places = AlbumImage.objects.filter(album_id=OuterRef("pk"), image__in=drafts)
    return _albums(user).filter(Exists(places)).order_by("name", "id")


def find_album(user: User, id: UUID | str) -> Album:
    """Give an album whose pictures the person may review. Raises DeskError `not_found`."""
    try:
        return _albums(user).get(pk=UUID(str(id)))
    except (ValueError, Album.DoesNotExist):
        raise DeskError("not_found") from None


def _albums(user: User) -> QuerySet[Album]:
    """A picture may lie in an album that its reviewer knows nothing of, so the names are for those in it only."""
    if is_reviewer(user):
        return Album.objects.all()
    shared = AlbumShare.objects.filter(album_id=OuterRef("pk"), user_id=user.pk, role=AlbumShare.Role.REVIEW)
    return Album.objects.filter(Q(owner_id=user.pk) | Exists(shared))


# --- Deciding ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What a reviewer says about one picture. `text` are the words of an edit, `reason` that of a rejection."""

    decision: str
    caption: Caption | None = None
    text: str = ""
    reason: str = ""
    seen: str | None = None


def decide(
    *, image: Image, reviewer: User, verdict: Verdict, second: SecondReview | None = None
) -> Review | SecondReview:
    """Write down a decision and end the lease. Whose lease ran out may still decide while nobody else has the picture.

    Raises DeskError `with_another_reviewer` when somebody else has it, and those of `captions.review`; for a second
    review those of `second_review.decide`.
    """
    with transaction.atomic():
        ledger.hold(image.pk)
        leases = ReviewLease.objects.filter(image_id=image.pk)
        if leases.filter(until__gt=DatabaseTime()).exclude(reviewer=reviewer).exists():
            raise DeskError("with_another_reviewer")
        made = _decide_again(second, reviewer, verdict) if second else _decide(image, reviewer, verdict)
        leases.filter(reviewer=reviewer).delete()
    return made


def _decide(image: Image, reviewer: User, verdict: Verdict) -> Review:
    seen = verdict.seen
    if verdict.decision == Review.Decision.APPROVE:
        return review.approve(image=image, reviewer=reviewer, caption=verdict.caption, seen=seen)
    if verdict.decision == Review.Decision.EDIT:
        return review.edit(image=image, reviewer=reviewer, text=verdict.text, caption=verdict.caption, seen=seen)
    if verdict.decision == Review.Decision.REJECT:
        return review.reject(image=image, reviewer=reviewer, caption=verdict.caption, reason=verdict.reason, seen=seen)
    raise DeskError("bad_request")


def _decide_again(second: SecondReview, reviewer: User, verdict: Verdict) -> SecondReview:
    if verdict.decision not in (Review.Decision.APPROVE, Review.Decision.EDIT, Review.Decision.REJECT):
        raise DeskError("bad_request")
    return second_review.decide(
        row=second, reviewer=reviewer, decision=verdict.decision, caption=verdict.caption, text=verdict.text
    )


def last_decision(user: User) -> Review | SecondReview | None:
    """Give what the person's next undo would take back: their newest decision that stands, of either kind."""
    first = _own_decisions(user).first()
    again = SecondReview.objects.filter(reviewer=user).exclude(decision="").select_related("image")
    second = again.order_by("-decided_at").first()
    if first is None or second is None or second.decided_at is None:
        return first or second
    return second if second.decided_at > first.created_at else first


def decided(user: User, count: int) -> list[Review]:
    """Give the person's last decisions that stand, oldest first, each with its picture."""
    return list(_own_decisions(user)[:count])[::-1]


def _own_decisions(user: User) -> QuerySet[Review]:
    mine = Review.objects.filter(reviewer=user, is_automatic=False, image__deleted_at__isnull=True)
    return ledger.standing(mine).select_related("image").order_by("-created_at", "-id")


def undo(*, reviewer: User, decision: UUID | str) -> Image:
    """Take one of the person's own decisions back, and put its picture before them again. Sent twice it is done once.

    Raises DeskError `nothing_to_undo` when it is not theirs, or not the last one on its picture.
    """
    made = _own(reviewer, decision)
    with transaction.atomic():
        ledger.hold(made.image_id)
        if isinstance(made, SecondReview):
            second_review.take_back(row=made, reviewer=reviewer)
        elif not Review.objects.filter(undoes_id=made.pk).exists():
            last = ledger.standing(Review.objects.filter(image_id=made.image_id)).order_by("-id").first()
            if last is None or last.pk != made.pk:
                raise DeskError("nothing_to_undo")
            review.undo(image=made.image, reviewer=reviewer)
        _lease(reviewer, [made.image_id])
    return made.image


def _own(reviewer: User, decision: UUID | str) -> Review | SecondReview:
    try:
        key = UUID(str(decision))
    except ValueError:
        raise DeskError("nothing_to_undo") from None
    first = Review.objects.filter(pk=key, reviewer=reviewer).exclude(decision=Review.Decision.UNDO)
    found = first.select_related("image").first()
    again = SecondReview.objects.filter(pk=key, reviewer=reviewer).select_related("image", "first")
    made = found or again.first()
    if made is None:
        raise DeskError("nothing_to_undo")
    return made

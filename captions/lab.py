"""The caption lab: a few ways of captioning tried on the same pictures, judged blind, and the winner taken over.

What a trial drafts never becomes the draft on show: those captions have the purpose `trial` and wait in the lab until
a person takes them over. Applying a winner asks for new drafts of pictures that no person has touched, and only those.
"""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import ngettext

from captions import jobs, ledger, selectors
from captions.errors import DeskError
from captions.models import Caption, CaptionJob, Image, Review, Trial, TrialArm, TrialEntry, TrialVote
from captions.models.clock import DatabaseTime
from captions.params import Value, digest
from captions.plain import one_line

LETTERS: Final = "ABC"
_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class ArmWish:
    """One way of captioning as a person asks for it: "" as model takes the usual one."""

    name: str
    model: str
    chosen: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying a winner would do: pictures nobody has touched, of these drafted this way already, and to ask for.

    `now` is how many of `to_ask` fit into the person's queue at this moment.
    """

    untouched: int
    drafted_so: int
    to_ask: int
    now: int


@dataclass(frozen=True, slots=True)
class Score:
    """How one arm did: pictures it won, and its share of the votes that chose any arm (None without one)."""

    arm: TrialArm
    votes: int
    share: float | None


def start(*, by: User, name: str, images: Sequence[Image], arms: Sequence[ArmWish]) -> Trial:
    """Begin a trial and ask for its captions.

    Raises DeskError `trial_without_pictures`, `trial_too_large`, `trial_needs_arms`, `trial_arms_alike`, those of
    `jobs.request`, and `not_found` for pictures that are not the person's own. Nothing is begun then.
    """
    pictures = list(dict.fromkeys(images))
    if not pictures:
        raise DeskError("trial_without_pictures")
    if len(pictures) > Trial.MOST_PICTURES:
        raise DeskError("trial_too_large")
    if not 2 <= len(arms) <= Trial.MOST_ARMS:
        raise DeskError("trial_needs_arms")
    if len({(arm.model, digest(arm.chosen)) for arm in arms}) < len(arms):
        raise DeskError("trial_arms_alike")
    if any(image.owner_id != by.pk for image in pictures):
        raise DeskError("not_found")
    with transaction.atomic():
        trial = Trial.objects.create(
            owner=by, name=one_line(name)[:_NAME] or _usual_name(len(pictures)), seed=secrets.randbelow(2**31)
        )
        trial.images.set(pictures)
        for place, wish in enumerate(arms):
            arm = TrialArm.objects.create(
                trial=trial, place=place, name=one_line(wish.name)[:80], model=wish.model, params=dict(wish.chosen)
            )
            for image in sorted(pictures, key=lambda image: image.pk):  # the one order of locks for several images
                job = jobs.request(image=image, chosen=wish.chosen, model=wish.model, is_trial=True).job
                TrialEntry.objects.create(arm=arm, image=image, job=job)
    return trial


def _usual_name(pictures: int) -> str:
    return ngettext("Trial of %(number)s picture", "Trial of %(number)s pictures", pictures) % {"number": pictures}


def of(by: User) -> QuerySet[Trial]:
    """Give a person's own trials, newest first."""
    return Trial.objects.filter(owner=by)


def one(by: User, id: UUID | str) -> Trial:
    """Give one of the person's own trials. Raises DeskError `not_found`."""
    found = of(by).filter(pk=id).first()
    if found is None:
        raise DeskError("not_found")
    return found


def columns(trial: Trial, image_id: UUID, arms: Iterable[TrialArm]) -> list[TrialArm]:
    """Shuffle the arms for one picture: the same for everybody who looks, another order for every picture."""
    shuffled = sorted(arms, key=lambda arm: arm.place)
    random.Random(f"{trial.seed}:{image_id}").shuffle(shuffled)  # noqa: S311  # hides an order, guards nothing
    return shuffled


def best_captions(trial: Trial) -> dict[tuple[UUID, UUID], Caption]:
    """Give each arm's best caption of each picture, by (arm, image); what is not ready yet is absent."""
    entries = TrialEntry.objects.filter(arm__trial=trial, job__state=CaptionJob.State.DONE)
    by_job = {entry.job_id: (entry.arm_id, entry.image_id) for entry in entries}
    found = Caption.objects.filter(job_id__in=by_job, rank=1)
    return {by_job[caption.job_id]: caption for caption in found if caption.job_id}


def vote(*, by: User, trial: Trial, image_id: UUID, arm_id: UUID | None) -> TrialVote:
    """Choose one arm's caption of a picture, or none of them; a later vote replaces an earlier one.

    Raises DeskError `trial_is_revealed` once the names were shown, `trial_not_ready` while the caption is not there,
    `not_found` for another's trial, or for a picture or an arm that is not of it.
    """
    with transaction.atomic():
        held = Trial.objects.select_for_update().filter(pk=trial.pk, owner=by).first()
        if held is None or not held.images.filter(pk=image_id).exists():
            raise DeskError("not_found")
        if held.revealed_at:
            raise DeskError("trial_is_revealed")
        caption = None
        if arm_id is not None:
            if not held.arms.filter(pk=arm_id).exists():
                raise DeskError("not_found")
            caption = best_captions(held).get((arm_id, image_id))
            if caption is None:
                raise DeskError("trial_not_ready")
        made, _ = TrialVote.objects.update_or_create(
            trial=held, image_id=image_id, voter=by, defaults={"arm_id": arm_id, "caption": caption}
        )
        return made


def reveal(*, by: User, trial: Trial) -> None:
    """Show which arm wrote what; from then on nobody votes. Raises DeskError `not_found`, `trial_without_votes`."""
    with transaction.atomic():
        held = Trial.objects.select_for_update().filter(pk=trial.pk, owner=by).first()
        if held is None:
            raise DeskError("not_found")
        if not held.votes.exists():
            raise DeskError("trial_without_votes")
        if held.revealed_at is None:
            Trial.objects.filter(pk=held.pk).update(revealed_at=DatabaseTime())


def scores(trial: Trial) -> list[Score]:
    """Count the votes of each arm, the winner first; equal ones in the order in which they were set up."""
    counts = Counter(trial.votes.exclude(arm=None).values_list("arm_id", flat=True))
    total = sum(counts.values())
    found = [Score(arm, counts[arm.pk], counts[arm.pk] / total if total else None) for arm in trial.arms.all()]
    return sorted(found, key=lambda score: (-score.votes, score.arm.place))


def untouched(by: User) -> QuerySet[Image]:
    """Give the person's pictures on which nobody has decided and to which nobody has written a word."""
    reviews = Review.objects.filter(image=OuterRef("pk"))
    words = Caption.objects.filter(image=OuterRef("pk")).exclude(kind=Caption.Kind.GENERATED)
    return selectors.images(by).filter(~Exists(reviews), ~Exists(words), is_decorative=False)


def plan(*, by: User, arm: TrialArm) -> Plan:
    """Count what `apply` would do; changes nothing. Raises DeskError `not_found` for another's trial."""
    _check(by, arm)
    total = untouched(by).order_by().count()
    to_ask = _without_this_way(by, arm).order_by().count()
    return Plan(untouched=total, drafted_so=total - to_ask, to_ask=to_ask, now=min(to_ask, _room(by)))


def apply(*, by: User, arm: TrialArm) -> int:
    """Ask for drafts by the arm's way for every picture that nobody has touched, as far as the queue has room.

    Gives how many were asked for; calling it again goes on with the rest. Raises DeskError `not_found`,
    `trial_not_revealed`, `model_not_served`.
    """
    _check(by, arm)
    if arm.trial.revealed_at is None:
        raise DeskError("trial_not_revealed")
    selectors.check_served(arm.model)
    asked = 0
    for image in _without_this_way(by, arm).order_by("created_at", "id")[: _room(by)]:
        try:
            made = jobs.request(image=image, chosen=arm.params, model=arm.model, lane=CaptionJob.Lane.BULK)
        except DeskError as refused:
            if refused.code == "queue_full":
                break
            if refused.code == "not_found":  # went into the trash meanwhile
                continue
            raise
        asked += made.created
    return asked


def take_over(*, by: User, trial: Trial, caption_id: UUID) -> Caption:
    """Make a caption of the trial the picture's newest draft; it waits for a review like any other.

    Raises DeskError `not_found`, `trial_not_revealed`.
    """
    held = one(by, trial.pk)
    if held.revealed_at is None:
        raise DeskError("trial_not_revealed")
    caption = next((found for found in best_captions(held).values() if found.pk == caption_id), None)
    if caption is None:
        raise DeskError("not_found")
    return ledger.restore(caption=caption, author=by)


def discard(*, by: User, trial: Trial) -> None:
    """Remove a trial and its votes; jobs that still wait are cancelled. What it drafted is kept, but shown nowhere."""
    held = one(by, trial.pk)
    for entry in TrialEntry.objects.filter(arm__trial=held, job__state__in=CaptionJob.OPEN).select_related("job"):
        try:
            jobs.cancel(job=entry.job, by=by)
        except DeskError:
            continue  # it ended meanwhile
    held.delete()


def _check(by: User, arm: TrialArm) -> None:
    if arm.trial.owner_id != by.pk:
        raise DeskError("not_found")


def _without_this_way(by: User, arm: TrialArm) -> QuerySet[Image]:
    """Leave out pictures for which the same was asked before: asking twice would give the same words."""
    same = CaptionJob.objects.filter(
        image=OuterRef("pk"), model=arm.model, params_digest=digest(arm.params), is_trial=False
    ).exclude(state=CaptionJob.State.CANCELLED)
    return untouched(by).filter(~Exists(same))


def _room(by: User) -> int:
    waiting = CaptionJob.objects.filter(owner=by, state=CaptionJob.State.QUEUED).order_by().count()
    return max(0, settings.QUEUE_LIMIT_PER_OWNER - waiting)

"""What people read. Every query takes the person who asks; none needs one query per row.

Gallery and lists hold a person's own pictures. Reviewers and operators see everybody's where captions are decided on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Count, Exists, Model, OuterRef, Q, QuerySet

from captions.errors import DeskError
from captions.models import Caption, CaptionJob, Image, Review, Worker
from captions.models.clock import DatabaseTime
from captions.params import GenerationParams, defaults_from
from captions.permissions import is_operator, is_reviewer

#: A worker that said nothing for so long, in seconds, counts as gone; heartbeats come every 10 s or oftener.
GONE_AFTER: Final = 30.0

_NO_WORKER: Final = "No worker is running. Pictures are safe and keep their place."
_ONLY_CHOSEN: Final = "No worker takes pictures for which nobody chose a model. Choose one under “Caption again”."
_KEEPS_ITS_PLACE: Final = "The picture is safe, keeps its place and starts by itself"
_LOADING: Final = "A worker is loading its model. Pictures keep their place and start by themselves."

Person = User | AnonymousUser
Row = TypeVar("Row", bound=Model)


# --- Pictures ------------------------------------------------------------------------------------------------------


def images(user: Person) -> QuerySet[Image]:
    """Give a person's own pictures, newest first, with all that a card shows of their captions."""
    return _shown(Image.objects.filter(owner_id=user.pk, deleted_at__isnull=True))


def reviewable(user: Person) -> QuerySet[Image]:
    """Give the pictures a person may see and decide on: their own, and everybody's for reviewers and operators."""
    living = Image.objects.filter(deleted_at__isnull=True)
    return _shown(living if is_reviewer(user) else living.filter(owner_id=user.pk))


def to_review(user: Person) -> QuerySet[Image]:
    """Give the pictures whose drafts wait for a decision of this person, newest first."""
    return reviewable(user).filter(state=Image.State.DRAFT)


def image(user: Person, id: UUID | str) -> Image:
    """Give one picture that the person may see. Raises DeskError `not_found`."""
    return _one(reviewable(user), id)


def own_image(user: Person, id: UUID | str) -> Image:
    """Give one of the person's own pictures; originals carry places and names, and go to nobody else.

    Raises DeskError `not_found`.
    """
    return _one(images(user), id)


def trash(user: Person) -> QuerySet[Image]:
    """Give a person's own pictures that lie in the trash, last discarded first."""
    return _shown(Image.objects.filter(owner_id=user.pk, deleted_at__isnull=False)).order_by("-deleted_at", "-id")


def drafts_waiting(user: Person) -> int:
    """Count the pictures whose drafts wait for a decision of this person."""
    return to_review(user).order_by().count()


def tally(user: Person) -> dict[str, int]:
    """Count a person's own pictures by state; states without a picture are left out."""
    counted = Image.objects.filter(owner_id=user.pk, deleted_at__isnull=True).order_by().values_list("state")
    return dict(counted.annotate(Count("pk")))


def _shown(images: QuerySet[Image]) -> QuerySet[Image]:
    related = images.select_related("owner", "caption__author", "published_caption__author")
    return related.annotate(published_by_rule=by_rule_alone())


def by_rule_alone() -> Q:
    """Say of images whether a rule published their caption and no person has approved it since."""
    approvals = Review.objects.filter(
        caption_id=OuterRef("published_caption_id"), decision=Review.Decision.APPROVE, undone_by__isnull=True
    )
    return Q(Exists(approvals.filter(is_automatic=True))) & ~Q(Exists(approvals.filter(is_automatic=False)))


def is_published_by_rule(image: Image) -> bool:
    """Say of one image whether a rule published its caption and no person has approved it since."""
    return Image.objects.filter(by_rule_alone(), pk=image.pk).exists()


# --- Words and decisions -------------------------------------------------------------------------------------------


def captions(user: Person, image: Image) -> QuerySet[Caption]:
    """Give all captions of a picture that the person may see, newest first."""
    found = Caption.objects.filter(image_id=image.pk, image__deleted_at__isnull=True)
    if image.owner_id != user.pk and not is_reviewer(user):
        found = found.none()
    return found.select_related("author", "parent", "job")


def caption(user: Person, id: UUID | str) -> Caption:
    """Give one caption of a picture that the person may see. Raises DeskError `not_found`."""
    found = Caption.objects.filter(image__deleted_at__isnull=True).select_related("image", "author", "parent")
    return _one(found if is_reviewer(user) else found.filter(image__owner_id=user.pk), id)


def reviews(image: Image) -> QuerySet[Review]:
    """Give all decisions on a picture, newest first; whoever may see the picture may see them."""
    related = ("reviewer", "by_rule", "caption__author", "caption__parent", "undoes", "undone_by")
    return Review.objects.filter(image_id=image.pk).select_related(*related)


# --- Jobs ----------------------------------------------------------------------------------------------------------


def jobs(user: Person) -> QuerySet[CaptionJob]:
    """Give the jobs of a person's own pictures, newest first, with picture and captions."""
    found = CaptionJob.objects.filter(owner_id=user.pk, image__deleted_at__isnull=True)
    return found.select_related("image").prefetch_related("captions")


def job(user: Person, id: UUID | str) -> CaptionJob:
    """Give one job: the person's own, or anybody's for operators. Raises DeskError `not_found`."""
    found = CaptionJob.objects.select_related("image").prefetch_related("captions")
    return _one(found if is_operator(user) else found.filter(owner_id=user.pk), id)


class Place(NamedTuple):
    """A job's place in the queue, 0 when it does not wait, and the seconds until its caption, None when unknown."""

    place: int
    seconds: float | None


def queue_place(job: CaptionJob, *, served_by: Serving | None = None) -> Place:
    """Give one job's place. Lanes that take turns and retries that wait make it an estimate."""
    return queue_places([job], served_by=served_by)[job.pk]


def queue_places(jobs: Collection[CaptionJob], *, served_by: Serving | None = None) -> dict[UUID, Place]:
    """Give the places of many jobs in two queries at most; pass what `serving` gave to save one of them."""
    places = {job.pk: Place(0, None) for job in jobs}
    waiting = [job for job in jobs if job.state == CaptionJob.State.QUEUED]
    if waiting:
        queued = CaptionJob.objects.filter(state=CaptionJob.State.QUEUED).order_by()
        ahead = queued.aggregate(**{f"job{job.pk.hex}": Count("pk", filter=_before(job)) for job in waiting})
        pace = (served_by or serving()).seconds_between_pictures
        for job in waiting:
            place = ahead[f"job{job.pk.hex}"] + 1
            places[job.pk] = Place(place, None if pace is None else place * pace)
    return places


def _before(job: CaptionJob) -> Q:
    same_lane = Q(lane=job.lane) & (Q(turn__lt=job.turn) | Q(turn=job.turn, pk__lt=job.pk))
    return Q(lane__lt=job.lane) | same_lane


# --- Workers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One model that ready workers serve at this moment; `device` and `precision` are those of the newest worker.

    `names` are all by which a job may ask for it, its own first. `takes_any`: it also takes jobs that ask for none.
    """

    name: str
    names: tuple[str, ...]
    title: str
    revision: str
    device: str
    precision: str
    is_demo: bool
    takes_any: bool
    workers: int
    defaults: GenerationParams
    seconds_per_image: float | None


@dataclass(frozen=True, slots=True)
class Serving:
    """Which models answer at this moment, and what to tell people about it.

    `model` and what belongs to it are those of one ready worker: one that takes jobs without a model goes first, and a
    real model before the demo model. `seconds_per_image` is the mean over that worker's recent pictures; `served` are
    all models, in that order, and `models` their names.
    """

    ready: bool = False
    notice: str = _NO_WORKER
    is_demo: bool = False
    model: str = ""
    revision: str = ""
    device: str = ""
    defaults: GenerationParams = field(default_factory=GenerationParams)
    seconds_per_image: float | None = None
    workers: int = 0
    models: tuple[str, ...] = ()
    seconds_between_pictures: float | None = None
    served: tuple[ServedModel, ...] = ()

    def answers_for(self, model: str) -> bool:
        """Whether a ready worker would take a job that asks for `model`; "" asks for none."""
        return self.find(model) is not None

    def find(self, model: str) -> ServedModel | None:
        """Give the first served model that would take a job that asks for `model`; "" asks for none."""
        return next((one for one in self.served if (model in one.names if model else one.takes_any)), None)

    def defaults_for(self, model: str) -> GenerationParams:
        """Give the generation defaults that a job for `model` would run with; the usual ones while nobody serves it."""
        found = self.find(model)
        return found.defaults if found else self.defaults


def serving() -> Serving:
    """Look at the workers that were seen lately; one query."""
    seen = Worker.objects.filter(seen_at__gte=DatabaseTime(after=-GONE_AFTER)).exclude(state=Worker.State.STOPPED)
    seen_workers = list(seen.order_by("-takes_any", "is_demo", "-started_at", "name"))
    ready = [worker for worker in seen_workers if worker.state == Worker.State.READY]
    if not ready:
        return Serving(notice=_LOADING if seen_workers else _NO_WORKER)
    first = ready[0]
    return Serving(
        ready=True,
        notice=first.notice if first.takes_any else _ONLY_CHOSEN,
        is_demo=first.is_demo,
        model=first.model,
        revision=first.revision,
        device=first.device,
        defaults=defaults_from(first.defaults),
        seconds_per_image=first.seconds_per_image,
        workers=len(ready),
        models=tuple(dict.fromkeys(worker.model for worker in ready)),
        seconds_between_pictures=_pace(ready),
        served=_served(ready),
    )


def check_served(model: str) -> None:
    """Raise DeskError `model_not_served` unless a ready worker answers for `model`; "" asks for none and may wait."""
    if not model:
        return
    now = serving()
    if now.answers_for(model):
        return
    models = ", ".join(f"“{name}”" for name in now.models)
    do = f"Choose {models}, or leave the model out." if models else "No other model is served either. Try again later."
    raise DeskError("model_not_served", detail=f"No worker serves the model “{model}” now. {do}", attr="model")


class Lack(NamedTuple):
    """What a waiting job lacks, for programs (`code`) and in words."""

    code: str
    words: str


LACKS: Final = ("model_not_served", "no_worker")


def lack_of(job: CaptionJob, now: Serving) -> Lack | None:
    """Say what a waiting job lacks while no ready worker would take it; None when one would."""
    if job.state != CaptionJob.State.QUEUED or now.answers_for(job.model):
        return None
    if job.model:
        words = f"No worker serves the model “{job.model}” now. {_KEEPS_ITS_PLACE} when one does."
        return Lack("model_not_served", words)
    if now.ready:
        words = f"No worker takes pictures for which nobody chose a model. {_KEEPS_ITS_PLACE} when one does."
        return Lack("model_not_served", words)
    return Lack("no_worker", f"No worker is running. {_KEEPS_ITS_PLACE}.")


def _served(workers: list[Worker]) -> tuple[ServedModel, ...]:
    """Put workers of one model and revision together, in the order of the first of each."""
    groups: dict[tuple[str, str], list[Worker]] = {}
    for worker in workers:
        groups.setdefault((worker.model, worker.revision), []).append(worker)
    return tuple(_of_one_model(group) for group in groups.values())


def _of_one_model(workers: list[Worker]) -> ServedModel:
    first = workers[0]
    names = dict.fromkeys([first.model, *(name for worker in workers for name in worker.names)])
    paces = [worker.seconds_per_image for worker in workers if worker.seconds_per_image]
    return ServedModel(
        name=first.model,
        names=tuple(names),
        title=first.title,
        revision=first.revision,
        device=first.device,
        precision=first.precision,
        is_demo=first.is_demo,
        takes_any=any(worker.takes_any for worker in workers),
        workers=len(workers),
        defaults=defaults_from(first.defaults),
        seconds_per_image=sum(paces) / len(paces) if paces else None,
    )


def _pace(workers: list[Worker]) -> float | None:
    """Give the seconds between two finished pictures of all workers together; None until one has said its pace."""
    per_second = sum(1 / worker.seconds_per_image for worker in workers if worker.seconds_per_image)
    return 1 / per_second if per_second else None


def _one(rows: QuerySet[Row], id: UUID | str) -> Row:
    try:
        return rows.get(pk=UUID(str(id)))
    except (ValueError, ObjectDoesNotExist):
        raise DeskError("not_found") from None

"""What people read. Every query takes the person who asks; none needs one query per row.

Gallery and lists hold a person's own pictures. Reviewers and operators see everybody's where captions are decided on,
and people with whom an album is shared see its pictures, each as far as their role goes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import (
    BooleanField,
    Case,
    Count,
    ExpressionWrapper,
    F,
    Min,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
    When,
)
from django.db.models.functions import Coalesce, TruncHour
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from captions import finding, notices
from captions.errors import DeskError
from captions.models import (
    Album,
    AlbumImage,
    AlbumLink,
    AlbumShare,
    BulkJob,
    Caption,
    CaptionJob,
    Image,
    ImageChange,
    ImageTag,
    QueueControl,
    Review,
    SavedSearch,
    Tag,
    Webhook,
    Worker,
)
from captions.models.clock import DatabaseTime, database_now
from captions.params import GenerationParams, defaults_from
from captions.permissions import is_operator, is_reviewer, may_see, own_or_shared, shares_of
from captions.queueing import is_open

#: A worker that said nothing for so long, in seconds, counts as gone; heartbeats come every 10 s or oftener.
GONE_AFTER: Final = 30.0
#: Counting drafts further would read a whole index on every page, for a number nobody can picture.
COUNTED: Final = 10_000

_NO_WORKER: Final = gettext_noop("No worker is running. Pictures are safe and keep their place.")
_ONLY_CHOSEN: Final = gettext_noop(
    "No worker takes pictures for which nobody chose a model. Choose one under “Caption again”."
)
_PAUSED: Final = gettext_noop("An operator paused the queue: pictures are taken in and keep their place.")
_LOADING: Final = gettext_noop("A worker is loading its model. Pictures keep their place and start by themselves.")

Person = User | AnonymousUser
Row = TypeVar("Row", bound=Model)


# --- Pictures ------------------------------------------------------------------------------------------------------


def images(user: Person) -> QuerySet[Image]:
    """Give a person's own pictures, newest first, with all that a card shows of their captions."""
    return _shown(Image.objects.filter(owner_id=user.pk, deleted_at__isnull=True))


def visible(user: Person) -> QuerySet[Image]:
    """Give the pictures a person may see: their own, shared ones, and everybody's for reviewers and operators."""
    return _reach(user, AlbumShare.Role.VIEW)


def captionable(user: Person) -> QuerySet[Image]:
    """Give the pictures a person may ask captions for and write words for: their own, and shared ones."""
    return _shown(
        Image.objects.filter(own_or_shared(user, AlbumShare.Role.CAPTION), deleted_at__isnull=True),
    )


def reviewable(user: Person) -> QuerySet[Image]:
    """Give the pictures a person may decide on: their own, shared ones, and everybody's for reviewers and operators."""
    return _reach(user, AlbumShare.Role.REVIEW)


def _reach(user: Person, role: str) -> QuerySet[Image]:
    living = Image.objects.filter(deleted_at__isnull=True)
    return _shown(living if is_reviewer(user) else living.filter(own_or_shared(user, role)))


def search(user: Person, text: str) -> finding.Found:
    """Understand a search of the person's own pictures, or of others' where a reviewer asks for them by `owner:`.

    Raises DeskError with a code that begins with `search_`.
    """
    return finding.search(user, text, _shown(Image.objects.filter(deleted_at__isnull=True)))


def saved_searches(user: Person) -> QuerySet[SavedSearch]:
    """Give the searches that a person has saved, by name."""
    return SavedSearch.objects.filter(owner_id=user.pk)


def saved_search(user: Person, id: UUID | str) -> SavedSearch:
    """Give one saved search of the person's own. Raises DeskError `not_found`."""
    return _one(saved_searches(user), id)


def bulk_job(user: Person, id: UUID | str) -> BulkJob:
    """Give one bulk job of the person's own. Raises DeskError `not_found`."""
    return _one(BulkJob.objects.filter(owner_id=user.pk), id)


def webhook(user: Person, id: UUID | str) -> Webhook:
    """Give one webhook of the person's own. Raises DeskError `not_found`."""
    return _one(Webhook.objects.filter(owner_id=user.pk), id)


def to_review(user: Person) -> QuerySet[Image]:
    """Give the pictures whose drafts wait for a decision of this person, newest first."""
    return reviewable(user).filter(state=Image.State.DRAFT)


def image(user: Person, id: UUID | str) -> Image:
    """Give one picture that the person may see. Raises DeskError `not_found`."""
    return _one(visible(user), id)


def captionable_image(user: Person, id: UUID | str) -> Image:
    """Give one picture that the person may ask captions for and write words for. Raises DeskError `not_found`."""
    return _one(captionable(user), id)


def own_image(user: Person, id: UUID | str) -> Image:
    """Give one of the person's own pictures; originals carry places and names, and go to nobody else.

    Raises DeskError `not_found`.
    """
    return _one(images(user), id)


def trash(user: Person) -> QuerySet[Image]:
    """Give a person's own pictures that lie in the trash, last discarded first."""
    return _shown(Image.objects.filter(owner_id=user.pk, deleted_at__isnull=False)).order_by("-deleted_at", "-id")


def drafts_waiting(user: Person) -> int:
    """Count the pictures whose drafts wait for a decision of this person; not beyond `COUNTED`."""
    # In this order an index holds all that is counted; without one, a table whose drafts lie at its end is read whole.
    return to_review(user).select_related(None).order_by("created_at", "id")[:COUNTED].count()


def tally(user: Person) -> dict[str, int]:
    """Count a person's own pictures by state; states without a picture are left out."""
    counted = Image.objects.filter(owner_id=user.pk, deleted_at__isnull=True).order_by().values_list("state")
    return dict(counted.annotate(Count("pk")))


def _shown(images: QuerySet[Image]) -> QuerySet[Image]:
    return images.select_related("owner", "caption__author", "published_caption__author")


def published_by_rule(images: Collection[UUID]) -> frozenset[UUID]:
    """Give those of the images whose caption a rule published and no person has approved since."""
    # A column of the list's own query would be cheaper to write and read every decision ever made: a database that
    # expects many rows answers it for all of them at once, whatever the page shows.
    of_published = Review.objects.filter(image__in=images, caption=F("image__published_caption"))
    approvals = of_published.filter(decision=Review.Decision.APPROVE, undone_by__isnull=True)
    found: dict[UUID, set[bool]] = {}
    for image_id, is_automatic in approvals.values_list("image_id", "is_automatic"):
        found.setdefault(image_id, set()).add(is_automatic)
    return frozenset(image_id for image_id, kinds in found.items() if kinds == {True})


# --- Words and decisions -------------------------------------------------------------------------------------------


def captions(user: Person, image: Image) -> QuerySet[Caption]:
    """Give all captions of a picture that the person may see, newest first; words tried in the lab stay there."""
    found = Caption.objects.filter(image_id=image.pk, image__deleted_at__isnull=True)
    found = found.exclude(purpose=Caption.Purpose.TRIAL)
    if not may_see(user, image):
        found = found.none()
    return found.select_related("author", "parent", "job")


def caption(user: Person, id: UUID | str) -> Caption:
    """Give one caption of a picture that the person may see. Raises DeskError `not_found`."""
    found = Caption.objects.filter(image__deleted_at__isnull=True).select_related("image", "author", "parent")
    return _one(found if is_reviewer(user) else found.filter(own_or_shared(user, "view", image="image")), id)


def reviews(image: Image) -> QuerySet[Review]:
    """Give all decisions on a picture, newest first; whoever may see the picture may see them."""
    related = ("reviewer", "by_rule", "caption__author", "caption__parent", "undoes", "undone_by")
    return Review.objects.filter(image_id=image.pk).select_related(*related)


# --- Albums and tags -----------------------------------------------------------------------------------------------


def albums(user: Person) -> QuerySet[Album]:
    """Give a person's own albums by name, with `pictures`, how many they hold outside the trash, and `people`."""
    return _counted(Album.objects.filter(owner_id=user.pk))


def album_names(user: Person) -> QuerySet[Album]:
    """Give a person's own albums by name, to choose among; counting their pictures would take long."""
    return Album.objects.filter(owner_id=user.pk)


def shared_albums(user: Person) -> QuerySet[Album]:
    """Give the albums that others share with a person, as `albums` does, with `role`, what the person may do."""
    role = AlbumShare.objects.filter(album=OuterRef("pk"), user_id=user.pk or 0).values("role")[:1]
    return _counted(Album.objects.filter(pk__in=shares_of(user).values("album_id"))).annotate(role=Subquery(role))


def visible_albums(user: Person) -> QuerySet[Album]:
    """Give the albums a person may open: their own and those shared with them."""
    role = AlbumShare.objects.filter(album=OuterRef("pk"), user_id=user.pk or 0).values("role")[:1]
    mine = Q(owner_id=user.pk) | Q(pk__in=shares_of(user).values("album_id"))
    return _counted(Album.objects.filter(mine)).annotate(role=Subquery(role))


def album(user: Person, id: UUID | str) -> Album:
    """Give one album that is the person's own or shared with them. Raises DeskError `not_found`."""
    return _one(visible_albums(user), id)


def own_album(user: Person, id: UUID | str) -> Album:
    """Give one album of the person's own; only its owner changes and shares it. Raises DeskError `not_found`."""
    return _one(Album.objects.filter(owner_id=user.pk).select_related("owner"), id)


def images_of(album: Album) -> QuerySet[Image]:
    """Give the pictures of an album that the caller has shown to be open to the person; newest first."""
    return _shown(Image.objects.filter(places__album=album, deleted_at__isnull=True))


def covers(albums: Collection[Album]) -> dict[UUID, Image]:
    """Give the newest picture of each album; two queries however many albums there are."""
    lying = AlbumImage.objects.filter(album=OuterRef("pk"), image__deleted_at__isnull=True)
    newest = lying.order_by("-image__created_at", "-image_id").values("image_id")[:1]
    chosen = Album.objects.filter(pk__in=[one.pk for one in albums]).order_by()
    # Without the field, SQLite gives the key as text.
    pairs = chosen.annotate(cover=Subquery(newest, output_field=UUIDField()))
    ids = {album_id: cover for album_id, cover in pairs.values_list("pk", "cover") if cover}
    images = _shown(Image.objects.all()).in_bulk(set(ids.values()))
    return {album_id: images[cover] for album_id, cover in ids.items() if cover in images}


def shares(album: Album) -> QuerySet[AlbumShare]:
    """Give the people an album is shared with; for its owner."""
    return AlbumShare.objects.filter(album=album).select_related("user").order_by("user__username")


def links(album: Album) -> QuerySet[AlbumLink]:
    """Give the links to an album that still open it, newest first; for its owner."""
    return AlbumLink.objects.filter(album=album, revoked_at__isnull=True, expires_at__gt=DatabaseTime())


def albums_of(user: Person, image: Image) -> QuerySet[Album]:
    """Give the albums in which a picture lies and which the person may open."""
    return visible_albums(user).filter(places__image=image)


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside the captions of many pictures, by picture."""

    images: frozenset[UUID]
    long: dict[UUID, Caption]
    tags: dict[UUID, list[str]]
    albums: dict[UUID, list[tuple[UUID, str]]]
    by_rule: frozenset[UUID]


def nothing_beside(image: Image) -> Beside:
    """Say of a picture that has only just come in what `beside` would find by asking."""
    return Beside(frozenset([image.pk]), {}, {}, {}, frozenset())


def beside(user: Person, images: Collection[UUID]) -> Beside:
    """Give long descriptions, own tags and open albums of many pictures that the person may see; six queries."""
    tags: dict[UUID, list[str]] = {}
    marks = ImageTag.objects.filter(image__in=images, tag__owner_id=user.pk, image__owner_id=user.pk)
    for image_id, name in marks.order_by("tag__name").values_list("image_id", "tag__name"):
        tags.setdefault(image_id, []).append(name)
    albums: dict[UUID, list[tuple[UUID, str]]] = {}
    open_to = Q(album__owner_id=user.pk) | Q(album_id__in=shares_of(user).values("album_id"))
    places = AlbumImage.objects.filter(open_to, image__in=images).order_by("album__name", "album_id")
    for image_id, album_id, name in places.values_list("image_id", "album_id", "album__name"):
        albums.setdefault(image_id, []).append((album_id, name))
    return Beside(frozenset(images), long_descriptions(images), tags, albums, published_by_rule(images))


def tags(user: Person) -> QuerySet[Tag]:
    """Give a person's own tags by name, with `pictures`, on how many outside the trash they are."""
    marked = ImageTag.objects.filter(tag=OuterRef("pk"), image__deleted_at__isnull=True).order_by()
    count = marked.values("tag").annotate(n=Count("pk")).values("n")
    return Tag.objects.filter(owner_id=user.pk).annotate(pictures=Coalesce(Subquery(count), 0))


def tag_names(user: Person) -> QuerySet[Tag]:
    """Give a person's own tags by name, to choose among; counting their pictures would take long."""
    return Tag.objects.filter(owner_id=user.pk)


def tag(user: Person, id: UUID | str) -> Tag:
    """Give one of the person's own tags. Raises DeskError `not_found`."""
    return _one(tags(user), id)


def tags_of(user: Person, image: Image) -> QuerySet[Tag]:
    """Give the tags of a picture to its owner; to others nothing, for they may be private notes."""
    return Tag.objects.filter(owner_id=user.pk, marks__image=image)


def _counted(albums: QuerySet[Album]) -> QuerySet[Album]:
    lying = AlbumImage.objects.filter(album=OuterRef("pk"), image__deleted_at__isnull=True).order_by()
    people = AlbumShare.objects.filter(album=OuterRef("pk")).order_by()
    return albums.select_related("owner").annotate(
        pictures=Coalesce(Subquery(lying.values("album").annotate(n=Count("pk")).values("n")), 0),
        people=Coalesce(Subquery(people.values("album").annotate(n=Count("pk")).values("n")), 0),
    )


# --- Words beside the caption --------------------------------------------------------------------------------------


def long_description(image: Image) -> Caption | None:
    """Give the long description of a picture as it is now; None when nobody wrote one, or somebody took it away."""
    return long_descriptions([image.pk]).get(image.pk)


def long_descriptions(images: Collection[UUID]) -> dict[UUID, Caption]:
    """Give the long descriptions in force of many pictures, in two queries."""
    words = Caption.objects.filter(image__in=images, purpose=Caption.Purpose.LONG).select_related("author", "parent")
    newest = {caption.image_id: caption for caption in words.order_by("id")}
    away = ImageChange.objects.filter(image__in=images, subject=ImageChange.Subject.LONG)
    gone = set(away.values_list("before", flat=True)) if newest else set()
    return {image_id: caption for image_id, caption in newest.items() if str(caption.pk) not in gone}


def changes(image: Image) -> QuerySet[ImageChange]:
    """Give who changed a picture's title or called it decorative, newest first; for whoever may see the picture."""
    return ImageChange.objects.filter(image_id=image.pk).select_related("by")


# --- Jobs ----------------------------------------------------------------------------------------------------------


def jobs(user: Person) -> QuerySet[CaptionJob]:
    """Give the jobs of a person's own pictures, newest first, with picture and captions."""
    found = CaptionJob.objects.filter(owner_id=user.pk, image__deleted_at__isnull=True)
    return found.select_related("image").prefetch_related("captions")


def job(user: Person, id: UUID | str, *, role: str = AlbumShare.Role.VIEW) -> CaptionJob:
    """Give one job: of the person's own pictures, of one shared with them for `role`, or anybody's for operators.

    Raises DeskError `not_found`.
    """
    found = CaptionJob.objects.select_related("image").prefetch_related("captions")
    if is_operator(user):
        return _one(found, id)
    shared = own_or_shared(user, role, image="image") & Q(image__deleted_at__isnull=True)
    return _one(found.filter(Q(owner_id=user.pk) | shared), id)


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
    notice: str = ""
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
    control: QueueControl = field(default_factory=QueueControl)

    @property
    def is_paused(self) -> bool:
        """Whether an operator paused the queue."""
        return self.control.paused_at is not None

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
    """Look at the workers that were seen lately and at what operators told the queue; two queries."""
    now = _serving()
    control = QueueControl.objects.filter(pk=1).first() or QueueControl()
    notice = f"{_(_PAUSED)} {now.notice}".strip() if control.paused_at else now.notice
    return replace(now, control=control, notice=notice)


def _serving() -> Serving:
    seen = Worker.objects.filter(seen_at__gte=DatabaseTime(after=-GONE_AFTER)).exclude(state=Worker.State.STOPPED)
    seen_workers = list(seen.order_by("-takes_any", "is_demo", "-started_at", "name"))
    ready = [worker for worker in seen_workers if worker.state == Worker.State.READY]
    if not ready:
        return Serving(notice=_(_LOADING) if seen_workers else _(_NO_WORKER))
    first = ready[0]
    return Serving(
        ready=True,
        notice=notices.told(first.notice) if first.takes_any else _(_ONLY_CHOSEN),
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
    if models:
        do = _("Choose %(models)s, or leave the model out.") % {"models": models}
    else:
        do = _("No other model is served either. Try again later.")
    lack = _("No worker serves the model “%(model)s” now.") % {"model": model}
    raise DeskError("model_not_served", detail=f"{lack} {do}", attr="model")


class Lack(NamedTuple):
    """What a waiting job lacks, for programs (`code`) and in words."""

    code: str
    words: str


LACKS: Final = ("model_not_served", "no_worker", "outside_hours", "queue_paused")


def lack_of(job: CaptionJob, now: Serving) -> Lack | None:
    """Say what a waiting job lacks while no ready worker would take it; None when one would."""
    if job.state != CaptionJob.State.QUEUED:
        return None
    if held_back := _held_back(job, now):
        return held_back
    if now.answers_for(job.model):
        return None
    if job.model:
        words = _("No worker serves the model “%(model)s” now.") % {"model": job.model}
        return Lack("model_not_served", f"{words} {_starts_when_served()}")
    if now.ready:
        words = _("No worker takes pictures for which nobody chose a model.")
        return Lack("model_not_served", f"{words} {_starts_when_served()}")
    words = _("No worker is running. The picture is safe, keeps its place and starts by itself.")
    return Lack("no_worker", words)


def _starts_when_served() -> str:
    return _("The picture is safe, keeps its place and starts by itself when one does.")


def _held_back(job: CaptionJob, now: Serving) -> Lack | None:
    """Say what an operator's wish keeps a waiting job from, if any does."""
    if now.is_paused:
        words = _(
            "An operator paused the queue. The picture is safe, keeps its place and starts by itself when it goes on."
        )
        return Lack("queue_paused", words)
    if job.lane == CaptionJob.Lane.BULK and not is_open(now.control):
        hours = {"opens": f"{now.control.opens_at:%H:%M}", "closes": f"{now.control.closes_at:%H:%M}"}
        words = _(
            "Imports are captioned from %(opens)s to %(closes)s. The picture is safe, keeps its place and starts by "
            "itself then."
        )
        return Lack("outside_hours", words % hours)
    return None


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
        title=notices.told(first.title),
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


# --- For operators --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QueueNow:
    """How many jobs wait in each lane and run, and how long the oldest waiting one has waited, in seconds."""

    interactive: int
    bulk: int
    running: int
    oldest_seconds: float

    @property
    def waiting(self) -> int:
        """How many jobs wait in all."""
        return self.interactive + self.bulk


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of the last day: when it began, and how many jobs ended in it as captions and as failures."""

    at: datetime
    captioned: int
    failed: int


def queue_now() -> QueueNow:
    """Count what waits and runs, everybody's; operators only see it."""
    lanes = CaptionJob.Lane
    found = CaptionJob.objects.filter(state__in=CaptionJob.OPEN).aggregate(
        interactive=Count("pk", filter=Q(state=CaptionJob.State.QUEUED, lane=lanes.INTERACTIVE)),
        bulk=Count("pk", filter=Q(state=CaptionJob.State.QUEUED, lane=lanes.BULK)),
        running=Count("pk", filter=Q(state=CaptionJob.State.RUNNING)),
        oldest=Min("created_at", filter=Q(state=CaptionJob.State.QUEUED)),
    )
    waited = (database_now() - found["oldest"]).total_seconds() if found["oldest"] else 0.0
    return QueueNow(found["interactive"], found["bulk"], found["running"], max(0.0, waited))


def last_day() -> list[Hour]:
    """Give the last 24 hours, the present one last; hours in which nothing ended are there with noughts."""
    ends = (CaptionJob.State.DONE, CaptionJob.State.FAILED)
    this_hour = timezone.localtime(database_now()).replace(minute=0, second=0, microsecond=0)
    first = this_hour - timedelta(hours=23)
    ended = CaptionJob.objects.filter(state__in=ends, finished_at__gte=first).order_by()
    counted = ended.annotate(hour=TruncHour("finished_at")).values_list("hour", "state").annotate(Count("pk"))
    counts = {(hour.astimezone(UTC), state): count for hour, state, count in counted}
    hours = [first + timedelta(hours=number) for number in range(24)]
    return [Hour(hour, *(counts.get((hour.astimezone(UTC), state), 0) for state in ends)) for hour in hours]


def workers_seen() -> list[Worker]:
    """Give the workers that said something within the last day, those at work first."""
    seen = Worker.objects.filter(seen_at__gte=DatabaseTime(after=-86400))
    gone = DatabaseTime(after=-GONE_AFTER)
    is_gone = Case(When(Q(state=Worker.State.STOPPED) | Q(seen_at__lt=gone), then=True), default=False)
    return list(seen.annotate(is_gone=ExpressionWrapper(is_gone, BooleanField())).order_by("is_gone", "name"))


def _one(rows: QuerySet[Row], id: UUID | str) -> Row:
    try:
        return rows.get(pk=UUID(str(id)))
    except (ValueError, ObjectDoesNotExist):
        raise DeskError("not_found") from None

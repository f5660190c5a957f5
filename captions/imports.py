"""What people read of their imports, and albums made of their folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum

from captions import albums
from captions.errors import DeskError
from captions.models import Album, Image, Import, Upload

State = Upload.State
Person = User | AnonymousUser

#: What a list of an import's files can be narrowed to.
PARTS: Final[dict[str, Q]] = {
    "all": Q(),
    "missing": Q(state=State.OPEN),
    "checking": Q(state=State.CHECKING),
    "done": Q(state=State.DONE),
    "known": Q(state=State.KNOWN),
    "refused": Q(state=State.REFUSED),
}


@dataclass(frozen=True, slots=True)
class Sums:
    """How far an import is: counts of files (a ZIP file counts by what is in it), and bytes of all that are sent."""

    missing: int = 0
    checking: int = 0
    done: int = 0
    known: int = 0
    refused: int = 0
    length: int = 0
    arrived: int = 0

    @property
    def all(self) -> int:
        """Every file."""
        return self.missing + self.checking + self.done + self.known + self.refused

    @property
    def settled(self) -> int:
        """Files of which it is known what became of them."""
        return self.done + self.known + self.refused

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself, nor is awaited."""
        return not self.missing and not self.checking


# --- Reading -------------------------------------------------------------------------------------------------------


def imports(user: Person) -> QuerySet[Import]:
    """Give a person's imports, newest first."""
    return Import.objects.filter(owner_id=user.pk)


def one(user: Person, import_id: UUID | str) -> Import:
    """Give one import of the person's. Raises DeskError `not_found`."""
    try:
        return imports(user).get(pk=UUID(str(import_id)))
    except (ValueError, Import.DoesNotExist):
        raise DeskError("not_found") from None


def uploads(user: Person) -> QuerySet[Upload]:
    """Give a person's uploads, with the pictures that they became."""
    return Upload.objects.filter(owner_id=user.pk).select_related("image", "batch", "parent")


def upload(user: Person, upload_id: UUID | str) -> Upload:
    """Give one upload of the person's. Raises DeskError `not_found`."""
    try:
        return uploads(user).select_related("owner").get(pk=UUID(str(upload_id)))
    except (ValueError, Upload.DoesNotExist):
        raise DeskError("not_found") from None


def files(user: Person, batch: Import, *, part: str = "all") -> QuerySet[Upload]:
    """Give the files of an import, oldest first; `part` is one of `PARTS`."""
    return uploads(user).filter(PARTS.get(part, Q()), batch=batch).order_by("created_at", "id")


def shown_image(image: Image) -> Image:
    """Give a picture that an upload became, with all that its card shows."""
    return Image.objects.select_related("owner", "caption__author", "published_caption__author").get(pk=image.pk)


def sums(batches: Sequence[Import]) -> dict[UUID, Sums]:
    """Add up imports, in two queries for all of them."""
    rows = Upload.objects.filter(batch__in=batches).order_by()
    counted = {batch.pk: dict.fromkeys((name for name in PARTS if name != "all"), 0) for batch in batches}
    # A ZIP file that was opened stands for nothing by itself any more; one that cannot be opened is a refused file.
    singles = rows.exclude(is_archive=True, state=State.DONE)
    names = {State.OPEN: "missing"} | {state: str(state) for state in State if state != State.OPEN}
    for batch_id, state, count in singles.values_list("batch", "state").annotate(Count("pk")):
        counted[batch_id][names[State(state)]] += count
    sent = rows.filter(parent__isnull=True).values_list("batch").annotate(Sum("length"), Sum("offset"))
    sizes = {batch_id: (length or 0, arrived or 0) for batch_id, length, arrived in sent}
    return {
        pk: Sums(**counts, length=sizes.get(pk, (0, 0))[0], arrived=sizes.get(pk, (0, 0))[1])
        for pk, counts in counted.items()
    }


# --- Albums of folders ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of an import: the name that its album gets, and how many pictures of it are not yet in that album."""

    name: str
    pictures: int


def folders(batch: Import) -> list[Folder]:
    """Give the folders from which pictures came, by name."""
    counted = _placed(batch).exclude(folder="").values_list("folder").annotate(Count("image", distinct=True))
    return [Folder(folder, count) for folder, count in counted.order_by("folder")]


def make_albums(*, batch: Import, by: User) -> int:
    """Put the pictures of each folder into an album of its name, made where it is not there; give how many albums.

    Doing it again adds what came since. Raises DeskError `not_found`.
    """
    if batch.owner_id != by.pk:
        raise DeskError("not_found")
    made = 0
    for folder in folders(batch):
        images = list(_placed(batch).filter(folder=folder.name).values_list("image", flat=True).distinct())
        with transaction.atomic():
            # Not `albums.make_or_find`: it refuses a folder that is called "---", and with it all others.
            album, _ = Album.objects.get_or_create(owner=by, name=album_name(folder.name))
            for start in range(0, len(images), albums.MOST_PICTURES):
                albums.add(album=album, images=images[start : start + albums.MOST_PICTURES])
        made += 1
    return made


def album_name(folder: str) -> str:
    """Give the name of a folder's album: its whole way, or as much of its end as a name may have."""
    return folder if len(folder) <= albums.LONGEST_NAME else "…" + folder[-albums.LONGEST_NAME + 1 :]


def _placed(batch: Import) -> QuerySet[Upload]:
    """Give the files that are pictures of the person's now."""
    return Upload.objects.filter(batch=batch, image__deleted_at__isnull=True, image__owner_id=batch.owner_id).order_by()

"""Uploaded bytes become a stored image.

The order is what makes it safe to be stopped anywhere: first the bytes go to a folder of temporary files, then the
decoder reads them, then the finished files go durably to their places, and only then one transaction adds the row and
its job. So no row is ever without its files; files without a row are what `sweep_orphans` takes away a day later.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import OperationalError, transaction
from django.http import UnreadablePostError

from captions import accounts, jobs, ledger, media, outbox, selectors, wordindex
from captions.decoder import Decoded, DecodeRefused, DecoderUnavailable, Limits, decode
from captions.errors import DeskError
from captions.models import CaptionJob, Image
from captions.models.identifiers import uuid7
from captions.models.webhook import EventType
from captions.params import Value
from captions.plain import one_line
from captions.storage import PART, DurableFileStorage

log = structlog.get_logger(__name__)

_CHUNK: Final = 1024 * 1024
_FOLDERS: Final = ("originals", "renditions")
_LONGEST_NAME: Final = 255
#: The folder of uploads that come in pieces; `captions.checking` sweeps it, because they may take days.
ARRIVING: Final = "arriving"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Readable(Protocol):
    """What an upload must be able to do; an open file, an uploaded file and a request all are."""

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes, none at the end."""


@dataclass(frozen=True, slots=True)
class Received:
    """The image of the uploaded bytes, whether this upload made it, and its open job if it has one."""

    image: Image
    created: bool
    job: CaptionJob | None


@dataclass(frozen=True, slots=True)
class _Upload:
    """An upload in its folder of temporary files."""

    folder: Path
    sha256: str
    bytes: int

    @property
    def file(self) -> Path:
        return self.folder / "upload"

    @property
    def thumbnail(self) -> Path:
        return self.folder / "thumbnail"

    @property
    def medium(self) -> Path:
        return self.folder / "medium"

    @property
    def screen(self) -> Path:
        return self.folder / "screen"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the uploader wants done with the image; `chosen` is None when no captions are asked for."""

    chosen: Mapping[str, Value] | None
    model: str
    lane: int | None

    @property
    def is_particular(self) -> bool:
        """Whether something was chosen beyond "a caption, please"."""
        return bool(self.chosen or self.model)


def receive(
    *,
    owner: User,
    file: Readable,
    filename: str,
    chosen: Mapping[str, Value] | None = None,
    model: str = "",
    lane: int | None = None,
) -> Received:
    """Take in a picture, and ask for its captions when `chosen` (`params.parse`; may be empty) is given.

    The same bytes of the same owner give the image that is there, out of the trash if it lay there; captions are then
    asked for only when parameters or a model were chosen or it has neither words nor an open job. `lane` None leaves
    the choice to how much the owner has waiting already (`jobs.request`).

    No transaction may be open: decoding takes seconds. Raises DeskError with a code of `captions.decoder.REFUSALS`,
    `disk_full`, `upload_interrupted`, `decoder_busy`, `model_not_served` or `queue_full`; nothing is kept then.
    """
    check_room()
    wish = _Wish(chosen, model, lane)
    with _disk_may_be_full(), tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR, prefix="upload-") as name:
        upload = _spool(file, Path(name))
        existing = _find(owner, upload, wish)
        if existing is not None:
            _mend(upload, existing.image)
            return existing
        if chosen is not None:
            selectors.check_served(model)  # before the decoder works for seconds
        return _keep(owner, upload, clean_filename(filename), wish)


def check_room(*, needed: int = 0) -> None:
    """Raise DeskError `disk_full` when fewer than MIN_FREE_DISK_BYTES would stay free, after `needed` more."""
    for folder in (settings.FILE_UPLOAD_TEMP_DIR, settings.MEDIA_ROOT):
        Path(folder).mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < settings.MIN_FREE_DISK_BYTES + needed:
            raise DeskError("disk_full")


def clean_filename(name: str) -> str:
    """Give what the uploader called a file, for people to read: no path, one line, at most 255 characters."""
    last = one_line(name[-4096:].replace("\\", "/").rpartition("/")[2])
    if not last.strip("."):
        return ""
    stem, dot, ending = last.rpartition(".")
    if len(last) <= _LONGEST_NAME or not stem or len(ending) > 20:
        return last[:_LONGEST_NAME]
    return stem[: _LONGEST_NAME - len(ending) - 1] + dot + ending


# --- Steps of an upload --------------------------------------------------------------------------------------------


def _spool(file: Readable, folder: Path) -> _Upload:
    """Write the bytes to a temporary file, counting and hashing them on the way."""
    digest, size = hashlib.sha256(), 0
    with (folder / "upload").open("wb") as target:
        while chunk := _read(file):
            size += len(chunk)
            if size > settings.MAX_UPLOAD_BYTES:
                raise DeskError("file_too_large", attr="file")
            digest.update(chunk)
            target.write(chunk)
    if size == 0:
        raise DeskError("empty_file", attr="file")
    return _Upload(folder, digest.hexdigest(), size)


def _read(file: Readable) -> bytes:
    return read_piece(file, _CHUNK)


def read_piece(file: Readable, size: int) -> bytes:
    """Read at most `size` bytes of what somebody sends. Raises DeskError `upload_interrupted`."""
    try:
        return file.read(size)
    except (UnreadablePostError, ConnectionError, TimeoutError):
        raise DeskError("upload_interrupted", attr="file") from None


def _find(owner: User, upload: _Upload, wish: _Wish) -> Received | None:
    """Answer with the owner's image of the same bytes, or None.

    Most pictures are new, so nothing is locked before one is seen that is not: a database of one writer would have
    everybody wait here. Whoever comes with the same bytes meanwhile is found by `_add`.
    """
    if not Image.objects.filter(owner=owner, sha256=upload.sha256).exists():
        return None
    with transaction.atomic():
        accounts.hold(owner)
        return _answer_existing(owner, upload, wish)


def _keep(owner: User, upload: _Upload, filename: str, wish: _Wish) -> Received:
    """Decode, store, add the row. Files that got no row are removed again."""
    decoded = _decode(upload)
    image = _describe(owner, upload, filename, decoded)
    try:
        with _disk_may_be_full():
            _store(upload, image)
            received = _add(image, upload, wish)
    except (DeskError, OSError):
        media.remove(image)  # after a failure of the database it might be there; then the sweep decides
        raise
    if not received.created:
        media.remove(image)
    return received


def _mend(upload: _Upload, image: Image) -> None:
    """Put an image's files back when some are lost: whoever sends the picture again means to have it."""
    if not media.is_complete(image):
        log.warning("lost files put back", image=str(image.pk))
        _decode(upload)
        _store(upload, image)


def limits() -> Limits:
    """Give what one picture may cost on this deployment; every door that decodes asks here."""
    return Limits(
        max_bytes=settings.MAX_UPLOAD_BYTES,
        max_pixels=settings.MAX_PIXELS,
        max_frames=settings.MAX_FRAMES,
        heif=settings.ACCEPT_HEIF,
        avif=settings.ACCEPT_AVIF,
    )


def _decode(upload: _Upload) -> Decoded:
    try:
        return decode(
            upload.file, thumbnail=upload.thumbnail, medium=upload.medium, screen=upload.screen, limits=limits()
        )
    except DecodeRefused as refused:
        log.info("picture refused", code=refused.code, detail=refused.detail, sha256=upload.sha256)
        raise DeskError(refused.code, attr="file") from None
    except DecoderUnavailable as error:
        log.error("decoder unavailable", error=str(error))
        raise DeskError("decoder_busy") from None


def _describe(owner: User, upload: _Upload, filename: str, decoded: Decoded) -> Image:
    return Image(
        id=uuid7(),
        owner=owner,
        filename=filename,
        sha256=upload.sha256,
        format=decoded.format,
        width=decoded.width,
        height=decoded.height,
        frames=decoded.frames,
        bytes=upload.bytes,
        thumbnail_width=decoded.thumbnail.width,
        thumbnail_height=decoded.thumbnail.height,
        blurhash=decoded.blurhash,
        medium_width=decoded.medium.width,
        medium_height=decoded.medium.height,
        screen_width=decoded.screen.width,
        screen_height=decoded.screen.height,
    )


def _store(upload: _Upload, image: Image) -> None:
    storage = cast(DurableFileStorage, default_storage)
    storage.take(upload.file, media.original(image))
    storage.take(upload.thumbnail, media.thumbnail(image))
    if media.has_medium(image):  # the row of an old image that is mended tells of none
        storage.take(upload.medium, media.medium(image))
    storage.take(upload.screen, media.screen(image))


def _add(image: Image, upload: _Upload, wish: _Wish) -> Received:
    """Add the row and its job in one transaction, unless the same bytes came in twice at once."""
    with transaction.atomic(durable=True):  # durable: whoever calls with a transaction open hears of it
        account = accounts.hold(image.owner)
        existing = _answer_existing(image.owner, upload, wish)
        if existing is not None:
            return existing
        account.last_number += 1
        account.save(update_fields=["last_number"])
        image.number = account.last_number
        image.save(force_insert=True)
        wordindex.add(image=image)
        outbox.note(
            type=EventType.IMAGE_CREATED,
            owner_id=image.owner_id,
            image_id=image.pk,
            data={"filename": image.filename, "sha256": image.sha256},
        )
        job = _ask(image, wish)
        return Received(_fresh(image), created=True, job=job)


def _answer_existing(owner: User, upload: _Upload, wish: _Wish) -> Received | None:
    image = Image.objects.select_for_update(no_key=True).filter(owner=owner, sha256=upload.sha256).first()
    if image is None:
        return None
    if image.deleted_at is not None:
        image.deleted_at = None
        image.save(update_fields=["deleted_at"])
        outbox.note(type=EventType.IMAGE_RECOVERED, owner_id=owner.pk, image_id=image.pk, data={})
        ledger.settle_and_tell(image=image)
    open_job = image.jobs.filter(state__in=CaptionJob.OPEN, is_trial=False).order_by("-created_at", "-id").first()
    if wish.is_particular or (open_job is None and image.caption_id is None):
        open_job = _ask(image, wish) or open_job
    return Received(_fresh(image), created=False, job=open_job)


def _ask(image: Image, wish: _Wish) -> CaptionJob | None:
    if wish.chosen is None:
        return None
    return jobs.request(image=image, chosen=wish.chosen, model=wish.model, lane=wish.lane).job


def _fresh(image: Image) -> Image:
    return Image.objects.select_related("owner", "caption", "published_caption").get(pk=image.pk)


@contextmanager
def _disk_may_be_full() -> Iterator[None]:
    """Say `disk_full` when a file or the database has no room left."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        log.error("disk full", file=error.filename)
        raise DeskError("disk_full") from error
    except OperationalError as error:
        # SQLite says it in words, PostgreSQL by code 53100.
        if "disk is full" not in str(error) and getattr(error.__cause__, "sqlstate", "") != "53100":
            raise
        log.error("disk full", database=str(error))
        raise DeskError("disk_full") from error


# --- Repair --------------------------------------------------------------------------------------------------------


def sweep_orphans(*, older_than_hours: float = 24) -> int:
    """Delete files without a row and temporary files, if older than that, and give how many.

    The age keeps it away from uploads that are under way. Any number of sweeps may run at once.
    """
    before = time.time() - older_than_hours * 3600
    removed = _sweep_incoming(Path(settings.FILE_UPLOAD_TEMP_DIR), before)
    for folder in _FOLDERS:
        removed += _sweep_stored(Path(settings.MEDIA_ROOT) / folder, before)
    if removed:
        log.info("orphan files removed", files=removed)
    return removed


def _sweep_incoming(folder: Path, before: float) -> int:
    removed = 0
    for entry in list(os.scandir(folder)) if folder.is_dir() else []:
        if entry.name == ARRIVING or not _is_older(entry, before):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink(missing_ok=True)
        removed += 1
    return removed


def _sweep_stored(folder: Path, before: float) -> int:
    removed = 0
    for shard in list(os.scandir(folder)) if folder.is_dir() else []:
        if not shard.is_dir(follow_symlinks=False):
            continue
        old = [Path(entry.path) for entry in os.scandir(shard.path) if _is_older(entry, before)]
        for path in _orphans(old):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _orphans(paths: list[Path]) -> list[Path]:
    """Pick the halves of files, and the files of images that have no row; files that are not ours are left alone."""
    owners = {path: _image_of(path) for path in paths}
    alive = set(Image.objects.filter(pk__in={owner for owner in owners.values() if owner}).values_list("pk", flat=True))
    return [path for path, owner in owners.items() if path.suffix == PART or (owner and owner not in alive)]


def _image_of(path: Path) -> UUID | None:
    """Read the image's id from a file's name; None for a file that is not one of ours."""
    try:
        return UUID(path.name.partition(".")[0])
    except ValueError:
        return None


def _is_older(entry: os.DirEntry[str], before: float) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_mtime < before
    except FileNotFoundError:  # another sweep was here
        return False

"""Files that come in pieces: how their bytes arrive. What becomes of a whole one is `captions.checking`'s business.

The bytes of an upload lie in one file named by its id. A piece is written while its writer holds the file's lock, and
the row's `offset` goes on only after the bytes are on the disk: so the row never promises bytes that a power cut can
take, and what a writer left behind its last `offset` is cut off by the next one.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from captions import accounts, ingest
from captions.errors import DeskError
from captions.models import Import, Upload
from captions.models.clock import DatabaseTime
from captions.plain import one_line
from captions.storage import flush

log = structlog.get_logger(__name__)

ALGORITHMS: Final = ("sha1", "sha256")
MOST_AT_ONCE: Final = 500
_CHUNK: Final = 1024 * 1024
_LONGEST_FOLDER: Final = 500
State = Upload.State


@dataclass(frozen=True, slots=True)
class Announced:
    """A file that somebody is going to send. `fingerprint` is by what the sender knows it again; may be empty."""

    filename: str
    length: int
    folder: str = ""
    fingerprint: str = ""


# --- Announcing ----------------------------------------------------------------------------------------------------


def create(*, owner: User, announced: Announced, batch: Import | None = None) -> Upload:
    """Begin an upload, or give the one of the same file that this import has: known by its fingerprint.

    Raises DeskError `file_too_large`, `archive_too_large`, `disk_full` or `too_many_uploads`.
    """
    is_archive = check_length(announced)
    ingest.check_room(needed=announced.length)
    with transaction.atomic():
        accounts.hold(owner)
        begun = _begun(owner, announced, batch)
        if begun is not None:
            return begun
        _check_open(owner, 1)
        return Upload.objects.create(**_row(owner, announced, batch, is_archive))


def announce(
    *, owner: User, announced: Sequence[Announced], batch: Import | None = None
) -> tuple[Import, list[Upload | None]]:
    """Note files of which nothing has come yet, so that what is missing can be told after the page was closed.

    A file that an earlier import waits for, or that is in this one already, is known by its fingerprint: its upload is
    given instead of a new one. None stands for a file that is too large. Raises DeskError `import_too_long`,
    `disk_full` or `too_many_uploads`.
    """
    if len(announced) > MOST_AT_ONCE:
        raise DeskError("import_too_long")
    ingest.check_room()
    with transaction.atomic():
        accounts.hold(owner)
        known = _known(owner, {one.fingerprint for one in announced if one.fingerprint}, batch)
        batch = batch or _import_of(known.values()) or Import.objects.create(owner=owner)
        given: list[Upload | None] = []
        new: list[Upload] = []
        for one in announced:
            upload = known.get(one.fingerprint)
            if upload is None or upload.length != one.length:
                upload = _noted(owner, one, batch, new)
                if upload is not None and one.fingerprint:
                    known[one.fingerprint] = upload
            given.append(upload)
        _check_open(owner, len(new))
        Upload.objects.bulk_create(new)
    return batch, given


def check_length(announced: Announced) -> bool:
    """Refuse a file that is too large; give whether it is a ZIP file, which has a limit of its own."""
    is_archive = announced.filename.lower().endswith(".zip")
    if announced.length > (settings.MAX_ARCHIVE_BYTES if is_archive else settings.MAX_UPLOAD_BYTES):
        raise DeskError("archive_too_large" if is_archive else "file_too_large")
    return is_archive


def clean_folder(name: str) -> str:
    """Give a folder's name as its sender wrote it, fit to be shown: parts of one line, joined by “/”, none of dots."""
    parts = (one_line(part) for part in name[-4096:].replace("\\", "/").split("/"))
    return "/".join(part for part in parts if part.strip("."))[:_LONGEST_FOLDER]


def _noted(owner: User, one: Announced, batch: Import, new: list[Upload]) -> Upload | None:
    try:
        upload = Upload(**_row(owner, one, batch, check_length(one)))
    except DeskError:
        return None  # its sender hears of it when it is sent
    new.append(upload)
    return upload


def _row(owner: User, one: Announced, batch: Import | None, is_archive: bool) -> dict[str, Any]:
    return {
        "owner": owner,
        "batch": batch,
        "filename": ingest.clean_filename(one.filename),
        "folder": clean_folder(one.folder),
        "fingerprint": one_line(one.fingerprint)[:200],
        "is_archive": is_archive,
        "length": one.length,
        "state": State.CHECKING if one.length == 0 else State.OPEN,
        "expires_at": _end(),
    }


def _begun(owner: User, announced: Announced, batch: Import | None) -> Upload | None:
    """Find what a request that was sent again, because its answer got lost, has begun already."""
    if batch is None or not announced.fingerprint:
        return None
    same = {"owner": owner, "batch": batch, "fingerprint": announced.fingerprint, "length": announced.length}
    begun = Upload.objects.filter(expires_at__gt=timezone.now(), **same).exclude(state=State.REFUSED)
    return begun.select_related("owner", "batch", "image").first()


def _known(owner: User, fingerprints: set[str], batch: Import | None) -> dict[str, Upload]:
    """Give uploads by fingerprint: those anywhere that still wait for bytes, and in this import those that are here."""
    waiting = Upload.objects.filter(owner=owner, state=State.OPEN, fingerprint__in=fingerprints)
    found = {one.fingerprint: one for one in waiting.filter(expires_at__gt=timezone.now()).select_related("batch")}
    if batch is not None:
        here = Upload.objects.filter(batch=batch, fingerprint__in=fingerprints).exclude(state=State.REFUSED)
        found |= {one.fingerprint: one for one in here}
    return found


def _import_of(uploads: Iterable[Upload]) -> Import | None:
    return next((one.batch for one in uploads if one.batch is not None), None)


def _check_open(owner: User, more: int) -> None:
    if more and Upload.objects.filter(owner=owner, state=State.OPEN).count() + more > settings.MAX_OPEN_UPLOADS:
        raise DeskError("too_many_uploads")


def _end() -> datetime:
    return timezone.now() + timedelta(hours=settings.UPLOAD_HOURS)


# --- Bytes ---------------------------------------------------------------------------------------------------------


def offset_of(upload: Upload) -> int:
    """Give how many bytes are here: what the row says, unless the file lost some with a disk that was replaced."""
    if upload.state != State.OPEN:
        return upload.length
    try:
        return min(upload.offset, path_of(upload.pk).stat().st_size)
    except FileNotFoundError:
        return 0


def append(
    *, upload: Upload, offset: int, data: ingest.Readable, size: int, checksum: tuple[str, bytes] | None = None
) -> Upload:
    """Add `size` bytes that begin at `offset`; when this returns they are on the disk, and the row knows of them.

    With the last byte the state becomes “checking”. Raises DeskError `upload_expired`, `upload_offset_wrong`,
    `upload_beyond_length`, `upload_locked`, `checksum_mismatch`, `upload_interrupted` or `disk_full`; the bytes that
    were here before stay then.
    """
    if upload.state == State.OPEN and is_expired(upload):
        raise DeskError("upload_expired")
    if offset + size > upload.length:
        raise DeskError("upload_beyond_length")
    if upload.state != State.OPEN:
        if offset == upload.length and not size:
            return upload
        raise DeskError("upload_offset_wrong")
    ingest.check_room(needed=size)
    with full_disk_said(), lock(upload.pk, make=True) as file:
        if file is None:
            raise DeskError("upload_locked")
        held = Upload.objects.filter(pk=upload.pk).first()
        if held is None:
            path_of(upload.pk).unlink(missing_ok=True)
            raise DeskError("not_found")
        if held.state != State.OPEN or offset_of(held) != offset:
            raise DeskError("upload_offset_wrong")
        _write(file, offset, data, size, checksum)
        return _go_on(held, offset + size)


def terminate(*, upload: Upload) -> None:
    """Forget an upload and its bytes; a picture that it became stays.

    Raises DeskError `upload_locked` or `upload_being_checked`.
    """
    with lock(upload.pk) as file:
        if file is None and path_of(upload.pk).exists():
            raise DeskError("upload_locked")
        gone = Upload.objects.filter(pk=upload.pk)
        if not gone.exclude(state=State.CHECKING).delete()[0]:
            raise DeskError("upload_being_checked" if gone.exists() else "not_found")
        path_of(upload.pk).unlink(missing_ok=True)


def give_up(*, batch: Import) -> int:
    """Forget the files of an import that have not wholly arrived, and give how many."""
    gone = 0
    for upload in Upload.objects.filter(batch=batch, state=State.OPEN).iterator(chunk_size=500):
        with suppress(DeskError):  # one that is being written to at this moment goes on
            terminate(upload=upload)
            gone += 1
    return gone


def is_expired(upload: Upload) -> bool:
    """Whether its time to be gone on with is over."""
    return upload.expires_at <= timezone.now()


def _write(file: int, offset: int, data: ingest.Readable, size: int, checksum: tuple[str, bytes] | None) -> None:
    """Write the piece to the disk. Whatever a writer before left there without telling the row is cut off first."""
    digest = hashlib.new(checksum[0]) if checksum else None  # sha1 only finds accidents on the way here
    os.ftruncate(file, offset)
    os.lseek(file, offset, os.SEEK_SET)
    left = size
    while left:
        piece = ingest.read_piece(data, min(_CHUNK, left))
        if not piece:
            raise DeskError("upload_interrupted")
        if digest:
            digest.update(piece)
        left -= len(piece)
        while piece:
            piece = piece[os.write(file, piece) :]
    if digest and checksum and digest.digest() != checksum[1]:
        os.ftruncate(file, offset)
        raise DeskError("checksum_mismatch")
    os.fsync(file)


def _go_on(upload: Upload, offset: int) -> Upload:
    """Tell the row; nobody else can have, because the file is locked, but for a sweep that found it expired."""
    is_whole = offset == upload.length
    changes: dict[str, Any] = {"offset": offset, "changed_at": DatabaseTime(), "expires_at": _end()}
    if is_whole:
        changes["state"] = State.CHECKING
    told = Upload.objects.filter(pk=upload.pk, state=State.OPEN, offset=upload.offset).update(**changes)
    if not told:
        raise DeskError("upload_offset_wrong")
    return Upload.objects.select_related("owner", "batch").get(pk=upload.pk)


# --- Files ---------------------------------------------------------------------------------------------------------


def path_of(upload_id: UUID) -> Path:
    """Give where an upload's bytes lie. Only the id is in it: names from outside are never part of a path."""
    return folder() / str(upload_id)


def folder() -> Path:
    """Give the folder of all uploads' bytes."""
    return Path(settings.FILE_UPLOAD_TEMP_DIR) / ingest.ARRIVING


@contextmanager
def lock(upload_id: UUID, *, make: bool = False) -> Iterator[int | None]:
    """Hold an upload's file for writing or checking; None when somebody else holds it, or it is not there.

    The kernel lets it go when its holder dies, whatever killed it, so nothing stays locked.
    """
    path = path_of(upload_id)
    if make:
        folder().mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_RDWR | (os.O_CREAT if make else 0), 0o600)
    except FileNotFoundError:
        yield None
        return
    try:
        yield file if _is_taken(file, path) else None
    finally:
        os.close(file)


def _is_taken(file: int, path: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    with suppress(FileNotFoundError):  # removed between opening and locking: these bytes would be nobody's
        if os.fstat(file).st_ino == path.stat().st_ino:
            if os.fstat(file).st_size == 0:
                flush(path.parent)  # the name of a new file, too, must outlive a power cut
            return True
    return False


@contextmanager
def full_disk_said() -> Iterator[None]:
    """Say `disk_full` when the file has no room left."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        log.error("disk full", file=error.filename)
        raise DeskError("disk_full") from error

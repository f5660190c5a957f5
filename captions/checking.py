"""Files that have wholly arrived: each goes through `captions.ingest` like any picture, a ZIP file's one by one.

    checking ──► done | known | refused        a failure that passes leaves it checking; `repair` takes it up again

Whoever checks holds the file's lock, so that a request, a thread and the sweep never check one file together. Stopped
anywhere, it is begun again: the same bytes give the same picture.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.models import Exists, OuterRef, Q

from captions import archives, ingest, uploads
from captions.errors import FAILURES, DeskError
from captions.models import Import, Upload
from captions.models.clock import DatabaseTime
from captions.models.identifiers import uuid7

log = structlog.get_logger(__name__)

#: Failures that pass by themselves: the bytes are here, so nobody needs to be asked.
PASSING: Final = ("queue_full", "decoder_busy", "database_busy", "disk_full")
#: After so many seconds without a sign, whoever checked a file has died.
_DEAD_AFTER: Final = 120.0
_AGAIN_AFTER: Final = 15.0
_EMPTY_AFTER_HOURS: Final = 24
State = Upload.State

# One ZIP file at a time in each process: two would only take each other's time, and the gallery's.
_turn = threading.Semaphore(1)


def start(*, upload: Upload) -> Upload:
    """Check a file that has wholly arrived: a picture now, a ZIP file in a thread of its own, which may take minutes.

    Gives the upload as it is then. No transaction may be open.
    """
    if upload.state == State.CHECKING:
        if _is_opened(upload):
            unpack_soon(upload.pk)
        else:
            check(upload=upload)
    return _fresh(upload.pk)


def check(*, upload: Upload) -> None:
    """Take in one picture; nothing happens while somebody else checks it."""
    with uploads.lock(upload.pk, make=upload.length == 0) as file:
        path = uploads.path_of(upload.pk)
        if file is None and path.exists():
            return
        held = _checking(upload.pk)
        if held is None:
            return
        if file is None:
            _refuse(held, DeskError("upload_expired"))  # its bytes are lost, with a disk or by hand
            return
        with path.open("rb") as data:
            state = _take_in(held, data)
        if state != State.CHECKING and not _may_try_again(upload.pk):
            path.unlink(missing_ok=True)


def again(*, upload: Upload) -> Upload:
    """Check a refused file once more, while its bytes are kept. Raises DeskError `upload_not_again`."""
    fresh = {"state": State.CHECKING, "may_try_again": False, "error_code": "", "error_detail": ""}
    with transaction.atomic():
        refused = Upload.objects.filter(pk=upload.pk, state=State.REFUSED, may_try_again=True)
        if not refused.update(changed_at=DatabaseTime(), **fresh):
            raise DeskError("upload_not_again")
        if upload.parent_id:
            Upload.objects.filter(pk=upload.parent_id).update(changed_at=DatabaseTime(), **fresh)
    start(upload=_fresh(upload.parent_id or upload.pk))
    return _fresh(upload.pk)


def _is_opened(upload: Upload) -> bool:
    """Whether pictures are to be taken out of it; an empty file, whatever it is called, is refused like any picture."""
    return upload.is_archive and upload.length > 0


# --- One picture ---------------------------------------------------------------------------------------------------


def _take_in(upload: Upload, data: ingest.Readable) -> str:
    """Hand the bytes to `ingest`, note what became of them, and give the state."""
    try:
        received = ingest.receive(owner=upload.owner, file=data, filename=upload.filename, chosen={})
    except DeskError as error:
        return _wait(upload, error) if error.code in PASSING else _refuse(upload, error)
    except (OperationalError, InterfaceError):
        raise  # the database does not answer, so nothing can be noted in it either
    except Exception:  # one file must not stop the others; the log has the cause
        log.exception("upload not taken in", upload=str(upload.pk))
        return _refuse(upload, DeskError("unknown"))
    state = State.DONE if received.created else State.KNOWN
    return _note(upload, state, image=received.image, error_code="", error_detail="")


def _wait(upload: Upload, error: DeskError) -> str:
    return _note(upload, State.CHECKING, error_code=error.code, error_detail=error.noted[:500])


def _refuse(upload: Upload, error: DeskError) -> str:
    may = error.failure.retryable
    return _note(upload, State.REFUSED, error_code=error.code, error_detail=error.noted[:500], may_try_again=may)


def _note(upload: Upload, state: str, **changes: Any) -> str:
    checking = Upload.objects.filter(pk=upload.pk, state=State.CHECKING)
    checking.update(state=state, changed_at=DatabaseTime(), **changes)
    return state


# --- One ZIP file --------------------------------------------------------------------------------------------------


def unpack_soon(upload_id: UUID) -> None:
    """Unpack in a thread of this process. When it dies with the process, `repair` goes on where it stopped."""
    threading.Thread(target=_unpack_in_turn, args=(upload_id,), name="unpack", daemon=True).start()


def _unpack_in_turn(upload_id: UUID) -> None:
    try:
        with _turn:
            unpack(upload_id=upload_id)
    except Exception:  # a thread's end is told to nobody; the sweep takes the file up again
        log.exception("ZIP file not unpacked", upload=str(upload_id))
    finally:
        connections.close_all()


def unpack(*, upload_id: UUID, seconds: float | None = None) -> None:
    """Take in the pictures of a ZIP file, for `seconds` at most; what is left is gone on with by the next call."""
    end = None if seconds is None else time.monotonic() + seconds
    with uploads.lock(upload_id) as file:
        path = uploads.path_of(upload_id)
        if file is None and path.exists():
            return
        held = _checking(upload_id)
        if held is None:
            return
        try:
            if file is None:
                raise DeskError("upload_expired")
            _list_parts(held, path)
            is_over = _take_in_parts(held, path, end)
        except DeskError as error:
            _refuse(held, error)
            is_over = True
        if is_over and not _may_try_again(upload_id):
            path.unlink(missing_ok=True)


def _list_parts(upload: Upload, path: Path) -> None:
    """Note every file of the ZIP file once, so that all can be seen while they are read one by one."""
    if upload.parts.exists():
        return
    stem = upload.filename.rpartition(".")[0]
    name = f"{upload.folder}/{stem}".strip("/")
    rows = [_part(upload, entry, uploads.clean_folder(entry.folder)) for entry in archives.entries(path, name=name)]
    with transaction.atomic():
        Upload.objects.bulk_create(rows, batch_size=500)


def _part(upload: Upload, entry: archives.Entry, folder: str) -> Upload:
    return Upload(
        id=uuid7(),
        owner=upload.owner,
        batch=upload.batch,
        parent=upload,
        filename=entry.filename,
        folder=folder,
        place=entry.place,
        length=entry.length,
        offset=entry.length,
        state=State.REFUSED if entry.refused else State.CHECKING,
        error_code=entry.refused,
        error_detail=FAILURES[entry.refused].english if entry.refused else "",
        expires_at=upload.expires_at,
    )


def _take_in_parts(upload: Upload, path: Path, end: float | None) -> bool:
    """Take in what is left; False when time was over, or the first one has to wait."""
    left = upload.parts.filter(state=State.CHECKING).select_related("owner").order_by("place")
    with archives.reading(path) as reader:
        for part in left.iterator(chunk_size=200):
            if end is not None and time.monotonic() > end:
                return False
            if _take_in_part(reader, part) == State.CHECKING:
                waits = Upload.objects.get(pk=part.pk)
                _note(upload, State.CHECKING, error_code=waits.error_code, error_detail=waits.error_detail)
                return False
            Upload.objects.filter(pk=upload.pk).update(changed_at=DatabaseTime())
    _note(upload, State.DONE, error_code="", error_detail="")
    return True


def _take_in_part(reader: archives.Reader, part: Upload) -> str:
    try:
        with reader.open(part.place or 0) as data:
            return _take_in(part, data)
    except DeskError as error:
        return _refuse(part, error)


# --- Repair --------------------------------------------------------------------------------------------------------


def repair(*, seconds: float = 8.0) -> int:
    """Take up files that nobody checks any more or that had to wait, for `seconds` at most, and give how many."""
    end = time.monotonic() + seconds
    taken = 0
    full: set[int] = set()
    for upload in _left_alone():
        if time.monotonic() > end:
            break
        if upload.owner_id in full:
            continue
        if uploads.is_expired(upload) and upload.error_code:
            _refuse(upload, DeskError(upload.error_code))
            continue
        if _is_opened(upload):
            unpack(upload_id=upload.pk, seconds=max(0.5, end - time.monotonic()))
        else:
            check(upload=upload)
        taken += 1
        if _fresh(upload.pk).error_code == "queue_full":
            full.add(upload.owner_id)
    return taken


def _left_alone() -> list[Upload]:
    waits = ~Q(error_code="") & Q(changed_at__lt=DatabaseTime(after=-_AGAIN_AFTER))
    dead = Q(changed_at__lt=DatabaseTime(after=-_DEAD_AFTER))
    found = Upload.objects.filter(waits | dead, state=State.CHECKING, parent__isnull=True)
    return list(found.select_related("owner", "batch").order_by("changed_at")[:1000])


def sweep() -> int:
    """Remove uploads whose time is over with their bytes, bytes that are nobody's, and imports without a file."""
    removed = _sweep_expired() + _sweep_files()
    old = Import.objects.filter(created_at__lt=DatabaseTime(after=-_EMPTY_AFTER_HOURS * 3600))
    old.filter(~Exists(Upload.objects.filter(batch=OuterRef("pk")))).delete()
    if removed:
        log.info("expired uploads removed", uploads=removed)
    return removed


def _sweep_expired() -> int:
    removed = 0
    over = Upload.objects.filter(state=State.OPEN, expires_at__lte=DatabaseTime())
    for upload_id in over.values_list("pk", flat=True)[:10_000]:
        with uploads.lock(upload_id) as file:
            if file is None and uploads.path_of(upload_id).exists():
                continue  # somebody is writing to it at this moment
            removed += over.filter(pk=upload_id).delete()[0]
            uploads.path_of(upload_id).unlink(missing_ok=True)
    return removed


def _sweep_files() -> int:
    folder = uploads.folder()
    paths = [Path(entry.path) for entry in os.scandir(folder)] if folder.is_dir() else []
    removed = 0
    for first in range(0, len(paths), 500):
        for path in _nobodys(paths[first : first + 500]):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _nobodys(paths: list[Path]) -> list[Path]:
    """Give the files whose upload is gone or settled; what is not ours has no id for a name, and is left alone."""
    ids = {path: _id_of(path) for path in paths}
    wanted = Q(state__in=[State.OPEN, State.CHECKING]) | (_try_again() & Q(expires_at__gt=DatabaseTime()))
    rows = Upload.objects.filter(wanted, pk__in=[one for one in ids.values() if one])
    alive = set(rows.values_list("pk", flat=True))
    return [path for path, one in ids.items() if one and one not in alive]


def _id_of(path: Path) -> UUID | None:
    try:
        return UUID(path.name)
    except ValueError:
        return None


def _try_again() -> Q:
    part = Upload.objects.filter(parent=OuterRef("pk"), state=State.REFUSED, may_try_again=True)
    return Q(state=State.REFUSED, may_try_again=True) | Q(Exists(part))


def _may_try_again(upload_id: UUID) -> bool:
    return Upload.objects.filter(_try_again(), pk=upload_id).exists()


def _checking(upload_id: UUID) -> Upload | None:
    found = Upload.objects.select_related("owner", "batch").filter(pk=upload_id, state=State.CHECKING)
    return found.first()


def _fresh(upload_id: UUID) -> Upload:
    found = Upload.objects.select_related("owner", "batch", "image", "parent").filter(pk=upload_id).first()
    if found is None:
        raise DeskError("not_found")
    return found

"""Files that survive a power cut once they are stored."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from django.core.files import File
from django.core.files.storage import FileSystemStorage

PART = ".part"


class DurableFileStorage(FileSystemStorage):
    """Stores a file wholly or not at all: written beside its place, flushed to the disk, then moved there in one step.

    There is no public address: every byte is handed out by `captions.media.serve`, after a permission check.
    """

    def take(self, source: Path, name: str) -> None:
        """Move the finished file `source` to `name`; when this returns it is on the disk. Raises OSError."""
        target = Path(self.path(name))
        _make_folder(target.parent)
        os.chmod(source, self.file_permissions_mode or 0o644)  # temporary files are their maker's alone
        try:
            flush(source)
            os.replace(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy(source, target)  # the incoming folder is on another disk
        flush(target.parent)

    def url(self, name: str | None) -> NoReturn:
        """Refuse: an address of the storage would go round the permission check. Raises ValueError."""
        raise ValueError("Stored files have no address of their own.")

    def _copy(self, source: Path, target: Path) -> None:
        part = target.with_name(target.name + PART)
        try:
            shutil.copyfile(source, part)
            shutil.copymode(source, part)
            flush(part)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        source.unlink()

    def _save(self, name: str, content: File[Any]) -> str:
        folder = Path(self.path(name)).parent
        _make_folder(folder)
        descriptor, part = tempfile.mkstemp(dir=folder, suffix=PART)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
            self.take(Path(part), name)
        finally:
            Path(part).unlink(missing_ok=True)
        return name


def _make_folder(folder: Path) -> None:
    """Make a folder, and flush the names of those that are new: else a power cut takes the files with the folder."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    flush(folder.parent)


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk and outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

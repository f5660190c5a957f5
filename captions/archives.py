"""What is in a ZIP file. Only its directory is read here, and single files are given as streams.

Nothing is ever unpacked by name: names from inside are words to show, never paths. What the directory says is checked
before a byte is inflated, and no stream gives more than the directory announced for it.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from django.conf import settings

from captions import ingest
from captions.errors import DeskError

#: No directory of MAX_ARCHIVE_FILES pictures is larger, and its reader takes the whole of it into memory.
_DIRECTORY_BYTES: Final = 8 * 1024 * 1024
#: Pictures hardly shrink; a drawing of one colour may. What shrinks more, and is not small, was made to do harm.
_RATIO: Final = 200
_SMALL: Final = 4 * 1024 * 1024
#: All files together, against what the ZIP file may have.
_GROWTH: Final = 5
_NESTED: Final = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".cbz", ".cbr", ".jar")
_PASSED_OVER: Final = {"__macosx", "thumbs.db", "desktop.ini"}
_METHODS: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED: Final = 0x1
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in the directory: its place there, what it is called, its size, and why it is refused, if it is."""

    place: int
    filename: str
    folder: str
    length: int
    refused: str = ""


def entries(path: Path, *, name: str) -> list[Entry]:
    """Give the files of the ZIP file at `path` that were meant to be added; `name` stands for its outermost folder.

    Raises DeskError `archive_unreadable`, `archive_too_many_files`, `archive_bomb` or `archive_empty`.
    """
    with _opened(path) as archive:
        infos = archive.infolist()
        if len(infos) > settings.MAX_ARCHIVE_FILES:
            raise DeskError("archive_too_many_files")
        _check_growth(infos, path.stat().st_size)
        meant = [_entry(place, info, name) for place, info in enumerate(infos) if _is_meant(info)]
    if not meant:
        raise DeskError("archive_empty")
    return meant


class Reader:
    """Gives the files of one ZIP file, which is opened once."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive, self._infos = archive, archive.infolist()

    @contextmanager
    def open(self, place: int) -> Iterator[Stream]:
        """Open the file at `place`. Raises DeskError `archive_entry_damaged`, also while it is read."""
        with _damage_said():
            file = self._archive.open(self._infos[place])
        with file:
            yield Stream(file)


class Stream:
    """The bytes of one file inside, inflated as they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes. Raises DeskError `archive_entry_damaged`."""
        with _damage_said():
            return self._file.read(size)


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Open a ZIP file whose `entries` were listed. Raises DeskError `archive_unreadable`."""
    with _opened(path) as archive:
        yield Reader(archive)


# --- The directory -------------------------------------------------------------------------------------------------


class _Careful:
    """A file that gives no more at once than a directory may have: the reader would else take any size into memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _DIRECTORY_BYTES:
            here = self._file.tell()
            if os.fstat(self._file.fileno()).st_size - here > _DIRECTORY_BYTES:
                raise DeskError("archive_too_many_files")
        return self._file.read(size)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    with path.open("rb") as file:
        try:
            archive = zipfile.ZipFile(_Careful(file))
        except _BROKEN:
            raise DeskError("archive_unreadable") from None
        with archive:
            yield archive


@contextmanager
def _damage_said() -> Iterator[None]:
    try:
        yield
    except _BROKEN:
        raise DeskError("archive_entry_damaged", attr="file") from None


def _check_growth(infos: list[zipfile.ZipInfo], size: int) -> None:
    # Files that overlap each other are how a small ZIP file inflates to petabytes: together they would claim more
    # bytes than there are.
    if sum(info.compress_size for info in infos) > size:
        raise DeskError("archive_bomb")
    if sum(info.file_size for info in infos) > settings.MAX_ARCHIVE_BYTES * _GROWTH:
        raise DeskError("archive_bomb")


def _is_meant(info: zipfile.ZipInfo) -> bool:
    """Whether somebody meant to add it: no folder, and none of the files that systems leave everywhere."""
    parts = [part for part in info.filename.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    if info.is_dir() or not parts:
        return False
    return not any(part.startswith(".") or part.lower() in _PASSED_OVER for part in parts)


def _entry(place: int, info: zipfile.ZipInfo, name: str) -> Entry:
    folder, _, _ = info.filename.replace("\\", "/").rpartition("/")
    return Entry(
        place=place,
        filename=ingest.clean_filename(info.filename),
        folder=folder or name,
        length=info.file_size,
        refused=_refusal(info),
    )


def _refusal(info: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(info.external_attr >> 16):
        return "archive_link"
    if info.flag_bits & _ENCRYPTED:
        return "archive_encrypted"
    if info.filename.lower().endswith(_NESTED):
        return "archive_nested"
    if info.compress_type not in _METHODS:
        return "archive_compression"
    if info.file_size > settings.MAX_UPLOAD_BYTES:
        return "file_too_large"
    if info.file_size > _SMALL and info.file_size > _RATIO * max(1, info.compress_size):
        return "archive_bomb"
    return ""

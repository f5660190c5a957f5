"""A ZIP file with the pictures and their words, laid out as the `imagefolder` loader of Hugging Face datasets reads it.

It is written while it is sent: only its words are held until its end, beyond some MB in a temporary file
(https://huggingface.co/docs/datasets/image_load).
"""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED

import structlog
from django.contrib.auth.models import User
from django.db.models import QuerySet
from zipstream import ZipStream

from captions import media
from captions.exports import lines, table
from captions.exports.rows import chunks, rows
from captions.models import Image

log = structlog.get_logger(__name__)
#: How files are packed: words shrink, pictures do not.
STORED: Final = ZIP_STORED
DEFLATED: Final = ZIP_DEFLATED
_PIECE: Final = 256 * 1024
_IN_MEMORY: Final = 8 * 1024 * 1024
_NAME_BYTES: Final = 200


def write(user: User, images: QuerySet[Image]) -> Iterator[bytes]:
    """Give the archive: `pictures/`, then `metadata.jsonl` with their paths as `file_name`, and `captions.csv`.

    One's own pictures go out as they came in; of others', whose originals may say where and when they were taken, goes
    the clean copy of at most 1,600 pixels. A picture whose file is missing stands in `captions.csv` alone.
    """
    archive = ZipStream(compress_type=STORED)
    # Words are read with their pictures: asked for again at the end, they would be those of other pictures, because
    # people go on deciding while somebody downloads.
    with SpooledTemporaryFile(_IN_MEMORY) as metadata, SpooledTemporaryFile(_IN_MEMORY) as spreadsheet:
        spreadsheet.write(table.head())
        for portion in chunks(images):
            said = rows(user, portion)
            spreadsheet.write(table.lines(said))
            for image, row in zip(portion, said, strict=True):
                path = _path(user, image)
                try:
                    file = media.open_file(image, kind(user, image))
                except FileNotFoundError:
                    log.error("file missing in an export", image=str(image.pk))
                    continue
                with file:
                    archive.add(pieces(file), path)
                    yield from archive.all_files()
                metadata.write(lines.line(row, file_name=path))
        for name, words in (("metadata.jsonl", metadata), ("captions.csv", spreadsheet)):
            words.seek(0)
            archive.add(pieces(words), name, compress_type=DEFLATED)
        yield from archive


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Give a file's bytes from where it stands."""
    while piece := file.read(_PIECE):
        yield piece


def kind(user: User, image: Image) -> media.Kind:
    """Say which of a picture's files a person gets: of others', the original may say where it was taken."""
    return media.Kind.ORIGINAL if image.owner_id == user.pk else media.Kind.SCREEN


def _path(user: User, image: Image) -> str:
    """Name a picture's file: numbers keep names apart, and no name can lead out of the folder."""
    if image.owner_id == user.pk:
        return f"pictures/{image.number:06} {plain(media.download_name(image))}"
    return f"pictures/{image.owner_id} {plain(image.owner.get_username())}/{image.number:06}.webp"


def plain(name: str) -> str:
    """Keep what every system takes in a file's name: Windows refuses more than others, Linux takes 255 bytes."""
    kept = "".join("_" if letter in '<>:"/\\|?*' or ord(letter) < 32 else letter for letter in name)
    return kept.encode()[-_NAME_BYTES:].decode(errors="ignore").strip(". ") or "_"

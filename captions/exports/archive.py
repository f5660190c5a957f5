"""A ZIP file with the pictures and their words, laid out as the `imagefolder` loader of Hugging Face datasets reads it.

It is written while it is sent: neither disk nor memory ever hold it (https://huggingface.co/docs/datasets/image_load).
"""

from __future__ import annotations

from collections.abc import Iterator
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
_PIECE = 256 * 1024


def write(user: User, images: QuerySet[Image]) -> Iterator[bytes]:
    """Give the archive: `pictures/`, then `metadata.jsonl` with their paths as `file_name`, and `captions.csv`.

    One's own pictures go out as they came in; of others', whose originals may say where and when they were taken, goes
    the clean copy of at most 1,600 pixels. A picture whose file is missing stands in `captions.csv` alone.
    """
    archive = ZipStream(compress_type=ZIP_STORED)  # pictures do not shrink
    written: set[str] = set()
    for portion in chunks(images):
        for image in portion:
            path = _path(user, image)
            try:
                file = media.open_file(image, _kind(user, image))
            except FileNotFoundError:
                log.error("file missing in an export", image=str(image.pk))
                continue
            with file:
                archive.add(iter(lambda file=file: file.read(_PIECE), b""), path)  # type: ignore[misc]  # mypy sees no default
                yield from archive.all_files()
            written.add(path)
    archive.add(_metadata(user, images, written), "metadata.jsonl", compress_type=ZIP_DEFLATED)
    archive.add(table.write(user, images), "captions.csv", compress_type=ZIP_DEFLATED)
    yield from archive


def _metadata(user: User, images: QuerySet[Image], written: set[str]) -> Iterator[bytes]:
    for portion in chunks(images):
        described = zip((_path(user, image) for image in portion), rows(user, portion), strict=True)
        yield b"".join(lines.line(row, file_name=path) for path, row in described if path in written)


def _kind(user: User, image: Image) -> media.Kind:
    return media.Kind.ORIGINAL if image.owner_id == user.pk else media.Kind.SCREEN


def _path(user: User, image: Image) -> str:
    """Name a picture's file: its number keeps names apart, and no name can lead out of the folder."""
    if image.owner_id == user.pk:
        return f"pictures/{image.number:06} {_plain(media.download_name(image))}"
    return f"pictures/{_plain(image.owner.get_username())}/{image.number:06}.webp"


def _plain(name: str) -> str:
    """Keep what every system takes in a file's name; Windows refuses more than others."""
    kept = "".join("_" if letter in '<>:"/\\|?*' or ord(letter) < 32 else letter for letter in name)
    return kept.strip(". ")[-120:] or "_"

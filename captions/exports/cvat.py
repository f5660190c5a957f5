"""A ZIP file for CVAT: the pictures, and "CVAT for images 1.1" XML with the words as an attribute of a tag.

The shape is that of https://docs.cvat.ai/docs/dataset_management/formats/format-cvat: `images/` and `annotations.xml`.
A person's words have the source `manual`, a model's draft `auto`. A picture's name begins with the sha256 of its
original, so that words find their way back to it from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Final

import structlog
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.html import escape
from zipstream import ZipStream

from captions import media
from captions.exports import archive
from captions.exports.rows import chunks
from captions.models import Caption, Image

log = structlog.get_logger(__name__)
#: The label and the attribute of it that hold words; imports read any label that has the attribute.
LABEL: Final = "caption"
ATTRIBUTE: Final = "text"
_ROOT: Final = "images/"
_IN_MEMORY: Final = 8 * 1024 * 1024
#: What XML 1.0 has no way to write down.
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(user: User, images: QuerySet[Image]) -> Iterator[bytes]:
    """Give the archive; one's own pictures as they came in, of others the clean copy.

    A picture whose file is missing is left out.
    """
    packed = ZipStream(compress_type=archive.STORED)
    with SpooledTemporaryFile(_IN_MEMORY) as told:
        count = 0
        for portion in chunks(images):
            for image in portion:
                name = _name(user, image)
                try:
                    file = media.open_file(image, archive.kind(user, image))
                except FileNotFoundError:
                    log.error("file missing in an export", image=str(image.pk))
                    continue
                with file:
                    packed.add(archive.pieces(file), _ROOT + name)
                    yield from packed.all_files()
                told.write(_image(count, name, image, _size(user, image)).encode())
                count += 1
        told.seek(0)
        packed.add(_whole(told, count), "annotations.xml", compress_type=archive.DEFLATED)
        yield from packed


def _name(user: User, image: Image) -> str:
    if image.owner_id == user.pk:
        return f"{image.sha256}/{archive.plain(media.download_name(image))}"
    whose = f"{image.owner_id} {archive.plain(image.owner.get_username())}"
    return f"{whose}/{image.sha256}/{image.number:06}.webp"


def _size(user: User, image: Image) -> tuple[int, int]:
    is_own = image.owner_id == user.pk
    return (image.width, image.height) if is_own else (image.screen_width, image.screen_height)


def _image(place: int, name: str, image: Image, size: tuple[int, int]) -> str:
    caption = image.published_caption or image.caption
    is_draft = image.published_caption is None and caption is not None and caption.kind == Caption.Kind.GENERATED
    head = f'  <image id="{place}" name="{_xml(name)}" width="{size[0]}" height="{size[1]}">\n'
    return f"{head}{_tag(caption, is_draft=is_draft) if caption else ''}  </image>\n"


def _tag(caption: Caption, *, is_draft: bool) -> str:
    source = "auto" if is_draft else "manual"
    attribute = f'<attribute name="{ATTRIBUTE}">{_xml(caption.text)}</attribute>'
    return f'    <tag label="{LABEL}" source="{source}">\n      {attribute}\n    </tag>\n'


def _whole(told: SpooledTemporaryFile[bytes], count: int) -> Iterator[bytes]:
    now = timezone.now().isoformat(sep=" ")
    label = (
        f"<label><name>{LABEL}</name><type>tag</type><attributes><attribute><name>{ATTRIBUTE}</name>"
        "<mutable>False</mutable><input_type>text</input_type><default_value></default_value><values></values>"
        "</attribute></attributes></label>"
    )
    yield (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n'
        f"      <name>captions</name>\n      <size>{count}</size>\n      <mode>annotation</mode>\n"
        f"      <overlap>0</overlap>\n      <bugtracker></bugtracker>\n      <created>{now}</created>\n"
        f"      <updated>{now}</updated>\n      <labels>{label}</labels>\n    </task>\n"
        f"    <dumped>{now}</dumped>\n  </meta>\n"
    ).encode()
    yield from archive.pieces(told)
    yield b"</annotations>\n"


def _xml(text: str) -> str:
    return str(escape(_UNWRITABLE.sub("", text)))

"""Tags: words that a person finds their own pictures by. Kept in lower case, so that "Sea" and "sea" are one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from captions import wordindex
from captions.albums import own_pictures
from captions.errors import DeskError
from captions.models import Image, ImageTag, Tag
from captions.plain import has_a_word, one_line

MOST_AT_ONCE = 20


def clean(name: str) -> str:
    """Give a tag as it is kept: on one line, in lower case, without a leading "#" or commas.

    Raises DeskError `tag_empty`, `tag_too_long`.
    """
    word = " ".join(one_line(name).lstrip("#").replace(",", " ").split()).lower()
    if not has_a_word(word):
        raise DeskError("tag_empty", attr="name")
    if len(word) > 60:
        raise DeskError("tag_too_long", attr="name")
    return word


def split(text: str) -> list[str]:
    """Read tags that a person typed with commas between them; empty places are passed over."""
    return [word for word in text.split(",") if word.strip(" #\t\r\n")]


def mark(*, owner: User, images: Collection[UUID], names: Iterable[str]) -> int:
    """Put tags on a person's own pictures, making those that are new, and give how many pictures they are on now.

    Pictures that are somebody else's, or in the trash, are passed over. Two at once end as one would.
    Raises DeskError `too_many_pictures`, `too_many_tags`, and those of `clean`.
    """
    words = read(names)
    with transaction.atomic():
        pictures = own_pictures(owner.pk, images)
        if not pictures:
            return 0
        # Two requests may make one tag at once: the database keeps one, and both read it.
        Tag.objects.bulk_create([Tag(owner=owner, name=word) for word in words], ignore_conflicts=True)
        tags = Tag.objects.filter(owner=owner, name__in=words).values_list("pk", flat=True)
        marks = [ImageTag(tag_id=tag, image_id=image) for tag in tags for image in pictures]
        ImageTag.objects.bulk_create(marks, ignore_conflicts=True, batch_size=500)
        wordindex.refresh(image_ids=pictures)
    return len(pictures)


def unmark(*, owner: User, images: Collection[UUID], names: Iterable[str]) -> int:
    """Take tags off a person's own pictures, and give how many marks went. The tags themselves stay.

    Raises DeskError `too_many_pictures`, `too_many_tags`, and those of `clean`.
    """
    words = read(names)
    with transaction.atomic():
        pictures = own_pictures(owner.pk, images)
        marks = ImageTag.objects.filter(tag__owner=owner, tag__name__in=words, image_id__in=pictures)
        taken_off = marks.delete()[0]
        wordindex.refresh(image_ids=pictures)
    return taken_off


def replace(*, image: Image, owner: User, names: Iterable[str]) -> None:
    """Give one picture exactly these tags. Raises DeskError `not_found` unless it is the person's own."""
    words = read(names)
    with transaction.atomic():
        if not own_pictures(owner.pk, [image.pk]):
            raise DeskError("not_found")
        ImageTag.objects.filter(image=image).exclude(tag__name__in=words).delete()
        wordindex.refresh(image_ids=[image.pk])
        mark(owner=owner, images=[image.pk], names=words)


def rename(*, tag: Tag, name: str) -> Tag:
    """Call a tag something else, on all pictures at once. Raises DeskError `tag_name_taken` and those of `clean`."""
    tag.name = clean(name)
    try:
        with transaction.atomic():
            tag.save(update_fields=["name"])
            wordindex.refresh(image_ids=_marked(tag))
    except IntegrityError:
        raise DeskError("tag_name_taken", attr="name") from None
    return tag


def delete(*, tag: Tag) -> None:
    """Take a tag off all pictures and forget it."""
    with transaction.atomic():
        pictures = _marked(tag)
        Tag.objects.filter(pk=tag.pk).delete()
        wordindex.refresh(image_ids=pictures)


def _marked(tag: Tag) -> list[UUID]:
    return list(ImageTag.objects.filter(tag=tag).values_list("image_id", flat=True))


def read(names: Iterable[str]) -> list[str]:
    """Give names as they are kept, each once. Raises DeskError `too_many_tags`, and those of `clean`."""
    words = sorted({clean(name) for name in names})
    if len(words) > MOST_AT_ONCE:
        raise DeskError("too_many_tags", attr="tags")
    return words

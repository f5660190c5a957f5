"""What people say about a picture beside its caption: its title, that it is decorative, a long description.

Titles and the decorative switch are written down in `ImageChange`, so that the history tells who said so. A long
description is a Caption of its own purpose: every version is kept and none is reviewed; that one was taken away is an
`ImageChange` too.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction

from captions import languages, ledger, selectors, wordindex
from captions.errors import DeskError
from captions.models import Caption, Image, ImageChange
from captions.permissions import may_caption, may_review
from captions.plain import has_a_word, one_line

Subject = ImageChange.Subject
YES = "yes"


def entitle(*, image: Image, by: User, title: str) -> Image:
    """Give a picture a title, or with "" take it away. Raises DeskError `not_found`, `title_too_long`."""
    words = one_line(title)
    if len(words) > 200:
        raise DeskError("title_too_long", attr="title")
    with transaction.atomic():
        held = ledger.hold(image.pk)
        if not may_caption(by, held):
            raise DeskError("not_found")
        if words != held.title:
            _write_down(held, by, Subject.TITLE, held.title, words)
            held.title = words
            held.save(update_fields=["title"])
            wordindex.refresh(image_ids=[held.pk])
            ledger.settle_and_tell(image=held)
    return held


def set_decorative(*, image: Image, by: User, is_decorative: bool) -> Image:
    """Say that a picture needs no words, so that its alt text is empty, or that it does need them after all.

    It is a decision like an approval, so whoever may review may make it. Words that were published before are
    published again when it is taken back. Raises DeskError `not_found`.
    """
    with transaction.atomic():
        held = ledger.hold(image.pk)
        if not may_review(by, held):
            raise DeskError("not_found")
        if is_decorative != held.is_decorative:
            _write_down(held, by, Subject.DECORATIVE, YES * held.is_decorative, YES * is_decorative)
            # The database lets no picture be approved without words unless it is decorative: both in one statement.
            words = Image.State.APPROVED if is_decorative or held.published_caption_id else Image.State.DRAFT
            Image.objects.filter(pk=held.pk).update(is_decorative=is_decorative, state=words)
            held.is_decorative = is_decorative
            ledger.settle_and_tell(image=held)
    return held


def describe(*, image: Image, by: User, text: str, language: str | None = None) -> Caption | None:
    """Write the long description anew; paragraphs stay. "" takes it away. Gives the version in force, if any.

    `language` None keeps that of the version before. Words that are there already are not written again.
    Raises DeskError `not_found`, `description_too_long`, `language_unknown`.
    """
    words = _paragraphs(text)
    tag = None if language is None else languages.clean(language)
    with transaction.atomic():
        held = ledger.hold(image.pk)
        if not may_caption(by, held):
            raise DeskError("not_found")
        last = selectors.long_description(held)
        if not words:
            if last is not None:
                _write_down(held, by, Subject.LONG, str(last.pk), "")
                ledger.settle_and_tell(image=held)
            return None
        tag = tag or (last.language if last else languages.DEFAULT)
        if last is not None and (last.text, last.language) == (words, tag):
            return last
        added = ledger.add(
            image=held,
            kind=Caption.Kind.EDITED if last else Caption.Kind.WRITTEN,
            author=by,
            text=words,
            parent=last,
            purpose=Caption.Purpose.LONG,
            language=tag,
        )
        ledger.settle_and_tell(image=held)
    return added


def _paragraphs(text: str) -> str:
    lines = [one_line(line) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    kept = "\n".join(lines).strip()
    while "\n\n\n" in kept:
        kept = kept.replace("\n\n\n", "\n\n")
    if kept and not has_a_word(kept):
        raise DeskError("caption_empty", attr="long_description")
    if len(kept) > Caption.MAX_LENGTH:
        raise DeskError("description_too_long", attr="long_description")
    return kept


def _write_down(image: Image, by: User, subject: str, before: str, after: str) -> None:
    ImageChange.objects.create(image=image, by=by, subject=subject, before=before, after=after)

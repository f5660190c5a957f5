"""What pictures are found by: kept in step with their words, titles, file names and tags.

Whoever changes one of these calls `refresh` in the same transaction. `captions.ledger.settle` does so when the caption
on show changes and when an image goes into the trash or comes back, `captions.ingest` when an image comes in. The
databases' own indexes follow `SearchWords` by themselves (migration 0011_search).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Prefetch

from captions.models import Image, ImageTag, SearchWords
from captions.searching import tokens

AT_ONCE: Final = 500
_KEPT: Final = ("owner", "shown", "title", "words", "tags", "filename", "plain")


def add(*, image: Image) -> None:
    """Write down what an image that has only just come in is found by: it has neither words nor tags yet."""
    _row(image, words="", tags="").save(force_insert=True)


def refresh(*, image_ids: Iterable[UUID]) -> None:
    """Write down anew what these images are found by; images in the trash are found no more."""
    ids = list(image_ids)
    living = list(_with_words(ids))
    # Rows in one order everywhere: two transactions that write the same ones would else wait for each other.
    rows = sorted(map(_row_of, living), key=lambda row: row.image_id)
    SearchWords.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["image"], update_fields=_KEPT, batch_size=AT_ONCE
    )
    gone = set(ids) - {image.pk for image in living}
    if gone:
        SearchWords.objects.filter(image_id__in=gone).delete()


def rebuild() -> Iterator[int]:
    """Refresh every image, a batch in a transaction, and give how many are done so far."""
    done, last = 0, None
    while True:
        rows = Image.objects.order_by("id")
        ids = list((rows.filter(pk__gt=last) if last else rows).values_list("pk", flat=True)[:AT_ONCE])
        if not ids:
            return
        with transaction.atomic():
            # Held, so that words that arrive meanwhile are not overwritten by older ones.
            list(Image.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("id").values_list("pk"))
            refresh(image_ids=ids)
        done, last = done + len(ids), ids[-1]
        yield done


def out_of_step(image_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Give the images whose row differs from what `refresh` would write, with what is wrong."""
    ids = list(image_ids)
    should = {image.pk: _row_of(image) for image in _with_words(ids)}
    kept = {row.image_id: row for row in SearchWords.objects.filter(image_id__in=ids)}
    wrong = dict.fromkeys(kept.keys() - should.keys(), "is in the trash and is found")
    wrong |= dict.fromkeys(should.keys() - kept.keys(), "is not found by its words")
    for pk in should.keys() & kept.keys():
        if (should[pk].plain, should[pk].shown, should[pk].owner_id) != (
            kept[pk].plain,
            kept[pk].shown,
            kept[pk].owner_id,
        ):
            wrong[pk] = f"is found by “{kept[pk].plain[:80]}”, should be by “{should[pk].plain[:80]}”"
    return wrong


def _with_words(image_ids: list[UUID]) -> Iterable[Image]:
    marks = Prefetch("marks", ImageTag.objects.select_related("tag").order_by("tag__name"))
    living = Image.objects.filter(pk__in=image_ids, deleted_at__isnull=True).order_by("id")
    return living.select_related("caption").prefetch_related(marks)


def _row_of(image: Image) -> SearchWords:
    words = image.caption.text if image.caption else ""
    return _row(image, words=words, tags=" ".join(mark.tag.name for mark in image.marks.all()))


def _row(image: Image, *, words: str, tags: str) -> SearchWords:
    parts = {"title": image.title, "words": words, "tags": tags, "filename": image.filename}
    cut = {name: " ".join(tokens(text)) for name, text in parts.items()}
    plain = " ".join(filter(None, cut.values()))
    return SearchWords(image_id=image.pk, owner_id=image.owner_id, shown=image.caption_id, plain=plain, **cut)

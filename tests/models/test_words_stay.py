"""Captions and reviews are only ever added, whichever way somebody tries."""

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from captions.models import Caption, CaptionImmutable, Image, Review


@pytest.fixture
def image(owner: User) -> Image:
    return Image.objects.create(
        owner=owner, number=1, sha256="0" * 64, format="PNG", width=4, height=3, bytes=99,
        thumbnail_width=4, thumbnail_height=3, screen_width=4, screen_height=3,
    )  # fmt: skip


@pytest.fixture
def caption(image: Image, owner: User) -> Caption:
    return Caption.objects.create(image=image, text="a red circle", kind="written", author=owner)


def test_it_refuses_a_save_of_changed_words(caption):
    caption.text = "a blue circle"
    with pytest.raises(CaptionImmutable):
        caption.save(update_fields=["text"])


def test_it_refuses_bulk_changes_in_the_orm(caption):
    with pytest.raises(CaptionImmutable):
        Caption.objects.filter(pk=caption.pk).update(text="x")
    with pytest.raises(CaptionImmutable):
        Caption.objects.bulk_update([caption], ["text"])
    with pytest.raises(CaptionImmutable):
        Caption.objects.all().delete()
    with pytest.raises(CaptionImmutable):
        caption.delete()


@pytest.mark.parametrize("table", ["captions_caption", "captions_review"])
@pytest.mark.parametrize("statement", ["UPDATE {table} SET created_at = created_at", "DELETE FROM {table}"])
def test_it_is_refused_by_the_database_when_somebody_gets_round_the_orm(caption, owner, table, statement):
    Review.objects.create(image=caption.image, caption=caption, reviewer=owner, decision="approve")
    with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table=table))
    assert Caption.objects.get().text == "a red circle"


def test_it_lets_words_go_with_an_image_in_the_trash(caption):
    Image.objects.filter(pk=caption.image_id).update(deleted_at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM captions_caption")
    assert not Caption.objects.exists()

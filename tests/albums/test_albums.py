"""Albums: names, pictures, and who may reach them."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from django.db import connection

from captions import albums, selectors, trash
from captions.errors import DeskError
from captions.models import AlbumImage, Image
from tests.factories import make_image

pytestmark = pytest.mark.django_db


def code_of(call, *arguments, **named):
    with pytest.raises(DeskError) as refused:
        call(*arguments, **named)
    return refused.value.code


def test_it_keeps_a_name_on_one_line_once_per_owner(owner, stranger):
    album = albums.make(owner=owner, name="  Harbour\n 2024 ")
    assert album.name == "Harbour 2024"
    assert code_of(albums.make, owner=owner, name="Harbour 2024") == "album_name_taken"
    assert albums.make(owner=stranger, name="Harbour 2024").owner == stranger


@pytest.mark.parametrize(("name", "code"), [(" – ", "album_name_empty"), ("x" * 121, "album_name_too_long")])
def test_it_refuses_names_that_are_none(owner, name, code):
    assert code_of(albums.make, owner=owner, name=name) == code


def test_it_renames_unless_the_name_is_taken(owner):
    album = albums.make(owner=owner, name="One")
    albums.make(owner=owner, name="Two")
    assert albums.rename(album=album, name="Three").name == "Three"
    assert code_of(albums.rename, album=album, name="Two") == "album_name_taken"


def test_it_leaves_the_pictures_when_an_album_goes(owner):
    image = make_image(owner)
    album = albums.make(owner=owner, name="One")
    albums.add(album=album, images=[image.pk])
    albums.delete(album=album)
    assert Image.objects.filter(pk=image.pk, deleted_at=None).exists()


def test_it_adds_own_pictures_once_and_passes_over_others(owner, stranger):
    album = albums.make(owner=owner, name="One")
    mine, gone = make_image(owner), make_image(owner)
    trash.discard(image=gone, by=owner)
    wanted = [mine.pk, gone.pk, make_image(stranger).pk, uuid4()]
    assert albums.add(album=album, images=wanted) == 1
    assert albums.add(album=album, images=wanted) == 0
    assert list(selectors.images_of(album)) == [mine]


def test_it_takes_pictures_out_again(owner):
    album = albums.make(owner=owner, name="One")
    images = [make_image(owner).pk for _ in range(3)]
    albums.add(album=album, images=images)
    assert albums.remove(album=album, images=[*images[:2], uuid4()]) == 2
    assert [image.pk for image in selectors.images_of(album)] == images[2:]


def test_it_takes_a_thousand_pictures_at_once_and_no_more(owner):
    album = albums.make(owner=owner, name="One")
    assert albums.add(album=album, images=[uuid4() for _ in range(1000)]) == 0
    assert code_of(albums.add, album=album, images=[uuid4() for _ in range(1001)]) == "too_many_pictures"
    assert code_of(albums.remove, album=album, images=[uuid4() for _ in range(1001)]) == "too_many_pictures"


def test_it_keeps_the_place_of_a_picture_in_the_trash(owner):
    album = albums.make(owner=owner, name="One")
    image = make_image(owner)
    albums.add(album=album, images=[image.pk])
    trash.discard(image=image, by=owner)
    assert selectors.album(owner, album.pk).pictures == 0
    trash.recover(image=image, by=owner)
    assert selectors.album(owner, album.pk).pictures == 1


@pytest.mark.django_db(transaction=True)
def test_it_gives_a_picture_one_place_when_two_add_it_at_once(owner):
    album = albums.make(owner=owner, name="One")
    images = [make_image(owner).pk for _ in range(8)]
    ready, added, problems = threading.Barrier(4), [], []

    def add() -> None:
        try:
            ready.wait()
            added.append(albums.add(album=album, images=images))
        except Exception as error:  # whatever it is, the test must see it
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert sorted(added) == [0, 0, 0, 8]
    assert AlbumImage.objects.filter(album=album).count() == 8


def test_it_lists_albums_with_counts_and_covers_in_a_fixed_number_of_queries(owner, django_assert_num_queries):
    for name in "abcdef":
        album = albums.make(owner=owner, name=name)
        albums.add(album=album, images=[make_image(owner).pk for _ in range(2)])
    make_album_without_pictures = albums.make(owner=owner, name="g")
    with django_assert_num_queries(3):
        listed = list(selectors.albums(owner))
        covers = selectors.covers(listed)
    assert [album.pictures for album in listed] == [2] * 6 + [0]
    assert make_album_without_pictures.pk not in covers
    newest = selectors.images_of(listed[0]).first()
    assert covers[listed[0].pk] == newest

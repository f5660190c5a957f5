"""Tags: one spelling, on one picture or many."""

from __future__ import annotations

from uuid import uuid4

import pytest

from captions import selectors, tags, trash
from captions.models import Tag
from tests.albums.test_albums import code_of
from tests.factories import make_image

pytestmark = pytest.mark.django_db


def names(owner, image):
    return [tag.name for tag in selectors.tags_of(owner, image)]


def test_it_keeps_tags_in_lower_case_and_once(owner):
    image = make_image(owner)
    assert tags.mark(owner=owner, images=[image.pk], names=["#Sea", "SEA", " low  Tide "]) == 1
    tags.mark(owner=owner, images=[image.pk], names=["sea"])
    assert names(owner, image) == ["low tide", "sea"]


def test_it_marks_many_pictures_but_only_own_ones(owner, stranger):
    mine, theirs, gone = make_image(owner), make_image(stranger), make_image(owner)
    trash.discard(image=gone, by=owner)
    assert tags.mark(owner=owner, images=[mine.pk, theirs.pk, gone.pk, uuid4()], names=["sea"]) == 1
    assert not names(stranger, theirs)
    assert [(tag.name, tag.pictures) for tag in selectors.tags(owner)] == [("sea", 1)]


def test_it_shows_tags_to_their_owner_alone(owner, stranger):
    image = make_image(owner)
    tags.mark(owner=owner, images=[image.pk], names=["sea"])
    assert not names(stranger, image)
    assert code_of(selectors.tag, stranger, Tag.objects.get().pk) == "not_found"


def test_it_takes_tags_off_and_keeps_the_tag(owner):
    image = make_image(owner)
    tags.mark(owner=owner, images=[image.pk], names=["sea", "sky"])
    assert tags.unmark(owner=owner, images=[image.pk], names=["Sea"]) == 1
    assert names(owner, image) == ["sky"]
    assert [(tag.name, tag.pictures) for tag in selectors.tags(owner)] == [("sea", 0), ("sky", 1)]


def test_it_replaces_the_tags_of_one_own_picture(owner, stranger):
    image = make_image(owner)
    tags.mark(owner=owner, images=[image.pk], names=["sea", "sky"])
    tags.replace(image=image, owner=owner, names=["boat", "sky"])
    assert names(owner, image) == ["boat", "sky"]
    assert code_of(tags.replace, image=image, owner=stranger, names=["boat"]) == "not_found"


def test_it_renames_everywhere_unless_the_name_is_taken(owner):
    image = make_image(owner)
    tags.mark(owner=owner, images=[image.pk], names=["sea", "sky"])
    sea = Tag.objects.get(name="sea")
    assert code_of(tags.rename, tag=sea, name="Sky") == "tag_name_taken"
    tags.rename(tag=sea, name="Ocean")
    assert names(owner, image) == ["ocean", "sky"]
    tags.delete(tag=sea)
    assert names(owner, image) == ["sky"]


@pytest.mark.parametrize(("name", "code"), [(" # ", "tag_empty"), ("x" * 61, "tag_too_long")])
def test_it_refuses_tags_that_are_none(owner, name, code):
    assert code_of(tags.mark, owner=owner, images=[make_image(owner).pk], names=[name]) == code


def test_it_limits_what_comes_at_once(owner):
    assert code_of(tags.mark, owner=owner, images=[], names=[str(n) for n in range(21)]) == "too_many_tags"
    many = [uuid4() for _ in range(1001)]
    assert code_of(tags.mark, owner=owner, images=many, names=["sea"]) == "too_many_pictures"


def test_it_reads_tags_with_commas_between(owner):
    assert tags.split(" Sea, ,#sky,") == [" Sea", "#sky"]

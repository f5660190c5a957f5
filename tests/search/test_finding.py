"""A search becomes pictures."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from captions import finding, ledger, review, selectors, trash, wordindex
from captions.errors import DeskError
from captions.invariants import _words_are_found
from captions.models import Album, AlbumImage, Image, ImageTag, SearchWords, Tag
from captions.searching import parse
from tests import factories


def picture(owner: User, text: str = "", **fields: object) -> Image:
    image = factories.make_image(owner, "approved" if text else "empty", text=text, **fields)
    return Image.objects.get(pk=image.pk)


def found(user: User, text: str, *, size: int = 50) -> list[int]:
    """Give the numbers of the pictures found, in their order."""
    search = selectors.search(user, text)
    rows = search.page(after="", size=size).rows if search.is_ranked else search.rows
    return [image.number for image in rows]


def code(user: User, text: str) -> str:
    with pytest.raises(DeskError) as refused:
        selectors.search(user, text)
    return refused.value.code


def test_it_finds_captions_titles_and_file_names(owner):
    picture(owner, "a lighthouse on a rock")
    picture(owner, title="The old lighthouse")
    picture(owner, filename="IMG_0042-lighthouse.jpg")
    picture(owner, "a dog")
    assert sorted(found(owner, "lighthouse")) == [1, 2, 3]


def test_it_finds_tags(owner):
    image = picture(owner, "a dog")
    ImageTag.objects.create(image=image, tag=Tag.objects.create(owner=owner, name="coast path"))
    wordindex.refresh(image_ids=[image.pk])
    assert found(owner, "coast") == [1]


def test_it_puts_titles_before_captions_before_file_names(owner):
    picture(owner, filename="harbour.jpg")
    picture(owner, "the harbour of a town", filename="a.jpg")
    picture(owner, title="Harbour", filename="a.jpg")
    assert found(owner, "harbour") == [3, 2, 1]


def test_it_stems_words(owner):
    picture(owner, "two boats are sailing")
    assert found(owner, "boat sail") == [1]
    assert found(owner, "sailed boating") == [1]


def test_it_finds_the_beginning_of_the_last_word_only(owner):
    picture(owner, "a lighthouse by the sea")
    assert found(owner, "sea lighth") == [1]
    search = selectors.search(owner, "lighth sea")
    assert search.page(after="", size=5).is_near


def test_it_needs_every_word(owner):
    picture(owner, "a red boat")
    picture(owner, "a red house")
    assert found(owner, "red boat") == [1]


def test_it_finds_phrases(owner):
    picture(owner, "a red boat on blue water", filename="harbour.jpg")
    picture(owner, "a blue boat on red water", filename="harbour.jpg")
    assert found(owner, '"red boat"') == [1]
    assert found(owner, '"boat on red"') == [2]
    assert selectors.search(owner, '"water harbour"').page(after="", size=5).is_near


def test_it_takes_one_of_several_words(owner):
    for text in ("a red boat", "a blue boat", "a green boat", "a red house"):
        picture(owner, text)
    assert sorted(found(owner, "boat red OR blue")) == [1, 2]


def test_it_leaves_words_out(owner):
    picture(owner, "a red boat")
    picture(owner, "a red house")
    assert found(owner, "red -boat") == [2]
    assert found(owner, "-boat") == [2]
    assert found(owner, '-"red house" -dog') == [1]


def test_it_finds_stop_words_and_folded_words(owner):
    picture(owner, "The Café in Zürich")
    for text in ("the", "cafe", "ZURICH", "café in"):
        assert found(owner, text) == [1], text


@pytest.mark.parametrize("text", ["lihgthouse", "ligthouse", "lighthuose", "ghthous"])
def test_it_gives_near_words_when_nothing_has_the_words(owner, text):
    picture(owner, "a lighthouse by the sea")
    picture(owner, "a dog on a lawn")
    page = selectors.search(owner, text).page(after="", size=5)
    assert [image.number for image in page.rows] == [1]
    assert page.is_near


def test_it_leaves_words_out_of_near_ones_too(owner):
    picture(owner, "a lighthouse by the sea")
    picture(owner, "a lighthouse and a dog")
    assert found(owner, "ligthouse -dog") == [1]


def test_it_finds_the_digits_of_a_file_name(owner):
    picture(owner, filename="DSC00234.jpg")
    picture(owner, filename="DSC00999.jpg")
    assert found(owner, "0234") == [1]


def test_it_gives_nothing_for_words_that_nothing_is_near(owner):
    picture(owner, "a lighthouse")
    assert found(owner, "xylophone") == []


def test_it_finds_the_words_on_show_and_no_earlier_ones(owner):
    image = picture(owner, "a small boat")
    review.edit(image=image, reviewer=owner, text="A lighthouse.")
    assert found(owner, "lighthouse") == [1]
    assert found(owner, "boat") == []


def test_it_finds_nothing_in_the_trash(owner):
    image = picture(owner, "a small boat")
    trash.discard(image=image, by=owner)
    assert found(owner, "boat") == []
    assert not SearchWords.objects.exists()
    trash.recover(image=image, by=owner)
    assert found(owner, "boat") == [1]


def test_it_keeps_no_words_of_a_purged_picture(owner):
    image = picture(owner, "a small boat")
    trash.discard(image=image, by=owner)
    trash.purge(older_than_days=-1)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT count(*) FROM captions_searchindex WHERE captions_searchindex MATCH 'boat'")
            assert cursor.fetchone() == (0,)
    assert not SearchWords.objects.exists()


def test_it_notices_and_mends_an_index_that_is_out_of_step(owner):
    image = picture(owner, "a small boat")
    assert list(_words_are_found()) == []
    SearchWords.objects.update(plain="a house", words="a house")
    assert [violation.rule for violation in _words_are_found()] == ["words_are_found"]
    SearchWords.objects.all().delete()
    assert [violation.rule for violation in _words_are_found()] == ["words_are_found"]
    assert list(wordindex.rebuild()) == [1]
    assert list(_words_are_found()) == []
    assert found(owner, "boat") == [image.number]


# --- Filters -------------------------------------------------------------------------------------------------------


def test_it_filters_by_state(owner):
    for state in ("draft", "approved", "failed"):
        factories.make_image(owner, state)
    assert found(owner, "state:draft") == [1]
    assert found(owner, "state:draft,failed") == [3, 1]
    assert found(owner, "-state:draft") == [3, 2]


def test_it_filters_by_words_and_state_together(owner):
    factories.make_image(owner, "draft", text="a boat")
    factories.make_image(owner, "approved", text="a boat")
    assert found(owner, "boat state:draft") == [1]


def test_it_filters_by_model_and_its_short_name(owner):
    factories.make_worker(model="org/vit-gpt2", names=["org/vit-gpt2"])
    factories.make_drafts(picture(owner), "a boat", model="org/vit-gpt2")
    factories.make_drafts(picture(owner), "a boat", model="demo")
    assert found(owner, "model:demo") == [2]
    assert found(owner, "model:ViT-gpt2") == [1]
    assert found(owner, "model:unheard") == []


def test_it_filters_by_the_score_that_people_see(owner):
    factories.make_drafts(picture(owner), "a boat")  # e to the power of -0.25 is 0.78
    assert found(owner, "score:>0.7") == [1]
    assert found(owner, "score:>0.8") == []
    assert found(owner, "score:0..0.8") == [1]


def test_it_filters_by_size_and_format(owner):
    picture(owner, width=4000, height=3000, bytes=3_000_000, format="PNG")
    picture(owner, width=640, height=480, bytes=90_000)
    picture(owner, width=2_000_000_000, height=2_000_000_000)
    for text, numbers in {
        "width:>2000": [3, 1], "height:480": [2], "megapixels:>=12": [3, 1], "megapixels:<1": [2], "bytes:>2mb": [1],
        "format:png": [1], "format:png,jpg": [3, 2, 1], "width:600..700": [2],
    }.items():  # fmt: skip
        assert found(owner, text) == numbers, text


def test_it_filters_by_quality(owner):
    picture(owner, quality=0.3)
    picture(owner)
    assert found(owner, "quality:<0.5") == [1]


def test_it_filters_by_the_day_of_adding(owner):
    old = picture(owner)
    picture(owner)
    Image.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=40))
    assert found(owner, "added:7d") == [2]
    assert found(owner, "-added:7d") == [1]
    day = (timezone.now() - timedelta(days=40)).date().isoformat()
    assert found(owner, f"added:{day}") == [1]
    assert found(owner, f"added:<={day}") == [1]
    assert found(owner, f"added:>{day}") == [2]


def test_it_filters_by_words_of_people(owner):
    review.edit(image=factories.make_image(owner, "draft"), reviewer=owner, text="A lighthouse.")
    factories.make_image(owner, "draft")
    factories.make_caption(factories.make_image(owner))
    factories.make_image(owner)
    assert found(owner, "is:edited") == [3, 1]
    assert found(owner, "is:captioned") == [3, 2, 1]
    assert found(owner, "no:caption") == [4]
    assert found(owner, "-is:captioned") == [4]


def test_it_filters_by_decorative_and_language(owner):
    image = picture(owner, "a boat")
    picture(owner)
    Image.objects.filter(number=2).update(is_decorative=True)
    assert found(owner, "is:decorative") == [2]
    assert found(owner, "lang:en") == [1]
    assert found(owner, "lang:de") == []
    assert image.number == 1


def test_it_filters_by_album_and_tag(owner, stranger):
    image = picture(owner)
    picture(owner)
    AlbumImage.objects.create(album=Album.objects.create(owner=owner, name="Spring intake"), image=image)
    ImageTag.objects.create(tag=Tag.objects.create(owner=owner, name="harbour"), image=image)
    assert found(owner, 'album:"spring intake"') == [1]
    assert found(owner, "tag:Harbour") == [1]
    assert found(owner, "-tag:harbour") == [2]
    assert code(owner, "album:other") == "search_name_unknown"
    assert code(stranger, "tag:harbour") == "search_name_unknown"


def test_it_finds_a_persons_own_pictures_only(owner, stranger):
    picture(owner, "a boat")
    assert found(stranger, "boat") == []
    assert found(stranger, "state:approved") == []
    assert found(owner, "owner:olga boat") == [1]


@pytest.mark.parametrize(
    "text",
    [
        "owner:olga",
        "owner:*",
        "-owner:stranger owner:olga",
        "owner:nobody",
        "owner:stranger OR owner:olga",
        "-owner:stranger",
    ],
)
def test_it_lets_only_reviewers_search_others_pictures(owner, stranger, text):
    picture(owner, "a boat")
    assert code(stranger, text) == "search_not_yours"


@pytest.mark.parametrize("text", ["owner:stranger OR state:approved", "owner:stranger OR -state:draft boat"])
def test_it_never_widens_the_search_by_an_or(owner, stranger, text):
    picture(owner, "a boat")
    assert found(stranger, text) == []


def test_it_lets_reviewers_search_others_pictures_by_owner(owner, stranger):
    rita = factories.make_person("rita", "reviewers")
    picture(owner, "a boat")
    picture(stranger, "a boat")
    assert found(rita, "boat") == []
    assert found(rita, "boat owner:olga") == [1]
    assert len(found(rita, "boat owner:*")) == 2
    assert len(found(rita, "-owner:olga")) == 1
    assert code(rita, "owner:nobody") == "search_name_unknown"


@pytest.mark.parametrize("text", ["colour:red", "state:x", "a OR state:draft", "&", "x" * 1001])
def test_it_says_what_it_cannot_read(owner, text):
    assert code(owner, text).startswith("search_")


# --- Pages ---------------------------------------------------------------------------------------------------------


def walk(user: User, text: str, size: int, between: object = None) -> list[int]:
    """Give the numbers on all pages, one after the other."""
    search, after, numbers = selectors.search(user, text), "", []
    while True:
        page = search.page(after=after, size=size)
        assert len(page.rows) <= size
        numbers += [image.number for image in page.rows]
        if not page.after:
            return numbers
        after = page.after
        if callable(between):
            between()


def rows(owner: User, count: int) -> None:
    """Add pictures of several ranks."""
    for number in range(count):
        picture(owner, filename=f"boat {'boat ' * (number % 3)}{'x' * (number % 2)}.jpg")


@pytest.mark.parametrize("ranked", [3, 10, 19, 20, 21, 1000])
def test_it_gives_every_picture_once_over_all_pages(owner, monkeypatch, ranked):
    rows(owner, 20)
    monkeypatch.setattr(finding, "RANKED", ranked)
    monkeypatch.setattr(finding, "RANKED_OF_SOME", ranked)
    for size, text in ((1, "boat"), (3, "boat state:empty"), (7, "boat"), (20, "boat -dog"), (30, "boat state:empty")):
        assert sorted(walk(owner, text, size)) == list(range(1, 21)), size


def test_it_ranks_the_newest_and_then_gives_older_ones_newest_first(owner, monkeypatch):
    rows(owner, 12)
    monkeypatch.setattr(finding, "RANKED", 4)
    numbers = walk(owner, "boat", 3)
    assert sorted(numbers[:4]) == [9, 10, 11, 12]
    assert numbers[4:] == [8, 7, 6, 5, 4, 3, 2, 1]


def test_it_skips_and_repeats_nothing_while_pictures_arrive(owner, monkeypatch):
    rows(owner, 20)
    monkeypatch.setattr(finding, "RANKED", 10)
    numbers = walk(owner, "boat", 4, between=lambda: rows(owner, 1))
    assert len(numbers) == len(set(numbers))
    assert set(range(1, 21)) <= set(numbers)


def test_it_goes_on_when_the_last_row_of_a_page_is_gone(owner):
    rows(owner, 10)
    search = selectors.search(owner, "boat")
    first = search.page(after="", size=4)
    trash.discard(image=first.rows[-1], by=owner)
    rest = search.page(after=first.after, size=20)
    seen = [image.number for image in (*first.rows, *rest.rows)]
    assert len(seen) == len(set(seen)) == 10


def test_it_pages_through_near_words(owner):
    for _ in range(7):
        picture(owner, "a lighthouse")
    assert sorted(walk(owner, "ligthouse", 3)) == list(range(1, 8))


def test_it_counts_what_it_found(owner, monkeypatch):
    rows(owner, 5)
    page = selectors.search(owner, "boat").page(after="", size=2)
    assert (page.total, page.is_more) == (5, False)
    monkeypatch.setattr(finding, "RANKED", 3)
    page = selectors.search(owner, "boat").page(after="", size=2)
    assert (page.total, page.is_more) == (3, True)


@pytest.mark.parametrize("mark", ["x", "PXwwfG5hbnwx", "A" * 400, "PXwwfHwtMQ", "💩"])
def test_it_refuses_a_mark_that_it_did_not_make(owner, mark):
    with pytest.raises(DeskError) as refused:
        selectors.search(owner, "boat").page(after=mark, size=5)
    assert refused.value.code == "page_unknown"


def test_it_reads_a_page_with_a_fixed_number_of_queries(owner, django_assert_max_num_queries):
    rows(owner, 12)
    with django_assert_max_num_queries(7):
        page = selectors.search(owner, "boat state:empty").page(after="", size=10)
        assert [image.owner.username for image in page.rows] == ["olga"] * 10


def test_it_narrows_a_search_to_other_pictures(owner):
    first = picture(owner, "a boat")
    picture(owner, "a boat")
    search = selectors.search(owner, "boat")
    narrowed = search.within(search.images.filter(pk=first.pk))
    assert [image.number for image in narrowed.page(after="", size=5).rows] == [1]
    assert [image.number for image in narrowed.rows] == [1]


def test_it_rebuilds_the_index_by_a_command(owner, capsys):
    picture(owner, "a boat")
    SearchWords.objects.all().delete()
    call_command("index_words")
    assert "1 pictures are found by their words." in capsys.readouterr().out
    assert found(owner, "boat") == [1]


def test_it_fills_the_index_when_a_desk_is_upgraded(owner):
    image = picture(owner, "a boat", title="Évening")
    ImageTag.objects.create(image=image, tag=Tag.objects.create(owner=owner, name="coast path"))
    trash.discard(image=picture(owner, "a dog"), by=owner)
    SearchWords.objects.all().delete()
    import_module("captions.migrations.0011_search").fill(apps, None)
    assert wordindex.out_of_step(Image.objects.values_list("pk", flat=True)) == {}
    assert found(owner, "evening coast boat") == [1]


def test_it_asks_the_index_of_the_database(owner):
    picture(owner, "a boat")
    matching = SearchWords.objects.filter(finding._Index(parse("boat")).match())
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    assert ("VIRTUAL TABLE INDEX" if connection.vendor == "sqlite" else "words_vector") in matching.explain()


def test_it_settles_the_words_of_a_picture_that_had_none(owner):
    image = picture(owner)
    SearchWords.objects.all().delete()
    ledger.settle(image_id=image.pk)
    assert found(owner, "harbour") == [1]

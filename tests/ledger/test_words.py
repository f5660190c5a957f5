"""Words that people and models hand in: cleaned, refused, added once, never changed."""

import pytest
from django.contrib.auth.models import User
from hypothesis import given, settings
from hypothesis import strategies as st

from captions import ledger
from captions.drafts import Draft
from captions.errors import DeskError
from captions.models import Caption
from captions.params import GenerationParams
from tests import factories


def code(call, *args, **kwargs) -> str:
    with pytest.raises(DeskError) as refused:
        call(*args, **kwargs)
    return refused.value.code


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  a   boat\n\non  water\t", "a boat on water"),
        ("a\x00 boat\x07\x1b[31m", "a boat[31m"),
        ("a boat \u202egnp.exe", "a boat gnp.exe"),
        ("cafe\u0301", "café"),
        ("\ud800a boat", "a boat"),
        ("<script>alert(1)</script> =1+1", "<script>alert(1)</script> =1+1"),
        ("سفينة في الماء", "سفينة في الماء"),
        ("👩‍🚀", "👩‍🚀"),
    ],
)
def test_it_keeps_the_words_and_drops_what_is_none(given, kept):
    assert ledger.clean(given) == kept


@pytest.mark.parametrize("text", ["", "   \n", "\x00\x01", "...", "\u200b\u200d", "—"])
def test_it_refuses_a_caption_without_a_word(text):
    assert code(ledger.clean, text) == "caption_empty"


def test_it_refuses_what_is_too_long_and_takes_what_just_fits():
    assert len(ledger.clean("a" * 2000)) == 2000
    assert code(ledger.clean, "a" * 2001) == "caption_too_long"


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=300))
def test_it_cleans_any_text_to_one_line_that_stays_as_it_is_when_cleaned_again(text):
    try:
        cleaned = ledger.clean(text)
    except DeskError:
        assert code(ledger.clean, text) == "caption_empty"
        return
    assert ledger.clean(cleaned) == cleaned
    assert cleaned.splitlines() == [cleaned]
    assert "\x00" not in cleaned
    cleaned.encode()


def test_it_adds_words_by_hand_once_when_they_are_sent_twice(owner):
    image = factories.make_image(owner)
    first = ledger.write(image=image, author=owner, text="a boat")
    assert ledger.write(image=image, author=owner, text=" a  boat ") == first
    assert ledger.write(image=image, author=owner, text="a ship").text == "a ship"
    assert ledger.write(image=image, author=owner, text="a boat") != first
    assert Caption.objects.count() == 3


def test_it_never_publishes_words_by_itself(owner):
    image = factories.make_image(owner, "draft")
    written = ledger.write(image=image, author=owner, text="a boat")
    edited = ledger.edit(caption=written, author=owner, text="a red boat")
    ledger.restore(caption=written, author=owner)
    image.refresh_from_db()
    assert (image.published_caption, image.state) == (None, "draft")
    assert (edited.kind, edited.parent, edited.author) == ("edited", written, owner)


def test_it_adds_nothing_for_an_edit_that_changes_nothing(owner):
    image = factories.make_image(owner, "draft", text="a boat")
    assert ledger.edit(caption=image.caption, author=owner, text="a boat ") == image.caption
    assert Caption.objects.count() == 1


def test_it_restores_by_adding_and_only_once(owner):
    image = factories.make_image(owner)
    old = factories.make_caption(image, "the old words")
    factories.make_caption(image, "the new words")
    restored = ledger.restore(caption=old, author=owner)
    assert (restored.kind, restored.text, restored.parent) == ("restored", "the old words", old)
    assert ledger.restore(caption=old, author=owner) == restored
    assert ledger.restore(caption=restored, author=owner) == restored
    image.refresh_from_db()
    assert image.caption == restored
    assert Caption.objects.count() == 3


@pytest.mark.parametrize("gone", ["trash", "purged"])
def test_it_adds_no_words_to_an_image_that_is_gone(owner: User, gone):
    image = factories.make_image(owner)
    caption = factories.make_caption(image)
    factories.make_trash(image)
    if gone == "purged":
        from captions import trash

        trash.purge(older_than_days=0)
    assert code(ledger.write, image=image, author=owner, text="a boat") == "not_found"
    assert code(ledger.edit, caption=caption, author=owner, text="a red boat") == "not_found"
    assert code(ledger.restore, caption=caption, author=owner) == "not_found"


def test_it_writes_down_where_a_draft_came_from(owner):
    image = factories.make_image(owner)
    job = factories.make_job(image, chosen={"num_captions": 2})
    first, second = factories.finish(job, "a\x00 boat ", "a ship", model="some/model", revision="abc", seed=None)
    assert (first.text, first.rank, second.rank) == ("a boat", 1, 2)
    assert (first.model, first.revision, first.seed, first.job) == ("some/model", "abc", None, job)
    assert first.params == GenerationParams(num_captions=2).as_dict()
    assert first.score == pytest.approx(-0.25)
    assert first.author is None


def test_it_leaves_out_candidates_without_words_and_cuts_a_runaway(owner):
    image = factories.make_image(owner)
    job = factories.make_job(image)
    candidates = [Draft("...", -0.1), Draft("a " * 1500, float("nan")), Draft("a boat", -0.5)]
    kept = ledger.add_generated(
        job=job, candidates=candidates, model="demo", revision="1", params=GenerationParams(), seed=1
    )
    assert [(one.rank, len(one.text), one.score) for one in kept] == [(1, 1999, None), (2, 6, -0.5)]


def test_it_says_so_when_no_candidate_has_a_word(owner):
    job = factories.make_job(factories.make_image(owner))
    call = {"job": job, "model": "demo", "revision": "1", "params": GenerationParams(), "seed": 1}
    assert code(ledger.add_generated, candidates=[Draft(" ", -1.0)], **call) == "no_words"
    assert not Caption.objects.exists()


def test_it_adds_candidates_in_three_queries(owner, django_assert_max_num_queries):
    job = factories.make_job(factories.make_image(owner))
    with django_assert_max_num_queries(3):
        ledger.add_generated(
            job=job, candidates=[Draft(f"boat {n}", -n) for n in range(5)], model="demo", revision="1",
            params=GenerationParams(), seed=1,
        )  # fmt: skip


def test_it_brings_words_from_elsewhere_in_once_and_knows_the_published_ones_first(owner):
    image = factories.make_image(owner, "approved", text="a boat")
    published = image.published_caption
    factories.make_drafts(image, "a boat")
    assert ledger.bring_in(image=image, author=owner, text=" a  boat ") == (published, False)
    brought, is_new = ledger.bring_in(image=image, author=owner, text="A boat.", language="en-GB")
    assert (brought.kind, brought.author, brought.language, is_new) == ("imported", owner, "en-GB", True)
    assert ledger.bring_in(image=image, author=owner, text="A boat.") == (brought, False)
    image.refresh_from_db()
    assert image.published_caption == published

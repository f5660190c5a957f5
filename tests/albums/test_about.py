"""Words beside the caption: title, decorative, long description, language."""

from __future__ import annotations

import pytest

from captions import about, albums, languages, ledger, review, selectors
from captions.invariants import CHECKS
from captions.models import Caption, Image
from tests.albums.test_albums import code_of
from tests.factories import make_image, make_job, make_person

pytestmark = pytest.mark.django_db


def state(image):
    return Image.objects.get(pk=image.pk).state


def test_it_keeps_every_title_with_who_gave_it(owner):
    image = make_image(owner)
    about.entitle(image=image, by=owner, title=" The  harbour ")
    about.entitle(image=image, by=owner, title="The harbour")
    about.entitle(image=image, by=owner, title="")
    assert [(one.before, one.after, one.by) for one in selectors.changes(image)] == [
        ("The harbour", "", owner),
        ("", "The harbour", owner),
    ]
    assert code_of(about.entitle, image=image, by=owner, title="x" * 201) == "title_too_long"


@pytest.mark.parametrize("made", ["empty", "draft", "approved", "rejected", "failed", "queued", "drafting"])
def test_it_counts_a_decorative_picture_as_approved_until_that_is_taken_back(owner, made):
    image = make_image(owner, made)
    about.set_decorative(image=image, by=owner, is_decorative=True)
    about.set_decorative(image=image, by=owner, is_decorative=True)
    assert state(image) == "approved"
    about.set_decorative(image=image, by=owner, is_decorative=False)
    assert state(image) == made
    assert [one.after for one in selectors.changes(image)] == ["", "yes"]


def test_it_stays_approved_while_a_decorative_picture_is_drafted(owner):
    from captions import jobs  # the claim's own shortcut, not settle, is what is looked at

    image = make_image(owner)
    about.set_decorative(image=image, by=owner, is_decorative=True)
    make_job(image)
    jobs.claim(limit=1, worker="w", models=["demo"], lease_seconds=60)
    assert state(image) == "approved"
    assert not [found for check in CHECKS[:-1] for found in check()]


def test_it_lets_only_those_call_it_decorative_who_may_review(owner, stranger):
    image = make_image(owner, "draft")
    album = albums.make(owner=owner, name="One")
    albums.add(album=album, images=[image.pk])
    shared = albums.share(album=album, with_whom="stranger", role="caption")
    assert code_of(about.set_decorative, image=image, by=stranger, is_decorative=True) == "not_found"
    about.entitle(image=image, by=stranger, title="Mine")
    albums.change_role(share=shared, role="review")
    about.set_decorative(image=image, by=stranger, is_decorative=True)
    assert selectors.changes(image)[0].by == stranger


def test_it_keeps_every_version_of_a_long_description_and_its_paragraphs(owner):
    image = make_image(owner, "draft")
    first = about.describe(image=image, by=owner, text="A pier. \r\n\r\n\r\n\r\nA  boat.", language="en")
    assert first.text == "A pier.\n\nA boat."
    assert about.describe(image=image, by=owner, text="A pier.\n\nA boat.") == first
    second = about.describe(image=image, by=owner, text="Ein Steg.", language="de")
    assert (second.parent, second.language, selectors.long_description(image)) == (first, "de", second)
    assert about.describe(image=image, by=owner, text="") is None
    assert selectors.long_description(image) is None
    assert Caption.objects.filter(image=image, purpose="long").count() == 2
    assert about.describe(image=image, by=owner, text="Ein Steg.", language="de") != second
    assert state(image) == "draft"


def test_it_never_reviews_a_long_description(owner):
    image = make_image(owner, "draft")
    words = about.describe(image=image, by=owner, text="A pier.")
    assert code_of(review.approve, image=image, reviewer=owner, caption=words) == "words_not_reviewed"
    assert code_of(review.edit, image=image, reviewer=owner, caption=words, text="x") == "words_not_reviewed"


def test_it_restores_a_long_description_as_one(owner):
    image = make_image(owner)
    first = about.describe(image=image, by=owner, text="A pier.", language="de")
    about.describe(image=image, by=owner, text="A boat.")
    again = ledger.restore(caption=first, author=owner)
    assert (again.purpose, again.language, selectors.long_description(image)) == ("long", "de", again)
    assert state(image) == "empty"


@pytest.mark.parametrize(("text", "code"), [("x" * 2001, "description_too_long"), ("…", "caption_empty")])
def test_it_refuses_descriptions_that_are_none(owner, text, code):
    assert code_of(about.describe, image=make_image(owner), by=owner, text=text) == code


def test_it_shows_words_beside_the_caption_to_nobody_else(owner):
    image, other = make_image(owner), make_person()
    assert code_of(about.entitle, image=image, by=other, title="x") == "not_found"
    assert code_of(about.describe, image=image, by=other, text="x") == "not_found"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("DE", "de"), ("pt-br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), ("en_GB", "en-GB"), ("sl-rozaj", "sl-rozaj")],
)
def test_it_writes_language_tags_in_their_usual_case(given, kept):
    assert languages.clean(given) == kept


@pytest.mark.parametrize("tag", ["", "e", "english language", "en-", "<b>", "x" * 40, "de--AT"])
def test_it_refuses_what_is_no_language_tag(tag):
    assert code_of(languages.clean, tag) == "language_unknown"


def test_it_takes_another_language_for_a_correction(owner):
    image = make_image(owner, "draft", text="Ein Boot")
    made = review.edit(image=image, reviewer=owner, text="Ein Boot", language="de").caption
    assert (made.text, made.language, made.kind) == ("Ein Boot", "de", "edited")
    again = review.edit(image=image, reviewer=owner, text="Ein Schiff", caption=made).caption
    assert again.language == "de"
    written = ledger.write(image=image, author=owner, text="Un bateau", language="fr")
    assert ledger.edit(caption=written, author=owner, text="Un bateau") == written
    assert ledger.restore(caption=again, author=owner).language == "de"

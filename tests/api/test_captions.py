"""Captions over the API: every one ever made, written by hand, restored."""

from __future__ import annotations

import uuid

import pytest

from captions.models import Caption
from tests import factories
from tests.api.conftest import codes


def test_it_lists_every_caption_with_its_origin(api, owner):
    image = factories.make_image(owner, "draft", text="drafted")
    factories.make_caption(image, "by hand")
    rows = api.look(f"images/{image.pk}/captions/").json()["results"]
    assert [(row["text"], row["kind"], row["author"], row["model"]) for row in rows] == [
        ("by hand", "written", "olga", None),
        ("drafted", "generated", None, "demo"),
    ]
    assert rows[0]["params"] == {}
    assert len(rows[1]["params"]) == 10


def test_it_writes_a_caption_that_waits_for_a_review(api, owner):
    image = factories.make_image(owner)
    answer = api.send(f"images/{image.pk}/captions/", {"text": "  A  boat\nat dusk. "})
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["text"], body["kind"], body["author"]) == ("A boat at dusk.", "written", "olga")
    shown = api.look(f"images/{image.pk}/").json()
    assert shown["caption"]["id"] == body["id"]
    assert shown["published_caption"] is None


@pytest.mark.parametrize(
    ("body", "about"),
    [
        ({}, [("required", "text")]),
        ({"text": ""}, [("caption_empty", "text")]),
        ({"text": " \u200b\n"}, [("caption_empty", "text")]),
        ({"text": "a" * 2001}, [("caption_too_long", "text")]),
        ({"text": None}, [("null", "text")]),
        ({"text": 7}, [("invalid", "text")]),
        ({"text": ["a"]}, [("invalid", "text")]),
        ({"text": "a\u0000"}, [("null_characters_not_allowed", "text")]),
        ({"text": "a boat", "kind": "generated"}, [("unknown_field", "kind")]),
        ([], [("invalid", "non_field_errors")]),
        (b'{"text": "\\ud800"}', [("surrogate_characters_not_allowed", "text")]),
    ],
)
def test_it_refuses_words_that_are_none(api, owner, body, about):
    image = factories.make_image(owner)
    answer = api.send(f"images/{image.pk}/captions/", body)
    assert (answer.status_code, codes(answer)) == (400, about)
    assert not Caption.objects.exists()


def test_it_keeps_markup_as_words(api, owner):
    image = factories.make_image(owner)
    answer = api.send(f"images/{image.pk}/captions/", {"text": "<script>alert(1)</script>"})
    assert answer.json()["text"] == "<script>alert(1)</script>"
    assert answer["Content-Type"] == "application/json"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_it_restores_earlier_words_as_a_copy(api, owner):
    image = factories.make_image(owner, "draft", text="drafted")
    factories.make_caption(image, "by hand")
    draft = Caption.objects.get(text="drafted")
    answer = api.send(f"images/{image.pk}/captions/{draft.pk}/restore/")
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["kind"], body["text"], body["parent"], body["author"]) == (
        "restored",
        "drafted",
        str(draft.pk),
        "olga",
    )
    assert Caption.objects.filter(image=image).count() == 3
    again = api.send(f"images/{image.pk}/captions/{draft.pk}/restore/")
    assert again.json()["id"] == body["id"]


def test_it_restores_nothing_of_another_picture(api, owner, stranger):
    image, another = factories.make_image(owner), factories.make_image(owner, "draft")
    foreign = factories.make_image(stranger, "draft")
    for caption_id in (another.caption_id, foreign.caption_id, uuid.uuid4()):
        answer = api.send(f"images/{image.pk}/captions/{caption_id}/restore/")
        assert (answer.status_code, codes(answer)) == (404, [("not_found", None)])
    assert not Caption.objects.filter(image=image).exists()

"""Reviews over the API: approve, edit, reject, take back."""

from __future__ import annotations

import uuid

import pytest

from captions.models import Review
from tests import factories
from tests.api.conftest import codes


def test_it_publishes_what_is_approved(api, owner):
    image = factories.make_image(owner, "draft", text="a boat")
    answer = api.send(f"images/{image.pk}/review/", {"decision": "approve"})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["state"], body["published_caption"]["text"]) == ("approved", "a boat")


def test_it_approves_a_caption_that_is_named(api, owner):
    image = factories.make_image(owner)
    _, second = factories.make_drafts(image, "the best", "the second")
    body = api.send(f"images/{image.pk}/review/", {"decision": "approve", "caption": str(second.pk)}).json()
    assert body["published_caption"]["id"] == str(second.pk)


def test_it_publishes_corrected_words_and_keeps_the_draft(api, owner):
    image = factories.make_image(owner, "draft", text="a bote")
    body = api.send(f"images/{image.pk}/review/", {"decision": "edit", "text": "a boat"}).json()
    published = body["published_caption"]
    assert (published["text"], published["kind"], published["author"]) == ("a boat", "edited", "olga")
    assert published["parent"] == str(image.caption_id)
    texts = [row["text"] for row in api.look(f"images/{image.pk}/captions/").json()["results"]]
    assert texts == ["a boat", "a bote"]


def test_it_rejects_with_a_reason(api, owner):
    image = factories.make_image(owner, "draft")
    body = api.send(f"images/{image.pk}/review/", {"decision": "reject", "reason": "Wrong count"}).json()
    assert (body["state"], body["published_caption"]) == ("rejected", None)
    rows = api.look(f"images/{image.pk}/reviews/").json()["results"]
    assert [(row["decision"], row["reason"], row["reviewer"]) for row in rows] == [("reject", "Wrong count", "olga")]


def test_it_takes_the_last_decision_back(api, owner):
    image = factories.make_image(owner, "draft")
    api.send(f"images/{image.pk}/review/", {"decision": "approve"})
    answer = api.send(f"images/{image.pk}/review/undo/")
    assert (answer.status_code, answer.json()["state"], answer.json()["published_caption"]) == (200, "draft", None)
    rows = api.look(f"images/{image.pk}/reviews/").json()["results"]
    assert [row["decision"] for row in rows] == ["undo", "approve"]
    assert rows[0]["undoes"] == rows[1]["id"]
    again = api.send(f"images/{image.pk}/review/undo/")
    assert (again.status_code, codes(again)) == (409, [("nothing_to_undo", None)])


def test_it_lets_reviewers_decide_on_others_pictures(api_of, owner):
    image = factories.make_image(owner, "draft")
    rita = api_of(factories.make_person("rita", "reviewers"))
    answer = rita.send(f"images/{image.pk}/review/", {"decision": "approve"})
    assert (answer.status_code, answer.json()["state"]) == (200, "approved")
    assert Review.objects.get().reviewer.username == "rita"


@pytest.mark.parametrize(
    ("body", "about"),
    [
        ({}, [("required", "decision")]),
        ({"decision": "undo"}, [("invalid_choice", "decision")]),
        ({"decision": "edit"}, [("required", "text")]),
        ({"decision": "edit", "text": " "}, [("caption_empty", "text")]),
        ({"decision": "edit", "text": "a" * 2001}, [("caption_too_long", "text")]),
        ({"decision": "approve", "text": "other words"}, [("invalid", "text")]),
        ({"decision": "approve", "reason": "why not"}, [("invalid", "reason")]),
        ({"decision": "reject", "reason": "a" * 201}, [("max_length", "reason")]),
        ({"decision": "approve", "caption": "x"}, [("invalid", "caption")]),
        ({"decision": "approve", "caption": str(uuid.uuid4())}, [("caption_of_another_image", "caption")]),
        ({"decision": "approve", "image": "x"}, [("unknown_field", "image")]),
        ({"decision": ["approve"]}, [("invalid_choice", "decision")]),
        (b"", [("required", "decision")]),
    ],
)
def test_it_refuses_a_decision_that_makes_no_sense(api, owner, body, about):
    image = factories.make_image(owner, "draft")
    answer = api.send(f"images/{image.pk}/review/", body)
    assert (answer.status_code, codes(answer)) == (400, about)
    assert not Review.objects.exists()


def test_it_refuses_captions_of_other_pictures_and_people(api, owner, stranger):
    image = factories.make_image(owner, "draft")
    for foreign in (factories.make_image(owner, "draft"), factories.make_image(stranger, "draft")):
        answer = api.send(f"images/{image.pk}/review/", {"decision": "approve", "caption": str(foreign.caption_id)})
        assert (answer.status_code, codes(answer)) == (400, [("caption_of_another_image", "caption")])


def test_it_has_nothing_to_decide_on_without_words(api, owner):
    image = factories.make_image(owner)
    answer = api.send(f"images/{image.pk}/review/", {"decision": "approve"})
    assert (answer.status_code, codes(answer)) == (400, [("nothing_to_review", None)])

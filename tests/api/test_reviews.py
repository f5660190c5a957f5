"""Reviews over the API: approve, edit, reject, take back."""

from __future__ import annotations

import uuid

import pytest

from captions import review_queue
from captions.models import Album, Image, Review, ReviewLease
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


def test_it_hands_out_drafts_least_sure_first_and_to_one_person_only(api, owner):
    images = [factories.make_image(owner, "draft") for _ in range(3)]
    for image, quality in zip(images, (0.9, None, 0.2), strict=True):
        Image.objects.filter(pk=image.pk).update(quality=quality)
    handed = api.send("review/next/", {"n": 2}).json()
    assert [turn["image"]["id"] for turn in handed] == [str(images[2].pk), str(images[0].pk)]
    assert [turn["caption"] for turn in handed] == [turn["drafts"][0] for turn in handed]
    other = factories.make_person("rita", "reviewers")
    assert [turn.image for turn in review_queue.take(reviewer=other, count=5)] == [images[1]]


def test_it_hands_out_the_same_again_until_they_are_decided(api, owner):
    factories.make_image(owner, "draft")
    [first] = api.send("review/next/").json()
    assert api.send("review/next/", {"order": "oldest"}).json() == [first]
    decision = {"decision": "approve", "caption": first["caption"]["id"], "seen": first["seen"]}
    assert api.send(f"images/{first['image']['id']}/review/", decision).json()["state"] == "approved"
    assert api.send("review/next/").json() == []


def test_it_refuses_a_decision_whose_lease_went_to_somebody_else(api, owner):
    image = factories.make_image(owner, "draft")
    [turn] = api.send("review/next/").json()
    ReviewLease.objects.update(reviewer=factories.make_person("rita", "reviewers"))
    body = {"decision": "approve", "seen": turn["seen"]}
    assert codes(api.send(f"images/{image.pk}/review/", body)) == [("with_another_reviewer", None)]


def test_it_refuses_a_decision_on_what_somebody_decided_in_the_meantime(api, owner):
    image = factories.make_image(owner, "draft")
    [turn] = api.send("review/next/").json()
    factories.make_review(image, "reject", reviewer=factories.make_person("rita", "reviewers"))
    body = {"decision": "approve", "seen": turn["seen"]}
    assert codes(api.send(f"images/{image.pk}/review/", body)) == [("already_decided", None)]


def test_it_knows_no_album_of_others(api, stranger):
    album = Album.objects.create(owner=stranger, name="Harbour")
    assert api.send("review/next/", {"album": str(album.pk)}).status_code == 404
    assert api.send("review/next/", {"order": "best"}).status_code == 400
    assert api.send("review/next/", {"n": 21}).status_code == 400

"""Albums, tags and words beside the caption over the API."""

from __future__ import annotations

import pytest
from django.test import Client

from captions.models import Album
from tests.api.conftest import codes
from tests.api.test_documents import check
from tests.factories import make_image

pytestmark = pytest.mark.django_db


def test_it_does_everything_with_an_album_as_documented(api, other, owner, stranger):
    image = make_image(owner, "draft")
    made = api.send("albums/", {"name": "Harbour"})
    check(made, "make_album")
    here = f"albums/{made.json()['id']}/"
    changed = api.send(f"{here}images/", {"add": [str(image.pk)]})
    check(changed, "change_album_pictures")
    assert changed.json() == {"added": 1, "removed": 0}
    shared = api.send(f"{here}shares/", {"user": "stranger", "role": "view"})
    check(shared, "share_album")
    check(other.look("albums/"), "list_albums")
    assert other.look(here).json()["role"] == "view"
    found = other.look("images/", album=made.json()["id"])
    check(found, "list_images")
    assert [one["id"] for one in found.json()["results"]] == [str(image.pk)]
    share = f"{here}shares/{shared.json()['id']}/"
    check(api.send(share, {"role": "caption"}, "patch"), "change_album_share")
    assert other.send(f"images/{image.pk}/captions/", {"text": "mine"}).status_code == 201
    assert other.send(f"images/{image.pk}/review/", {"decision": "approve"}).status_code == 404
    assert other.send(share, method="delete").status_code == 204  # one may leave
    assert other.look(f"images/{image.pk}/").status_code == 404
    link = api.send(f"{here}links/", {"days": 7})
    check(link, "make_album_link")
    check(api.look(f"{here}links/"), "list_album_links")
    assert Client().get(link.json()["url"]).status_code == 200
    assert api.send(f"{here}links/{link.json()['id']}/", method="delete").status_code == 204
    assert Client().get(link.json()["url"]).status_code == 410
    check(api.send(here, {"name": "Quay"}, "patch"), "rename_album")
    assert api.send(here, method="delete").status_code == 204
    assert not Album.objects.exists()


@pytest.mark.parametrize("number", [False, 0, 7, 1.5])
def test_it_takes_no_number_for_an_id(api, owner, number):
    album = api.send("albums/", {"name": "Harbour"}).json()["id"]
    image = str(make_image(owner, "draft").pk)
    for path, body in (
        (f"albums/{album}/images/", {"add": [image], "remove": [number]}),
        ("tags/", {"images": [image, number], "add": ["sea"]}),
        (f"images/{image}/review/", {"decision": "approve", "caption": number}),
        ("review/next/", {"album": number}),
    ):
        answer = api.send(path, body)
        assert (answer.status_code, {code for code, _ in codes(answer)}) == (400, {"invalid"}), path
    assert not api.look("images/", album=album).json()["results"]


@pytest.mark.parametrize("value", [0, "true", "7", 7.5, [], {}])
def test_it_takes_nothing_that_only_looks_like_a_switch_or_a_number(api, owner, value):
    album = api.send("albums/", {"name": "Harbour"}).json()["id"]
    image = make_image(owner, "draft")
    for path, body, method in (
        (f"images/{image.pk}/", {"is_decorative": value}, "patch"),
        (f"albums/{album}/links/", {"days": value or True}, "post"),
        ("review/next/", {"n": value or True}, "post"),
    ):
        answer = api.send(path, body, method)
        assert (answer.status_code, codes(answer)) == (400, [("invalid", *body)]), path
    image.refresh_from_db()
    assert not image.is_decorative


def test_it_tags_and_filters_by_tag(api, owner):
    image, _ = make_image(owner), make_image(owner)
    marked = api.send("tags/", {"images": [str(image.pk)], "add": ["Sea"]})
    check(marked, "mark_images")
    check(api.look("tags/"), "list_tags")
    assert [one["id"] for one in api.look("images/", tag="sea").json()["results"]] == [str(image.pk)]
    assert api.look(f"images/{image.pk}/").json()["tags"] == ["sea"]
    tag = f"tags/{api.look('tags/').json()['results'][0]['id']}/"
    check(api.send(tag, {"name": "ocean"}, "patch"), "rename_tag")
    assert api.send(tag, method="delete").status_code == 204


def test_it_changes_what_is_said_about_a_picture(api, owner):
    image = make_image(owner, "approved", text="a boat")
    here = f"images/{image.pk}/"
    assert api.look(here).json()["alt_text"] == "a boat"
    changed = api.send(
        here, {"title": "Boat", "is_decorative": True, "long_description": "A.\n\nB.", "tags": ["x"]}, "patch"
    )
    check(changed, "change_image")
    said = changed.json()
    assert (said["title"], said["alt_text"], said["long_description"], said["tags"]) == ("Boat", "", "A.\n\nB.", ["x"])
    assert api.send(here, {"is_decorative": False}, "patch").json()["alt_text"] == "a boat"
    assert api.send(here, {"long_description": ""}, "patch").json()["long_description"] is None


def test_it_changes_all_or_nothing(api, owner):
    image = make_image(owner)
    refused = api.send(f"images/{image.pk}/", {"title": "Boat", "long_description": "x" * 2001}, "patch")
    assert codes(refused) == [("description_too_long", "long_description")]
    assert api.look(f"images/{image.pk}/").json()["title"] == ""


def test_it_takes_a_language_and_a_long_description(api, owner):
    image = make_image(owner)
    here = f"images/{image.pk}/captions/"
    made = api.send(here, {"text": "Ein Boot", "language": "DE"}).json()
    assert (made["language"], made["purpose"]) == ("de", "alt")
    long = api.send(here, {"text": "Viel Text", "language": "de", "purpose": "long"}).json()
    assert long["purpose"] == "long"
    assert codes(api.send(here, {"text": "x", "language": "!"})) == [("language_unknown", "language")]
    body = {"decision": "approve", "caption": long["id"]}
    assert codes(api.send(f"images/{image.pk}/review/", body)) == [("words_not_reviewed", "caption")]

"""ETags, conditional requests and fewer fields."""

from __future__ import annotations

import pytest

from captions import about, albums
from captions.models import Image
from tests import factories
from tests.api.conftest import codes


@pytest.fixture
def image(owner):
    return factories.make_image(owner, "draft")


@pytest.fixture
def path(image):
    return f"/api/v1/images/{image.pk}/"


def test_it_sends_no_body_of_what_the_caller_has(api, path, image, owner):
    first = api.get(path)
    assert first["Cache-Control"] == "private, no-cache"
    etag = first["ETag"]
    again = api.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    assert again["X-Request-ID"]
    assert again["RateLimit"]
    about.entitle(image=image, by=owner, title="Harbour")
    changed = api.get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed["ETag"] != etag


def test_it_marks_lists_too(api, path, owner):
    etag = api.look("images/")["ETag"]
    assert api.get("/api/v1/images/", headers={"If-None-Match": etag}).status_code == 304
    factories.make_image(owner)
    assert api.get("/api/v1/images/", headers={"If-None-Match": etag}).status_code == 200


def test_it_changes_only_what_the_caller_has_seen(api, path, image, owner):
    etag = api.get(path + "?fields=id")["ETag"]
    about.entitle(image=image, by=owner, title="somebody else's")
    refused = api.patch(path, {"title": "mine"}, content_type="application/json", headers={"If-Match": etag})
    assert (refused.status_code, codes(refused)) == (412, [("changed_meanwhile", None)])
    assert Image.objects.get().title == "somebody else's"
    assert api.delete(path, headers={"If-Match": etag}).status_code == 412
    fresh = api.get(path)["ETag"]
    done = api.patch(path, {"title": "mine"}, content_type="application/json", headers={"If-Match": fresh})
    assert done.status_code == 200
    assert Image.objects.get().title == "mine"
    assert api.delete(path, headers={"If-Match": "*"}).status_code == 204


def test_it_guards_albums_searches_and_webhooks(api, owner):
    album = albums.make(owner=owner, name="one")
    search = api.send("searches/", {"name": "a", "query": "boat"}).json()
    hook = api.send("webhooks/", {"name": "a", "url": "https://example.org/", "events": ["job.failed"]}).json()
    for one in (f"albums/{album.pk}/", f"searches/{search['id']}/", f"webhooks/{hook['id']}/"):
        etag = api.look(one)["ETag"]
        first = api.send(one, {"name": "two"}, method="patch", headers={"If-Match": etag})
        assert first.status_code == 200, first.content
        second = api.send(one, {"name": "three"}, method="patch", headers={"If-Match": etag})
        assert codes(second) == [("changed_meanwhile", None)]


def test_it_tells_a_stranger_nothing_by_a_match(api, other, path):
    etag = api.get(path)["ETag"]
    for headers in ({"If-Match": etag}, {"If-Match": "*"}, {"If-None-Match": etag}):
        assert other.get(path, headers=headers).status_code == 404
        assert other.delete(path, headers=headers).status_code == 404


def test_it_sends_the_fields_that_were_asked_for(api, path, image):
    assert api.get(path + "?fields=id,state").json() == {"id": str(image.pk), "state": "draft"}
    page = api.look("images/", fields="id, number").json()
    assert page == {"next": None, "previous": None, "results": [{"id": str(image.pk), "number": image.number}]}
    assert set(api.look("me/", fields="username").json()) == {"username"}


def test_it_has_one_etag_whichever_fields_are_asked_for(api, path):
    assert api.get(path)["ETag"] == api.get(path + "?fields=id")["ETag"]


@pytest.mark.parametrize("fields", ["", "id,", "nothing", "id,state,secret"])
def test_it_refuses_fields_that_it_does_not_have(api, path, fields):
    for address in (path, "/api/v1/images/"):
        answer = api.get(address, {"fields": fields})
        assert answer.status_code == 400
        assert codes(answer)[0][1] == "fields"


def test_it_keeps_no_answer_to_a_change(api, path):
    answer = api.patch(path, {"title": "mine"}, content_type="application/json")
    assert "ETag" not in answer
    assert answer["Cache-Control"] == "private, no-store"

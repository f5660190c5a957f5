"""Pictures by their address: fetched within the request, then taken in like any other upload."""

from __future__ import annotations

import pytest

from captions.api import uploads
from captions.models import Image
from captions.places import Places
from tests import factories
from tests.api.test_documents import check
from tests.outbound.conftest import server  # noqa: F401  # a fixture


@pytest.fixture
def harbour(server):  # noqa: F811  # the fixture
    """The address of a picture."""
    server.script["/harbour.jpg"] = (200, {"Content-Type": "image/jpeg"}, [factories.picture()])
    return server.url("/harbour.jpg")


def refusal(answer) -> tuple[int, str, str | None]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error["code"], error["attr"]


def test_it_takes_a_picture_by_its_address_with_parameters(api, harbour):
    answer = api.send("images/", {"url": harbour, "num_beams": 2, "model": None, "seed": None})
    check(answer, "upload_image")
    body = answer.json()
    assert (answer.status_code, body["filename"], body["jobs"][0]["chosen"]) == (201, "harbour.jpg", {"num_beams": 2})
    assert answer["Location"].endswith(f"/api/v1/images/{body['id']}/")


def test_it_takes_parameters_and_a_name_from_the_address_too(api, harbour):
    body = api.send("images/?num_captions=2&filename=ships.jpg", {"url": harbour}).json()
    assert (body["filename"], body["jobs"][0]["chosen"]) == ("ships.jpg", {"num_captions": 2})


def test_it_keeps_the_same_bytes_once(api, harbour):
    first, second = (api.send("images/", {"url": harbour}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_it_sends_nobodys_token_along(api, harbour, server):  # noqa: F811  # the fixture
    api.send("images/", {"url": harbour})
    assert not {"Authorization", "Cookie", "Referer"} & server.asked[0][2].keys()


@pytest.mark.parametrize(
    ("body", "code", "attr"),
    [
        ({}, "required", "url"), ({"url": ""}, "blank", "url"), ({"url": 7}, "invalid", "url"),
        ({"url": "harbour.jpg"}, "address_wrong", "url"), ({"url": "http://10.0.0.1/"}, "address_refused", "url"),
        ({"url": "https://u@example.org/"}, "address_refused", "url"), ([], "invalid", None),
        ({"url": "https://example.org/", "num_beams": 9}, "invalid_parameter", "num_beams"),
        ({"url": "https://example.org/", "beams": 9}, "invalid_parameter", "beams"),
        ({"url": "https://example.org/", "wait": 9}, "invalid", "wait"),
        ({"url": "https://example.org/", "model": 9}, "invalid", "model"),
    ],
)  # fmt: skip
def test_it_refuses_what_names_no_public_picture(api, body, code, attr):
    status, found, where = refusal(api.send("images/", body))
    assert (status, found) == (400, code)
    assert where in {attr, "non_field_errors"}


def test_it_says_why_nothing_came(api, harbour, server, settings):  # noqa: F811  # the fixture
    server.script["/absent"] = (404, {"Content-Length": "0"}, [])
    server.script["/page"] = (200, {}, [b"<html>not a picture</html>"])
    assert refusal(api.send("images/", {"url": server.url("/absent")})) == (422, "address_answered", "url")
    assert refusal(api.send("images/", {"url": server.url("/page")})) == (415, "unsupported_format", "file")
    settings.MAX_UPLOAD_BYTES = 1000
    assert refusal(api.send("images/", {"url": harbour})) == (413, "address_too_large", "url")
    assert not Image.objects.exists()


def test_it_waits_no_longer_than_it_says(api, server, monkeypatch):  # noqa: F811  # the fixture
    monkeypatch.setattr(uploads, "FETCH_SECONDS", 0.5)
    server.script["/slow"] = (200, {}, [b"x", 2.0])
    answer = api.send("images/", {"url": server.url("/slow")})
    assert refusal(answer) == (422, "address_too_slow", "url")


def test_it_fetches_only_so_many_at_once_for_one_person(api, other, harbour, owner, monkeypatch):
    monkeypatch.setattr(uploads, "_fetching", Places(1))
    with uploads.fetched(harbour, attr="url", person_id=owner.pk):
        assert refusal(api.send("images/", {"url": harbour})) == (429, "too_many_fetches", None)
        assert other.send("images/", {"url": harbour}).status_code == 201
    assert api.send("images/", {"url": harbour}).status_code == 201
    assert not uploads._fetching._taken


def test_it_follows_three_redirects_and_not_into_the_house(api, harbour, server):  # noqa: F811  # the fixture
    server.script["/moved"] = (301, {"Location": "/harbour.jpg", "Content-Length": "0"}, [])
    server.script["/inside"] = (302, {"Location": "http://10.0.0.1/secret", "Content-Length": "0"}, [])
    assert api.send("images/", {"url": server.url("/moved")}).status_code == 201
    assert refusal(api.send("images/", {"url": server.url("/inside")})) == (400, "address_refused", "url")


def test_it_takes_no_long_json(api):
    body = {"url": "https://example.org/", "filler": "x" * uploads.LONGEST_JSON}
    assert refusal(api.send("images/", body)) == (413, "body_too_large", None)


def test_it_asks_nobody_for_a_stranger(nobody, harbour, server):  # noqa: F811  # the fixture
    assert nobody.send("images/", {"url": harbour}).status_code == 401
    assert server.asked == []

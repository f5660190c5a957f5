"""Exports for programs."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from captions import albums, picture_links, tokens
from captions.api.views import exports
from captions.exports import FORMATS
from captions.models import ApiToken
from captions.models.clock import DatabaseTime
from tests.api.conftest import Api, codes
from tests.factories import make_image


def numbers(answer):
    assert answer.status_code == 200, answer.content
    return [json.loads(line)["number"] for line in b"".join(answer.streaming_content).splitlines()]


def test_it_sends_all_ones_own_pictures_or_those_that_are_named(api, owner, stranger):
    draft, approved = make_image(owner, "draft", text="a red kite"), make_image(owner, "approved", text="a lamp")
    foreign = make_image(stranger)
    album = albums.make(owner=owner, name="One")
    albums.add(album=album, images=[approved.pk])
    for query, expected in (
        ({}, [1, 2]), ({"q": "kite"}, [1]), ({"album": album.pk}, [2]), ({"ids": f"{draft.pk}, {foreign.pk}"}, [1]),
    ):  # fmt: skip
        assert numbers(api.look("exports/", format="jsonl", **query)) == expected, query


@pytest.mark.parametrize("format", FORMATS)
def test_it_sends_every_format_as_a_file_of_its_type(api, owner, format):
    make_image(owner, "approved", files=True)
    answer = api.look("exports/", format=format)
    assert answer.status_code == 200
    assert answer["Content-Type"] == FORMATS[format].content_type
    assert answer["Content-Disposition"].endswith(f'.{FORMATS[format].suffix}"')
    assert (answer["Cache-Control"], answer["X-Request-ID"] != "") == ("no-store", True)
    assert b"".join(answer.streaming_content)


def test_it_names_pictures_by_the_address_at_which_it_was_asked(api, owner, settings):
    make_image(owner)

    def asked():
        return json.loads(b"".join(api.look("exports/", format="label-studio").streaming_content))

    assert asked()[0]["data"]["image"].startswith("http://testserver/labelled/")
    settings.PUBLIC_URL = "https://desk.example.org"
    assert asked()[0]["data"]["image"].startswith("https://desk.example.org/labelled/")


def test_its_addresses_of_pictures_end_with_the_token_that_asked_for_them(owner):
    image = make_image(owner, files=True)

    def asked(secret):
        answer = Api(secret).look("exports/", format="label-studio")
        [task] = json.loads(b"".join(answer.streaming_content))
        return task["data"]["image"].removeprefix("http://testserver")

    (kept, one), (stolen, two) = (tokens.mint(user=owner, name=name, days=1) for name in ("kept", "stolen"))
    paths = asked(one), asked(two)
    page = picture_links.address(image, site="", person=owner)
    assert tokens.revoke(token=stolen)
    ApiToken.objects.filter(pk=kept.pk).update(expires_at=DatabaseTime(after=-60))  # what it gave out may live longer
    assert [Client().get(path).status_code for path in (*paths, page)] == [200, 404, 200]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ("export_format_unknown", "format")), ({"format": "pdf"}, ("export_format_unknown", "format")),
        ({"format": "csv", "q": "nothing"}, ("nothing_to_export", None)),
        ({"format": "csv", "album": "x"}, ("not_found", None)),
        ({"format": "csv", "ids": "x"}, ("invalid", "ids")), ({"format": "csv", "ids": ""}, ("blank", "ids")),
        ({"format": "csv", "q": "state:blue"}, ("search_value_unknown", "q")),
        ({"format": "csv", "show": "draft"}, ("unknown_parameter", "show")),
        ({"format": "csv", "q": "boat", "ids": "x"}, ("invalid", "ids")),
        ({"format": ["csv", "zip"]}, ("repeated", "format")),
    ],
)  # fmt: skip
def test_it_says_why_there_is_nothing_to_send(api, owner, query, expected):
    make_image(owner)
    answer = api.look("exports/", **query)
    assert answer.status_code in (400, 404)
    assert expected in codes(answer)


def test_it_takes_a_bounded_number_of_ids(api, owner, monkeypatch):
    monkeypatch.setattr(exports, "MOST", 1)
    ids = f"{make_image(owner).pk},{make_image(owner).pk}"
    assert codes(api.look("exports/", format="csv", ids=ids)) == [("too_many_to_export", "ids")]


def test_it_answers_whatever_accept_says(api, owner):
    make_image(owner)
    assert api.get("/api/v1/exports/?format=csv", headers={"Accept": "text/csv"}).status_code == 200

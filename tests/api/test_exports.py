"""Exports for programs."""

from __future__ import annotations

import json

import pytest

from captions import albums
from captions.api.views import exports
from captions.exports import FORMATS
from tests.api.conftest import codes
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

"""The address that sends an export."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from captions import albums
from captions.exports import sending
from captions.models import AlbumShare
from captions.web import gallery
from tests.factories import make_image

pytestmark = pytest.mark.django_db


def numbers(answer):
    assert answer.status_code == 200, answer.content[:300]
    return [json.loads(line)["number"] for line in b"".join(answer.streaming_content).splitlines()]


def test_it_sends_what_was_selected(olga, owner, stranger):
    images = [make_image(owner) for _ in range(3)]
    foreign = make_image(stranger)
    chosen = {"image": [images[0].pk, images[2].pk, foreign.pk, "nonsense"], "format": "jsonl"}
    answer = olga.post("/export/", chosen)
    assert answer["Content-Disposition"].startswith('attachment; filename="captions-2')
    assert answer["Content-Disposition"].endswith('.jsonl"')
    assert answer["Cache-Control"] == "no-store"
    assert numbers(answer) == [1, 3]


def test_it_sends_an_album_a_search_or_what_the_gallery_shows(olga, owner):
    draft, approved = make_image(owner, "draft", text="a red kite"), make_image(owner, "approved", text="a lamp")
    album = albums.make(owner=owner, name="One")
    albums.add(album=album, images=[approved.pk])
    for query, expected in (
        (f"album={album.pk}", [2]), ("q=kite", [1]), ("q=state:approved", [2]), ("show=draft", [1]), ("", [1, 2]),
    ):  # fmt: skip
        assert numbers(olga.get(f"/export/?{query}&format=jsonl")) == expected, query
    assert draft.number == 1


def test_it_sends_a_shared_album_and_no_other(owner, stranger, stranger_browser):
    album = albums.make(owner=owner, name="One")
    albums.add(album=album, images=[make_image(owner).pk])
    path = f"/export/?album={album.pk}&format=jsonl"
    assert stranger_browser.get(path).status_code == 404
    albums.share(album=album, with_whom=stranger.get_username(), role=AlbumShare.Role.VIEW)
    assert numbers(stranger_browser.get(path)) == [1]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("format=csv", "nothing_to_export"), ("format=pdf", "export_format_unknown"), ("", "export_format_unknown"),
        ("format=csv&album=nonsense", "not_found"), ("format=csv&q=state:blue", "search_value_unknown"),
    ],
)  # fmt: skip
def test_it_says_why_there_is_nothing_to_send(olga, query, code):
    answer = olga.get(f"/export/?{query}")
    assert answer.status_code in (400, 404)
    assert code in answer.content.decode()


def test_it_refuses_more_than_can_be_selected(olga, owner, monkeypatch):
    monkeypatch.setattr(sending, "MOST", 2)
    images = [make_image(owner).pk for _ in range(3)]
    answer = olga.post("/export/", {"image": images, "format": "csv"})
    assert answer.status_code == 400
    assert "too_many_to_export" in answer.content.decode()


def test_it_sends_nothing_to_somebody_who_is_not_logged_in(client: Client):
    assert client.get("/export/?format=csv").status_code == 302


def test_it_counts_selected_pictures_beyond_the_limit_as_left(olga, owner, monkeypatch):
    monkeypatch.setattr(gallery, "BULK_LIMIT", 2)
    monkeypatch.setattr(gallery.ids_of, "__kwdefaults__", {"most": 2})
    images = [make_image(owner, "draft").pk for _ in range(3)]
    page = olga.post("/images/several/", {"act": "approve", "image": images}, follow=True).content.decode()
    assert "Approved the drafts of 2 pictures. 1 picture stayed as it was." in page

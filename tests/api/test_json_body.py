"""JSON bodies: how many parts they may have, whatever their length."""

from __future__ import annotations

import base64
import json

import pytest
from django.test import RequestFactory
from rest_framework.exceptions import ParseError

from captions import labels
from captions.api import failures, json_body
from captions.errors import DeskError
from tests import factories
from tests.api.conftest import codes

BOMB = b"[" + b"[]," * 600_000 + b"[]]"


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        b'{"decision": "approve", "images": [' + b"1," * 900_000 + b"1]}",
        b"{" + b",".join(b'"%05x":1' % number for number in range(100_000)) + b"}",
        b'{"name": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
    ],
    ids=["lists", "wrong ids", "unknown fields", "depth"],
)
@pytest.mark.parametrize("path", ["albums/", "bulk/reviews/", "webhooks/", "searches/"])
def test_it_refuses_a_body_of_too_many_parts_before_it_reads_it(api, path, body):
    answer = api.raw(path, body, content_type="application/json")
    assert (answer.status_code, codes(answer)) == (413, [("body_too_large", None)])


def test_it_refuses_it_in_every_encoding(api):
    body = json.dumps([[]] * 50_000).encode("utf-16")
    answer = api.raw("albums/", body, content_type="application/json; charset=utf-16")
    assert codes(answer) == [("body_too_large", None)]
    hidden = "".join("[]," for _ in range(50_000)).encode("utf-7")
    answer = api.raw("albums/", b"+AFs-" + hidden, content_type="application/json; charset=utf-7")
    assert codes(answer) == [("body_too_large", None)]


def test_it_tells_a_hundred_problems_at_most(api):
    answer = api.send("bulk/deletions/", {"images": [1] * (json_body.MOST_PARTS - 10)})
    assert (answer.status_code, len(codes(answer))) == (400, failures.MOST_ERRORS)


def test_it_takes_as_many_ids_as_it_says(api, owner):
    image = str(factories.make_image(owner).pk)
    album = api.send("albums/", {"name": "Sea"}).json()["id"]
    answer = api.send(f"albums/{album}/images/", {"add": [image] * 1000, "remove": [image] * 1000})
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["application/json; charset=ascii", "application/json"])
def test_it_says_that_a_broken_body_cannot_be_read(api, kind):
    for body in (b'{"name": "\xff"}', b'{"name": NaN}', b'{"name"'):
        answer = api.raw("albums/", body, content_type=kind)
        assert (answer.status_code, codes(answer)) == (400, [("parse_error", None)])


def test_it_takes_a_picture_of_megabytes_within_json(api, owner):
    picture = factories.picture() + b"\0" * (4 * 1024 * 1024)
    url = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    image = factories.receive(owner, picture)
    factories.make_drafts(image, "a boat in a harbour")
    answer = api.post("/v1/chat/completions", json.dumps({"messages": messages}), content_type="application/json")
    assert answer.json()["choices"][0]["message"]["content"] == "a boat in a harbour"
    answer = api.post(
        "/models/caption-desk",
        json.dumps({"inputs": base64.b64encode(picture).decode()}),
        content_type="application/json",
    )
    assert answer.json() == [{"generated_text": "a boat in a harbour"}]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/models/caption-desk", "/label-studio/predict"])
def test_it_refuses_too_many_parts_of_other_services_bodies_too(api, path):
    answer = api.post(path, BOMB, content_type="application/json")
    assert answer.status_code == 413


def test_it_refuses_a_file_of_labels_with_too_many_parts(api, monkeypatch):
    monkeypatch.setattr(labels, "MOST_PARTS", 1000)
    answer = api.raw("imports/captions/", b"[" + b"[]," * 1000 + b"[]]", content_type="application/json")
    assert codes(answer) == [("body_too_large", None)]


def test_it_reads_what_a_view_without_an_encoding_hands_it():
    request = RequestFactory().post("/", b'{"a": 1}', content_type="application/json")
    assert json_body.Json().parse(request) == {"a": 1}
    with pytest.raises(ParseError):
        json_body.PictureJson().parse(RequestFactory().post("/", b"{", content_type="application/json"))
    with pytest.raises(DeskError):
        json_body.Json().parse(RequestFactory().post("/", BOMB, content_type="application/json"))

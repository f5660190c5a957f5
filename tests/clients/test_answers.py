"""What the client makes of answers, and what it never sends anywhere."""

from __future__ import annotations

import uuid

import pytest

import captiondesk
from captiondesk import Client, models
from captiondesk.wire import Request
from tests.clients.scripted import Said, refusal, serving


def page(name: str, following: str | None) -> Said:
    tag = {"id": str(uuid.uuid4()), "name": name, "pictures": 1, "created_at": "2026-11-01T10:00:00Z"}
    return Said(200, {"next": following, "previous": None, "results": [tag]})


def test_it_fetches_a_page_only_when_it_is_wanted():
    with serving(page("a", "/x?cursor=2&state=draft&state=failed"), page("b", None)) as server:
        tags = Client(server.url, "t").tags.list()
        assert server.asked == []
        assert next(tags).name == "a"
        assert len(server.asked) == 1
        assert [one.name for one in tags] == ["b"]
    assert server.asked[1].path == "/api/v1/tags/?cursor=2&state=draft&state=failed"


def test_it_sends_its_token_to_no_other_address():
    with (
        serving(page("stolen", None)) as other,
        serving(page("a", f"{other.url}/api/?cursor=2"), page("b", None)) as own,
    ):
        assert [one.name for one in Client(own.url, "t").tags.list()] == ["a", "b"]
    assert other.asked == []
    with (
        serving(page("stolen", None)) as other,
        serving(Said(302, b"", {"Location": other.url})) as own,
        pytest.raises(captiondesk.UnexpectedAnswer),
    ):
        list(Client(own.url, "t").tags.list())
    assert other.asked == []


def test_it_takes_fields_and_values_it_does_not_know():
    error = {"code": "new_code", "detail": "words", "and": ["more"]}
    read = models.JobNotice.model_validate(error)
    assert read.code == "new_code"
    assert read.model_dump()["and"] == ["more"]


@pytest.mark.parametrize("said", [Said(200, b"<html>hello"), Said(200, {"other": "thing"}), Said(404, b"<html>nginx")])
def test_it_says_when_somebody_else_answers(said):
    with serving(said) as server, pytest.raises(captiondesk.UnexpectedAnswer, match="none of a Caption Desk's"):
        Client(server.url, "t").me()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, captiondesk.InvalidRequest),
        (401, captiondesk.NotAuthenticated),
        (403, captiondesk.NotAllowed),
        (404, captiondesk.NotFound),
        (409, captiondesk.Conflict),
        (410, captiondesk.NotFound),
        (423, captiondesk.Conflict),
        (500, captiondesk.ServerFailed),
        (507, captiondesk.ServerFailed),
    ],
)
def test_it_raises_one_class_for_each_kind_of_refusal(status, kind):
    with serving(refusal(status, "some_code")) as server, pytest.raises(kind) as caught:
        Client(server.url, "t").me()
    assert type(caught.value) is kind
    assert str(caught.value) == "It is some_code."


@pytest.mark.parametrize("url", ["", "captions.example.org", "ftp://x", "http://", "https://x/?a=b"])
def test_it_refuses_an_address_that_is_none(url):
    with pytest.raises(ValueError, match="address of the desk"):
        Client(url, "t")


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "“quoted”"])
def test_it_refuses_a_token_that_would_not_fit_into_a_header(token):
    with pytest.raises(ValueError, match="A token is one word"):
        Client("https://x.example", token)


def test_it_keeps_its_token_out_of_its_descriptions():
    client = Client("https://x.example", "cdesk_secret")
    assert "cdesk_secret" not in repr(client) + repr(vars(client))


def test_it_puts_nothing_of_an_id_into_the_address_but_the_id():
    assert Request("get_image", into={"image_id": "../me/?x#y"}).path == "/api/v1/images/..%2Fme%2F%3Fx%23y/"
    with pytest.raises(ValueError, match="An empty id"):
        Request("delete_image", into={"image_id": ""}).path  # noqa: B018  # reading it is what raises

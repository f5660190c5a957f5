"""GET /api/v1/me/: who asks, and what answers."""

from __future__ import annotations

from tests import factories


def test_it_says_who_asks_with_which_token_and_how_many_pictures(api, owner, stranger):
    factories.make_image(owner, "draft")
    factories.make_image(owner, "approved")
    factories.make_trash(factories.make_image(owner))
    factories.make_image(stranger)
    body = api.look("me/").json()
    assert (body["username"], body["email"], body["is_reviewer"]) == ("olga", "olga@example.org", False)
    assert body["images"] == {"draft": 1, "approved": 1}
    assert body["token"]["name"] == "tests"
    assert body["token"]["hint"].startswith("cdesk_")
    assert set(body["token"]) == {"name", "hint", "scopes", "created_at", "expires_at"}


def test_it_says_which_model_answers(api, owner):
    assert api.look("me/").json()["service"]["ready"] is False
    factories.make_worker(is_demo=True, notice="Only a demo.")
    body = api.look("me/").json()["service"]
    assert body == {"ready": True, "model": "demo", "revision": "1", "is_demo": True, "notice": "Only a demo."}


def test_it_says_what_the_server_takes(api, settings):
    settings.ACCEPT_HEIF = False
    limits = api.look("me/").json()["limits"]
    assert limits["max_upload_bytes"] == settings.MAX_UPLOAD_BYTES
    assert "JPEG" in limits["formats"]
    assert "HEIF" not in limits["formats"]


def test_it_knows_reviewers_and_signed_in_pages(api_of, page):
    rita = api_of(factories.make_person("rita", "reviewers"))
    assert rita.look("me/").json()["is_reviewer"] is True
    assert page.look("me/").json()["token"] is None

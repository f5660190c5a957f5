"""Webhooks over the API."""

from __future__ import annotations

import pytest

from captions import delivering
from captions.models import Webhook
from tests.api.conftest import _nobody_is_throttled, api, api_of, codes, nobody, other

__all__ = ["_nobody_is_throttled", "api", "api_of", "nobody", "other"]
BODY = {"name": "catalogue", "url": "https://example.org/in", "events": ["caption.approved", "image.created"]}


def test_it_shows_the_secret_once(api):
    made = api.send("webhooks/", BODY)
    assert made.status_code == 201
    hook = made.json()
    assert hook["signing_secret"].startswith("whsec_")
    assert hook["events"] == ["image.created", "caption.approved"]
    for path in ("webhooks/", f"webhooks/{hook['id']}/"):
        assert hook["signing_secret"].encode() not in api.look(path).content
    assert b"secret" not in api.look(f"webhooks/{hook['id']}/").content


def test_it_keeps_no_secret_with_an_idempotency_key(api):
    key = {"Idempotency-Key": "one"}
    assert api.send("webhooks/", BODY, headers=key).status_code == 201
    again = api.send("webhooks/", BODY, headers=key)
    assert again.json()["errors"][0]["code"] == "idempotency_answer_secret"
    assert Webhook.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": " "}, "webhook_name"),
        ({"name": "x" * 81}, "webhook_name"),
        ({"events": []}, "webhook_events"),
        ({"events": ["image.eaten"]}, "invalid_choice"),
        ({"url": "http://127.0.0.1/"}, "address_refused"),
        ({"url": "example.org"}, "address_wrong"),
        ({"url": ""}, "address_wrong"),
        ({"name": 7}, "invalid"),
        ({"more": 1}, "unknown_field"),
    ],
)
def test_it_says_what_is_wrong(api, change, code):
    answer = api.send("webhooks/", {**BODY, **change})
    assert answer.status_code == 400
    assert [one for one, _ in codes(answer)] == [code]
    assert not Webhook.objects.exists()


def test_it_allows_twenty(api):
    for _ in range(20):
        assert api.send("webhooks/", BODY).status_code == 201
    assert codes(api.send("webhooks/", BODY)) == [("webhook_limit", None)]


def test_it_changes_tests_and_logs(api, server):
    path = f"webhooks/{api.send('webhooks/', {**BODY, 'url': server.url('/in')}).json()['id']}/"
    assert api.send(path, {"name": "other"}, method="patch").json()["name"] == "other"
    first = api.send(path + "test/")
    assert (first.status_code, first.json()["state"], first.json()["type"]) == (201, "pending", "webhook.test")
    delivering.deliver()
    log = api.look(path + "deliveries/").json()["results"]
    assert [(one["state"], one["attempts"][0]["status"]) for one in log] == [("delivered", 200)]
    assert api.send(path + f"deliveries/{log[0]['id']}/replay/").json()["state"] == "pending"
    secret = api.send(path + "secret/").json()
    assert secret["signing_secret"].startswith("whsec_")
    off = api.send(path, {"is_on": False}, method="patch").json()
    assert (off["is_on"], off["off"]) == (False, "person")
    assert codes(api.send(path + "test/")) == [("webhook_off", None)]
    assert api.delete(f"/api/v1/{path}").status_code == 204
    assert api.look(path).status_code == 404

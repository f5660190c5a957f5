"""Messages of webhooks are checked as the Standard Webhooks specification wants it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook as Reference

from captiondesk import WebhookRefused, verify_webhook

SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four byt").decode()
OTHER = "whsec_" + base64.b64encode(b"another of twenty-four b").decode()
BODY = json.dumps(
    {
        "type": "caption.rejected",
        "timestamp": "2026-03-02T09:41:30+00:00",
        "data": {"image": "0199f3a2-5c1e-7d40-8b21-6a6f0d6f4c11", "reason": "wrong — zwölf", "later": 1},
    },
    ensure_ascii=False,
)


def signed(*secrets: str, body: str = BODY, age: float = 0) -> dict[str, str]:
    """Give the headers that another implementation of the specification signs."""
    at = datetime.now(UTC) - timedelta(seconds=age)
    marks = [Reference(secret).sign("msg_1", at, body) for secret in secrets]
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": " ".join(marks),
    }


@pytest.mark.parametrize("body", [BODY, BODY.encode(), bytearray(BODY.encode())])
@pytest.mark.parametrize("secrets", [(SECRET,), (OTHER, SECRET), (SECRET, OTHER)])
def test_it_takes_what_another_implementation_signed(body, secrets):
    event = verify_webhook(SECRET, signed(*secrets), body)
    assert (event.id, event.type, event.data.reason) == ("msg_1", "caption.rejected", "wrong — zwölf")
    assert str(event.data.image) == "0199f3a2-5c1e-7d40-8b21-6a6f0d6f4c11"
    assert event.data.model_dump()["later"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"Webhook-Id": "msg_2"},
        {"Webhook-Timestamp": "1"},
        {"Webhook-Signature": ""},
        {"Webhook-Signature": "v1,"},
        {"Webhook-Signature": "v1,ünëqual"},
        {"Webhook-Signature": "nonsense"},
    ],
)
def test_it_refuses_what_was_changed(change):
    with pytest.raises(WebhookRefused, match="No signature"):
        verify_webhook(SECRET, {**signed(SECRET), **change}, BODY)


def test_it_refuses_another_body_another_secret_and_another_version():
    with pytest.raises(WebhookRefused, match="No signature"):
        verify_webhook(SECRET, signed(SECRET), BODY + " ")
    with pytest.raises(WebhookRefused, match="No signature"):
        verify_webhook(OTHER, signed(SECRET), BODY)
    headers = signed(SECRET)
    headers["Webhook-Signature"] = headers["Webhook-Signature"].replace("v1,", "v1a,")
    with pytest.raises(WebhookRefused, match="No signature"):
        verify_webhook(SECRET, headers, BODY)


@pytest.mark.parametrize("missing", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_it_says_which_header_is_missing(missing):
    headers = signed(SECRET)
    del headers[missing]
    with pytest.raises(WebhookRefused, match=missing.lower()):
        verify_webhook(SECRET, headers, BODY)


@pytest.mark.parametrize("age", [302, -302])
def test_it_refuses_what_is_too_old_or_from_the_future(age):
    with pytest.raises(WebhookRefused, match="older than 300 seconds"):
        verify_webhook(SECRET, signed(SECRET, age=age), BODY)
    assert verify_webhook(SECRET, signed(SECRET, age=age), BODY, tolerance=400).id == "msg_1"


@pytest.mark.parametrize("body", ["no JSON", "[]", "{}"])
def test_it_refuses_what_is_signed_and_no_event(body):
    with pytest.raises(WebhookRefused, match="none of a Caption Desk's"):
        verify_webhook(SECRET, signed(SECRET, body=body), body)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "no secret"])
def test_it_takes_no_secret_that_is_none(secret):
    with pytest.raises(ValueError, match="signing_secret"):
        verify_webhook(secret, signed(SECRET), BODY)

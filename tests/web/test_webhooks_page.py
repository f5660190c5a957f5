"""Webhooks' pages: add, change, switch, new secret, test message, log, send again, delete; for nobody else."""

from __future__ import annotations

import base64
import json
import re
import time
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from captions import delivering, outbox, webhooks
from captions.errors import FAILURES
from captions.models import Webhook, WebhookAttempt, WebhookDelivery
from captions.models.webhook import EventType
from tests import factories
from tests.factories import confirmed
from tests.outbound.conftest import Answers, server
from tests.web.conftest import HTMX

__all__ = ["server"]

FORM = {"name": "Website", "url": "https://example.org/in", "events": ["caption.approved", "review.undone"]}
ALL = list(EventType.values)


@pytest.fixture
def olga(olga: Client) -> Client:
    """Olga, who has only just said that it is her."""
    return confirmed(olga)


@pytest.fixture
def hook(owner: User) -> Webhook:
    return webhooks.make(owner=owner, name="Website", url="https://example.org/in", events=["caption.approved"])[0]


@pytest.fixture
def heard(owner: User, server: Answers) -> Webhook:
    """A webhook whose address answers."""
    return webhooks.make(owner=owner, name="Website", url=server.url("/in"), events=ALL)[0]


def words(answer: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def bad_fields(answer: Any) -> list[str]:
    """Give the labels of the fields that something is said at."""
    found = re.findall(r'class="field bad(?: boxes)?"[^>]*>\s*<(?:label[^>]*|legend)>([^<]+)', answer.content.decode())
    return [label.strip() for label in found]


def secret_on(answer: Any) -> str:
    return unescape(re.search(r'<code id="secret">(whsec_[^<]+)</code>', answer.content.decode())[1])


def test_it_asks_once_more_before_pictures_are_told_elsewhere(owner: User, hook: Webhook) -> None:
    browser = Client()
    browser.force_login(owner)
    where = f"/account/webhooks/{hook.pk}/"
    for path, sent in {"/account/webhooks/": FORM, where: {**FORM, "name": "Other"}, f"{where}secret/": {}}.items():
        answer = browser.post(path, sent)
        assert answer["Location"].startswith("/accounts/reauthenticate/"), path
    assert browser.get(where).status_code == 200
    kept = Webhook.objects.get()
    assert (kept.name, kept.secret, kept.url) == ("Website", hook.secret, hook.url)


def test_it_is_linked_from_the_account(olga: Client, hook: Webhook) -> None:
    answer = olga.get("/account/")
    assert 'href="/account/webhooks/"' in answer.content.decode()
    assert "what happens to your pictures. You have 1 ." in words(answer)


def test_it_says_what_to_do_without_any(olga: Client) -> None:
    assert "No webhook yet" in words(olga.get("/account/webhooks/"))


def test_it_shows_a_new_secret_once(olga: Client, owner: User) -> None:
    answer = olga.post("/account/webhooks/", FORM)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    made = Webhook.objects.get(owner=owner)
    assert (made.name, made.url, made.events) == (FORM["name"], FORM["url"], FORM["events"])
    secret = secret_on(answer)
    assert webhooks.keys(made) == [base64.b64decode(secret.removeprefix("whsec_"))]
    for path in ("/account/webhooks/", f"/account/webhooks/{made.pk}/"):
        page = unescape(olga.get(path).content.decode())
        assert secret not in page
        assert "https://example.org/in" in page


def test_it_says_everything_that_is_wrong_and_keeps_what_was_typed(olga: Client) -> None:
    answer = olga.post("/account/webhooks/", {"name": " ", "url": "http://127.0.0.1/x", "events": []})
    assert answer.status_code == 400
    assert bad_fields(answer) == ["Name", "Address", "What is it told?"]
    assert "Nothing was saved. Correct what is marked." in words(answer)
    assert FAILURES["webhook_name"].words in words(answer)
    assert FAILURES["address_refused"].words in words(answer)
    assert FAILURES["webhook_events"].words in words(answer)
    assert 'value="http://127.0.0.1/x"' in answer.content.decode()
    assert not Webhook.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("name", "n" * 81, "webhook_name"),
        ("name", "\u200e", "webhook_name"),
        ("url", "example.org", "address_wrong"),
        ("url", "ftp://example.org/", "address_refused"),
        ("url", "https://me:secret@example.org/", "address_refused"),
        ("url", f"https://example.org/{'x' * 2048}", "address_wrong"),
        ("events", ["caption.eaten"], "webhook_events"),
    ],
)
def test_it_says_a_refusal_at_the_field_that_it_is_about(olga: Client, field: str, value: Any, code: str) -> None:
    answer = olga.post("/account/webhooks/", {**FORM, field: value})
    assert answer.status_code == 400
    assert len(bad_fields(answer)) == 1
    assert FAILURES[code].words in words(answer)
    assert answer.content.decode().count(" checked") == (0 if field == "events" else 2)


def test_it_says_when_there_are_as_many_as_one_may_have(olga: Client, owner: User) -> None:
    for number in range(webhooks.MOST):
        webhooks.make(owner=owner, name=f"hook {number}", url="https://example.org/", events=ALL)
    answer = olga.post("/account/webhooks/", FORM)
    assert answer.status_code == 409
    assert FAILURES["webhook_limit"].words in words(answer)
    assert "webhook_limit" in words(answer)
    assert 'value="Website"' in answer.content.decode()


def test_it_changes_name_address_and_events(olga: Client, hook: Webhook) -> None:
    new = {"name": "Shop", "url": "https://example.org/shop", "events": ["job.failed", "image.created"]}
    answer = olga.post(f"/account/webhooks/{hook.pk}/", new, follow=True)
    assert "Saved." in words(answer)
    hook.refresh_from_db()
    assert (hook.name, hook.url, hook.events) == ("Shop", new["url"], ["image.created", "job.failed"])


def test_it_changes_nothing_when_something_is_wrong(olga: Client, hook: Webhook) -> None:
    answer = olga.post(f"/account/webhooks/{hook.pk}/", {"name": "Shop", "url": "nowhere", "events": ["job.failed"]})
    assert answer.status_code == 400
    assert bad_fields(answer) == ["Address"]
    assert "Nothing was saved. Correct what is marked." in words(answer)
    assert "<h1>Website</h1>" in answer.content.decode()
    assert 'value="nowhere"' in answer.content.decode()
    hook.refresh_from_db()
    assert (hook.name, hook.url, hook.events) == ("Website", "https://example.org/in", ["caption.approved"])


def test_it_switches_off_and_on(olga: Client, hook: Webhook) -> None:
    answer = olga.post(f"/account/webhooks/{hook.pk}/switch/", {"on": "0"}, follow=True)
    assert "Switched off here." in words(answer)
    assert "Send a test message" not in words(answer)
    assert "Off" in words(olga.get("/account/webhooks/"))
    answer = olga.post(f"/account/webhooks/{hook.pk}/test/", follow=True)
    assert FAILURES["webhook_off"].words in words(answer)
    answer = olga.post(f"/account/webhooks/{hook.pk}/switch/", {"on": "1"}, follow=True)
    assert "Send a test message" in words(answer)
    hook.refresh_from_db()
    assert hook.is_on


def test_it_says_since_when_it_fails_and_why_it_is_off(olga: Client, hook: Webhook) -> None:
    since = timezone.now() - timedelta(days=2)
    Webhook.objects.filter(pk=hook.pk).update(failing_since=since)
    for path in ("/account/webhooks/", f"/account/webhooks/{hook.pk}/"):
        answer = olga.get(path)
        assert f'Nothing has arrived since <time datetime="{since:%Y-%m-%d}' in answer.content.decode()
        assert "Failing" in words(answer)
    Webhook.objects.filter(pk=hook.pk).update(off=Webhook.Off.GONE)
    for path in ("/account/webhooks/", f"/account/webhooks/{hook.pk}/"):
        assert f"{Webhook.Off.GONE.label}." in words(olga.get(path))


def test_it_gives_a_new_secret_once_beside_which_the_old_one_signs(olga: Client, hook: Webhook) -> None:
    [old] = webhooks.keys(hook)
    answer = olga.post(f"/account/webhooks/{hook.pk}/secret/")
    assert "no-store" in answer["Cache-Control"]
    assert "The former secret signs beside it until" in words(answer)
    hook.refresh_from_db()
    assert webhooks.keys(hook) == [base64.b64decode(secret_on(answer).removeprefix("whsec_")), old]
    later = olga.get(f"/account/webhooks/{hook.pk}/")
    assert secret_on(answer) not in unescape(later.content.decode())
    assert "Another new one would end the former at once." in words(later)


def test_it_sends_a_test_message_and_shows_the_answer(olga: Client, heard: Webhook, server: Answers) -> None:
    server.script["/in"] = (200, {}, [b"<b>thanks</b>"])
    address = f"/account/webhooks/{heard.pk}/"
    answer = olga.post(f"{address}test/", follow=True)
    assert "On its way Test message webhook.test" in words(answer)
    assert 'id="log-poll"' in answer.content.decode()
    assert "Send again" not in words(answer)
    delivering.deliver()
    answer = olga.get(address)
    assert "It answered 200. 1 try, " in words(answer)
    assert "&lt;b&gt;thanks&lt;/b&gt;" in answer.content.decode()
    assert "<b>thanks" not in answer.content.decode()
    assert 'id="log-poll"' not in answer.content.decode()
    assert "Works" in words(olga.get("/account/webhooks/"))


def test_it_shows_the_body_that_is_sent(olga: Client, owner: User, heard: Webhook, server: Answers) -> None:
    image = factories.make_image(owner)
    outbox.note(type=EventType.JOB_FAILED, owner_id=owner.pk, image_id=image.pk, data={"n": "</pre><script>é"})
    delivering.deliver()
    page = olga.get(f"/account/webhooks/{heard.pk}/").content.decode()
    assert "A job failed for good" in page
    shown = re.search(r"<pre>(\{.*?)</pre>", page, re.DOTALL)[1]
    assert json.loads(unescape(shown)) == json.loads(server.asked[-1][3])
    assert f"<code>{server.asked[-1][2]['webhook-id']}</code>" in page


def test_it_says_in_words_why_nothing_came(olga: Client, hook: Webhook) -> None:
    delivery = webhooks.send_test(webhook=hook)
    for error in ("webhook_secret_unknown", "address_too_slow", "of_an_earlier_time"):
        WebhookAttempt.objects.create(delivery=delivery, error=error, seconds=5.01)
        time.sleep(0.002)  # ids made within a millisecond have no order
        WebhookDelivery.objects.filter(pk=delivery.pk).update(tries=2, due_at=timezone.now() + timedelta(minutes=5))
    answer = olga.get(f"/account/webhooks/{hook.pk}/")
    assert "3 tries, the last took 5.01 s." in words(answer)
    assert f"{FAILURES['address_too_slow'].words} address_too_slow" in words(answer)
    assert "of_an_earlier_time of_an_earlier_time" in words(answer)
    assert "Next try:" in words(answer)


def test_it_sends_again(olga: Client, heard: Webhook, server: Answers) -> None:
    server.script["/in"] = (503, {}, [b"later"])
    webhooks.send_test(webhook=heard)
    delivering.deliver()
    WebhookDelivery.objects.update(state="failed", due_at=None)
    address = f"/account/webhooks/{heard.pk}/"
    page = olga.get(address)
    assert "Given up" in words(page)
    assert "It answered 503." in words(page)
    [again] = re.findall(r'action="([^"]+/again/)"', page.content.decode())
    answer = olga.post(again, follow=True)
    assert "The message is on its way again." in words(answer)
    assert FAILURES["webhook_on_its_way"].words in words(olga.post(again, follow=True))
    server.script["/in"] = (204, {}, [])
    delivering.deliver()
    assert "It answered 204. 2 tries" in words(olga.get(address))
    assert len({headers["webhook-id"] for _, _, headers, _ in server.asked}) == 1


def waiting(hook: Webhook) -> WebhookDelivery:
    """Put a message on its way, beside others that are."""
    return WebhookDelivery.objects.create(webhook=hook, event=None, due_at=timezone.now())


def test_it_pages_through_the_log(olga: Client, hook: Webhook) -> None:
    made = [waiting(hook).pk for _ in range(25)]
    first = olga.get(f"/account/webhooks/{hook.pk}/").content.decode()
    [older] = re.findall(r'href="([^"]+)">Show older messages', first)
    second = olga.get(unescape(older)).content.decode()
    [newer] = re.findall(r'href="([^"]+)">Show newer messages', second)
    shown = [re.findall(r'id="delivery-([0-9a-f-]+)"', page) for page in (first, second)]
    assert [len(ids) for ids in shown] == [20, 5]
    assert shown[0] + shown[1] == [str(key) for key in reversed(made)]
    assert re.findall(r'id="delivery-([0-9a-f-]+)"', olga.get(unescape(newer)).content.decode()) == shown[0]


def test_it_asks_the_database_as_often_for_many_messages(
    olga: Client, hook: Webhook, django_assert_max_num_queries: Any
) -> None:
    for _ in range(15):
        WebhookAttempt.objects.create(delivery=waiting(hook), status=500)
    with django_assert_max_num_queries(20):
        olga.get(f"/account/webhooks/{hook.pk}/")


def test_it_shows_the_last_tries_only(olga: Client, hook: Webhook) -> None:
    delivery = webhooks.send_test(webhook=hook)
    for number in range(30):
        WebhookAttempt.objects.create(delivery=delivery, status=500 + number)
        time.sleep(0.002)  # ids made within a millisecond have no order
    page = words(olga.get(f"/account/webhooks/{hook.pk}/"))
    assert "It answered 529. 30 tries" in page
    assert "It answered 520." in page
    assert "It answered 519." not in page


def test_it_refreshes_only_what_has_changed(olga: Client, heard: Webhook, server: Answers) -> None:
    address = f"/account/webhooks/{heard.pk}/live/"
    first, second = (waiting(heard) for _ in range(2))
    seen = {"seen": [f"{first.pk}.0", f"{second.pk}.0"]}
    answer = olga.get(address, seen, headers=HTMX).content.decode()
    assert "delivery-" not in answer
    assert "log-poll" not in answer
    server.script["/in"] = (500, {}, [])
    delivering.deliver()
    WebhookDelivery.objects.filter(pk=second.pk).update(state="delivered", due_at=None)
    answer = olga.get(address, seen, headers=HTMX).content.decode()
    assert f'id="delivery-{first.pk}" hx-swap-oob="true"' in answer
    assert f'value="{first.pk}.1"' in answer
    assert f'value="{second.pk}' not in answer
    assert '<div id="news" hx-swap-oob="innerHTML">Delivered: Test message. </div>' in answer
    assert "<html" not in answer
    assert "log-poll" not in answer
    WebhookDelivery.objects.filter(pk=first.pk).update(state="failed", due_at=None)
    assert 'id="log-poll"' in olga.get(address, seen, headers=HTMX).content.decode()


@pytest.mark.parametrize("seen", [[], ["nonsense"], ["01a20acf-ba3a-7125-8b50-fe2ceff9e183.0"], ["x.y", ".", "1.1"]])
def test_it_stops_asking_when_nothing_is_on_its_way(olga: Client, hook: Webhook, seen: list[str]) -> None:
    answer = olga.get(f"/account/webhooks/{hook.pk}/live/", {"seen": seen}, headers=HTMX)
    assert '<div id="log-poll" hx-swap-oob="true"></div>' in answer.content.decode()


def test_it_asks_before_it_deletes(olga: Client, hook: Webhook) -> None:
    page = olga.get(f"/account/webhooks/{hook.pk}/delete/")
    assert "Delete “Website”" in words(page)
    assert Webhook.objects.filter(pk=hook.pk).exists()
    answer = olga.post(f"/account/webhooks/{hook.pk}/delete/", follow=True)
    assert "The webhook “Website” is deleted." in words(answer)
    assert not Webhook.objects.exists()
    assert olga.get(f"/account/webhooks/{hook.pk}/").status_code == 404


def test_it_is_nobody_elses(stranger_browser: Client, hook: Webhook) -> None:
    delivery = webhooks.send_test(webhook=hook)
    WebhookDelivery.objects.update(state="failed", due_at=None)
    before = Webhook.objects.values().get()
    address = f"/account/webhooks/{hook.pk}/"
    for path in ("", "live/", "delete/"):
        assert stranger_browser.get(f"{address}{path}").status_code == 404, path
    confirmed(stranger_browser)
    for path in ("", "switch/", "secret/", "test/", "delete/", f"messages/{delivery.pk}/again/"):
        assert stranger_browser.post(f"{address}{path}", {**FORM, "on": "0"}).status_code == 404, path
    assert "Website" not in words(stranger_browser.get("/account/webhooks/"))
    assert Webhook.objects.values().get() == before
    assert WebhookDelivery.objects.get().state == "failed"


def test_it_sends_a_message_again_only_through_its_own_webhook(
    stranger: User, stranger_browser: Client, hook: Webhook
) -> None:
    delivery = webhooks.send_test(webhook=hook)
    WebhookDelivery.objects.update(state="failed", due_at=None)
    own = webhooks.make(owner=stranger, name="own", url="https://example.org/", events=ALL)[0]
    answer = stranger_browser.post(f"/account/webhooks/{own.pk}/messages/{delivery.pk}/again/")
    assert answer.status_code == 404
    found = stranger_browser.get(f"/account/webhooks/{own.pk}/live/", {"seen": f"{delivery.pk}.9"}, headers=HTMX)
    assert str(delivery.pk) not in found.content.decode()

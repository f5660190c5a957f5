"""Webhooks in a browser: a test message that a real server receives, a log that fills in by itself, no barrier."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from standardwebhooks import Webhook as Reference

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations
from tests.harness import Desk, desk, until
from tests.outbound.conftest import Answers

_HOOKS = """
from django.contrib.auth.models import User
from django.utils import timezone
from captions import webhooks
from captions.models import Webhook, WebhookAttempt, WebhookDelivery
from captions.models.webhook import EventType
person = User.objects.get(username="{name}")
long = "https://example.org/" + "a-long-way-to-the-receiver/" * 12
one, _ = webhooks.make(owner=person, name="x" * 80, url=long, events=list(EventType.values))
webhooks.make(owner=person, name="Off", url="https://example.org/off", events=["job.failed"])
Webhook.objects.filter(name="Off").update(off="gone")
Webhook.objects.filter(pk=one.pk).update(failing_since=timezone.now())
for state, error, status in (("delivered", "", 200), ("failed", "", 503), ("failed", "address_unreachable", None),
                             ("failed", "", None)):
    delivery = webhooks.send_test(webhook=one)
    if error or status:
        WebhookAttempt.objects.create(delivery=delivery, error=error, status=status, answer="<p>" + "answer" * 150)
    WebhookDelivery.objects.filter(pk=delivery.pk).update(state=state, due_at=None, tries=1)
print("hook", one.pk)
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Answers]:
    """A program that is told."""
    made = Answers()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def running(receiver: Answers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that may ask this machine, with the process that sends."""
    environment = {"OUTBOUND_ALLOW": "127.0.0.0/8", "OUTBOUND_PORTS": f"80,443,{receiver.port}"}
    with desk(tmp_path_factory.mktemp("desk"), environment=environment) as made:
        made.start_web()
        made.start_scheduler()
        yield made


@pytest.fixture(scope="module")
def hook(running: Desk, people: Iterator[Person]) -> tuple[Person, str]:
    """Somebody with webhooks in every state, and the address of one that has a log."""
    person = next(people)
    output = running.run("shell", "-v0", "-c", _HOOKS.format(name=person.name)).stdout
    [key] = [line.split()[1] for line in output.splitlines() if line.startswith("hook ")]
    return person, f"/account/webhooks/{key}/"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_has_no_barrier(window: MakeWindow, hook: tuple[Person, str], theme: str) -> None:
    person, address = hook
    for width in (1280, 390):
        opened = window(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
        opened.log_in(person)
        for path in ("/account/", "/account/webhooks/", address, f"{address}delete/"):
            page = opened.go(path)
            for fold in page.locator("details[data-stay] > summary").all():
                fold.click()
            assert violations(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        page = opened.go("/account/webhooks/")
        page.get_by_label("Name", exact=True).fill("Nothing chosen")
        page.get_by_label("Address").fill("http://localhost:1/")
        page.get_by_role("button", name="Add the webhook").click()
        expect(page.locator(".field.bad")).to_have_count(2)
        assert violations(page) == []
        opened.go(address)
        page.get_by_role("button", name="Make a new secret").click()
        expect(page.locator("#secret")).to_be_visible()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_it_is_told_by_the_keyboard_alone(window: MakeWindow, person: Person, receiver: Answers) -> None:
    receiver.asked.clear()
    receiver.script["/in"] = (200, {}, [b"thank you"])
    opened = window()
    opened.log_in(person)
    page = opened.go("/account/webhooks/")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("Website")
    page.keyboard.press("Tab")
    page.keyboard.type(receiver.url("/in"))
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    secret = page.locator("#secret").inner_text()
    page.get_by_role("link", name="Go on to a test message").press("Enter")
    page.get_by_role("button", name="Send a test message").press("Enter")
    row = page.locator(".delivery")
    expect(row).to_contain_text("On its way")
    row.locator("summary").press("Enter")
    expect(row).to_contain_text("Delivered")  # without a new page: what was unfolded and focused is so still
    expect(row.get_by_text("thank you")).to_be_visible()
    expect(row.locator("summary")).to_be_focused()
    expect(page.locator("#news")).to_have_text("Delivered: Test message.")
    expect(page.locator("#log-poll[hx-get]")).to_have_count(0)
    [(_, _, headers, body)] = receiver.asked
    assert Reference(secret).verify(body, {name.lower(): value for name, value in headers.items()}) == json.loads(body)
    row.get_by_role("button", name="Send again").press("Enter")
    expect(row).to_contain_text(re.compile("2 tries"))
    assert len(receiver.asked) == 2


def test_it_works_without_script(window: MakeWindow, person: Person, receiver: Answers) -> None:
    receiver.script["/dead"] = (503, {}, [b"closed today"])
    opened = window(java_script_enabled=False)
    opened.log_in(person)
    page = opened.go("/account/webhooks/")
    page.get_by_label("Name", exact=True).fill("Shop")
    page.get_by_label("Address").fill(receiver.url("/dead"))
    page.get_by_label("A job failed for good").check()
    page.get_by_role("button", name="Add the webhook").click()
    page.get_by_role("link", name="Shop", exact=True).click()
    page.get_by_role("button", name="Send a test message").click()
    expect(page.locator(".delivery")).to_contain_text("On its way")
    address = page.url.partition("#")[0].removeprefix(opened.url)
    until(lambda: opened.go(address).get_by_text("It answered 503.").count(), every=1, what="it was tried")
    page.locator(".delivery summary").click()
    expect(page.get_by_text("closed today")).to_be_visible()
    page.get_by_role("button", name="Switch it off").click()
    expect(page.locator(".delivery")).to_contain_text("Given up")
    page.get_by_role("button", name="Switch it on").click()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".delivery")).to_contain_text("On its way")
    page.get_by_role("link", name="Delete this webhook").click()
    page.get_by_role("button", name="Delete the webhook").click()
    expect(page.get_by_role("heading", name="No webhook yet")).to_be_visible()

"""The lab in a browser: no barrier, and a whole trial by the keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations
from tests.harness import Desk


@pytest.fixture(scope="module")
def running(own_desk: Desk) -> Desk:
    """A desk of this file's own: it has workers."""
    return own_desk


_TRIAL = """
from django.contrib.auth.models import User
from captions import lab
from tests.lab.test_lab import CAREFUL, QUICK, drafted
from tests.web import builders
person = User.objects.get(username="{name}")
builders.worker()
pictures = [builders.picture(person) for _ in range(3)]
print("trial", lab.start(by=person, name="Two ways", images=pictures, arms=[QUICK, CAREFUL]).pk)
drafted()
"""


@pytest.fixture(scope="module")
def trial(running: Desk, people: Iterator[Person]) -> tuple[Person, str]:
    """Somebody with a trial whose captions are drafted, and its address."""
    person = next(people)
    output = running.run("shell", "-v0", "-c", _TRIAL.format(name=person.name)).stdout
    [key] = [line.split()[1] for line in output.splitlines() if line.startswith("trial ")]
    return person, f"/lab/{key}/"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_has_no_barrier(window: MakeWindow, trial: tuple[Person, str], theme: str) -> None:
    person, address = trial
    for width in (1280, 390):
        opened = window(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
        opened.log_in(person)
        for path in ("/lab/", "/lab/new/", address):
            page = opened.go(path)
            assert violations(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_it_votes_by_keys_and_applies_the_winner(window: MakeWindow, trial: tuple[Person, str]) -> None:
    person, address = trial
    opened = window()
    opened.log_in(person)
    page = opened.go(address)
    for key, voted in (("a", 1), ("b", 2), ("0", 3)):
        page.keyboard.press(key)
        expect(page.locator("#trial-tally")).to_contain_text(f"You voted on {voted} of 3")
    page.reload()
    expect(page.locator(".try input:checked")).to_have_count(3)
    page.get_by_role("button", name="Show which way wrote what").click()
    expect(page.get_by_role("heading", name="Who won")).to_be_visible()
    page.get_by_role("link", name="Use this way").first.click()
    page.get_by_role("button", name="Draft 3 pictures").click()
    expect(page.locator("#toast")).to_contain_text("3 pictures went into the queue.")

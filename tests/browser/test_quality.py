"""The quality page in a browser: the rule is switched on with open eyes, and taken back."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations
from tests.harness import Desk


@pytest.fixture(scope="module")
def running(own_desk: Desk) -> Desk:
    """A desk of this file's own: its rule approves drafts."""
    return own_desk


_LEARNED = """
from django.contrib.auth.models import Group, User
from captions import auto_approve, calibration
from tests import factories
from tests.quality.conftest import decide_on_many, draft_of
someone = User.objects.get(username="{name}")
someone.groups.add(Group.objects.get(name="operators"))
decide_on_many(factories.make_person("painter"), 600, lambda score: 0.995 + score / 3)
calibration.calibrate()
"""
_ARRIVED = """
from tests import factories
from tests.quality.conftest import draft_of
someone = factories.make_person("newcomer")
for _ in range(3):
    draft_of(factories.make_image(someone), -0.01)
"""


@pytest.fixture(scope="module")
def operator(running: Desk, people: Iterator[Person]) -> Person:
    """An operator of a desk on which much was decided."""
    someone = next(people)
    running.run("shell", "-v0", "-c", _LEARNED.format(name=someone.name))
    return someone


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_has_no_barrier_on_the_quality_page(window: MakeWindow, operator: Person, theme: str, width: int) -> None:
    opened = window(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    opened.log_in(operator)
    page = opened.go("/quality/")
    if os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{os.environ['SCREENSHOTS']}/quality-{width}-{theme}.png", full_page=True)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_it_switches_the_rule_on_and_takes_its_run_back(window: MakeWindow, running: Desk, operator: Person) -> None:
    opened = window()
    page = opened.log_in(operator)
    page.locator("header .menu summary").click()
    page.get_by_role("link", name="Quality").click()
    page.get_by_role("radio", name="0.5", exact=True).check()
    page.get_by_role("button", name="Switch the rule on").click()
    assert page.url.endswith("/quality/"), "the browser holds the form back until the box is ticked"
    expect(page.get_by_text("Off", exact=True)).to_be_visible()
    page.get_by_label("I have read how often").check()
    page.get_by_role("button", name="Switch the rule on").click()
    expect(page.locator("#toast")).to_contain_text("approved by your rule")
    running.run("shell", "-v0", "-c", _ARRIVED)
    page.reload()
    page.get_by_role("link", name="Take back 3 approvals").click()
    expect(page.get_by_role("heading", name="Take back 3 approvals")).to_be_visible()
    if os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{os.environ['SCREENSHOTS']}/run.png", full_page=True)
    assert violations(page) == []
    page.get_by_role("button", name="Switch off and take them back").click()
    expect(page.locator("#toast")).to_contain_text("3 approvals are taken back.")
    expect(page.get_by_text("Off", exact=True)).to_be_visible()

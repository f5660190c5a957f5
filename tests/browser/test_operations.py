"""The operators' page in a browser: no barrier, buttons that work, numbers that change by themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations
from tests.harness import Desk


@pytest.fixture(scope="module")
def running(own_desk: Desk) -> Desk:
    """A desk of this file's own: its operators pause the queue."""
    return own_desk


_OPERATOR = """
from django.contrib.auth.models import Group, User
from tests.web import builders
User.objects.get(username="{name}").groups.add(Group.objects.get(name="operators"))
builders.worker(name="studio", memory_bytes=3 * 2**30)
"""
_WAITING = """
from django.contrib.auth.models import User
from tests.jobs.conftest import ask
ask(User.objects.get(username="{name}"), 3)
"""


@pytest.fixture(scope="module")
def operator(running: Desk, people: Iterator[Person]) -> Person:
    """Somebody of the group of operators, on a desk with one worker."""
    person = next(people)
    running.run("shell", "-v0", "-c", _OPERATOR.format(name=person.name))
    return person


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_has_no_barrier(window: MakeWindow, operator: Person, theme: str) -> None:
    for width in (1280, 390):
        opened = window(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
        opened.log_in(operator)
        page = opened.go("/operations/")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_it_pauses_drains_and_counts_without_a_reload(window: MakeWindow, running: Desk, operator: Person) -> None:
    opened = window()
    page = opened.log_in(operator)
    page.get_by_role("link", name="Operations").click()
    page.get_by_role("button", name="Pause the queue").click()
    expect(page.locator("#ops-queue")).to_contain_text(f"{operator.name} paused the queue")
    page.get_by_role("button", name="Resume the queue").click()
    expect(page.locator("#ops-queue")).to_contain_text("Nothing waits.")
    page.get_by_role("button", name="Drain studio").click()
    expect(page.get_by_role("button", name="Take up again studio")).to_be_visible()
    running.run("shell", "-v0", "-c", _WAITING.format(name=operator.name))
    expect(page.locator("#ops-queue")).to_contain_text("3 pictures wait", timeout=15_000)

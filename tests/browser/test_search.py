"""Searching in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations
from tests.harness import Desk

_MAKE = """
from django.contrib.auth.models import User
from captions.models import Album, AlbumImage, Tag
from tests.web import builders
user = User.objects.get(username="{name}")
builders.worker()
for number, words in enumerate({words}):
    image = builders.drafted(builders.picture(user), words)
AlbumImage.objects.create(album=Album.objects.create(owner=user, name="Spring intake"), image=image)
"""
WORDS = ["A red boat on calm water.", "Two blue boats in a harbour.", "A lighthouse by the sea.", "A dog & a <ball>."]


@pytest.fixture(scope="module")
def searcher(running: Desk, people: Iterator[Person]) -> Person:
    """Somebody with four drafts."""
    person = next(people)
    running.run("shell", "-v0", "-c", _MAKE.format(name=person.name, words=WORDS))
    return person


def test_it_searches_by_the_key_and_narrows_by_the_form(window: MakeWindow, searcher: Person) -> None:
    page = window().log_in(searcher)
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("boat")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/?q=boat")
    expect(page.locator("#sheet > .frame")).to_have_count(2)
    expect(page.locator("mark").first).to_be_visible()
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Album").select_option("Spring intake")
    page.get_by_role("button", name="Show these pictures").click()
    expect(page.get_by_role("heading", name="No picture has all of this")).to_be_visible()
    page.get_by_role("link", name="Without album:").click()
    page.wait_for_url("**/search/?q=boat")
    expect(page.locator("#sheet > .frame")).to_have_count(2)


def test_it_acts_on_results_as_the_gallery_does(window: MakeWindow, searcher: Person) -> None:
    opened = window()
    opened.log_in(searcher)
    page = opened.go("/search/?q=boat")
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_contain_text("Approved picture")
    expect(page.locator(".slot[data-look=approved]")).to_have_count(1)
    page.keyboard.press("z")
    expect(page.locator(".slot[data-look=draft]")).to_have_count(2)
    page.locator(".pick input").first.check()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page).to_have_url(f"{opened.url}/search/?q=boat")
    expect(page.locator("#sheet > .frame")).to_have_count(1)
    page.locator("#toast button").click()
    expect(page.locator("#sheet > .frame")).to_have_count(2)


def test_it_saves_a_search_and_comes_back_to_it(window: MakeWindow, searcher: Person) -> None:
    opened = window()
    opened.log_in(searcher)
    page = opened.go("/search/?q=boat+state:draft")
    page.get_by_text("Saved searches").click()
    page.get_by_label("Save this search as").fill("Boats")
    page.get_by_role("button", name="Save", exact=True).first.click()
    expect(page.locator("#toast")).to_contain_text("Saved the search “Boats”.")
    opened.go("/search/").get_by_text("Saved searches").click()
    page.get_by_role("link", name="Boats").click()
    expect(page.locator("#q")).to_have_value("boat state:draft")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_has_no_barrier(window: MakeWindow, searcher: Person, theme: str, width: int) -> None:
    opened = window(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    opened.log_in(searcher)
    found = {}
    for path in (
        "/search/",
        "/search/?q=boat",
        "/search/?q=boat+state:failed",
        "/search/?q=colour:red",
        "/search/?q=ligthouse",
    ):
        page = opened.go(path)
        page.evaluate("document.querySelectorAll('.seek-more > details').forEach((one) => { one.open = true; })")
        found[path] = violations(page)
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, path
    assert {path: what for path, what in found.items() if what} == {}


def test_it_searches_without_script(window: MakeWindow, searcher: Person) -> None:
    opened = window()
    opened.log_in(searcher)
    state = opened.page.context.storage_state()
    page = window(java_script_enabled=False, storage_state=state).go("/search/")
    page.locator("#q").fill("boat")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#sheet > .frame")).to_have_count(2)

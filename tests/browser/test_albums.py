"""Albums in a real browser: select, put together, share by a link, look at it without an account; no barrier."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations
from tests.harness import Desk

_PICTURES = """
from django.contrib.auth.models import User
from captions import about
from tests.factories import make_image
owner = User.objects.get(username="{name}")
make_image(owner, "draft", files=True, text="a boat nobody has approved")
make_image(owner, "approved", files=True, text="a red buoy")
about.set_decorative(image=make_image(owner, "approved", files=True, text="a frame"), by=owner, is_decorative=True)
"""


@pytest.fixture(scope="module")
def olga(running: Desk, people: Iterator[Person]) -> Person:
    """Somebody with three pictures: a draft, an approved one, a decorative one."""
    person = next(people)
    running.run("shell", "-v0", "-c", _PICTURES.format(name=person.name))
    return person


def test_it_goes_from_selected_pictures_to_a_link_for_outsiders(window: MakeWindow, olga: Person) -> None:
    page = window().log_in(olga)
    for box in page.locator(".pick input").all():
        box.check()
    page.get_by_text("Album or tag").click()
    page.get_by_label("or a new album").fill("Harbour")
    page.get_by_role("button", name="Add to album").click()
    expect(page.locator("#toast")).to_contain_text("3 pictures are new in “Harbour”.")
    page.get_by_role("link", name="Albums").click()
    page.get_by_role("link", name="Harbour").last.click()
    expect(page.locator("#sheet > .frame")).to_have_count(3)
    page.get_by_role("button", name="Approve picture").click()  # stays on the album's page and updates the card
    expect(page.locator("#toast")).to_contain_text("Approved picture")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Approve picture")).to_be_visible()
    page.get_by_role("button", name="Make a link").click()
    address = page.locator("#secret").inner_text()

    outsider = window(viewport={"width": 390, "height": 800}, color_scheme="dark")
    seen = outsider.go(address.removeprefix(outsider.url))
    expect(seen.get_by_text("a red buoy")).to_be_visible()
    expect(seen.get_by_text("No approved caption yet.")).to_be_visible()
    expect(seen.get_by_text("a boat nobody has approved")).to_have_count(0)
    assert violations(seen) == []
    page.go_back()
    page.reload()
    page.get_by_role("button", name="End the link").click()
    expect(page.locator("#toast")).to_contain_text("The link is ended.")
    seen.reload()
    expect(seen.get_by_role("heading", name="This has ended")).to_be_visible()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_it_has_no_barrier_and_edits_in_place(window: MakeWindow, olga: Person, theme: str, width: int) -> None:
    opened = window(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    page = opened.log_in(olga)
    assert violations(page) == []
    page.locator(".print").first.click()
    page.get_by_label("Tags to add").fill(f"sea, {theme}")
    page.get_by_role("button", name="Add tags").click()
    expect(page.locator("#beside .marks-list").first).to_contain_text(theme)
    page.get_by_text("Change the title").or_(page.get_by_text("Give it a title")).click()
    page.get_by_label("Title", exact=True).fill(f"Buoy in {theme}")
    page.get_by_role("button", name="Save the title").click()
    expect(page.locator("#versions")).to_contain_text(f"Buoy in {theme}")
    found = {path: violations(opened.go(path)) for path in ("/albums/", "/tags/")}
    assert {path: what for path, what in found.items() if what} == {}

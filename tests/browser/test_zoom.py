"""The picture larger and smaller, on its own page and at the review desk."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations
from tests.harness import until

_TWO_DRAFTS = """
from django.contrib.auth.models import User
from tests.web import builders
builders.worker()
owner = User.objects.get(username="{name}")
for number in range(2):
    print("picture", builders.drafted(builders.picture(owner, size=(1200, 900))).pk)
"""


def drafted(person: Person) -> list[str]:
    output = person.desk.run("shell", "-v0", "-c", _TWO_DRAFTS.format(name=person.name)).stdout
    return [line.split()[1] for line in output.splitlines() if line.startswith("picture ")]


def width(page: Page) -> float:
    box = page.locator("[data-zoom] img").bounding_box()
    return box["width"] if box else 0.0  # between two pictures there is none for a moment


def grows(page: Page, fitted: float, times: float) -> None:
    until(lambda: abs(width(page) / fitted - times) < 0.02, what=f"the picture is {times} times as wide")


def test_it_comes_nearer_by_button_key_click_and_wheel(window: MakeWindow, person: Person) -> None:
    picture = drafted(person)[0]
    opened = window()
    opened.log_in(person)
    page = opened.go(f"/images/{picture}/")
    place, says = page.locator("[data-zoom]"), page.locator("#zoomed")
    expect(says).to_have_text("100%")
    fitted, frame = width(page), place.bounding_box()
    page.get_by_role("button", name="Larger").click()
    expect(says).to_have_text("150%")
    grows(page, fitted, 1.5)
    assert place.bounding_box() == frame, "the page below must stay where it is"
    assert violations(page) == []
    page.keyboard.press("+")
    grows(page, fitted, 2)
    page.keyboard.press("-")
    grows(page, fitted, 1.5)
    page.keyboard.press("Escape")
    grows(page, fitted, 1)
    expect(page).to_have_url(re.compile(picture))
    middle = (frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
    page.mouse.click(*middle)
    grows(page, fitted, 2)
    page.mouse.move(*middle)
    before = place.evaluate("(place) => [place.scrollLeft, place.scrollTop]")
    page.mouse.down()
    page.mouse.move(middle[0] - 60, middle[1] - 40, steps=4)
    page.mouse.up()
    assert place.evaluate("(place) => [place.scrollLeft, place.scrollTop]") == [before[0] + 60, before[1] + 40]
    grows(page, fitted, 2)
    page.mouse.click(*middle)
    grows(page, fitted, 1)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    grows(page, fitted, 2.72)
    for _ in range(5):
        page.keyboard.press("=")
    expect(says).to_have_text("400%")
    page.keyboard.press("f")
    until(lambda: page.evaluate("document.fullscreenElement?.dataset.zoom") == "", what="it fills the screen")
    page.keyboard.press("f")
    until(lambda: page.evaluate("document.fullscreenElement") is None, what="the page is back")
    expect(says).to_have_text("100%")


def test_it_fits_the_next_picture_at_the_review_desk_again(window: MakeWindow, person: Person) -> None:
    drafted(person)
    opened = window()
    opened.log_in(person)
    page = opened.go("/review/")
    first, fitted = page.locator("#desk").get_attribute("data-current"), width(page)
    page.keyboard.press("+")
    grows(page, fitted, 1.5)
    page.keyboard.press("Escape")
    grows(page, fitted, 1)
    expect(page.locator("#desk")).to_have_attribute("data-current", first)
    page.keyboard.press("+")
    grows(page, fitted, 1.5)
    page.keyboard.press("a")
    expect(page.locator("#desk")).not_to_have_attribute("data-current", first)
    grows(page, fitted, 1)
    expect(page.locator("[data-zoom]")).not_to_have_class(re.compile("near"))


def test_it_fits_pictures_that_come_to_an_empty_review_desk(window: MakeWindow, person: Person) -> None:
    opened = window()
    opened.log_in(person)
    page = opened.go("/review/")
    page.keyboard.press("+")  # there is nothing to come nearer to
    page.keyboard.press("f")
    assert page.evaluate("document.fullscreenElement") is None
    drafted(person)
    expect(page.locator("[data-zoom] img")).to_be_visible(timeout=60_000)
    first, fitted = page.locator("#desk").get_attribute("data-current"), width(page)
    page.keyboard.press("+")
    grows(page, fitted, 1.5)
    page.keyboard.press("a")
    expect(page.locator("#desk")).not_to_have_attribute("data-current", first)
    grows(page, fitted, 1)


def test_it_pans_with_arrows_once_it_is_nearer(window: MakeWindow, person: Person) -> None:
    picture = drafted(person)[0]
    opened = window(viewport={"width": 390, "height": 844})
    opened.log_in(person)
    page = opened.go(f"/images/{picture}/")
    place = page.locator("[data-zoom]")
    page.get_by_role("button", name="Larger").click()
    page.get_by_role("button", name="Larger").click()
    place.focus()
    at = place.evaluate("(place) => place.scrollLeft")
    page.keyboard.press("ArrowRight")
    until(lambda: place.evaluate("(place) => place.scrollLeft") > at, what="the picture has moved")

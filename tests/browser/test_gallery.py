"""The gallery in a browser: rows without a shift, more on the way down and up, one's place kept, ranges selected."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations
from tests.harness import Desk

_PICTURES = """
from django.contrib.auth.models import User
from tests.web import builders
person = User.objects.get(username="{name}")
for number in range(80):
    image = builders.row(person)
    image.thumbnail_width, image.thumbnail_height = (480, 320) if number % 3 else (320, 480)
    image.save(update_fields=["thumbnail_width", "thumbnail_height"])
"""
_SHIFT = """
new Promise(resolve => {
  const moved = [];
  new PerformanceObserver(list => {
    for (const one of list.getEntries()) for (const part of one.sources) {
      const element = part.node?.closest ? part.node : part.node?.parentElement;
      const [from, to] = [part.previousRect, part.currentRect];
      if (element?.closest("#sheet")) moved.push([element.className, from.x, from.y, to.x, to.y]);
    }
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(moved), 400);
})
"""


@pytest.fixture(scope="module")
def crowd(running: Desk, people: Iterator[Person]) -> Person:
    """Somebody with eighty pictures of two shapes; their files are not there, which must not matter for the layout."""
    person = next(people)
    running.run("shell", "-v0", "-c", _PICTURES.format(name=person.name))
    return person


def at_top(page: Page) -> tuple[str, float]:
    """Give the picture at the top of the window, and where it stands."""
    [image, top] = page.evaluate(
        "[...document.querySelectorAll('.frame')].map(one => [one.id, one.getBoundingClientRect()])"
        ".filter(([, box]) => box.bottom > 8).map(([id, box]) => [id, box.top])[0]"
    )
    return image, top


@pytest.fixture
def gallery(window: MakeWindow, crowd: Person) -> Page:
    """The gallery with pictures whose files nobody asks for: only the layout is looked at."""
    opened = window(reduced_motion="reduce")
    opened.page.route("**/thumbnail/", lambda route: route.fulfill(status=204))
    return opened.log_in(crowd)


def test_it_fills_every_row_to_its_edge_and_shifts_nothing(gallery: Page) -> None:
    gallery.get_by_role("button", name="Rows").click()
    assert gallery.evaluate(_SHIFT) == []
    rows = gallery.evaluate(
        "Object.values(Object.groupBy([...document.querySelectorAll('.frame')]"
        ".map(one => one.querySelector('.print').getBoundingClientRect()), box => Math.round(box.top)))"
        ".map(row => ({height: new Set(row.map(box => Math.round(box.height / 3))).size, right: row.at(-1).right}))"
    )
    assert len(rows) > 2
    edge = gallery.evaluate("document.getElementById('sheet').getBoundingClientRect().right")
    assert all(abs(row["right"] - edge) < 2 for row in rows[:-1])
    assert all(row["height"] <= 2 for row in rows)  # one height, but for rounding
    assert violations(gallery) == []
    gallery.get_by_role("button", name="Cards").click()
    expect(gallery.locator("#sheet.cards")).to_be_visible()


@pytest.mark.parametrize("way", ["reload", "back"])
def test_it_comes_back_to_where_one_was(gallery: Page, way: str) -> None:
    gallery.mouse.move(600, 500)
    for _ in range(4):
        gallery.mouse.wheel(0, 1500)
        gallery.wait_for_timeout(400)
    expect(gallery.locator(".frame")).not_to_have_count(24)
    gallery.wait_for_timeout(500)  # the address follows a moment after the last step
    image, top = at_top(gallery)
    assert "after=" in gallery.url
    if way == "reload":
        gallery.reload()
    else:
        gallery.goto(f"{gallery.url.partition('?')[0]}trash/")
        gallery.go_back()
    gallery.wait_for_timeout(800)
    again, now = at_top(gallery)
    assert again == image
    assert abs(now - top) < 3
    gallery.mouse.move(600, 500)
    for _ in range(8):
        gallery.mouse.wheel(0, -1500)
        gallery.wait_for_timeout(300)
    numbers = gallery.locator(".frame .number").all_inner_texts()
    assert numbers == sorted(set(numbers), key=int, reverse=True)  # none lost, none twice
    assert numbers[0] == "80"


def test_it_selects_a_range_with_shift(gallery: Page) -> None:
    boxes = gallery.locator(".pick input")
    boxes.nth(1).click()
    boxes.nth(5).click(modifiers=["Shift"])
    expect(gallery.locator("#bulk-count")).to_have_text("5 pictures selected")
    boxes.nth(3).click()
    expect(gallery.locator("#bulk-count")).to_have_text("4 pictures selected")


def test_it_needs_little_before_the_pictures(gallery: Page) -> None:
    fresh = gallery.context.browser.new_context(storage_state=gallery.context.storage_state())
    try:
        page = fresh.new_page()
        asked = []
        page.route("**/thumbnail/", lambda route: route.fulfill(status=204))
        page.on("requestfinished", lambda request: asked.append((request, request.sizes()["responseBodySize"])))
        page.goto(gallery.url)
        page.wait_for_selector(".frame")
        page.wait_for_load_state("load")
        page.evaluate("document.fonts.ready")
    finally:
        fresh.close()
    ours = [(one.url, size) for one, size in asked if one.resource_type not in {"image", "eventsource", "fetch", "xhr"}]
    assert len(ours) <= 12, [url for url, _ in ours]
    code = [(url, size) for url, size in ours if "/static/" in url]
    assert 20_000 < sum(size for _, size in code) <= 150_000, code

"""Every page for everybody: no barrier that axe finds, in both themes, on a wide and a narrow screen."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import MakeWindow, Person
from tests.harness import Desk, until
from tests.web.test_gallery import LOOKS

_STATES = """
from django.contrib.auth.models import User
from tests.web import builders
for look, image in builders.every_state(User.objects.get(username="{name}"), builders.picture).items():
    print("picture", look, image.pk)
"""
Pictures = tuple[Person, dict[str, str]]
#: How far the page's parts have moved by themselves since it was opened.
SHIFTS = """() => new Promise((told) => {
  new PerformanceObserver((seen) => told(seen.getEntries().reduce((sum, one) => sum + one.value, 0)))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => told(0), 500);
})"""


def come_late(route: Route) -> None:
    """Let a file arrive after the page has been drawn: over a slow line, that is when fonts come."""
    time.sleep(0.4)
    route.continue_()


@pytest.fixture(scope="module")
def pictures(running: Desk, people: Iterator[Person]) -> Pictures:
    """Somebody with a picture in every state."""
    person = next(people)
    output = running.run("shell", "-v0", "-c", _STATES.format(name=person.name)).stdout
    lines = [line.split() for line in output.splitlines() if line.startswith("picture ")]
    return person, {look: key for _, look, key in lines}


def violations(page: Page) -> list[str]:
    """Give what axe finds, with the elements it is about."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['html'][:150] for node in one['nodes']]}" for one in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_has_no_barrier_on_any_page(window: MakeWindow, pictures: Pictures, theme: str, width: int) -> None:
    person, ids = pictures
    opened = window(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    outside = ("/accounts/login/", "/accounts/password/reset/", "/accounts/signup/", "/nowhere/")
    pages = [
        "/", "/?show=draft", "/trash/", "/account/", "/account/tokens/", "/accounts/password/change/",
        "/accounts/email/", "/accounts/logout/", "/accounts/reauthenticate/",
        *(f"/images/{ids[look]}/" for look in ("draft", "edited", "failed", "run", "empty")),
        f"/images/{ids['draft']}/?do=edit", f"/images/{ids['draft']}/?do=reject",
    ]  # fmt: skip
    found: dict[str, list[str]] = {}
    for path in outside:
        found[path] = violations(opened.go(path))
    opened.log_in(person)
    for path in pages:
        page = opened.go(path)
        found[path] = violations(page)
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{path} is {too_wide} px wider than {width} px"
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(("density", "kind"), [(1, "thumbnail"), (2, "medium")])
def test_it_shows_a_sharp_picture_that_moves_nothing(
    window: MakeWindow, person: Person, density: int, kind: str
) -> None:
    file = io.BytesIO()
    Image.effect_mandelbrot((1600, 1200), (-2.0, -1.2, 1.2, 1.2), 60).convert("RGB").save(file, "JPEG")
    with person.desk.client(person.token) as client:
        assert client.post("/api/v1/images/", files=[("file", ("a.jpg", file.getvalue(), "image/jpeg"))]).is_success
    opened = window(device_scale_factor=density)
    opened.page.route("**/*.woff2", come_late)
    page = opened.log_in(person)
    picture = page.locator("#sheet .print img")
    # Not wait_for_function: it evaluates words in the page, which the page's policy forbids.
    until(lambda: picture.evaluate("(picture) => picture.complete"), seconds=30, what="the picture is there")
    assert str(picture.evaluate("(picture) => picture.currentSrc")).endswith(f"/{kind}/")
    assert picture.evaluate("(picture) => picture.clientWidth") in range(240, 420)
    assert page.evaluate(SHIFTS) == 0


def test_it_shows_every_state_of_a_card(window: MakeWindow, pictures: Pictures) -> None:
    page = window().log_in(pictures[0])
    looks = page.locator(".slot").evaluate_all("slots => slots.map((slot) => slot.dataset.look)")
    assert looks == LOOKS
    for slot in page.locator(".slot").all():
        expect(slot.locator(".prov")).not_to_be_empty()


def test_it_switches_the_theme_and_remembers_it(window: MakeWindow, pictures: Pictures) -> None:
    page = window(color_scheme="light").log_in(pictures[0])
    with page.expect_response("**/preferences/"):
        page.get_by_role("button", name="Dark theme").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    expect(page.get_by_role("button", name="Light theme")).to_be_focused()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"

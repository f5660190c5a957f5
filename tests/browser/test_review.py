"""The review desk in a real browser: single keys, the next picture at once, and nothing that anybody typed is lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations
from tests.harness import Desk, until


@pytest.fixture(scope="module")
def running(own_desk: Desk) -> Desk:
    """A desk of this file's own: its reviewers see every draft."""
    return own_desk


_FILL = """
from django.contrib.auth.models import Group, User
from captions.models import Image
from tests import factories
user = User.objects.get(username="{name}")
if {reviewer}:
    user.groups.add(Group.objects.get(name="reviewers"))
for number in range({count}):
    image = factories.make_image(user, files=True, filename=f"boat-{{number}}.jpg")
    factories.make_drafts(image, *[f"boat {{number}}, draft {{rank}}" for rank in range(1, 4)])
    print("picture", image.pk)
"""
_TAKE = """
from django.contrib.auth.models import Group, User
from captions import review, review_queue
from captions.models import Image, ReviewLease
from captions.models.clock import DatabaseTime
image = Image.objects.get(pk="{image}")
if {decides}:
    review.reject(image=image, reviewer=image.owner, reason="vague")
else:
    other = User.objects.get(username="{name}")
    ReviewLease.objects.update_or_create(image=image, defaults={{"reviewer": other, "until": DatabaseTime(after=600)}})
"""
Fill = Callable[..., list[str]]


@pytest.fixture
def fill(running: Desk) -> Fill:
    """Give somebody drafts: `fill(person, 5)`, three alternatives each; gives the pictures' ids."""

    def make(person: Person, count: int, *, reviewer: bool = False) -> list[str]:
        code = _FILL.format(name=person.name, count=count, reviewer=reviewer)
        lines = running.run("shell", "-v0", "-c", code).stdout.splitlines()
        return [line.split()[1] for line in lines if line.startswith("picture ")]

    return make


def open_desk(page: Page, ready: int) -> Page:
    """Open the desk, and wait until so many further pictures are there."""
    page.goto(re.sub(r"^(https?://[^/]+).*", r"\1/review/", page.url))
    expect(page.locator("#film [data-film]:has(.dot.draft)")).to_have_count(ready)
    return page


def on(page: Page, number: int) -> None:
    expect(page.locator("#slip-h")).to_have_text(f"Review picture {number}")


def state(person: Person, image: str) -> tuple[str, str | None]:
    with person.desk.client(person.token) as client:
        told = client.get(f"/api/v1/images/{image}/").json()
    return told["state"], (told["published_caption"] or {}).get("text")


def test_it_is_worked_by_single_keys_alone(window: MakeWindow, person: Person, fill: Fill) -> None:
    ids = fill(person, 6)
    page = open_desk(window().log_in(person), 6)
    keys = page.keyboard
    on(page, 1)
    keys.press("2")
    keys.press("a")
    on(page, 2)
    keys.press("x")
    keys.press("3")
    on(page, 3)
    keys.press("s")
    on(page, 4)
    keys.press("e")
    keys.press("Control+a")
    keys.type("A boat that a person described.")
    keys.press("Control+Enter")
    on(page, 5)
    expect(page.locator("#far")).to_have_text("3 of 6")
    until(lambda: state(person, ids[3])[0] == "approved", what="the edit arrived")
    assert [state(person, image) for image in ids[:4]] == [
        ("approved", "boat 0, draft 2"),
        ("rejected", None),
        ("draft", None),
        ("approved", "A boat that a person described."),
    ]
    for back in (4, 2, 1):
        keys.press("z")
        on(page, back)
    until(lambda: all(state(person, image)[0] == "draft" for image in ids), what="everything is taken back")
    keys.press("a")
    on(page, 2)
    until(lambda: state(person, ids[0]) == ("approved", "boat 0, draft 2"), what="a decision after an undo counts")
    for following in (4, 5, 6, 3):  # what was skipped comes last
        keys.press("a")
        on(page, following)
    keys.press("a")
    expect(page.locator("#slip-h")).to_have_text("Every draft has a decision.")
    until(lambda: all(state(person, image)[0] == "approved" for image in ids), what="everything is approved")
    fill(person, 1)
    on(page, 7)  # a new draft comes by itself


def test_it_brings_words_back_when_somebody_else_has_the_picture(
    window: MakeWindow, people: Iterator[Person], fill: Fill
) -> None:
    person, other = next(people), next(people)
    ids = fill(person, 4)
    page = open_desk(window().log_in(person), 4)
    person.desk.run("shell", "-v0", "-c", _TAKE.format(image=ids[0], name=other.name, decides=False))
    page.keyboard.press("e")
    page.keyboard.press("Control+a")
    page.keyboard.type("Words that nobody may lose.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="somebody else has it now")).to_be_visible()
    on(page, 1)
    expect(page.locator("#typed")).to_have_value("Words that nobody may lose.")
    expect(page.locator("#far")).to_have_text("0 of 4")
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    on(page, 2)
    person.desk.run("shell", "-v0", "-c", _TAKE.format(image=ids[1], name=other.name, decides=True))
    page.keyboard.press("a")
    expect(page.get_by_role("alert").filter(has_text="Somebody decided on this picture")).to_be_visible()
    on(page, 2)
    assert state(person, ids[1]) == ("rejected", None)


def test_it_tries_again_and_brings_the_decision_back_when_the_desk_does_not_answer(
    window: MakeWindow, person: Person, fill: Fill
) -> None:
    ids = fill(person, 4)
    opened = window()
    page = open_desk(opened.log_in(person), 4)
    page.route("**/decide/", lambda route: route.abort(), times=1)
    page.keyboard.press("a")
    on(page, 2)
    expect(page.locator("#trouble")).to_contain_text("Your decisions are kept and sent again.")
    expect(page.locator("#trouble")).to_be_empty()
    until(lambda: state(person, ids[0])[0] == "approved", what="it is sent again")
    page.route("**/decide/", lambda route: route.abort())
    page.keyboard.press("x")
    page.keyboard.press("1")
    page.keyboard.press("a")
    on(page, 4)
    expect(page.get_by_role("alert").filter(has_text="The desk did not answer")).to_be_visible(timeout=20_000)
    on(page, 2)
    page.unroute("**/decide/")
    page.keyboard.press("a")
    on(page, 3)
    page.keyboard.press("a")
    on(page, 4)
    until(lambda: all(state(person, image)[0] == "approved" for image in ids[:3]), what="both are decided")
    opened.complaints[:] = [one for one in opened.complaints if "net::ERR_FAILED" not in one]


def test_it_never_shows_two_people_the_same_picture(window: MakeWindow, people: Iterator[Person], fill: Fill) -> None:
    rita, rob = next(people), next(people)
    fill(rita, 14, reviewer=True)
    fill(rob, 0, reviewer=True)
    first = open_desk(window().log_in(rita), 11)
    second = window().log_in(rob)
    second.goto(first.url)
    expect(second.locator("#film [data-film]:has(.dot.draft)").nth(2)).to_be_visible()

    def held(page: Page) -> set[str]:
        return set(
            page.locator("#film [data-film]:has(.dot.draft)").evaluate_all("all => all.map(o => o.dataset.film)")
        )

    assert not held(first) & held(second)
    before = held(first)
    first.keyboard.press("Escape")  # leaving gives back at once
    first.wait_for_url("**/")
    for _ in range(2):
        second.keyboard.press("a")
    until(lambda: held(second) & before, what="the other one is handed what was given back")


def test_it_helps_shows_the_whole_picture_and_obeys_the_mouse(window: MakeWindow, person: Person, fill: Fill) -> None:
    ids = fill(person, 3)
    page = open_desk(window().log_in(person), 3)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    on(page, 1)
    page.keyboard.press("f")
    until(lambda: page.evaluate("document.fullscreenElement?.className") == "mat", what="the picture fills the screen")
    page.keyboard.press("a")
    on(page, 2)
    assert page.evaluate("document.fullscreenElement?.className") == "mat"
    page.keyboard.press("f")
    page.get_by_role("button", name="Reject").click()
    page.get_by_role("button", name="Too vague").click()
    on(page, 3)
    page.locator("[data-undo]").locator("visible=true").first.click()
    on(page, 2)
    page.get_by_role("button", name="Skip").click()
    on(page, 3)
    until(lambda: state(person, ids[0])[0] == "approved", what="the approval arrived")
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile(r"/$"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_has_no_barrier(window: MakeWindow, people: Iterator[Person], fill: Fill, theme: str, width: int) -> None:
    person = next(people)
    fill(person, 3)
    opened = window(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    page = open_desk(opened.log_in(person), 3)
    found = {"draft": violations(page)}
    page.keyboard.press("a")
    page.keyboard.press("e")
    found["edit"] = violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    found["reject"] = violations(page)
    page.keyboard.press("1")
    page.keyboard.press("?")
    found["keys"] = violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(page.locator("#slip-h")).to_have_text("Every draft has a decision.")
    found["nothing left"] = violations(page)
    for path in ("/review/", "/review/summary/"):
        page = opened.go(path)
        found[path] = violations(page)
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{path} is {too_wide} px wider than {width} px"
    assert {path: what for path, what in found.items() if what} == {}

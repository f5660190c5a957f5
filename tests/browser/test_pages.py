"""Every page for everybody: no barrier that axe finds, in both themes, on a wide and a narrow screen."""

from __future__ import annotations

import io
from collections.abc import Iterator
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image as Picture
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakeWindow, Person
from tests.harness import Desk

# One picture in every state a card can have, through the services that make them; prints each with its number.
_STATES = """
import hashlib
from django.contrib.auth.models import User
from django.utils import timezone
from datetime import timedelta
from captions import ingest, jobs, ledger, review
from captions.drafts import Draft
from captions.models import Image, Worker
from captions.params import GenerationParams
from PIL import Image as Picture
import io

owner = User.objects.get(username="{name}")
Worker.objects.update_or_create(name="shown", defaults=dict(
    state="ready", model="demo", is_demo=True, notice="A demo model is answering.", seconds_per_image=0.8,
    seen_at=timezone.now() + timedelta(hours=1)))

def picture(number):
    file = io.BytesIO()
    Picture.new("RGB", (320, 240), (number * 20, 255 - number * 20, 128)).save(file, "PNG")
    file.seek(0)
    image = ingest.receive(owner=owner, file=file, filename=f"picture-{{number}}.png").image
    print("picture", image.pk)
    return image

def hold(image, **params):
    jobs.request(image=image, chosen=params)
    [job] = jobs.claim(limit=1, worker="shown", models=["demo"], lease_seconds=3600)
    return job

def draft(image, *texts):
    job = hold(image, num_captions=len(texts))
    drafts = [Draft(text, -0.1 * place) for place, text in enumerate(texts)]
    jobs.complete(job_id=job.pk, attempt=job.attempt, candidates=drafts, model="demo", revision="0123456789",
                  params=GenerationParams(num_captions=len(texts)), seed=1)
    image.refresh_from_db()
    return image

drafted = draft(picture(1), "A red ring on a blue background.", "A red circle.", "A ring.")
review.approve(image=draft(picture(2), "A green star."), reviewer=owner)
review.edit(image=draft(picture(3), "A small star."), reviewer=owner, text="A large star.")
review.reject(image=draft(picture(4), "Two stars."), reviewer=owner, reason="count")
failed = hold(picture(5))
jobs.fail(job_id=failed.pk, attempt=failed.attempt, code="poison_image", worker_fault="input")
jobs.cancel(job=jobs.request(image=picture(6), chosen={{}}).job, by=owner)
hold(picture(7))
jobs.request(image=picture(8), chosen={{}})
jobs.request(image=picture(9), chosen={{}}, model="another-model")
picture(10)
"""


@pytest.fixture(scope="module")
def pictures(running: Desk, people: Iterator[Person]) -> tuple[Person, list[UUID]]:
    """Somebody with a picture in every state."""
    person = next(people)
    output = running.run("shell", "-v0", "-c", _STATES.format(name=person.name)).stdout
    return person, [UUID(line.split()[1]) for line in output.splitlines() if line.startswith("picture ")]


def violations(page: Page) -> list[str]:
    """Give what axe finds, with the elements it is about."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['html'][:150] for node in one['nodes']]}" for one in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_has_no_barrier_on_any_page(
    window: MakeWindow, pictures: tuple[Person, list[UUID]], theme: str, width: int
) -> None:
    person, ids = pictures
    opened = window(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    outside = ("/accounts/login/", "/accounts/password/reset/", "/accounts/signup/", "/nowhere/")
    pages = [
        "/", "/?show=draft", "/trash/", "/account/", "/account/tokens/", "/accounts/password/change/",
        "/accounts/email/", "/accounts/logout/", "/accounts/reauthenticate/",
        *(f"/images/{ids[place]}/" for place in (0, 2, 4, 6, 9)),
        f"/images/{ids[0]}/?do=edit", f"/images/{ids[0]}/?do=reject",
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


def test_it_shows_every_state_of_a_card(window: MakeWindow, pictures: tuple[Person, list[UUID]]) -> None:
    page = window().log_in(pictures[0])
    looks = page.locator(".slot").evaluate_all("slots => slots.map((slot) => slot.dataset.look)")
    assert looks == [
        "empty",
        "wait",
        "queue",
        "run",
        "cancelled",
        "failed",
        "rejected",
        "approved",
        "approved",
        "draft",
    ]
    for slot in page.locator(".slot").all():
        expect(slot.locator(".prov")).not_to_be_empty()


def test_it_switches_the_theme_and_remembers_it(window: MakeWindow, pictures: tuple[Person, list[UUID]]) -> None:
    page = window(color_scheme="light").log_in(pictures[0])
    with page.expect_response("**/preferences/"):
        page.get_by_role("button", name="Dark theme").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    expect(page.get_by_role("button", name="Light theme")).to_be_focused()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def polyglots() -> list[tuple[str, bytes]]:
    """Give thirty pictures that are also, or pretend to be, something a browser would run."""
    plain = {}
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"):
        file = io.BytesIO()
        Picture.new("RGB", (64, 48), (10 * len(plain), 90, 160)).save(file, kind)
        plain[kind] = file.getvalue()
    script = b"<script>parent.ran=1;window.ran=1;document.title='ran'</script>"
    tails = {
        "html": b"<html><body onload=window.ran=1>" + script + b"</body></html>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.ran=1">' + script + b"</svg>",
        "xml": b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">' + script + b"</html>",
        "js": b"*/=1;window.ran=1;document.title='ran';//",
        "xss": b'"><img src=x onerror="window.ran=1">' + script,
    }
    names = {
        "html": "page.html",
        "svg": "drawing.svg",
        "xml": "page.xhtml",
        "js": "code.js",
        "xss": '"><script>x</script>.htm',
    }
    return [(names[tail], plain[kind] + tails[tail]) for kind in plain for tail in tails]


def test_it_runs_nothing_that_hides_in_a_picture(window: MakeWindow, people: Iterator[Person]) -> None:
    person = next(people)
    files = polyglots()
    assert len(files) == 30
    taken = []
    with person.desk.client(person.token) as client:
        for name, content in files:
            answer = client.post("/api/v1/images/", files=[("file", (name, content, "text/html"))])
            assert answer.status_code in (200, 201, 400, 415), answer.text
            if answer.status_code == 201:
                taken.append(answer.json()["id"])
    assert len(taken) >= 20  # the rest is refused, which is as good
    opened = window()
    page = opened.log_in(person)
    ran = []
    for image_id in taken:
        for kind in ("thumbnail", "screen"):
            page.goto(f"{opened.url}/images/{image_id}/{kind}/")
            ran.append(page.evaluate("window.ran === 1 || document.title === 'ran'"))
        answer = page.request.get(f"{opened.url}/images/{image_id}/original/")
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].startswith("image/")
    opened.complaints.clear()  # the browser's own viewer of pictures styles itself, which our policy forbids it
    opened.go("/")
    ran.append(opened.page.evaluate("window.ran === 1"))
    assert not any(ran)

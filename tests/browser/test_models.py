"""Choosing a model in the panel of a picture."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations
from tests.harness import Desk


@pytest.fixture(scope="module")
def running(own_desk: Desk) -> Desk:
    """A desk of this file's own: it has workers."""
    return own_desk


_TWO_MODELS = """
from django.contrib.auth.models import User
from tests.web import builders
builders.worker(defaults={{"max_length": 16}})
builders.worker(name="second", model="some/model", title="Second model", is_demo=False, takes_any=False,
                defaults={{"max_length": 30}})
print("picture", builders.drafted(builders.picture(User.objects.get(username="{name}"))).pk)
"""

# What the event stream does when it is quicker than the answer: the button that was pressed leaves the page.
NEWS_COMES_BEFORE_THE_ANSWER = """() => document.addEventListener("htmx:beforeSend", () => {
  const models = document.getElementById("models");
  models.replaceWith(models.cloneNode(true));
}, { once: true })"""


def test_it_shows_the_chosen_model_s_values_and_keeps_focus_and_what_was_moved(
    window: MakeWindow, person: Person
) -> None:
    output = person.desk.run("shell", "-v0", "-c", _TWO_MODELS.format(name=person.name)).stdout
    picture = next(line.split()[1] for line in output.splitlines() if line.startswith("picture "))
    opened = window(reduced_motion="reduce")
    opened.log_in(person)
    page = opened.go(f"/images/{picture}/")
    model, length, drafts = (
        page.get_by_label("Model", exact=True),
        page.locator("#knob-max_length"),
        page.locator("#knob-num_captions"),
    )
    expect(length).to_have_value("16")
    drafts.fill("3")
    model.focus()
    model.select_option(label="Second model")
    expect(length).to_have_value("30")
    expect(drafts).to_have_value("3")
    expect(page.get_by_role("button", name="Draft 3 captions")).to_be_visible()
    expect(model).to_be_focused()
    assert violations(page) == []
    page.get_by_role("button", name="Draft 3 captions").click()
    expect(page.get_by_text("went into the queue")).to_be_visible()
    with person.desk.client(person.token) as client:
        newest = client.get("/api/v1/jobs/").json()["results"][0]
    assert (newest["model"], newest["chosen"]) == ("some/model", {"num_captions": 3})
    assert newest["params"]["max_length"] == 30


def test_it_asks_every_model_and_shows_them_side_by_side(window: MakeWindow, person: Person) -> None:
    output = person.desk.run("shell", "-v0", "-c", _TWO_MODELS.format(name=person.name)).stdout
    picture = next(line.split()[1] for line in output.splitlines() if line.startswith("picture "))
    opened = window(reduced_motion="reduce")
    opened.log_in(person)
    page = opened.go(f"/images/{picture}/")
    columns = page.locator(".versus > li")
    expect(columns).to_have_count(0)
    page.get_by_label("Model", exact=True).select_option(label="Each of them, side by side")
    page.get_by_role("button", name="Draft 1 caption").click()
    expect(columns).to_have_count(2)  # without loading the page again
    expect(columns.nth(0)).to_contain_text("A red ring on a blue background.")
    expect(columns.nth(1)).to_contain_text("Waits in the queue.")
    assert violations(page) == []
    page.evaluate(NEWS_COMES_BEFORE_THE_ANSWER)
    columns.nth(0).get_by_role("button", name="Approve these words").click()
    expect(page.locator("#toast")).to_contain_text("Approved")
    expect(columns.nth(0)).to_contain_text("Approved")
    expect(page.locator(".current .state")).to_have_text("Approved")

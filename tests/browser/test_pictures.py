"""What people do with pictures, in a real browser before web server, worker and demo model as processes."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import MakeWindow, Person, until_ready
from tests.harness import Desk, desk
from worker.demo.scenes import jpeg, make_scene


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with web server and worker."""
    with desk(tmp_path_factory.mktemp("desk")) as made:
        made.start_web()
        made.start_worker()
        until_ready(made)
        yield made


def file_of(seed: int) -> dict[str, object]:
    """Give a drawn scene as a file that a browser can be handed."""
    return {"name": f"scene-{seed}.jpg", "mimeType": "image/jpeg", "buffer": jpeg(make_scene(seed))}


def drop(page: Page, *seeds: int) -> None:
    """Drop files onto the page, as a drag from a folder does."""
    files = [[f"scene-{seed}.jpg", base64.b64encode(jpeg(make_scene(seed))).decode()] for seed in seeds]
    page.evaluate(
        """(files) => {
          const transfer = new DataTransfer();
          for (const [name, base64] of files) {
            const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
          }
          const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
          for (const type of ["dragenter", "dragover", "drop"])
            document.body.dispatchEvent(new DragEvent(type, options));
        }""",
        files,
    )


def card(page: Page, number: int) -> Locator:
    """Give the card of a picture by the number people see."""
    return page.locator("#sheet > .frame", has=page.locator(".number", has_text=re.compile(f"^{number}$")))


def words(page: Page, number: int) -> Locator:
    """Give the part of a card that holds its words."""
    return card(page, number).locator(".slot")


def test_it_fills_in_the_captions_of_dropped_pictures_without_reloading(window: MakeWindow, person: Person) -> None:
    page = window().log_in(person)
    page.evaluate("window.stayed = true")
    drop(page, 101, 102)
    for number in (1, 2):
        expect(words(page, number)).to_have_attribute("data-look", "draft", timeout=60_000)
    shown = {words(page, number).locator(".words").inner_text() for number in (1, 2)}
    assert len(shown) == 2
    assert all(shown)
    assert page.evaluate("window.stayed")
    expect(page.locator("#chips .chip", has_text="Draft")).to_contain_text("2")
    expect(page.locator("#news")).to_contain_text(re.compile("arrived|added"))


def test_it_keeps_adding_when_one_file_cannot_be_read(window: MakeWindow, person: Person) -> None:
    page = window().log_in(person)
    broken = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": jpeg(make_scene(103))[:400]}
    page.locator("#files").set_input_files([broken, file_of(104), file_of(105), file_of(106), file_of(107)])
    expect(page.locator("#sheet > .frame")).to_have_count(4)
    expect(page.locator("#adding-sum")).to_have_text("4 of 5 pictures added. 1 could not be added.")
    expect(page.locator("#adding-list > li")).to_contain_text("This file stops half way, so it cannot be read.")
    numbers = page.locator("#sheet > .frame .number").all_inner_texts()
    assert numbers == ["4", "3", "2", "1"]
    page.locator("#files").set_input_files([file_of(104)])
    expect(page.locator("#adding-list")).to_contain_text("You already have this picture. It is number")


def test_it_decides_by_keys_alone(window: MakeWindow, person: Person) -> None:
    person.scenes(110, 3)
    page = window().log_in(person)
    page.keyboard.press("j")
    expect(card(page, 3)).to_have_attribute("aria-current", "true")
    page.keyboard.press("a")
    expect(words(page, 3)).to_have_attribute("data-look", "approved")
    expect(page.locator("#toast")).to_contain_text("Approved picture 3.")
    expect(card(page, 2)).to_have_attribute("aria-current", "true")
    expect(card(page, 2).locator(".print")).to_be_focused()

    page.keyboard.press("e")
    editor = card(page, 2).locator("textarea.caption")
    expect(editor).to_be_focused()
    page.keyboard.type(" Words with a j, an a and an x in them.")
    page.keyboard.press("Control+Enter")
    expect(words(page, 2)).to_have_attribute("data-look", "approved")
    expect(words(page, 2).locator(".words")).to_have_text(re.compile("\\w Words with a j, an a and an x in them.$"))
    expect(card(page, 1)).to_have_attribute("aria-current", "true")

    page.keyboard.press("x")
    expect(card(page, 1).locator("[data-reasons] button").first).to_be_focused()
    page.keyboard.press("2")
    expect(words(page, 1)).to_have_attribute("data-look", "rejected")
    expect(words(page, 1)).to_contain_text("Rejected by you: wrong count")
    page.keyboard.press("z")
    expect(words(page, 1)).to_have_attribute("data-look", "draft")


def test_it_leaves_the_keys_dead_when_they_are_turned_off(window: MakeWindow, person: Person) -> None:
    person.scenes(115, 1)
    page = window().log_in(person)
    page.keyboard.press("?")
    with page.expect_response("**/preferences/"):
        page.get_by_role("button", name="Turn single keys off").click()
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("j")
    expect(page.locator("[aria-current=true].frame")).to_have_count(0)
    page.reload()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_hidden()
    page.get_by_role("button", name="all keys").click()
    page.get_by_role("button", name="Turn single keys on").click()
    page.keyboard.press("j")
    expect(card(page, 1)).to_have_attribute("aria-current", "true")


def test_it_captions_again_with_parameters(window: MakeWindow, person: Person) -> None:
    [image] = person.scenes(120, 1)
    opened = window()
    opened.log_in(person)
    page = opened.go(f"/images/{image['id']}/")
    boldness = page.get_by_label("Boldness", exact=True)
    expect(boldness).to_be_disabled()
    page.get_by_text("Varied").click()
    expect(boldness).to_be_enabled()
    page.get_by_text("Careful").click()
    expect(boldness).to_be_disabled()
    page.get_by_label("Drafts", exact=True).fill("3")
    page.get_by_role("button", name="Draft 3 captions").click()
    expect(page.locator(".alts li")).to_have_count(3, timeout=60_000)
    expect(page.locator("#versions")).to_contain_text("3 drafts from the demo captioner")
    expect(page.locator("#words-h")).to_have_text("Picture 1: Draft")
    page.keyboard.press("2")
    expect(page.get_by_role("button", name="Approve draft 2")).to_be_visible()
    chosen = page.locator(".alts li").nth(1).locator(".words").inner_text()
    page.keyboard.press("a")
    expect(page.locator("#words-h")).to_have_text(re.compile("Approved"))
    expect(page.locator(".current .caption")).to_have_text(chosen)
    page.get_by_role("button", name="Take back approval").click()
    expect(page.locator("#words-h")).to_have_text(re.compile("Draft"))


def test_it_refuses_contradicting_parameters_above_the_field(window: MakeWindow, person: Person) -> None:
    [image] = person.scenes(121, 1)
    opened = window()
    opened.log_in(person)
    page = opened.go(f"/images/{image['id']}/")
    # The script keeps the width above the drafts; somebody without it, or with an old page, can still send this.
    for name, value in (("num_beams", 2), ("num_captions", 5)):
        page.locator(f"[name={name}]").evaluate("(slider, value) => { slider.value = value }", value)
    page.get_by_role("button", name=re.compile("^Draft ")).click()
    expect(page.locator("#panel .wrong")).to_contain_text("One setting cannot be used.")
    expect(page.locator(".knob.bad")).to_contain_text("Choose at least 5, the number of drafts")


def test_it_fills_in_by_polling_while_events_are_off(window: MakeWindow, person: Person) -> None:
    opened = window()
    opened.page.route("**/events/", lambda route: route.fulfill(status=204))
    page = opened.log_in(person)
    drop(page, 130)
    expect(words(page, 1)).to_have_attribute("data-look", "draft", timeout=60_000)


def test_it_deletes_and_brings_back(window: MakeWindow, person: Person) -> None:
    [image] = person.scenes(135, 1)
    opened = window()
    opened.log_in(person)
    page = opened.go(f"/images/{image['id']}/")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#toast")).to_contain_text("Picture 1 is in the trash.")
    expect(page.locator("#sheet > .frame")).to_have_count(0)
    page.keyboard.press("z")
    expect(page.locator("#toast")).to_contain_text("Picture 1 is back.")
    expect(card(page, 1)).to_be_visible()
    card(page, 1).get_by_label("Select picture 1").check()
    expect(page.locator("#bulk-count")).to_have_text("1 picture selected")
    page.locator("#bulk").get_by_role("button", name="Delete").click()
    page.locator("header details.menu summary").click()
    page.get_by_role("link", name="Trash").click()
    page.get_by_role("button", name="Bring it back picture 1").click()
    expect(page.locator("#toast")).to_contain_text("Picture 1 is back.")


def test_it_leaves_an_open_editor_alone_when_drafts_arrive(window: MakeWindow, person: Person) -> None:
    [image] = person.scenes(140, 1)
    page = window().log_in(person)
    page.keyboard.press("j")
    page.keyboard.press("e")
    editor = card(page, 1).locator("textarea.caption")
    editor.fill("Half a sentence that nobody may take")
    with person.desk.client(person.token) as client:
        answer = client.post(f"/api/v1/images/{image['id']}/jobs/?wait=60", json={"num_captions": 2})
        assert answer.status_code == 201, answer.text
    page.evaluate("window.desk.fetch([document.querySelector('[data-editor]').closest('[data-image]').dataset.image])")
    page.wait_for_timeout(500)  # an answer that must change nothing has no sign to wait for
    expect(editor).to_have_value("Half a sentence that nobody may take")
    expect(editor).to_be_focused()


def test_it_works_without_script(window: MakeWindow, person: Person) -> None:
    page = window(java_script_enabled=False).log_in(person)
    page.locator("#files").set_input_files([file_of(150), file_of(151)])
    page.get_by_role("button", name="Add pictures", exact=True).click()
    expect(page.locator("#toast")).to_contain_text("2 pictures added.")
    page.get_by_role("link", name="Write it by hand").or_(page.locator("#sheet .print")).first.click()
    page.get_by_role("link", name="Write it by hand").click()
    page.locator("textarea.caption").fill("Words written without any script.")
    page.get_by_role("button", name="Save and approve").click()
    expect(page.locator(".current .caption")).to_have_text("Words written without any script.")
    expect(page.locator("#words-h")).to_have_text(re.compile("Approved"))

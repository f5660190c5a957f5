"""German in a real browser: scripts speak it too, and longer words break no page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PASSWORD, MakeWindow, Person
from worker.demo.scenes import jpeg, make_scene

PAGES = (
    "/",
    "/review/",
    "/search/",
    "/lab/new/",
    "/imports/",
    "/account/",
    "/account/tokens/",
    "/account/webhooks/",
    "/trash/",
    "/albums/",
)


@pytest.mark.parametrize("width", [390, 1280])
def test_it_speaks_german_to_a_german_browser(window: MakeWindow, person: Person, width: int) -> None:
    desk = window(locale="de-DE", viewport={"width": width, "height": 900})
    page = desk.go("/accounts/login/")
    page.get_by_label("Benutzername oder E-Mail-Adresse").fill(person.name)
    page.get_by_label("Passwort", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Anmelden").click()
    page.wait_for_url(f"{desk.url}/")
    picture = {"name": "scene.jpg", "mimeType": "image/jpeg", "buffer": jpeg(make_scene(width))}
    page.locator("#files").set_input_files(picture)
    page.get_by_label("Bild 1 auswählen").check()
    expect(page.locator("#bulk-count")).to_have_text("1 Bild ausgewählt")
    for path in PAGES:
        desk.go(path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path
    desk.go("/")
    page.locator("#sheet .print").click()
    preset = page.get_by_text("Abwechslungsreich")
    if not preset.is_visible():  # a narrow screen begins with the panel closed
        page.locator("#again-h").click()
    preset.click()
    expect(page.locator("output[for=knob-top_p]")).to_have_text("0,90")
    expect(page.locator("[data-go-label]")).to_have_text("3 Beschreibungen entwerfen")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_it_changes_the_language_under_account(window: MakeWindow, person: Person) -> None:
    desk = window()
    page = desk.log_in(person)
    desk.go("/account/")
    page.get_by_label("Language").select_option("de")
    page.get_by_role("button", name="Use this language").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("heading", level=1)).to_have_text("Konto")
    desk.go("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Bilder")

"""Exports as downloads of a real browser from the async server."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.conftest import MakeWindow, Person
from tests.browser.test_pages import violations

_PICTURES = """
from django.contrib.auth.models import User
from tests.web import builders
builders.worker()
owner = User.objects.get(username="{name}")
for text in ("a red ring", "a blue star", "a green box"):
    builders.drafted(builders.picture(owner), text)
"""


def download(page: Page, words: str) -> Path:
    """Press an entry of the export menu that is open, and give the file that comes."""
    with page.expect_download() as coming:
        page.get_by_text(words).locator("visible=true").click()
    assert coming.value.failure() is None
    return coming.value.path()


def test_it_saves_what_is_selected_or_all(window: MakeWindow, person: Person) -> None:
    person.desk.run("shell", "-v0", "-c", _PICTURES.format(name=person.name))
    page = window().log_in(person)
    page.get_by_label("Select picture 1", exact=True).check()
    page.get_by_label("Select picture 3", exact=True).check()
    bulk = page.locator("#bulk")
    bulk.get_by_text("Export").click()
    assert violations(page) == []
    with zipfile.ZipFile(download(page, "Pictures and words (ZIP)")) as packed:
        assert packed.testzip() is None
        assert [name[:16] for name in packed.namelist()] == [
            "pictures/000001 ",
            "pictures/000003 ",
            "metadata.jsonl",
            "captions.csv",
        ]
    page.get_by_role("button", name="Select none").click()
    page.locator(".tools").get_by_text("Export").click()
    lines = download(page, "Words as a table (CSV)").read_text("utf-8-sig")
    assert [row["draft"] for row in csv.DictReader(io.StringIO(lines))] == ["a red ring", "a blue star", "a green box"]

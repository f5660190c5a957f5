"""Adding pictures through the page."""

from __future__ import annotations

import io

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from captions import trash
from captions.models import CaptionJob, Image
from tests.web import builders
from tests.web.conftest import HTMX


def broken() -> io.BytesIO:
    made = io.BytesIO(builders.file().read()[:60])
    made.name = "broken.png"
    return made


def test_it_answers_a_script_with_the_new_card(olga: Client, owner: User) -> None:
    answer = olga.post("/images/", {"file": builders.file(), "next": "/"}, headers=HTMX)
    page = answer.content.decode()
    image = Image.objects.get(owner=owner)
    assert answer.status_code == 201
    assert f'id="card-{image.pk}"' in page
    assert 'id="tally" hx-swap-oob="true"' in page
    assert CaptionJob.objects.get(image=image).params == {}


def test_it_knows_a_picture_it_has(olga: Client, owner: User) -> None:
    olga.post("/images/", {"file": builders.file(7)}, headers=HTMX)
    answer = olga.post("/images/", {"file": builders.file(7)}, headers=HTMX)
    assert answer.status_code == 200
    assert "You already have this picture. It is number" in answer.content.decode()
    assert Image.objects.count() == 1


def test_it_brings_a_deleted_picture_back(olga: Client, owner: User) -> None:
    olga.post("/images/", {"file": builders.file(8)}, headers=HTMX)
    image = Image.objects.get()
    trash.discard(image=image, by=owner)
    olga.post("/images/", {"file": builders.file(8)}, headers=HTMX)
    image.refresh_from_db()
    assert image.deleted_at is None


def test_it_says_in_words_why_a_file_is_not_taken(olga: Client) -> None:
    text = SimpleUploadedFile("picture.jpg", b"<html>not a picture</html>", "image/jpeg")
    for file, status, code in ((broken(), 400, "truncated_image"), (text, 415, "unsupported_format")):
        answer = olga.post("/images/", {"file": file}, headers=HTMX)
        assert answer.status_code == status
        assert f"<code>{code}</code>" in answer.content.decode()
    answer = olga.post("/images/", headers=HTMX)
    assert answer.status_code == 400
    assert "No file came with the request." in answer.content.decode()


def test_it_takes_many_without_script_and_names_what_failed(olga: Client) -> None:
    files = [builders.file(11), broken(), builders.file(12), builders.file(11)]
    page = olga.post("/images/", {"file": files, "next": "/"}, follow=True).content.decode()
    assert "2 pictures added." in page
    assert "broken.png: " in page
    assert "truncated_image" in page
    assert "you already have this picture. It is number" in page
    assert Image.objects.count() == 2


def test_it_says_when_nothing_was_chosen(olga: Client) -> None:
    page = olga.post("/images/", {"next": "/"}, follow=True).content.decode()
    assert "Choose files first, then add them." in page


def test_it_takes_nothing_from_strangers(client: Client, db: None) -> None:
    answer = client.post("/images/", {"file": builders.file()}, headers=HTMX)
    assert answer["HX-Redirect"] == "/accounts/login/"
    assert Image.objects.count() == 0


def test_it_takes_nothing_from_forms_of_other_sites(owner: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    answer = browser.post("/images/", {"file": builders.file()}, headers=HTMX)
    assert answer.status_code == 403
    assert "page_too_old" in answer.content.decode()
    assert Image.objects.count() == 0

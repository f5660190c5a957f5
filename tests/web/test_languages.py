"""The pages in another language, and how a person chooses it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from captions import albums, notices, tags, trash
from captions.errors import FAILURES, told
from captions.models import Import, Upload
from tests.web import builders
from tests.web.test_pages import addresses

pytestmark = pytest.mark.one_database

GERMAN = {"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"}
# Short words that every English sentence has, and German ones have not; and the words of the house.
ENGLISH = re.compile(
    r"\b(the|and|your|you|with|of|for|is|are|this|that|not|picture|pictures|caption|captions|approved?|reject(ed)?|"
    r"drafts?|edited|trash|workers|settings|yet|from|nobody|choose)\b",
    re.IGNORECASE,
)
# Names and what people type stay as they are.
FOREIGN = re.compile(r"Caption Desk|picture-\d+\.png|\bstate:\w+|“?a picture of“?|\bedited(?= \()")
SAID = {"aria-label", "title", "placeholder", "alt", "data-label"}
SILENT = {"script", "style", "code", "kbd"}
VOID = {"meta", "link", "input", "img", "br", "hr", "circle", "path", "rect"}


class Said(HTMLParser):
    """Collects what a page says in its own language: elements that name another one are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        is_foreign = tag in SILENT or named.get("lang", "de") != "de" or any(self._open)
        if not is_foreign:
            self.words += [value or "" for name, value in attrs if name in SAID or name.startswith("data-says")]
        if tag not in VOID:
            self._open.append(is_foreign)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._open):
            self.words.append(data)


def english(page: str) -> list[str]:
    """Give the sentences of a German page that are English."""
    parser = Said()
    parser.feed(page)
    said = [" ".join(words.split()) for words in parser.words]
    return [words for words in said if ENGLISH.search(FOREIGN.sub("", words))]


@pytest.fixture
def operator(owner: User) -> User:
    """A person who may see every page, with something on each."""
    owner.groups.add(Group.objects.get(name="operators"))
    return owner


def test_it_would_find_english_words() -> None:
    page = '<p>Bilder <b title="Your words">und</b> <i lang="en">a red ring of the sea</i></p><p>Drop them and go</p>'
    assert english(page) == ["Your words", "Drop them and go"]


def test_it_is_german_on_every_page(olga: Client, operator: User) -> None:
    pictures = builders.every_state(operator)
    builders.worker(notice=notices.SENTENCES[0])
    album = albums.make_or_find(owner=operator, name="Alle")
    albums.add(album=album, images=[image.pk for image in pictures.values()])
    tags.mark(owner=operator, images=[pictures["draft"].pk], names=["See"])
    batch = Import.objects.create(owner=operator)
    Upload.objects.create(
        owner=operator,
        batch=batch,
        filename="x.png",
        length=10,
        expires_at=timezone.now(),
        state=Upload.State.REFUSED,
        error_code="corrupt_image",
        error_detail=FAILURES["corrupt_image"].english,
    )
    trash.discard(image=builders.row(operator), by=operator)
    fixed = [path for path in addresses(get_resolver().url_patterns) if "(?P" not in path and path != "events/"]
    paths = [
        "/" + path for path in fixed if not path.startswith(("admin", "api", "^", "healthz", "readyz", "accounts"))
    ]
    paths += [f"/images/{image.pk}/" for image in pictures.values()]
    paths += [f"/images/{pictures['draft'].pk}/?do={do}" for do in ("edit", "write", "reject")]
    paths += [reverse("album", args=[album.pk]), reverse("import", args=[batch.pk])]
    paths += ["/review/?do=edit", "/search/?q=a", "/search/?q=nothing-such", "/search/?q=colour:red", "/?show=failed"]
    paths += ["/nowhere/", *("/accounts/" + end for end in ("password/change/", "email/", "logout/"))]
    found: dict[str, list[str]] = {}
    for path in paths:
        answer = olga.get(path, headers=GERMAN)
        if not answer.get("Content-Type", "").startswith("text/html") or answer.status_code not in (200, 404):
            continue
        page = answer.content.decode()
        assert "<html" not in page or '<html lang="de"' in page, path
        found[path] = english(page)
    assert {path: words for path, words in found.items() if words} == {}
    assert len(found) > 35


def test_it_is_german_before_logging_in(client: Client, db: None) -> None:
    for path in ("/accounts/login/", "/accounts/password/reset/", "/accounts/signup/", "/shared/nothing/", "/nowhere/"):
        answer = client.get(path, headers=GERMAN)
        assert '<html lang="de"' in answer.content.decode(), path
        assert english(answer.content.decode()) == [], path
        assert "Accept-Language" in answer["Vary"], path
        assert "Cookie" in answer["Vary"], path


def test_it_speaks_english_to_everybody_else(olga: Client) -> None:
    for languages in ("", "en-GB", "fr,pt;q=0.5", "tlh"):
        answer = olga.get("/", headers={"Accept-Language": languages})
        assert '<html lang="en"' in answer.content.decode()
        assert answer["Content-Language"] == "en"


def test_it_keeps_the_language_that_somebody_chose(olga: Client) -> None:
    answer = olga.post("/preferences/", {"language": "de", "next": "/account/"})
    assert answer["Location"] == "/account/"
    page = olga.get("/account/", headers={"Accept-Language": "en"}).content.decode()
    assert '<html lang="de"' in page
    assert '<option value="de" lang="de" selected>Deutsch</option>' in page
    assert "Konto" in page
    olga.post("/preferences/", {"language": "en"})
    assert '<html lang="en"' in olga.get("/", headers=GERMAN).content.decode()


def test_it_follows_the_browser_again(olga: Client) -> None:
    olga.post("/preferences/", {"language": "de"})
    olga.post("/preferences/", {"language": ""})
    assert '<html lang="en"' in olga.get("/").content.decode()
    assert '<html lang="de"' in olga.get("/", headers=GERMAN).content.decode()


def test_it_takes_no_language_it_does_not_speak(olga: Client) -> None:
    olga.post("/preferences/", {"language": "de"})
    olga.post("/preferences/", {"language": 'xx"><script>'})
    olga.post("/preferences/", {"theme": "dark"})
    assert '<html lang="de" data-theme="dark"' in olga.get("/").content.decode()


def test_it_gives_scripts_their_words(olga: Client) -> None:
    page = olga.get("/", headers=GERMAN).content.decode()
    found = re.search(r'<script id="script-words" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    assert json.loads(found[1])["copied"] == "Kopiert."


def test_it_writes_numbers_for_people_and_for_browsers(olga: Client, owner: User) -> None:
    builders.worker()
    image = builders.drafted(builders.row(owner), "A red ring.", "A ring.")
    page = olga.get(f"/images/{image.pk}/", headers=GERMAN).content.decode()
    assert "Wertung </span>0,82" in page
    assert 'step="0.05"' in page
    assert 'data-default="1.0"' in page
    assert not re.search(r'(?:min|max|step|value|data-default)="\d+,\d', page)


def test_it_answers_programs_with_the_same_codes(olga: Client) -> None:
    english_answer = olga.get("/api/v1/images/0190a000-0000-7000-8000-000000000000/").json()["errors"][0]
    german_answer = olga.get("/api/v1/images/0190a000-0000-7000-8000-000000000000/", headers=GERMAN).json()["errors"][0]
    assert english_answer["code"] == german_answer["code"] == "not_found"
    assert german_answer["detail"] == "Das gibt es hier nicht, oder es gehört nicht Ihnen."


def test_it_says_what_is_wrong_with_a_setting(olga: Client, owner: User) -> None:
    image = builders.row(owner)
    answer = olga.post(f"/api/v1/images/{image.pk}/jobs/", {"top_p": 7}, "application/json", headers=GERMAN)
    assert answer.json()["errors"][0]["detail"] == "Wählen Sie eine Zahl von 0.05 bis 1."


def test_it_tells_a_noted_failure_to_whoever_reads_it() -> None:
    failure = FAILURES["empty_file"]
    assert told("empty_file", failure.english) == failure.words
    assert told("empty_file", "Another reason.") == "Another reason."
    assert told("gone", "As it was written.") == "As it was written."

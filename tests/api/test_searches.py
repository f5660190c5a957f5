"""Searching pictures, and saved searches, by the API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from captions.models import SavedSearch
from captions.searching import FIELDS, parse
from tests import factories
from tests.api.conftest import Api, codes
from tests.api.test_documents import check

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def boats(owner: User) -> None:
    factories.make_image(owner, "draft", text="two red boats and a dog", filename="a.jpg", format="PNG")
    factories.make_image(owner, "approved", text="a blue boat", filename="b.jpg")
    factories.make_image(owner, "empty", filename="boat.jpg")


def numbers(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [image["number"] for image in answer.json()["results"]]


def test_it_finds_the_best_first(api: Api, boats: None) -> None:
    answer = api.look("images/", q="boat")
    assert numbers(answer) == [2, 1, 3]
    check(answer, "list_images")


def test_it_finds_newest_first_by_filters_alone_or_when_asked(api: Api, boats: None) -> None:
    assert numbers(api.look("images/", q="state:draft,approved")) == [2, 1]
    assert numbers(api.look("images/", q="boat", ordering="newest")) == [3, 2, 1]
    assert numbers(api.look("images/", q="boat", ordering="oldest")) == [1, 2, 3]


def test_it_narrows_a_search_by_the_other_parameters(api: Api, boats: None) -> None:
    assert numbers(api.look("images/", q="boat", state="draft")) == [1]
    assert numbers(api.look("images/", q="boat", format="JPEG", limit=1)) == [2]


def test_it_leads_from_page_to_page(api: Api, owner: User) -> None:
    for _ in range(7):
        factories.make_image(owner, "draft", text="a boat")
    seen, answer = [], api.look("images/", q="boat", limit=3)
    while True:
        seen += numbers(answer)
        assert answer.json()["previous"] is None
        if not answer.json()["next"]:
            break
        answer = api.get(answer.json()["next"])
    assert sorted(seen) == list(range(1, 8))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "colour:red"}, ("search_field_unknown", "q")),
        ({"q": "state:x"}, ("search_value_unknown", "q")),
        ({"q": "album:none"}, ("search_name_unknown", "q")),
        ({"q": "owner:stranger"}, ("search_not_yours", "q")),
        ({"q": "x" * 1001}, ("search_too_long", "q")),
        ({"q": "&"}, ("search_unclear", "q")),
        ({"q": ""}, ("blank", "q")),
        ({"q": "boat", "deleted": "true"}, ("invalid", "q")),
        ({"q": "boat", "cursor": "x"}, ("invalid", "cursor")),
        ({"q": "boat", "limit": "0"}, ("invalid", "limit")),
        ({"q": "boat", "colour": "red"}, ("unknown_parameter", "colour")),
        ({"q": "boat", "state": "x"}, ("invalid_choice", "state")),
    ],
)
def test_it_says_what_is_wrong_with_a_search(api: Api, query: dict[str, str], expected: tuple[str, str]) -> None:
    answer = api.look("images/", **query)
    assert answer.status_code == 400
    assert codes(answer) == [expected]
    assert answer.json()["type"] == "validation_error"


def test_it_finds_nothing_of_others(other: Api, boats: None) -> None:
    assert numbers(other.look("images/", q="boat")) == []
    assert numbers(other.look("images/", q="owner:stranger OR state:draft")) == []


def test_it_saves_lists_changes_and_forgets_a_search(api: Api) -> None:
    answer = api.send("searches/", {"name": " Boats ", "query": "boat   STATE:draft"})
    assert answer.status_code == 201
    check(answer, "save_search")
    kept = answer.json()
    assert (kept["name"], kept["query"]) == ("Boats", "boat state:draft")
    assert api.look("searches/").json()["results"] == [kept]
    check(api.look(f"searches/{kept['id']}/"), "get_search")
    changed = api.send(f"searches/{kept['id']}/", {"query": "dog"}, "patch")
    check(changed, "change_search")
    assert changed.json() == {**kept, "query": "dog"}
    assert api.send(f"searches/{kept['id']}/", None, "delete").status_code == 204
    assert api.look("searches/").json()["results"] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "", "query": "boat"}, ("saved_search_name", "name")),
        ({"name": "a", "query": " "}, ("saved_search_empty", "query")),
        ({"name": "a", "query": "state:x"}, ("search_value_unknown", "query")),
        ({"name": "taken", "query": "boat"}, ("saved_search_taken", "name")),
        ({"name": "a"}, ("required", "query")),
        ({"name": "a", "query": 5}, ("invalid", "query")),
        ({"name": "a", "query": "boat", "colour": "red"}, ("unknown_field", "colour")),
    ],
)
def test_it_says_why_a_search_is_not_saved(api: Api, owner: User, body: Any, expected: tuple[str, str]) -> None:
    SavedSearch.objects.create(owner=owner, name="taken", query="dog")
    assert codes(api.send("searches/", body)) == [expected]


def test_it_keeps_a_limit(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captions.saved_searches.MOST", 1)
    body = {"name": "a", "query": "boat"}
    assert api.send("searches/", body).status_code == 201
    assert api.send("searches/", body).status_code == 201  # the same once more is kept once
    assert codes(api.send("searches/", {"name": "b", "query": "boat"})) == [("saved_search_limit", None)]


def test_it_refuses_a_name_that_another_one_has(api: Api, owner: User) -> None:
    SavedSearch.objects.create(owner=owner, name="taken", query="dog")
    kept = SavedSearch.objects.create(owner=owner, name="free", query="dog")
    answer = api.send(f"searches/{kept.pk}/", {"name": "taken"}, "patch")
    assert (answer.status_code, codes(answer)) == (409, [("saved_search_taken", "name")])


def test_it_documents_every_filter_with_an_example_that_works() -> None:
    table = (ROOT / "docs/api.md").read_text().partition("## Searching")[2].partition("\n## ")[0]
    examples = re.findall(r"^\| `([^|]+)` \|", table, re.MULTILINE)
    read = [parse(one) for example in examples for one in example.split("`, `")]
    assert all(query.problems == () and query for query in read)
    named = {term.field for query in read for group in query.filters for term in group.terms}
    assert named == set(FIELDS)

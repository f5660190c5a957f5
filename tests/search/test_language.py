"""The language of the search field."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captions.searching import FIELDS, Ago, Filter, Span, Words, parse, tokens

pytestmark = pytest.mark.one_database

PARTS = st.sampled_from(
    [
        *(f"{name}:" for name in FIELDS),
        *(one.example for one in FIELDS.values()),
        "OR",
        "-",
        '"',
        "\\",
        "..",
        ">",
        " ",
        "boat",
    ]
)
TEXTS = st.lists(PARTS | st.text(max_size=6), max_size=14).map("".join)


def terms(text: str) -> list[object]:
    query = parse(text)
    assert query.problems == (), query.problems
    return [term for group in query.groups for term in group.terms]


def meaning(text: str) -> object:
    (found,) = terms(text)
    assert isinstance(found, Filter)
    return found.meaning


@given(TEXTS)
@settings(max_examples=600, deadline=None)
def test_it_reads_any_text_and_writes_it_down_as_the_same_query(text):
    query = parse(text)
    again = parse(str(query))
    assert again == query
    assert again.problems == ()
    assert str(again) == str(query)


@given(st.text(max_size=60))
@settings(max_examples=400, deadline=None)
def test_it_cuts_any_text_into_words_that_stay_as_they_are(text):
    assert tokens(" ".join(tokens(text))) == tokens(text)


def test_it_reads_words_phrases_and_words_to_leave_out():
    assert terms('red "small boat" -dog -"big sea"') == [
        Words("red"), Words("small boat", is_quoted=True), Words("dog", negated=True),
        Words("big sea", is_quoted=True, negated=True),
    ]  # fmt: skip


def test_it_joins_with_or_what_stands_beside_it():
    assert [str(group) for group in parse("a red OR blue OR green sea").groups] == ["a", "red OR blue OR green", "sea"]


def test_it_takes_an_or_without_neighbours_for_nothing():
    assert str(parse("OR boat OR")) == "boat"


def test_it_closes_a_quote_at_the_end():
    assert terms('"red boat') == [Words("red boat", is_quoted=True)]


def test_it_keeps_quotes_within_a_value():
    assert meaning(r'album:"the \"best\" \\ ones"') == r'the "best" \ ones'


def test_it_cuts_names_of_files_and_folds_accents():
    assert tokens("IMG_2034-Zürich.JPG") == ["img", "2034", "zurich", "jpg"]


def test_it_widens_only_the_last_word():
    assert parse("red bo").prefix == Words("bo")
    for text in ("red b", 'bo "red boat"', "bo state:draft", "red -bo", "state:draft"):
        assert parse(text).prefix is None, text


def test_it_ranks_only_by_words_to_find():
    assert parse("boat state:draft").is_ranked
    assert not parse("-boat state:draft").is_ranked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state:draft", ("draft",)),
        ("STATE:Draft,failed", ("draft", "failed")),
        ("format:jpg", ("jpeg",)),
        ("model:Demo", "Demo"),
        ("score:>0.8", Span(low=0.8, low_open=True)),
        ("quality:<.5", Span(high=0.5, high_open=True)),
        ("width:>=2000", Span(low=2000)),
        ("height:600..1200", Span(600, 1200)),
        ("megapixels:12", Span(12, 12)),
        ("bytes:>2mb", Span(low=2_000_000, low_open=True)),
        ("bytes:<=1.5k", Span(high=1500)),
        ("added:2026-11", Span(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), high_open=True)),
        ("added:2026", Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), high_open=True)),
        (
            "added:2026-11-01..2026-11-24",
            Span(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC), high_open=True),
        ),
        ("added:>2026-12-31", Span(low=datetime(2027, 1, 1, tzinfo=UTC))),
        ("added:<2026-12", Span(high=datetime(2026, 12, 1, tzinfo=UTC), high_open=True)),
        ("added:7d", Ago(7 * 86400)),
        ("is:captioned", ("captioned",)),
        ("no:caption", ("caption",)),
        ("lang:EN-gb", "en-gb"),
        ("owner:*", "*"),
    ],
)
def test_it_understands_a_filter(text, expected):
    assert meaning(text) == expected


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("boat colour:red", "search_field_unknown", "colour:red"),
        ("state:drafty", "search_value_unknown", "state:drafty"),
        ("state:", "search_value_unknown", "state:"),
        ("score:80", "search_value_unknown", "score:80"),
        ("width:wide", "search_value_unknown", "width:wide"),
        ("width:9..5", "search_value_unknown", "width:9..5"),
        ("bytes:2tb", "search_value_unknown", "bytes:2tb"),
        ("added:2026-02-30", "search_value_unknown", "added:2026-02-30"),
        ("added:0001", "search_value_unknown", "added:0001"),
        ('album:""', "search_value_unknown", 'album:""'),
        ("boat OR state:draft", "search_unclear", "boat OR state:draft"),
        ("boat OR -dog", "search_unclear", "boat OR -dog"),
        ("&& !", "search_unclear", "&& !"),
        ("x" * 1001, "search_too_long", ""),
        ("x " * 41, "search_too_long", ""),
    ],
)
def test_it_names_the_part_that_it_cannot_read(text, code, part):
    (problem,) = parse(text).problems
    assert (problem.code, problem.part) == (code, part)
    assert part in problem.words or problem.code != "search_value_unknown"


@pytest.mark.parametrize("name", FIELDS)
def test_it_understands_its_own_examples(name):
    (found,) = terms(FIELDS[name].example)
    assert found.field == name


def test_it_takes_one_group_out():
    assert str(parse("boat state:draft OR state:failed -dog").without(1)) == "boat -dog"

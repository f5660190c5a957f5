"""Comparing captions by words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captions.web.difference import difference

pytestmark = pytest.mark.one_database

words = st.sampled_from(["a", "red", "green", "ring", "star", "above", "below", "the"])
captions = st.lists(words, max_size=12).map(" ".join)


def test_it_marks_whole_words() -> None:
    pieces = [(piece.kind, piece.words) for piece in difference("a red ring at sunset,", "a red star at dusk, far")]
    assert pieces == [
        ("same", "a red"), ("removed", "ring"), ("added", "star"), ("same", "at"), ("removed", "sunset,"),
        ("added", "dusk, far"),
    ]  # fmt: skip


@given(captions, captions)
def test_it_gives_both_texts_back(before: str, after: str) -> None:
    pieces = difference(before, after)
    assert " ".join(piece.words for piece in pieces if piece.kind != "added") == before
    assert " ".join(piece.words for piece in pieces if piece.kind != "removed") == after

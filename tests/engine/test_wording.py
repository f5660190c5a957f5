"""Token ids become one clean line of words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tests.engine.checkpoints import END_ID, copy_of, published_checkpoint
from worker.engine.errors import ModelNotVerified
from worker.engine.wording import LONGEST_CAPTION, clean, words


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("  a dog\n on\t a  beach \r\n", "a dog on a beach"),
        ("a\x00b\x07c\x1b[31m", "abc[31m"),
        ("safe\u202egpj.exe", "safegpj.exe"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("famille 👨\u200d👩\u200d👧", "famille 👨\u200d👩\u200d👧"),
        ("non\u00a0breaking\u2003space\u2028line", "non breaking space line"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        (" \n\x00\u200b ", ""),
        ("", ""),
    ],
)
def test_it_keeps_one_line_of_visible_text(raw: str, wanted: str) -> None:
    assert clean(raw) == wanted


def test_it_cuts_a_flood_between_characters() -> None:
    cut = clean("ü" * 5000)
    assert cut == "ü" * (LONGEST_CAPTION // 2)


@given(st.text())
def test_it_leaves_clean_text_as_it_is(raw: str) -> None:
    once = clean(raw)
    assert clean(once) == once
    assert len(once.encode()) <= LONGEST_CAPTION


@pytest.mark.parametrize("kind", ["tokenizer.json", "vocab.json and merges.txt"])
def test_it_reads_both_kinds_of_tokenizer_as_transformers_does(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    folder = checkpoint if kind == "tokenizer.json" else published_checkpoint(tmp_path / "old", checkpoint)
    theirs, ours = AutoTokenizer.from_pretrained(folder), words(folder)
    for text in ("a man in the thing", "Ünïcödé — 漢字 🙂", "  two  spaces ", "don't , stop ."):
        ids = theirs(text).input_ids
        assert ours.text([*ids, END_ID, END_ID]) == clean(
            theirs.decode([*ids, END_ID, END_ID], skip_special_tokens=True)
        )
        assert ours.text([*ids, END_ID]) == clean(text)


def test_it_gives_no_text_for_a_caption_that_ends_at_once(checkpoint: Path) -> None:
    assert words(checkpoint).text([END_ID]) == ""


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"version": "1.0"}', b"\x80\x04canary"])
def test_it_refuses_a_file_that_is_no_tokenizer(checkpoint: Path, tmp_path: Path, content: bytes) -> None:
    folder = copy_of(checkpoint, tmp_path / "broken")
    (folder / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelNotVerified, match="tokenizer"):
        words(folder)

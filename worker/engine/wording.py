"""Token ids to clean words: a checkpoint's own tokenizer, and what a caption may consist of."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from worker.engine.errors import ModelNotVerified

LONGEST_CAPTION: Final = 2048  # bytes of UTF-8: more is no caption but a flood
JOINERS: Final = frozenset("\u200c\u200d")  # invisible, but letters and emoji are built with them


def clean(text: str) -> str:
    """Make one line of visible text: no control, direction or zero-width characters, single spaces, at most 2 KiB."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    visible = "".join(c for c in spaced if c in JOINERS or unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    line = " ".join(visible.split())
    return line.encode()[:LONGEST_CAPTION].decode(errors="ignore").strip()


class Words:
    """A checkpoint's tokenizer, used in one direction only."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def text(self, token_ids: Sequence[int]) -> str:
        """Give the clean text of token ids, special tokens left out."""
        return clean(self._tokenizer.decode(list(token_ids), skip_special_tokens=True))


def words(folder: Path) -> Words:
    """Read `tokenizer.json`, or GPT-2's older pair `vocab.json` and `merges.txt`.

    The tokenizers library parses plain data: no Python class is chosen by a file's content.
    Raises ModelNotVerified for files that are no tokenizer.
    """
    try:
        if (folder / "tokenizer.json").is_file():
            return Words(Tokenizer.from_file(str(folder / "tokenizer.json")))
        return Words(_byte_level(folder))
    except Exception as error:  # the library raises bare Exception for any malformed file
        raise ModelNotVerified(f"The tokenizer of the model in {folder.name} cannot be read: {error}") from error


def _byte_level(folder: Path) -> Any:
    core = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(_special_tokens(folder))
    return core


def _special_tokens(folder: Path) -> list[str]:
    path = folder / "special_tokens_map.json"
    named = json.loads(path.read_text()).values() if path.is_file() else ["<|endoftext|>"]
    return sorted({entry["content"] if isinstance(entry, dict) else entry for entry in named})

"""The models Caption Desk knows by a short name, each pinned to one revision."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

DEMO: Final = "demo"
DEFAULT: Final = "vit-gpt2"
BUNDLED: Final = Path(__file__).resolve().parent.parent / "demo" / "model"
HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
REVISION: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the catalogue.

    `source` is its id on the hub and `revision` a commit there, both empty for the bundled demo model. `weights` is
    the published file that holds its weights; `size` how many bytes a download takes, about. `sha256` names files
    whose hash is known beforehand; the others are checked against what the hub states for the pinned commit.
    """

    name: str
    title: str
    source: str
    revision: str
    licence: str
    size: int
    weights: str = "model.safetensors"
    sha256: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    languages: tuple[str, ...] = ("en",)
    prompt: str = ""
    pictures: Mapping[str, Any] = field(default_factory=dict)


CATALOGUE: Final[Mapping[str, Entry]] = {
    entry.name: entry
    for entry in (
        Entry(
            name="vit-gpt2",
            title="ViT-GPT2: everyday photographs, short English sentences",
            source="nlpconnect/vit-gpt2-image-captioning",
            revision="dc68f91c06a1ba6f15268e5b9c13ae7a7c514084",
            licence="apache-2.0",
            size=984_000_000,
            weights="pytorch_model.bin",
            defaults={"max_length": 16, "num_beams": 4},
        ),
        Entry(
            name=DEMO,
            title="Demo: only knows coloured shapes",
            source="",
            revision="",
            licence="apache-2.0",
            size=9_200_000,
        ),
    )
}


def entry_of(source: str) -> Entry | None:
    """Give the catalogue's entry for a short name or a hub id."""
    return CATALOGUE.get(source) or next((entry for entry in CATALOGUE.values() if entry.source == source), None)

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

# What models that answer a prompt recommend is meant for conversations: long, and by chance.
CHAT: Final[Mapping[str, Any]] = {"max_length": 64, "num_beams": 1, "do_sample": False}
# Tiles show small print; a caption needs the whole picture, at a seventeenth of the work.
WHOLE: Final[Mapping[str, Any]] = {"do_image_splitting": False}


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the catalogue.

    `source` is its id on the hub and `revision` a commit there, both empty for the bundled demo model. `weights` is
    the published file that holds its weights, empty where there are several; `size` how many bytes a download takes,
    about. `sha256` names files whose hash is known beforehand; the others are checked against what the hub states for
    the pinned commit. `languages` are those its captions are written in, `prompt` what it is asked instead of its
    family's usual question, `pictures` what is prepared differently from what its publisher wrote down.
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
            name="blip-base",
            title="BLIP base: everyday photographs, one short sentence",
            source="Salesforce/blip-image-captioning-base",
            revision="82a37760796d32b1411fe092ab5d4e227313294b",
            licence="bsd-3-clause",
            size=991_000_000,
            weights="pytorch_model.bin",
            sha256={"pytorch_model.bin": "d6638651a5526cc2ede56f2b5104d6851b0755816d220e5e046870430180c767"},
            defaults={"max_length": 20, "num_beams": 3},
        ),
        Entry(
            name="blip-large",
            title="BLIP large: everyday photographs, one sentence with more detail",
            source="Salesforce/blip-image-captioning-large",
            revision="353689b859fcf0523410b1806dace5fb46ecdf41",
            licence="bsd-3-clause",
            size=1_880_000_000,
            defaults={"max_length": 20, "num_beams": 3},
        ),
        Entry(
            name="git-base-coco",
            title="GIT base: everyday photographs, one short sentence",
            source="microsoft/git-base-coco",
            revision="a13141da42abd4a8cbf283601a8104265f537cee",
            licence="mit",
            size=708_000_000,
            defaults={"max_length": 20, "num_beams": 4},
        ),
        Entry(
            name="blip2-opt-2.7b",
            title="BLIP-2 with OPT 2.7B: one short sentence; wants a GPU",
            source="Salesforce/blip2-opt-2.7b",
            revision="59a1ef6c1e5117b3f65523d1c6066825bcf315e3",
            licence="mit",
            size=14_980_000_000,
            weights="",
            sha256={
                "model-00001-of-00002.safetensors": "b81228c9ac1b3dee1731ee71d51fe3b2c34f915019c44c25a793b51300ae24fc",
                "model-00002-of-00002.safetensors": "536bd73b8f1de7d94f503b23fea2eaa4f7f3ea5f74f8f874fcb21d6df1555a19",
            },
            defaults={"max_length": 24, "num_beams": 1},
        ),
        Entry(
            name="florence-2-base",
            title="Florence-2 base: one sentence, small and quick",
            source="florence-community/Florence-2-base",
            revision="00921df66db728a9ceb750f5eca43e5c203a2051",
            licence="mit",
            size=467_000_000,
            sha256={"model.safetensors": "62f3e696da74f8869a68ddb529a9b3e14eb25b21c592cb3dea6179bf944df6a0"},
            defaults={"max_length": 32, "num_beams": 3},
        ),
        Entry(
            name="smolvlm-256m",
            title="SmolVLM 256M: answers a prompt, one longer sentence",
            source="HuggingFaceTB/SmolVLM-256M-Instruct",
            revision="7e3e67edbbed1bf9888184d9df282b700a323964",
            licence="apache-2.0",
            size=517_000_000,
            sha256={"model.safetensors": "74dea5904032e5ae99a2e0eef5179e6ac0f1dedc3ab0c7c2a5d4d387c843203e"},
            defaults=CHAT,
            pictures=WHOLE,
        ),
        Entry(
            name="smolvlm-500m",
            title="SmolVLM 500M: answers a prompt, one longer sentence",
            source="HuggingFaceTB/SmolVLM-500M-Instruct",
            revision="a7da5b986cb59b408707209984f360a5f4ad7e47",
            licence="apache-2.0",
            size=1_019_000_000,
            sha256={"model.safetensors": "d05b567eeaf534e83d375551f068ed57b5f52d37c657197f644af5ef9db091a2"},
            defaults=CHAT,
            pictures=WHOLE,
        ),
        Entry(
            name="qwen2-vl-2b",
            title="Qwen2-VL 2B: answers a prompt, one detailed sentence; wants a GPU",
            source="Qwen/Qwen2-VL-2B-Instruct",
            revision="895c3a49bc3fa70a340399125c650a463535e71c",
            licence="apache-2.0",
            size=4_430_000_000,
            weights="",
            sha256={
                "model-00001-of-00002.safetensors": "994ac2b03f97de8bc647d0fe5eba2e4b632b3e28dc03574c29bdfc36cf47e1b9",
                "model-00002-of-00002.safetensors": "92540d8353c8d226a589a3b179bdb33851c970ee2cc2ac7ba035f79425e7b833",
            },
            defaults=CHAT,
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

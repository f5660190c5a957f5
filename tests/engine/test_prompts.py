"""The prompt a model continues is what the family's own processor would write, without running a folder's template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, Florence2Processor, Idefics3Processor, PreTrainedTokenizerFast

from captions.params import GenerationParams
from tests.engine.family_checkpoints import ID, family_checkpoint
from worker.engine import load
from worker.engine.catalogue import CATALOGUE, Entry
from worker.engine.families import FAMILIES
from worker.engine.loader import precision_of
from worker.engine.store import folder_of, write_manifest

PICTURE = Image.effect_noise((90, 40), 80).convert("RGB")


def seen(captioner: Any) -> dict[str, torch.Tensor]:
    arrays = captioner.prepare(PICTURE).arrays
    return dict(captioner._voice.see([{name: torch.from_numpy(array) for name, array in arrays.items()}]))


def test_it_writes_tiles_as_the_processor_of_idefics3_does(tmp_path: Path) -> None:
    folder = family_checkpoint(tmp_path / "model", "idefics3")
    processor = Idefics3Processor(
        AutoImageProcessor.from_pretrained(folder, backend="pil"),
        PreTrainedTokenizerFast.from_pretrained(folder),
        image_seq_len=4,
    )
    text = "<|im_start|>User:<image>Describe this image in one sentence.<end_of_utterance>\nAssistant:"
    expected = processor(text=text, images=[PICTURE], return_tensors="pt").input_ids[0].tolist()
    assert seen(load(str(folder), device="cpu"))["ids"][0].tolist() == expected
    assert expected.count(ID["<image>"]) == 3 * 4, "two tiles and the whole"


def test_it_asks_florence_for_a_caption_as_its_processor_does(tmp_path: Path) -> None:
    folder = family_checkpoint(tmp_path / "model", "florence2")
    eye = AutoImageProcessor.from_pretrained(folder, backend="pil")
    words = PreTrainedTokenizerFast.from_pretrained(folder)
    loaded: Any = load(str(folder), device="cpu")
    pixels = torch.from_numpy(loaded.prepare(PICTURE).arrays["pixel_values"])[None]
    count = loaded._voice.model.get_image_features(pixels).pooler_output.shape[1]
    eye.image_seq_length, words.image_token, words.image_token_id = count, "<image>", ID["<image>"]
    asked = Florence2Processor(eye, words)(text="<CAPTION>", images=[PICTURE], return_tensors="pt")
    assert loaded._voice.spelled("<image>" * count, count) == asked.input_ids[0].tolist()


def test_it_asks_what_the_catalogue_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, revision = "olga/smol", "0f" * 20
    entry = Entry("olga", "Olga's", source, revision, "mit", 1, prompt="Name the colours.", pictures={"resample": 0})
    monkeypatch.setitem(CATALOGUE, "olga", entry)  # type: ignore[arg-type]  # a dict behind its read-only type
    folder = family_checkpoint(folder_of(tmp_path, source, revision), "smolvlm")
    write_manifest(folder, source=source, revision=revision, licence="mit")
    loaded: Any = load("olga", store=tmp_path, device="cpu")
    words = PreTrainedTokenizerFast.from_pretrained(folder)
    assert "Name the colours.<end_of_utterance>" in words.decode(seen(loaded)["ids"][0])
    plain: Any = load(str(family_checkpoint(tmp_path / "plain", "smolvlm")), device="cpu")
    assert loaded.caption([PICTURE], GenerationParams()) != plain.caption([PICTURE], GenerationParams())


@pytest.mark.parametrize(
    ("kind", "wanted", "device", "expected"),
    [
        ("qwen2_vl", "auto", "cuda", "bf16"),
        ("smolvlm", "auto", "cuda:1", "bf16"),
        ("blip", "auto", "cuda", "fp16"),
        ("qwen2_vl", "auto", "cpu", "fp32"),
        ("qwen2_vl", "fp16", "cuda", "fp16"),
    ],
)
def test_it_halves_numbers_as_the_model_was_trained(kind: str, wanted: str, device: str, expected: str) -> None:
    assert precision_of(FAMILIES[kind], wanted, device) == expected

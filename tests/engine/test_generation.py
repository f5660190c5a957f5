"""The engine's captions are those of transformers' own generate, token for token."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, VisionEncoderDecoderModel

from captions.params import GenerationParams
from tests.engine.checkpoints import END_ID, modern_checkpoint
from worker.engine import load
from worker.engine.contract import Captioner


def plain(model: VisionEncoderDecoderModel, folder: Any, images: list[Image.Image], **options: Any) -> list[list[int]]:
    """What transformers gives, as the generated tokens: no start token, nothing after the end token."""
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    pixels = processor(images=images, return_tensors="pt").pixel_values
    with torch.inference_mode():
        rows = model.generate(pixel_values=pixels, **options).tolist()
    return [row[1:][: row[1:].index(END_ID) + 1] if END_ID in row[1:] else row[1:] for row in rows]


def flat(found: list[Any]) -> list[list[int]]:
    return [list(candidate.token_ids) for candidates in found for candidate in candidates]


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 1},
        {"num_beams": 2},
        {"num_beams": 3, "num_captions": 2},
        {"num_beams": 4},
        {"num_beams": 4, "num_captions": 4, "max_length": 24},
        {"num_beams": 4, "repetition_penalty": 1.6},
        {"num_beams": 1, "repetition_penalty": 2.0, "no_repeat_ngram_size": 2},
        {"num_beams": 3, "no_repeat_ngram_size": 1, "max_length": 40},
        {"num_beams": 8, "num_captions": 5, "max_length": 4},
    ],
    ids=str,
)
def test_it_gives_the_tokens_of_plain_generate(
    checkpoint: Any,
    captioner: Captioner,
    plain_model: VisionEncoderDecoderModel,
    pictures: list[Image.Image],
    options: dict[str, Any],
) -> None:
    params = GenerationParams(**options)
    wanted = options | {"num_return_sequences": options.get("num_captions", 1), "do_sample": False}
    wanted.setdefault("max_length", 16)
    wanted.pop("num_captions", None)
    assert flat(captioner.caption(pictures[:8], params)) == plain(plain_model, checkpoint, pictures[:8], **wanted)


def test_it_meets_captions_that_end_and_captions_that_do_not(captioner: Captioner, pictures: list[Image.Image]) -> None:
    rows = flat(captioner.caption(pictures, GenerationParams(num_beams=1)))
    assert any(row[-1] == END_ID for row in rows)
    assert any(row[-1] != END_ID and len(row) == 15 for row in rows)
    assert all(END_ID not in row[:-1] for row in rows)
    assert len({tuple(row) for row in rows}) > 3, "the pictures make no difference"


def test_it_refuses_more_captions_than_the_search_is_wide(captioner: Captioner, pictures: list[Image.Image]) -> None:
    with pytest.raises(ValueError, match="A search 2 wide cannot give 3 captions"):
        captioner.caption(pictures[:1], GenerationParams(num_beams=2, num_captions=3))


def test_it_widens_a_sampled_search_to_the_number_of_captions(
    captioner: Captioner, pictures: list[Image.Image]
) -> None:
    found = captioner.caption(pictures[:2], GenerationParams(do_sample=True, num_beams=2, num_captions=5, seed=1))
    assert [len(candidates) for candidates in found] == [5, 5]


def test_it_never_asks_for_more_places_than_the_model_has(tmp_path: Any, pictures: list[Image.Image]) -> None:
    short = load(str(modern_checkpoint(tmp_path / "short", n_positions=10)), device="cpu")
    found = short.caption(pictures, GenerationParams(max_length=64, num_beams=1))
    assert max(len(candidate.token_ids) for [candidate] in found) == 9


def test_it_makes_every_caption_as_long_as_a_benchmark_asks(captioner: Captioner, pictures: list[Image.Image]) -> None:
    captioner.min_length = 12
    try:
        found = captioner.caption(pictures, GenerationParams(max_length=12))
    finally:
        captioner.min_length = 0
    assert {len(candidate.token_ids) for [candidate] in found} == {11}

"""A candidate's score is the mean log-probability of its tokens under the untouched distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, VisionEncoderDecoderModel

from captions.params import GenerationParams
from tests.engine.checkpoints import END_ID
from worker.engine.contract import Captioner


def by_hand(model: VisionEncoderDecoderModel, folder: Any, picture: Image.Image, tokens: tuple[int, ...]) -> float:
    """Step by step, one growing prefix at a time, in float64: no cache, no padding, no batch."""
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    pixels = processor(images=[picture], return_tensors="pt").pixel_values
    prefix, total = [END_ID], 0.0
    with torch.inference_mode():
        for token in tokens:
            logits = model(pixel_values=pixels, decoder_input_ids=torch.tensor([prefix])).logits[0, -1]
            row = logits.double().numpy()
            total += float(row[token] - row.max() - np.log(np.exp(row - row.max()).sum()))
            prefix.append(token)
    return total / len(tokens)


@pytest.mark.parametrize(
    "params",
    [
        GenerationParams(num_beams=1),
        GenerationParams(num_beams=4, num_captions=3),
        GenerationParams(num_beams=2, repetition_penalty=2.0, no_repeat_ngram_size=2, max_length=30),
        GenerationParams(do_sample=True, num_beams=1, num_captions=3, temperature=1.8, top_k=5, seed=5),
    ],
    ids=["greedy", "beams", "penalties", "sampling"],
)
def test_it_scores_what_a_step_by_step_recomputation_gives(
    checkpoint: Any,
    captioner: Captioner,
    plain_model: VisionEncoderDecoderModel,
    pictures: list[Image.Image],
    params: GenerationParams,
) -> None:
    for picture, candidates in zip(pictures, captioner.caption(pictures, params), strict=True):
        for candidate in candidates:
            expected = by_hand(plain_model, checkpoint, picture, candidate.token_ids)
            assert candidate.score == pytest.approx(expected, abs=2e-5)
            assert candidate.score <= 0


def test_it_counts_the_end_token_in_the_score(
    checkpoint: Any, captioner: Captioner, plain_model: VisionEncoderDecoderModel, pictures: list[Image.Image]
) -> None:
    found = captioner.caption(pictures, GenerationParams(num_beams=1))
    picture, candidate = next(
        (picture, one) for picture, [one] in zip(pictures, found, strict=True) if one.token_ids[-1] == END_ID
    )
    without = by_hand(plain_model, checkpoint, picture, candidate.token_ids[:-1])
    assert abs(candidate.score - without) > 1e-4


def test_it_ranks_sampled_captions_by_score(captioner: Captioner, pictures: list[Image.Image]) -> None:
    params = GenerationParams(do_sample=True, num_beams=1, num_captions=5, seed=2, temperature=1.5)
    for candidates in captioner.caption(pictures, params):
        scores = [candidate.score for candidate in candidates]
        assert scores == sorted(scores, reverse=True)
        assert len(set(scores)) > 1

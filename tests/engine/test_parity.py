"""The engine's own decoding gives the tokens of transformers' generate, over a thousand captions of drawn options."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import VisionEncoderDecoderModel

from tests.engine.checkpoints import modern_checkpoint
from worker.demo.scenes import evaluation_seeds, make_scene, picture
from worker.engine import load
from worker.engine.catalogue import BUNDLED
from worker.engine.rules import Wishes

CASES = 45  # sets of options for each model, each over all pictures


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of middling size whose logits lie far apart, as trained ones do: ties would be broken by rounding."""
    return modern_checkpoint(
        tmp_path_factory.mktemp("models") / "wide", seed=5, n_embd=128, n_layer=4, n_head=4, initializer_range=0.3
    )


def drawn(chance: random.Random, places: int) -> dict[str, Any]:
    """Draw options of the search."""
    beams = chance.choice([1, 1, 2, 3, 4, 5, 6, 7, 8])
    longest = min(places, chance.choice([4, 7, 12, 16, 24, 40]))
    return {
        "num_beams": beams,
        "num_captions": chance.randint(1, beams),
        "max_length": longest,
        "min_length": chance.choice([0, 0, 5, longest]),
        "repetition_penalty": chance.choice([1.0, 1.0, 1.3, 2.0]),
        "no_repeat_ngram_size": chance.choice([0, 0, 1, 2, 3]),
        "length_penalty": chance.choice([1.0, 1.0, 0.0, 2.0, -1.0]),
        "early_stopping": chance.choice([False, True, "never"]),
        "forbidden": chance.choice([(), (), ((5,), (3, 7)), ((9, 4, 6), (11,))]),
    }


def plain(model: VisionEncoderDecoderModel, pixels: torch.Tensor, end: int, wanted: dict[str, Any]) -> list[list[int]]:
    """Ask transformers. Search options that greedy decoding does not have are left out, as it demands."""
    options = {name: value for name, value in wanted.items() if name not in ("num_captions", "forbidden")}
    if wanted["num_beams"] == 1:
        del options["length_penalty"], options["early_stopping"]
    if wanted["forbidden"]:
        options["bad_words_ids"] = [list(run) for run in wanted["forbidden"]]
    rows = model.generate(
        pixel_values=pixels, do_sample=False, num_return_sequences=wanted["num_captions"], **options
    ).tolist()
    return [row[1:][: row[1:].index(end) + 1] if end in row[1:] else row[1:] for row in rows]


def compared(folder: Path, pictures: list[Image.Image], seed: int) -> int:
    """Compare both ways on drawn options; gives how many captions were compared."""
    captioner: Any = load(str(folder), device="cpu", precision="fp32")
    model = captioner._model
    theirs = VisionEncoderDecoderModel.from_pretrained(folder).eval()
    pixels = torch.from_numpy(np.stack([captioner.prepare(one).arrays["pixels"] for one in pictures]))
    chance, count = random.Random(seed), 0
    with torch.inference_mode():
        hidden = model.encode(pixels)
        assert (hidden - theirs.encoder(pixels).last_hidden_state).abs().max() < 1e-4
        for _ in range(CASES):
            wanted = drawn(chance, model.decoder.places)
            found = model.decode(hidden, [Wishes(**wanted)] * len(pictures))
            ours = [list(sentence.token_ids) for sentences in found for sentence in sentences]
            assert ours == plain(theirs, pixels, model.end, wanted), wanted
            count += len(ours)
    return count


@pytest.mark.filterwarnings("ignore")  # of transformers, on options that have no effect together
def test_it_gives_the_tokens_of_generate_on_a_random_model(wide: Path, pictures: list[Image.Image]) -> None:
    assert compared(wide, pictures[:6], seed=1) > 500


@pytest.mark.filterwarnings("ignore")
def test_it_gives_the_tokens_of_generate_on_the_demo_model() -> None:
    drawings = [picture(make_scene(seed)) for seed in evaluation_seeds(31, 6)]
    assert compared(BUNDLED, drawings, seed=2) > 500

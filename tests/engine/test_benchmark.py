"""The engine's benchmark prints the figures and tokens that a plain transformers run prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, VisionEncoderDecoderModel

from benchmarks.engine import main, opened
from benchmarks.limits import operations
from benchmarks.worker import drawn
from worker.engine import load


@pytest.fixture
def files(tmp_path: Path, pictures: list[Image.Image]) -> list[str]:
    paths = [str(tmp_path / f"{number}.png") for number in range(5)]
    for path, picture in zip(paths, pictures, strict=False):
        picture.save(path)
    return paths


@pytest.mark.parametrize(
    ("flags", "batch", "options"),
    [
        ([], 1, {"max_length": 16, "num_beams": 4}),
        (["--batch", "2", "--num-beams", "2", "--max-length", "20"], 2, {"max_length": 20, "num_beams": 2}),
        (["--batch", "8", "--fixed-length"], 8, {"max_length": 16, "num_beams": 4, "min_length": 16}),
    ],
    ids=["defaults", "pairs", "fixed"],
)
def test_it_prints_the_tokens_that_generate_returns(
    checkpoint: Path,
    plain_model: VisionEncoderDecoderModel,
    pictures: list[Image.Image],
    files: list[str],
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    batch: int,
    options: dict[str, Any],
) -> None:
    assert main([str(checkpoint), *files, "--runs", "1", "--device", "cpu", *flags]) == 0
    printed = json.loads(capsys.readouterr().out)
    processor = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    expected: list[list[int]] = []
    for start in range(0, 5, batch):
        pixels = processor(images=pictures[start : min(start + batch, 5)], return_tensors="pt").pixel_values
        with torch.inference_mode():
            expected += plain_model.generate(pixel_values=pixels, do_sample=False, **options).tolist()
    assert printed["tokens"] == expected
    assert printed["device"] == "cpu"
    assert printed["seconds_per_image"] > 0
    assert printed["batch"] == batch


def test_it_finds_the_batch_by_measuring(
    checkpoint: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(checkpoint), *files, "--runs", "1", "--device", "cpu", "--batch", "auto", "--num-beams", "1"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["batch"] in {2**power for power in range(9)}
    assert len(printed["tokens"]) == 5


def test_it_opens_a_large_jpeg_at_a_reduced_scale_and_shows_the_model_the_same(tmp_path: Path) -> None:
    """Within a mean of 1/255 of full range, on a drawn photograph of 12 megapixels."""
    photo = drawn(3).resize((4000, 3000), Image.Resampling.BICUBIC)
    photo.save(tmp_path / "photo.jpg", quality=92)
    quick = opened(tmp_path / "photo.jpg", 224)
    assert quick.size == (1000, 750)
    with Image.open(tmp_path / "photo.jpg") as plain:
        shown = [np.asarray(one.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)) for one in (quick, plain)]
    assert np.abs(shown[0].astype(float) - shown[1]).mean() <= 1.0


def test_it_counts_the_operations_of_the_published_size(checkpoint: Path) -> None:
    """A small model's count by hand: 17 patches, width 32, 2 layers, inner 64 and 128, 264 tokens."""
    small: Any = load(str(checkpoint), device="cpu")
    found = operations(small._model, beams=3, length=8)
    assert found["encoder"] == 2 * 2 * 17 * (4 * 32 * 32 + 2 * 32 * 64 + 2 * 17 * 32)
    assert found["cross"] == 2 * 2 * 17 * 2 * 32 * 32
    row = 2 * (6 * 32 * 32 + 2 * 32 * 128) + 32 * 264 + 2 * 2 * 32 * 17
    assert found["search"] == 2 * (1 + 6 * 3) * row


def test_it_says_in_one_line_what_is_wrong(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nothing"), *files]) == 1
    assert "There is no model" in capsys.readouterr().err

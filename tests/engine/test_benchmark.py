"""The engine's benchmark prints the figures and tokens that a plain transformers run prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, VisionEncoderDecoderModel

from benchmarks.engine import main


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
        (["--batch", "auto", "--fixed-length"], 8, {"max_length": 16, "num_beams": 4, "min_length": 16}),
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


def test_it_says_in_one_line_what_is_wrong(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nothing"), *files]) == 1
    assert "There is no model" in capsys.readouterr().err

"""Pixels are bit for bit those of transformers' own image processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import AutoImageProcessor

from tests.engine.checkpoints import copy_of, edit_json, published_checkpoint, write_json
from worker.engine.blueprint import read_json
from worker.engine.errors import ModelUnsupported
from worker.engine.pictures import preprocessing


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"size": {"height": 24, "width": 48}},
        {"resample": 3},
        {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]},
        {"do_normalize": False},
        {"rescale_factor": 1 / 127.5},
    ],
    ids=str,
)
def test_it_prepares_pictures_bit_for_bit_as_transformers_does(
    checkpoint: Path, tmp_path: Path, pictures: list[Image.Image], changes: dict[str, Any]
) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    edit_json(folder / "preprocessor_config.json", **changes)
    theirs = AutoImageProcessor.from_pretrained(folder, backend="pil")(images=pictures, return_tensors="np")
    prepare = preprocessing(read_json(folder / "preprocessor_config.json"))
    ours = np.stack([prepare.picture(picture) for picture in pictures])
    assert ours.dtype == theirs.pixel_values.dtype == np.float32
    np.testing.assert_array_equal(ours, theirs.pixel_values)


def test_it_reads_the_old_kind_of_preprocessor_file(
    checkpoint: Path, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    folder = published_checkpoint(tmp_path / "old", checkpoint)
    theirs = AutoImageProcessor.from_pretrained(folder, backend="pil")(images=pictures, return_tensors="np")
    prepare = preprocessing(read_json(folder / "preprocessor_config.json"))
    ours = np.stack([prepare.picture(picture) for picture in pictures])
    np.testing.assert_array_equal(ours, theirs.pixel_values)
    assert ours.shape == (9, 3, 32, 32)


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P"])
def test_it_reads_rgb_only(checkpoint: Path, mode: str) -> None:
    prepare = preprocessing(read_json(checkpoint / "preprocessor_config.json"))
    with pytest.raises(ValueError, match=f"this one is {mode}"):
        prepare.picture(Image.new(mode, (8, 8)))


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (5000, 2)], ids=str)
def test_it_prepares_pictures_of_extreme_shapes(checkpoint: Path, size: tuple[int, int]) -> None:
    prepare = preprocessing(read_json(checkpoint / "preprocessor_config.json"))
    assert prepare.picture(Image.new("RGB", size, "red")).shape == (3, 32, 32)


@pytest.mark.parametrize(
    "changes",
    [
        {"image_processor_type": "CLIPImageProcessor"},
        {"do_center_crop": True},
        {"size": {"shortest_edge": 224}},
        {"size": 100_000},
        {"size": "wide"},
        {"resample": 99},
        {"image_std": [0.5, 0.0, 0.5]},
        {"image_mean": [0.5, 0.5]},
        {"image_mean": "grey"},
    ],
    ids=str,
)
def test_it_refuses_a_preparation_it_does_not_know(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "preprocessor_config.json"
    write_json(path, {"image_processor_type": "ViTImageProcessor", "size": 32} | changes)
    with pytest.raises(ModelUnsupported):
        preprocessing(read_json(path))

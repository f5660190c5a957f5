"""Other runtimes compute the same model under the same search, so that their figures stand beside the engine's."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import VisionEncoderDecoderModel

from benchmarks import exporting
from benchmarks.exporting import Cross, Encoder, Step
from benchmarks.rivals import Rival, main, same
from worker.engine.contract import Captioner
from worker.engine.rules import Wishes


class Memory:
    """Keys and values of B pictures."""

    def __init__(self, cross: list[Any], own: list[Any]) -> None:
        self.cross, self.own = cross, own

    def keep(self, pictures: Tensor) -> None:
        self.cross = [(keys[pictures], values[pictures]) for keys, values in self.cross]
        self.own = [(keys[pictures], values[pictures]) for keys, values in self.own]


class Torch:
    """The graphs before they are exported, computed by torch."""

    version = "0"

    def __init__(self, model: Any) -> None:
        self.encoder, self.cross, self.read = Encoder(model), Cross(model), Step(model)

    def encode(self, pixels: Any) -> Tensor:
        return self.encoder(torch.from_numpy(pixels))

    def begin(self, hidden: Tensor) -> Memory:
        cross = self.cross(hidden)
        return Memory(cross, [(keys[:, :, :0], values[:, :, :0]) for keys, values in cross])

    def step(self, tokens: Tensor, place: int, memory: Memory, mask: Tensor) -> Tensor:
        logits, memory.own = self.read(tokens, torch.tensor([place]), mask, memory.cross, memory.own)
        return logits


@pytest.fixture
def files(tmp_path: Path, pictures: list[Image.Image]) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, picture in zip(paths, pictures, strict=False):
        picture.save(path)
    return paths


@pytest.mark.parametrize("shortest", [0, 16], ids=["any length", "fixed length"])
def test_the_graphs_say_what_generate_says(
    checkpoint: Path,
    plain_model: VisionEncoderDecoderModel,
    captioner: Captioner,
    files: list[Path],
    pictures: list[Image.Image],
    shortest: int,
) -> None:
    rival = Rival(Torch(exporting.plain_model(checkpoint)), checkpoint, Wishes(min_length=shortest))
    found = rival.caption(files)
    pixels = torch.stack([torch.from_numpy(captioner.prepare(one).arrays["pixels"]) for one in pictures[:5]])
    with torch.inference_mode():
        expected = plain_model.generate(
            pixel_values=pixels, do_sample=False, num_beams=4, max_length=16, min_length=shortest
        ).tolist()
    longest = max(len(tokens) for tokens, _ in found)
    end = expected[0][0]
    assert [tokens + [end] * (longest - len(tokens)) for tokens, _ in found] == expected
    assert len({text for _, text in found}) > 1


def test_it_says_in_one_line_what_to_install(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main([str(checkpoint), "a.png", "--runtime", "openvino", "--precision", "int8"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "onnx, onnxscript, openvino, nncf" in said
    assert "pip install -r requirements/rivals.txt" in said


def test_it_leaves_the_start_token_out_of_the_share_of_same_tokens() -> None:
    assert same([[9, 1, 2], [9, 3, 4]], [[9, 1, 2], [9, 3, 5]]) == 0.75

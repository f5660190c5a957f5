"""The engine's benchmark prints the figures and tokens that a plain transformers run prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, VisionEncoderDecoderModel

from benchmarks import limits, plain
from benchmarks.captioning import Bench, cuda_rows
from benchmarks.engine import main, opened
from benchmarks.limits import operations
from benchmarks.memory import peak_mib
from benchmarks.worker import drawn
from worker.engine import load

ROOT = Path(__file__).resolve().parents[2]


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


def test_the_plain_way_prints_the_same_tokens(
    checkpoint: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--runs", "1", "--device", "cpu", "--fixed-length"]
    assert plain.main([str(checkpoint), *files[:2], *flags]) == 0
    theirs = json.loads(capsys.readouterr().out)
    assert (theirs["device"], theirs["precision"]) == ("cpu", "fp32")
    assert main([str(checkpoint), *files[:2], *flags, "--precision", "fp32", "--prepared"]) == 0
    ours = json.loads(capsys.readouterr().out)
    assert ours["tokens"] == theirs["tokens"]
    assert ours["graphs"] == 0


def test_it_measures_the_ceilings_of_the_device_it_is_told(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MANY", {"cpu": 64})
    monkeypatch.setattr(limits, "READ", {"cpu": 1 << 16})
    assert limits.main([str(checkpoint), "--device", "cpu", "--batch", "2", "--runs", "1"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["device"] == "cpu"
    assert set(printed["share"]) == {"encoder", "search"}
    assert all(value > 0 for value in (*printed["ceilings"].values(), *printed["share"].values()))


def test_without_a_gpu_its_rows_have_no_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    rows = cuda_rows(Bench(tmp_path, [], tmp_path))
    assert [(row.figure, row.note, row.is_missed) for row in rows] == [(None, "no GPU was available", False)] * 5


class Given(Bench):
    """Takes what programs would print from a list in place of running them."""

    def __init__(self, printed: dict[str, Any]) -> None:
        super().__init__(Path("model"), [Path("a.jpg")], Path("store"))
        self.printed, self.asked = printed, list[tuple[str, ...]]()

    def run(self, name: str, module: str, *arguments: str, pictures: int = 0) -> dict[str, Any]:
        self.asked.append((module, *arguments))
        result: dict[str, Any] = self.printed[name]
        self.results.setdefault(name, []).append(result)
        return result


def printed(seconds: float) -> dict[str, Any]:
    return {"seconds_per_image": seconds, "graphs": 6}


@pytest.mark.parametrize(("gpu", "bar"), [("NVIDIA H200", 2500.0), ("NVIDIA L4", None)])
def test_it_makes_rows_of_what_a_gpu_showed(monkeypatch: pytest.MonkeyPatch, gpu: str, bar: float | None) -> None:
    """Made-up numbers: 64 at once is the quickest with prepared pictures, 128 with files."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: gpu)
    files = {f"cuda {batch}": printed(value) for batch, value in {32: 0.004, 64: 0.003, 128: 0.002, 256: 0.003}.items()}
    ready = {
        f"cuda prepared {batch}": printed(value)
        for batch, value in {32: 0.002, 64: 0.001, 128: 0.002, 256: 0.002}.items()
    }
    limit = {
        "seconds": {"encoder": 0.002, "search": 0.004},
        "limit_seconds": {"encoder": 0.001, "search": 0.001},
        "share": {"encoder": 0.5, "search": 0.25},
    }
    bench = Given({"cuda plain 1": printed(0.1), "cuda 1": printed(0.01), "cuda limit": limit, **files, **ready})
    rows = cuda_rows(bench)
    assert [row.figure for row in rows] == pytest.approx([50, 0.5, 0.25, 1000, 10])
    assert [row.is_missed for row in rows] == [False, False, True, bar is not None, False]
    assert rows[3].bar == bar
    assert ("H200" in rows[3].name) == (gpu == "NVIDIA H200")
    assert all({"--device", "cuda", "fp16"} <= set(asked) for asked in bench.asked), "both ways in the same precision"
    assert bench.asked[-1][-2:] == ("--batch", "64")


def test_it_does_not_count_what_the_process_before_it_held():
    held = bytearray(400 * 1024 * 1024)
    held[::4096] = b"x" * len(held[::4096])
    command = [sys.executable, "-c", "from benchmarks.memory import peak_mib; print(peak_mib())"]
    seen = int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert 5 < seen < 200
    assert peak_mib() >= 400

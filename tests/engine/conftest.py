"""The engine's tests share two cores with everything else: one thread for each process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import VisionEncoderDecoderModel

from tests.engine.checkpoints import modern_checkpoint
from tests.engine.hub_server import HubServer
from worker.engine import load
from worker.engine.contract import Captioner

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model folder with random weights, as transformers 5 writes it."""
    return modern_checkpoint(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="session")
def captioner(checkpoint: Path) -> Captioner:
    """That folder behind the engine's contract, on the CPU."""
    return load(str(checkpoint), device="cpu")


@pytest.fixture(scope="session")
def plain_model(checkpoint: Path) -> VisionEncoderDecoderModel:
    """The same folder as transformers itself loads it: what the engine is held against."""
    return VisionEncoderDecoderModel.from_pretrained(checkpoint).eval()


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Nine RGB pictures of different sizes, each with a look of its own."""
    random = np.random.default_rng(7)
    found = []
    for height, width in random.integers(9, 300, (9, 2)):
        coarse = Image.fromarray(random.integers(0, 256, (3, 3, 3), dtype=np.uint8))
        found.append(coarse.resize((int(width), int(height)), Image.Resampling.NEAREST))
    return found


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A model hub of our own that huggingface_hub's settings point to."""
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        yield server


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A developer's own Hugging Face cache may hold the published model; tests must not find it.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no-cache"))

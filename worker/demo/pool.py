"""A pool of drawn scenes on disk: pictures at the model's size with their captions, filled by a process beside.

Drawing a picture costs as long as training on it, and every picture is used several times, so they are drawn once.
Row i of the pool depends on the seed and on i only. What is drawn stays valid when the process is killed.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from worker.demo.network import LONGEST, Dimensions, build_tokenizer, encode
from worker.demo.scenes import (
    COLOURS,
    SHAPES,
    SIZES,
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    Scene,
    is_clear,
    make_scene,
    mirrored,
    picture,
)

Bytes = npt.NDArray[np.uint8]

COUNTS = (1, 2, 2, 3, 3, 3)  # how many shapes row i shows: COUNTS[i % 6]
CHUNK = 120  # rows drawn before they are reported as ready
LABELS = (1 + len(SHAPES), 1 + len(COLOURS), 1 + len(SIZES))  # classes of a patch: what lies there; 0 is the ground
SEEDS_PER_POOL = 1_000_000


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of the pool; each scene and its mirror image, which carries zeros where it would not be clear."""

    pictures: Bytes  # [n, side, side, 3]
    tokens: Bytes  # [n, 2, LONGEST]
    patches: Bytes  # [n, grid * grid, 3] class of shape, colour, size under each patch, 0 for the ground
    mirrors: Bytes  # [n] 1 where the mirrored picture has a caption


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of `count` rows in `folder`."""

    folder: Path
    seed: int
    count: int
    image: int
    grid: int

    def rows(self, mode: str = "r") -> Rows:
        """Open the files, mapped into memory."""
        shapes = {
            "pictures": (self.count, self.image, self.image, 3),
            "tokens": (self.count, 2, LONGEST),
            "patches": (self.count, self.grid**2, 3),
            "mirrors": (self.count,),
        }
        opened = {
            name: np.lib.format.open_memmap(
                self.folder / f"{name}.npy", mode=mode, dtype=np.uint8, shape=shape if mode == "w+" else None
            )
            for name, shape in shapes.items()
        }
        return Rows(**opened)

    def ready(self) -> int:
        """How many rows, from the first on, are drawn; 0 too when the folder holds another pool."""
        try:
            state: dict[str, Any] = json.loads((self.folder / "ready.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0
        return int(state["ready"]) if state["pool"] == self._identity() else 0

    def fill(self) -> None:
        """Draw the rows that are missing."""
        ready = self.ready()
        if not ready:
            self.folder.mkdir(parents=True, exist_ok=True)
        rows = self.rows("r+" if ready else "w+")
        tokenizer = build_tokenizer()
        for start in range(ready, self.count, CHUNK):
            stop = min(start + CHUNK, self.count)
            for row in range(start, stop):
                self._draw(rows, row, tokenizer)
            self._report(stop)

    def fill_beside(self) -> multiprocessing.process.BaseProcess:
        """Start a process that fills the pool; it ends with this one, and gives way to it where cores are few."""
        process = multiprocessing.get_context("spawn").Process(target=self._fill_quietly, daemon=True)
        process.start()
        return process

    def _fill_quietly(self) -> None:
        os.nice(10)
        self.fill()

    def wait(self, rows: int, process: multiprocessing.process.BaseProcess | None) -> None:
        """Return when that many rows are drawn; raises RuntimeError when the drawing process died before."""
        while self.ready() < min(rows, self.count):
            if process is not None and not process.is_alive() and self.ready() < min(rows, self.count):
                raise RuntimeError(f"drawing scenes stopped after {self.ready()} of {self.count}")
            time.sleep(0.2)

    def _identity(self) -> dict[str, Any]:
        return {**asdict(self), "folder": ""}

    def _report(self, ready: int) -> None:
        draft = self.folder / f"ready.{os.getpid()}.new"
        draft.write_text(json.dumps({"pool": self._identity(), "ready": ready}), encoding="utf-8")
        os.replace(draft, self.folder / "ready.json")

    def _draw(self, rows: Rows, row: int, tokenizer: Any) -> None:
        first = TRAINING_SEEDS.start + self.seed * SEEDS_PER_POOL
        scene = make_scene(first + row, count=COUNTS[row % len(COUNTS)])
        other = mirrored(scene)
        rows.pictures[row] = shrunk(scene, self.image)
        rows.patches[row] = patch_labels(scene, self.grid)
        rows.tokens[row, 0] = encode(tokenizer, scene.caption)
        short = min(other.size)
        rows.mirrors[row] = is_clear(other.items, other.size[0] / short, other.size[1] / short)
        if rows.mirrors[row]:
            rows.tokens[row, 1] = encode(tokenizer, other.caption)


def shrunk(scene: Scene, side: int) -> Bytes:
    """The scene's picture as the model's preprocessing resizes it: [side, side, 3], bilinear, not keeping its shape."""
    return np.asarray(picture(scene).resize((side, side), Image.Resampling.BILINEAR))


def patch_labels(scene: Scene, grid: int) -> Bytes:
    """Classes of shape, colour and size under the centre of each patch, row by row: [grid * grid, 3]."""
    short = min(scene.size)
    labels = np.zeros((grid, grid, 3), dtype=np.uint8)
    x = (np.arange(grid) + 0.5) / grid * scene.size[0] / short
    y = (np.arange(grid) + 0.5) / grid * scene.size[1] / short
    for item in sorted(scene.items, key=lambda item: -item.radius):  # the inner shape has the last word
        names = (SHAPES.index(item.shape), tuple(COLOURS).index(item.colour), SIZES.index(item.size))
        values = [1 + name for name in names]
        near = np.hypot(x[None, :] - item.centre[0], y[:, None] - item.centre[1]) <= item.radius
        labels[near] = values
        labels[np.abs(y - item.centre[1]).argmin(), np.abs(x - item.centre[0]).argmin()] = values
    return labels.reshape(-1, 3)


def validation_rows(count: int, image: int) -> tuple[Bytes, Bytes]:
    """Pictures [n, side, side, 3] and tokens [n, LONGEST] of scenes that are never trained on nor evaluated."""
    tokenizer = build_tokenizer()
    scenes = [make_scene(seed) for seed in VALIDATION_SEEDS[:count]]
    pictures = np.stack([shrunk(scene, image) for scene in scenes])
    tokens = np.array([encode(tokenizer, scene.caption) for scene in scenes], dtype=np.uint8)
    return pictures, tokens


def pool_for(folder: Path, seed: int, count: int, dimensions: Dimensions) -> Pool:
    """The pool for a model of these dimensions."""
    return Pool(folder=folder, seed=seed, count=count, image=dimensions.image, grid=dimensions.grid)

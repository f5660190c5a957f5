"""A captioner that does on order what real ones do by accident: be slow, raise, hang, crash, kill its process.

It stands behind the engine's contract in tests of faults only. It reads the number of a picture from its colour and
answers with that number, so that a caption that went to the wrong picture is found. Orders are files in the folder
named by DESK_TEST_ORDERS: `seconds` holds the time a picture takes, `kill-7` kills the process that gets picture 7, and
so on; `hang-7`, `segv-7` and `lost-7` happen to one process each, after which the order is gone. Every picture that was
captioned is written down in the file `ran`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from worker.engine import Candidate
from worker.engine.contract import Generation, Picture, Prepared
from worker.engine.errors import DeviceLost, OutOfMemory

ORDERS = "DESK_TEST_ORDERS"
MODEL = "DESK_TEST_MODEL"


def colour_of(number: int) -> tuple[int, int, int]:
    """Write a picture's number as a colour."""
    return number >> 16 & 255, number >> 8 & 255, number & 255


def number_of(picture: Image.Image) -> int:
    """Read it back; a picture of another origin (the warm-up's grey) gives a number that nobody ordered."""
    return int.from_bytes(picture.crop((0, 0, 1, 1)).tobytes(), "big")


def number_in(picture: Picture) -> int:
    """Read the number of a picture, prepared or not."""
    return int(picture.arrays["number"]) if isinstance(picture, Prepared) else number_of(picture)


def words_for(number: int) -> str:
    """The one right caption of a picture."""
    return f"picture number {number}"


class Scripted:
    """A Captioner without a model."""

    name = os.environ.get(MODEL, "demo")
    revision, device, precision = "scripted", "cpu", "fp32"
    is_demo, batch, side = True, 8, 224
    defaults: Mapping[str, Any] = {"max_length": 16, "num_beams": 1}

    def __init__(self, orders: Path) -> None:
        self.orders = orders

    def prepare(self, image: Image.Image) -> Prepared:
        return Prepared({"number": np.asarray(number_of(image))})

    def caption(self, images: Sequence[Picture], params: Generation | Sequence[Generation]) -> list[list[Candidate]]:
        numbers = [number_in(picture) for picture in images]
        every = list(params) if isinstance(params, Sequence) else [params] * len(images)
        orders = {path.name for path in self.orders.iterdir()}
        if "seconds" in orders:
            time.sleep(float((self.orders / "seconds").read_text() or 0) * len(numbers))
        for number in numbers:
            self._obey(number, orders)
        with (self.orders / "ran").open("a") as ran:  # appended in one write, so that processes do not mix
            ran.write("".join(f"{number}\n" for number in numbers))
        return [self._answer(number, one) for number, one in zip(numbers, every, strict=True)]

    def _obey(self, number: int, orders: set[str]) -> None:
        if f"kill-{number}" in orders:
            os.kill(os.getpid(), signal.SIGABRT)  # as the C libraries do that find their memory damaged
        if f"segv-{number}" in orders and self.take(f"segv-{number}"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if f"hang-{number}" in orders and self.take(f"hang-{number}"):
            time.sleep(3600)
        if f"raise-{number}" in orders:
            raise RuntimeError(f"picture {number} breaks the model")
        if f"memory-{number}" in orders:
            raise OutOfMemory("one picture does not fit")
        if f"lost-{number}" in orders and self.take(f"lost-{number}"):
            raise DeviceLost("an illegal memory access was encountered")

    def take(self, order: str) -> bool:
        """Take an order that is for one process only; False when it is not there."""
        try:
            (self.orders / order).unlink()
        except FileNotFoundError:
            return False  # another process has obeyed it
        return True

    @staticmethod
    def _answer(number: int, params: Generation) -> list[Candidate]:
        return [
            Candidate(words_for(number) if rank == 0 else f"{words_for(number)}, draft {rank + 1}", (1, 2), -0.5 - rank)
            for rank in range(params.num_captions)
        ]


def from_environment(tell: Callable[[str], None]) -> tuple[Scripted, str]:
    """Stand in for `worker.service.load_captioner`."""
    return Scripted(Path(os.environ[ORDERS])), ""

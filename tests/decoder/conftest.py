"""Fixtures of the decoder's tests: `read` takes the bytes of a file through the real decoder."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from captions.decoder import Decoded, Limits, Pool
from captions.decoder.contract import RENDITIONS


@dataclass
class Reading:
    """What came out: the decoder's answer, and its renditions as RGB pictures."""

    decoded: Decoded
    thumbnail: Image.Image
    medium: Image.Image
    screen: Image.Image


Read = Callable[..., Reading]


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.stop()


@pytest.fixture
def read(pool: Pool, tmp_path: Path) -> Read:
    return reader(pool, tmp_path)


def reader(pool: Pool, folder: Path) -> Read:
    """A function from a file's bytes to a `Reading`, through `pool`."""
    numbers = itertools.count()

    def read(data: bytes, name: str = "upload.bin", **limits: int) -> Reading:
        here = folder / str(next(numbers))
        here.mkdir(parents=True)
        source = here / name
        source.write_bytes(data)
        chosen = Limits(**limits)  # type: ignore[arg-type]  # a wrong one is the test's own fault
        decoded = pool.decode(source, **places(here), limits=chosen)
        return Reading(decoded, **{name: opened(path) for name, path in places(here).items()})

    return read


def places(folder: Path) -> dict[str, Path]:
    """Where the renditions of one picture go, as `Pool.decode` takes them."""
    return {name: folder / f"{name}.webp" for name in RENDITIONS}


def opened(path: Path) -> Image.Image:
    """A rendition's pixels."""
    with Image.open(path, formats=("WEBP",)) as picture:
        return picture.convert("RGB")


@pytest.fixture(scope="session")
def exiftool() -> str:
    program = shutil.which("exiftool")
    if program is None:
        pytest.fail("exiftool is missing: install it (Debian: apt-get install libimage-exiftool-perl)")
    return program

"""Pictures come out upright, whichever way the camera was held."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image, ImageChops, ImageStat

from tests.decoder import corpus
from tests.decoder.conftest import Read

# What turns the stored pixels upright (Exif 2.32, tag 274), written out by geometry, not taken from the decoder.
UPRIGHT: dict[int, Callable[[Image.Image], Image.Image]] = {
    1: lambda p: p.copy(),
    2: lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda p: p.rotate(180),
    4: lambda p: p.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda p: p.rotate(-90, expand=True).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    6: lambda p: p.rotate(-90, expand=True),
    7: lambda p: p.rotate(90, expand=True).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    8: lambda p: p.rotate(90, expand=True),
}
WAYS: dict[str, Callable[[Image.Image, int], bytes]] = {
    "JPEG": lambda p, n: corpus.saved(p, "JPEG", quality=90, exif=corpus.exif(n)),
    "PNG": lambda p, n: corpus.saved(p, "PNG", exif=corpus.exif(n)),
    "WEBP": lambda p, n: corpus.saved(p, "WEBP", lossless=True, exif=corpus.exif(n)),
    "TIFF": lambda p, n: corpus.saved(p, "TIFF", tiffinfo={274: n}),
    "TIFF-lzw": lambda p, n: corpus.saved(p, "TIFF", compression="tiff_lzw", tiffinfo={274: n}),
    "AVIF": lambda p, n: corpus.saved(p, "AVIF", exif=corpus.exif(n)),
    "HEIF": lambda p, n: corpus.saved(p, "HEIF", exif=corpus.exif(n).tobytes()),  # bytes: turned by boxes,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("way", WAYS)
def test_it_draws_the_same_renditions_as_of_the_upright_picture(read: Read, way: str, orientation: int) -> None:
    stored = corpus.photograph((64, 48))
    with Image.open(io.BytesIO(WAYS[way](stored, 1))) as plain:
        upright = UPRIGHT[orientation](plain.convert("RGB"))
    expected = read(corpus.saved(upright, "PNG"), thumbnail_edge=24, screen_edge=50)
    found = read(WAYS[way](stored, orientation), thumbnail_edge=24, screen_edge=50)
    assert found.screen.tobytes() == expected.screen.tobytes()
    assert found.thumbnail.tobytes() == expected.thumbnail.tobytes()
    assert found.decoded.orientation == orientation
    assert (found.decoded.width, found.decoded.height) == upright.size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_turns_large_photographs_that_are_scaled_while_decoding(read: Read, orientation: int) -> None:
    stored = corpus.photograph((1600, 960))
    upright = UPRIGHT[orientation](stored)
    found = read(corpus.saved(stored, "JPEG", quality=95, exif=corpus.exif(orientation)), screen_edge=400)
    assert (found.decoded.width, found.decoded.height) == upright.size
    expected = upright.resize(found.screen.size, Image.Resampling.LANCZOS)
    assert max(ImageStat.Stat(ImageChops.difference(found.screen, expected)).mean) < 4


def test_it_turns_heif_by_its_boxes_and_not_by_exif(read: Read) -> None:
    """As the HEIF standard has it: EXIF only repeats what the boxes say, and viewers ignore it."""
    data = corpus.saved(corpus.photograph((64, 48)), "HEIF", exif=corpus.exif(6))  # an object: written to EXIF only
    assert b"irot" not in data
    found = read(data).decoded
    assert (found.width, found.height) == (64, 48)


def test_it_finds_an_orientation_that_stands_behind_the_pixels(read: Read) -> None:
    data = corpus.saved(corpus.photograph((64, 48)), "PNG")
    block = corpus.png_chunk(b"eXIf", corpus.exif(6).tobytes().removeprefix(b"Exif\0\0"))
    end = data.index(b"IEND") - 4
    found = read(data[:end] + block + data[end:]).decoded
    assert (found.width, found.height, found.orientation) == (48, 64, 6)


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_it_ignores_orientations_that_do_not_exist(read: Read, value: int) -> None:
    found = read(corpus.saved(corpus.photograph((64, 48)), "JPEG", exif=corpus.exif(value))).decoded
    assert (found.width, found.height, found.orientation) == (64, 48, 1)


def test_it_takes_a_picture_whose_exif_block_is_damaged(read: Read) -> None:
    data = corpus.saved(corpus.photograph((64, 48)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(40))
    assert read(data).decoded.width == 64

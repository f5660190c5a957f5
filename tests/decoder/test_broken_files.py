"""Files that stop half way, are damaged, or are something else as well."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from captions.decoder import DecodeRefused, Limits, Pool
from tests.decoder import corpus
from tests.decoder.conftest import Read, opened, places

EACH = corpus.one_of_each()
# What follows the first picture in these is never read, so only its loss goes unnoticed.
READ_IN_PART = {"JPEG-mpo": 6, "TIFF-pages": 8}


@pytest.mark.parametrize("name", EACH)
def test_it_refuses_a_file_that_stops_half_way(read: Read, name: str) -> None:
    data = EACH[name]
    for tenth in range(1, READ_IN_PART.get(name, 10)):
        with pytest.raises(DecodeRefused) as refusal:
            read(data[: len(data) * tenth // 10])
        assert refusal.value.code == "truncated_image", f"{tenth}0 % of {name}: {refusal.value}"


def test_it_refuses_a_large_photograph_that_stops_half_way(read: Read) -> None:
    data = corpus.saved(corpus.photograph((3400, 2100)), "JPEG", quality=85)
    for tenth in range(1, 10):
        with pytest.raises(DecodeRefused) as refusal:
            read(data[: len(data) * tenth // 10])
        assert refusal.value.code == "truncated_image"


def test_it_calls_a_damaged_file_damaged(read: Read) -> None:
    whole = EACH["PNG-rgb"]
    pixels = whole.index(b"IDAT") + 4
    for at in range(pixels, pixels + 200, 7):
        data = bytearray(whole)
        data[at] ^= 0x10
        with pytest.raises(DecodeRefused) as refusal:
            read(bytes(data))
        assert refusal.value.code == "corrupt_image"


def test_it_takes_offsets_beyond_any_memory_for_a_cut_file(read: Read) -> None:
    data = bytearray(EACH["TIFF-big"])
    data[8:16] = b"\xff" * 8
    with pytest.raises(DecodeRefused) as refusal:
        read(bytes(data))
    assert refusal.value.code == "truncated_image"


def test_it_answers_every_damage_with_a_picture_or_a_reason(pool: Pool, tmp_path: Path) -> None:
    """Four hundred files with random bytes changed, always the same ones."""
    chance = random.Random(20)
    names = sorted(EACH)
    source = tmp_path / "in"
    read, reasons = 0, set()
    for index in range(400):
        data = bytearray(EACH[names[index % len(names)]])
        for _ in range(chance.choice((1, 2, 8, 40))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        source.write_bytes(data)
        try:
            decoded = pool.decode(source, **places(tmp_path), limits=Limits())
        except DecodeRefused as refusal:
            reasons.add(refusal.code)
        else:
            read += 1
            for rendition in (decoded.thumbnail, decoded.medium, decoded.screen):
                assert opened(rendition.path).size == (rendition.width, rendition.height)
    assert "decoder_crashed" not in reasons
    assert read > 50
    assert {"corrupt_image", "truncated_image", "unsupported_format", "too_many_pixels"} <= reasons


@pytest.mark.parametrize("name", corpus.polyglots())
def test_it_leaves_everything_but_the_picture_behind(pool: Pool, tmp_path: Path, name: str) -> None:
    source = tmp_path / "in"
    source.write_bytes(corpus.polyglots()[name])
    pool.decode(source, **places(tmp_path), limits=Limits())
    for written in (path.read_bytes() for path in places(tmp_path).values()):
        assert written[:4] == b"RIFF"
        assert not any(mark in written.lower() for mark in (b"script", b"<html", b"polyglot"))

"""Which files are taken, told by content, and what is said of those that are not."""

from __future__ import annotations

import os
import pickle
import re
import sys
from pathlib import Path

import pytest

from captions.decoder import FORMATS, REFUSALS, DecodeRefused, Limits, Pool
from tests.decoder import corpus
from tests.decoder.conftest import Read, places, reader

EACH = corpus.one_of_each()
FRAMES = {"apng": 4, "animated": 4, "pages": 4, "burst": 2}


@pytest.mark.parametrize("name", EACH)
def test_it_reads_every_accepted_kind(read: Read, name: str) -> None:
    kind, _, variety = name.partition("-")
    found = read(EACH[name]).decoded
    assert (found.format, found.width, found.height) == (kind, 60, 44)
    assert found.frames == FRAMES.get(variety, 1)
    assert found.is_animated == (variety in ("apng", "animated"))


def test_it_covers_every_format_it_names() -> None:
    assert {name.partition("-")[0] for name in EACH} == set(FORMATS)


@pytest.mark.parametrize("name", ["picture.png", "picture.svg", "picture.eps", "picture", "..jpg.exe"])
def test_it_takes_no_notice_of_the_name(read: Read, name: str) -> None:
    assert read(EACH["JPEG-baseline"], name=name).decoded.format == "JPEG"


@pytest.mark.parametrize("name", corpus.strangers())
def test_it_refuses_what_is_not_on_the_list(read: Read, name: str) -> None:
    with pytest.raises(DecodeRefused) as refusal:
        read(corpus.strangers()[name], name="innocent.jpg")
    assert refusal.value.code == "unsupported_format"
    assert all(word in refusal.value.words for word in ("JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP", "HEIC", "AVIF"))


@pytest.mark.parametrize("name", ["png", "gif", "tiff", "webp", "bmp", "avif", "heic", "jpeg"])
def test_it_does_not_fall_for_a_signature_alone(read: Read, name: str) -> None:
    starts = {
        "png": corpus.png(4, 4, 8, 0, b"")[:40],
        "gif": b"GIF89a",
        "tiff": b"II*\0\x08\0\0\0",
        "webp": b"RIFF\x20\0\0\0WEBPVP8 ",
        "bmp": corpus.bmp_bomb(4, 4)[:30],
        "avif": b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0heicmif1",
        "jpeg": b"\xff\xd8\xff\xe0",
    }
    with pytest.raises(DecodeRefused) as refusal:
        read(starts[name])
    assert refusal.value.code in ("truncated_image", "corrupt_image")


def test_it_refuses_an_empty_file(read: Read) -> None:
    with pytest.raises(DecodeRefused) as refusal:
        read(b"")
    assert refusal.value.code == "empty_file"


def test_it_refuses_a_file_that_is_too_large_and_takes_one_that_just_is_not(read: Read) -> None:
    data = EACH["BMP-rgb"]
    assert read(data, max_bytes=len(data)).decoded.format == "BMP"
    with pytest.raises(DecodeRefused) as refusal:
        read(data, max_bytes=len(data) - 1)
    assert refusal.value.code == "file_too_large"


@pytest.mark.parametrize(("name", "switch"), [("HEIF-still", "heif"), ("AVIF-still", "avif")])
def test_it_refuses_formats_that_are_turned_off(read: Read, name: str, switch: str) -> None:
    with pytest.raises(DecodeRefused) as refusal:
        read(EACH[name], **{switch: False})
    assert refusal.value.code == "format_turned_off"


def test_it_does_without_the_heif_extra(tmp_path: Path) -> None:
    """Its wheel carries a GPL encoder, so that some installations leave it out."""
    program = (
        "import sys; sys.modules['pillow_heif'] = None; from captions.decoder import child; child.main(sys.argv[1:])"
    )
    pool = Pool(command=[sys.executable, "-c", program])
    read = reader(pool, tmp_path)
    assert read(EACH["AVIF-still"]).decoded.format == "AVIF"
    with pytest.raises(DecodeRefused) as refusal:
        read(EACH["HEIF-still"])
    pool.stop()
    assert refusal.value.code == "format_turned_off"


def test_it_refuses_what_is_no_regular_file(pool: Pool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(DecodeRefused) as refusal:
            pool.decode(source, **places(tmp_path), limits=Limits())
        assert refusal.value.code == "unsupported_format"


@pytest.mark.parametrize("code", REFUSALS)
def test_it_says_what_is_so_and_then_what_to_do(code: str) -> None:
    assert re.fullmatch(r"[A-Z][^.!?]+\. [A-Z][^.!?]+\.", DecodeRefused(code).words)


def test_it_keeps_bytes_of_the_file_out_of_its_details() -> None:
    detail = DecodeRefused("corrupt_image", "bad chunk \x1b[31m\n2030-01-01 INFO forged \u202e" + "x" * 500).detail
    assert detail.isascii()
    assert detail.isprintable()
    assert len(detail) == 200


def test_it_tells_our_own_outage_from_a_bad_picture() -> None:
    with pytest.raises(ValueError, match="not a refusal code"):
        DecodeRefused("decoder_unavailable")


def test_it_keeps_a_refusal_whole_on_its_way_between_processes() -> None:
    travelled = pickle.loads(pickle.dumps(DecodeRefused("corrupt_image", "a checksum is wrong")))
    assert (travelled.code, travelled.detail) == ("corrupt_image", "a checksum is wrong")


@pytest.mark.parametrize("limit", ["max_bytes", "max_pixels", "cpu_seconds", "thumbnail_edge"])
def test_it_takes_no_limits_that_make_no_sense(limit: str) -> None:
    with pytest.raises(ValueError, match=limit):
        Limits(**{limit: 0})  # type: ignore[arg-type]  # the names are those of numbers
    with pytest.raises(ValueError, match="16383"):
        Limits(screen_edge=16_384)

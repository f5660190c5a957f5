"""Small files that would unpack into very much."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from PIL import Image

from captions.decoder import DecodeRefused, Limits, Pool
from tests.decoder import corpus
from tests.decoder.conftest import Read, places


def test_it_refuses_a_hundred_bombs_before_unpacking_them(pool: Pool, tmp_path: Path) -> None:
    bombs = corpus.bombs()
    assert len(bombs) == 100
    assert all(len(data) < 4 << 20 for _, data in bombs.values())
    source = tmp_path / "bomb"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = {}
    for name, (_, data) in bombs.items():
        source.write_bytes(data)
        try:
            pool.decode(source, **places(tmp_path), limits=Limits(memory_bytes=384 << 20))
        except DecodeRefused as refusal:
            refused[name] = refusal.code
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # Had one been unpacked, 384 MiB would not have been enough, and the code would be decoder_memory.
    assert refused == {name: code for name, (code, _) in bombs.items()}
    assert grown < 50 * 1024, f"this process grew by {grown} KiB"


def test_it_refuses_a_177_megapixel_picture_of_21_kilobytes(read: Read) -> None:
    bomb = corpus.png_bomb(13_304, 13_304)
    assert len(bomb) < 25_000
    with pytest.raises(DecodeRefused) as refusal:
        read(bomb)
    assert refusal.value.code == "too_many_pixels"
    assert "176996416" in refusal.value.detail


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_it_counts_frames_into_the_pixels(read: Read, kind: str) -> None:
    frames = [corpus.photograph((40, 30), seed=seed) for seed in (7, 60, 120, 200)]
    data = corpus.saved(frames[0], kind, save_all=True, append_images=frames[1:])
    assert read(data, max_pixels=40 * 30 * 4).decoded.frames == 4
    with pytest.raises(DecodeRefused) as refusal:
        read(data, max_pixels=40 * 30 * 4 - 1)
    assert refusal.value.code == "too_many_pixels"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_it_takes_as_many_frames_as_allowed_and_no_more(read: Read, kind: str) -> None:
    frames = [corpus.photograph((20, 20), seed=seed * 6) for seed in range(10)]
    data = corpus.saved(frames[0], kind, save_all=True, append_images=frames[1:])
    assert read(data, max_frames=10).decoded.frames == 10
    with pytest.raises(DecodeRefused) as refusal:
        read(data, max_frames=9)
    assert refusal.value.code == "too_many_frames"


def test_it_does_not_count_the_depth_map_of_a_phones_picture(read: Read) -> None:
    picture = corpus.photograph((40, 30))
    data = corpus.saved(picture, "MPO", save_all=True, append_images=[picture.copy()])
    assert read(data, max_pixels=40 * 30).decoded.format == "JPEG"


def test_it_measures_a_first_frame_that_is_larger_than_its_screen(read: Read) -> None:
    frame = corpus.gif_bomb(9_000, 9_000, 1)
    with pytest.raises(DecodeRefused) as refusal:
        read(frame[:6] + bytes((4, 0, 4, 0)) + frame[10:])
    assert refusal.value.code == "too_many_pixels"


@pytest.mark.parametrize("pages", [301, 100_000])
def test_it_stops_counting_pages(read: Read, pages: int) -> None:
    with pytest.raises(DecodeRefused) as refusal:
        read(corpus.tiff_pages(pages), cpu_seconds=2)
    assert refusal.value.code == "too_many_frames"


def test_it_follows_a_circle_of_pages_once(read: Read) -> None:
    data = bytearray(corpus.tiff_pages(3))
    data[-4:] = (10).to_bytes(4, "little")
    assert read(bytes(data)).decoded.frames == 3


def test_it_takes_exactly_the_pixels_that_are_allowed(read: Read) -> None:
    data = corpus.saved(corpus.photograph((100, 50)), "PNG")
    assert read(data, max_pixels=5_000).decoded.width == 100
    with pytest.raises(DecodeRefused) as refusal:
        read(data, max_pixels=4_999)
    assert refusal.value.code == "too_many_pixels"


@pytest.mark.parametrize("bomb", [corpus.png_with_text_bomb, corpus.png_with_profile_bomb])
def test_it_does_not_unpack_endless_comments(read: Read, bomb: object) -> None:
    with pytest.raises(DecodeRefused) as refusal:
        read(bomb(), memory_bytes=384 << 20)  # type: ignore[operator]  # both are functions without arguments
    assert refusal.value.code == "corrupt_image"


def test_it_says_when_memory_is_what_is_lacking(read: Read) -> None:
    data = corpus.png(7_000, 7_000, 8, 2, bytes(21_001 * 7_000))  # 187 MiB once it is decoded
    assert read(data).decoded.width == 7_000
    with pytest.raises(DecodeRefused) as refusal:
        read(data, memory_bytes=256 << 20)
    assert refusal.value.code == "decoder_memory"


def test_it_says_when_time_is_what_is_lacking(read: Read) -> None:
    noise = Image.effect_noise((7_900, 7_900), 90)  # nothing takes longer to read than noise that nothing can foresee
    pixels = Image.merge("RGB", (noise, noise.rotate(90), noise.rotate(180)))
    with pytest.raises(DecodeRefused) as refusal:
        read(corpus.saved(pixels, "WEBP", lossless=True, method=0, quality=0), cpu_seconds=1, max_bytes=1 << 30)
    assert refusal.value.code == "decoder_timeout"

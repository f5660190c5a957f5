"""Every kind of pixel becomes right sRGB."""

from __future__ import annotations

import struct

import pytest
from PIL import Image, ImageCms

from tests.decoder import corpus
from tests.decoder.conftest import Read, Reading

Colour = tuple[int, int, int]
LOSS = 4  # what lossy WebP may change in a flat picture, by channel


def flat(mode: str, colour: object, size: tuple[int, int] = (32, 32)) -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]  # a number or a tuple, as the mode has it


def middle(reading: Reading) -> Colour:
    pixel = reading.screen.getpixel((reading.screen.width // 2, reading.screen.height // 2))
    assert isinstance(pixel, tuple)
    return pixel[0], pixel[1], pixel[2]


def assert_colour(reading: Reading, expected: Colour) -> None:
    found = middle(reading)
    assert all(abs(a - b) <= LOSS for a, b in zip(found, expected, strict=True)), f"{found}, not {expected}"


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize(
    ("inks", "expected"),
    [
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 127), (128, 128, 128)),
    ],
)
def test_it_turns_inks_into_light(read: Read, kind: str, inks: tuple[int, ...], expected: Colour) -> None:
    found = read(corpus.saved(flat("CMYK", inks), kind, **({"quality": 95} if kind == "JPEG" else {})))
    assert found.decoded.mode == "CMYK"
    assert_colour(found, expected)


def test_it_honours_the_profile_of_inks(read: Read) -> None:
    profile = corpus.ink_profile((round(60 * 2.55), 128 + 40, 128 + 20))  # CIE Lab 60, 40, 20
    found = read(corpus.saved(flat("CMYK", (255, 0, 0, 0)), "TIFF", icc_profile=profile))
    assert found.decoded.profile == "applied"
    assert_colour(found, (215, 114, 112))  # by CIE 15 and the sRGB standard; without the profile it would be cyan


def test_it_keeps_the_high_byte_of_16_bit_grey(read: Read) -> None:
    for value in (0, 0x3FFF, 0x80FF, 0xFFFF):
        rows = b"".join(b"\0" + struct.pack(">H", value) * 32 for _ in range(32))
        found = read(corpus.png(32, 32, 16, 0, rows))
        assert found.decoded.mode == "I;16"
        assert_colour(found, (value >> 8,) * 3)


@pytest.mark.parametrize("order", ["<", ">"])
def test_it_reads_16_bit_grey_in_either_byte_order(read: Read, order: str) -> None:
    pixels = struct.pack(f"{order}H", 0xC010) * (32 * 32)
    assert_colour(read(corpus.tiff((32, 32), [16], 1, pixels, order=order)), (0xC0, 0xC0, 0xC0))


def test_it_spreads_12_bit_grey_over_the_whole_range(read: Read) -> None:
    high, low = 0x800, 0x800
    packed = bytes((high >> 4, (high & 15) << 4 | low >> 8, low & 255)) * (32 * 32 // 2)
    found = read(corpus.tiff((32, 32), [12], 1, packed))
    assert_colour(found, (128, 128, 128))


@pytest.mark.parametrize("order", ["<", ">"])
def test_it_reads_16_bit_colour(read: Read, order: str) -> None:
    pixels = struct.pack(f"{order}3H", 0xF000, 0x8000, 0x1000) * (32 * 32)
    found = read(corpus.tiff((32, 32), [16, 16, 16], 2, pixels, order=order, more=[(284, 1)]))
    assert_colour(found, (0xF0, 0x80, 0x10))


def test_it_reads_16_bit_colour_of_png(read: Read) -> None:
    rows = (b"\0" + struct.pack(">3H", 0xF000, 0x8000, 0x1000) * 32) * 32
    assert_colour(read(corpus.png(32, 32, 16, 2, rows)), (0xF0, 0x80, 0x10))


@pytest.mark.parametrize(
    ("mode", "low", "high", "expected"),
    [
        ("F", 0.0, 0.5, 128),
        ("F", 0.0, 200.0, 200),
        ("F", -4.0, 4.0, 255),
        ("I", 0, 200, 200),
        ("I", 0, 0x8000, 127),
        ("I", -1000, 1_000_000, 255),
    ],
)
def test_it_finds_a_scale_for_wide_numbers(read: Read, mode: str, low: float, high: float, expected: int) -> None:
    picture = flat(mode, low, (64, 32))
    picture.paste(high, (16, 0, 64, 32))
    assert_colour(read(corpus.saved(picture, "TIFF")), (expected,) * 3)


def test_it_takes_measurements_that_are_no_numbers(read: Read) -> None:
    for value in (float("nan"), float("inf"), float("-inf")):
        assert read(corpus.saved(flat("F", value), "TIFF")).decoded.mode == "F"


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_it_reads_palettes(read: Read, kind: str) -> None:
    found = read(corpus.saved(flat("RGB", (200, 100, 50)).quantize(4), kind))
    assert found.decoded.mode == "P"
    assert not found.decoded.had_alpha
    assert_colour(found, (200, 100, 50))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "BMP"])
def test_it_reads_black_and_white(read: Read, kind: str) -> None:
    for value in (0, 255):
        assert_colour(read(corpus.saved(flat("1", value), kind)), (value,) * 3)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_it_puts_what_shines_through_on_white(read: Read, kind: str) -> None:
    picture = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 64, 16))
    found = read(corpus.saved(picture, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert found.decoded.had_alpha
    assert_colour(found, (255, 255, 255))


def test_it_mixes_half_transparent_colours_with_white(read: Read) -> None:
    found = read(corpus.saved(flat("RGBA", (0, 0, 255, 128)), "PNG"))
    assert_colour(found, (127, 127, 255))


def test_it_lets_no_hidden_colour_bleed_when_it_shrinks(read: Read) -> None:
    picture = Image.new("RGBA", (200, 200), (255, 0, 0, 0))  # invisible red around
    picture.paste((0, 0, 0, 255), (0, 0, 100, 200))
    found = read(corpus.saved(picture, "PNG"), screen_edge=50)
    reddest = max(r - g for r, g, _ in found.screen.get_flattened_data())  # type: ignore[misc]  # RGB pixels
    assert reddest <= LOSS


def test_it_puts_transparent_grey_and_palettes_on_white(read: Read) -> None:
    grey = read(corpus.saved(flat("LA", (40, 0)), "PNG"))
    palette = read(corpus.saved(flat("P", 0), "PNG", transparency=0))
    gif = read(corpus.saved(flat("P", 0), "GIF", transparency=0))
    keyed = read(corpus.saved(flat("RGB", (9, 8, 7)), "PNG", transparency=(9, 8, 7)))
    for found in (grey, palette, gif, keyed):
        assert found.decoded.had_alpha
        assert_colour(found, (255, 255, 255))


def test_it_does_not_call_an_opaque_alpha_channel_transparent(read: Read) -> None:
    assert not read(corpus.saved(flat("RGBA", (1, 2, 3, 255)), "PNG")).decoded.had_alpha


def test_it_reads_cie_lab(read: Read) -> None:
    lab = flat("LAB", (153, 168, 148))  # L 60, a 40, b 20
    assert_colour(read(corpus.saved(lab, "TIFF")), (215, 114, 112))


P3_COLOURS = [(200, 100, 80), (100, 180, 90), (30, 30, 200), (128, 128, 128), (255, 255, 255), (255, 0, 0)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("colour", P3_COLOURS)
def test_it_brings_wide_colours_home(read: Read, kind: str, colour: Colour) -> None:
    options = {"quality": 95} if kind in ("JPEG", "AVIF", "HEIF") else {}
    options |= {"lossless": True} if kind == "WEBP" else {}
    found = read(corpus.saved(flat("RGB", colour), kind, icc_profile=corpus.p3_profile(), **options))
    assert found.decoded.profile == "applied"
    assert_colour(found, corpus.p3_as_srgb(colour))


def test_it_shows_that_wide_colours_would_be_wrong_without_their_profile(read: Read) -> None:
    found = middle(read(corpus.saved(flat("RGB", (100, 180, 90)), "PNG")))
    assert abs(found[0] - corpus.p3_as_srgb((100, 180, 90))[0]) > 20


@pytest.mark.parametrize("kind", ["PNG", "AVIF", "HEIF"])
def test_it_brings_wide_colours_home_that_are_marked_by_code_points(read: Read, kind: str) -> None:
    picture = flat("RGB", (200, 100, 80), (64, 64))
    if kind == "PNG":
        rows = (b"\0" + bytes((200, 100, 80)) * 64) * 64
        data = corpus.png(64, 64, 8, 2, rows, extra=[corpus.png_chunk(b"cICP", bytes((12, 13, 0, 1)))])
    else:
        data = corpus.saved(picture, kind, quality=95)
        at = data.index(b"colrnclx") + 8
        data = data[:at] + struct.pack(">HH", 12, 13) + data[at + 4 :]
    found = read(data)
    assert found.decoded.profile == "applied"
    assert_colour(found, corpus.p3_as_srgb((200, 100, 80)))


def test_it_honours_a_grey_profile(read: Read) -> None:
    found = read(corpus.saved(flat("L", 55), "PNG", icc_profile=corpus.grey_profile(1.0)))
    expected = round(255 * corpus.linear_to_srgb(55 / 255))
    assert found.decoded.profile == "applied"
    assert_colour(found, (expected,) * 3)


def test_it_leaves_srgb_as_it_is(read: Read) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for colour in P3_COLOURS:
        assert_colour(read(corpus.saved(flat("RGB", colour), "PNG", icc_profile=profile)), colour)


def test_it_ignores_profiles_that_cannot_be_used(read: Read) -> None:
    whole = corpus.p3_profile()
    damaged = {
        "noise": b"this is no profile" * 20,
        "cut": whole[:200],
        "zeroes": bytes(1000),
        "short": b"\0",
        "lying": whole[:128] + struct.pack(">I", 0x7FFFFFFF) + whole[132:],
        "for inks": corpus.ink_profile((0, 128, 128)),
        "for grey": corpus.grey_profile(2.2),
    }
    for name, profile in damaged.items():
        found = read(corpus.saved(flat("RGB", (200, 100, 80)), "JPEG", quality=95, icc_profile=profile))
        assert found.decoded.profile == "ignored", name
        assert_colour(found, (200, 100, 80))


def test_it_ignores_a_profile_over_the_limit(read: Read) -> None:
    profile = corpus.p3_profile()
    data = corpus.saved(flat("RGB", (200, 100, 80)), "PNG", icc_profile=profile)
    assert read(data, max_icc_bytes=len(profile)).decoded.profile == "applied"
    found = read(data, max_icc_bytes=len(profile) - 1)
    assert found.decoded.profile == "ignored"
    assert_colour(found, (200, 100, 80))


def test_it_ignores_a_png_profile_of_many_megabytes(read: Read) -> None:
    large = corpus.p3_profile() + bytes(3 << 20)
    assert read(corpus.saved(flat("RGB", (200, 100, 80)), "PNG", icc_profile=large)).decoded.profile == "ignored"

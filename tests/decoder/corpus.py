"""Pictures for the decoder's tests, made here: honest ones of every kind, and dishonest ones of every kind."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import pillow_heif
from PIL import Image, PngImagePlugin

pillow_heif.register_heif_opener()

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
GPS_IFD = 0x8825


def photograph(size: tuple[int, int] = (60, 44), seed: int = 7) -> Image.Image:
    """A picture without any symmetry: a different gradient in each channel and a black corner."""
    width, height = size
    ramp = Image.linear_gradient("L")
    picture = Image.merge(
        "RGB",
        [
            ramp.resize(size),
            ramp.rotate(90).resize(size),
            Image.radial_gradient("L").resize(size, box=(0, 0, 56 + seed, 256)),
        ],
    )
    picture.paste(BLACK, (0, 0, max(1, width // 4), max(1, height // 5)))
    return picture


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """`picture` as a file of format `kind`."""
    out = io.BytesIO()
    if "append_images" in options:
        options["append_images"] = [frame.copy() for frame in options["append_images"]]
    picture.copy().save(out, kind, **options)  # copies: saving as JPEG leaves settings behind that spoil a TIFF
    return out.getvalue()


def exif(orientation: int | None = None, *, private: bool = False) -> Image.Exif:
    """An EXIF block; `private` adds a place, a camera's serial number and a comment."""
    block = Image.Exif()
    if orientation is not None:
        block[0x0112] = orientation
    if private:
        block[0x010F] = "SecretCamera"
        block[0x9286] = "my secret comment"
        block.get_ifd(GPS_IFD).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    return block


def one_of_each() -> dict[str, bytes]:
    """One small honest file of each accepted kind, by name; the part before the dash is the format."""
    picture = photograph()
    frames = [photograph(seed=seed) for seed in (9, 60, 120)]
    return {
        "JPEG-baseline": saved(picture, "JPEG", quality=92),
        "JPEG-progressive": saved(picture, "JPEG", progressive=True),
        "JPEG-grey": saved(picture.convert("L"), "JPEG"),
        "JPEG-cmyk": saved(picture.convert("CMYK"), "JPEG"),
        "JPEG-mpo": saved(picture, "MPO", save_all=True, append_images=frames[:1]),
        "PNG-rgb": saved(picture, "PNG"),
        "PNG-palette": saved(picture.convert("P"), "PNG"),
        "PNG-bits": saved(picture.convert("1"), "PNG"),
        "PNG-alpha": saved(picture.convert("RGBA"), "PNG"),
        "PNG-16": saved(picture.convert("L").convert("I;16"), "PNG"),
        "PNG-apng": saved(picture, "PNG", save_all=True, append_images=frames),
        "WEBP-lossy": saved(picture, "WEBP"),
        "WEBP-lossless": saved(picture, "WEBP", lossless=True),
        "WEBP-animated": saved(picture, "WEBP", save_all=True, append_images=frames, lossless=True),
        "GIF-still": saved(picture.convert("P"), "GIF"),
        "GIF-animated": saved(picture, "GIF", save_all=True, append_images=frames),
        "TIFF-plain": saved(picture, "TIFF"),
        "TIFF-lzw": saved(picture, "TIFF", compression="tiff_lzw"),
        "TIFF-deflate": saved(picture, "TIFF", compression="tiff_adobe_deflate"),
        "TIFF-fax": saved(picture.convert("1"), "TIFF", compression="group4"),
        "TIFF-pages": saved(picture, "TIFF", save_all=True, append_images=frames),
        "TIFF-big": saved(picture, "TIFF", big_tiff=True),
        "BMP-rgb": saved(picture, "BMP"),
        "BMP-palette": saved(picture.convert("P"), "BMP"),
        "HEIF-still": saved(picture, "HEIF", quality=80),
        "HEIF-burst": saved(picture, "HEIF", save_all=True, append_images=frames[:1]),
        "AVIF-still": saved(picture, "AVIF", quality=80),
        "AVIF-animated": saved(picture, "AVIF", save_all=True, append_images=frames),
    }


# --- files by hand ----------------------------------------------------------------------------------------------


def png_chunk(name: bytes, data: bytes) -> bytes:
    """One PNG chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *, extra: Iterable[bytes] = ()) -> bytes:
    """A PNG file; `rows` are the unpacked rows with their filter bytes, `extra` chunks go before the pixels."""
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
            *extra,
            png_chunk(b"IDAT", zlib.compress(rows, 9)),
            png_chunk(b"IEND", b""),
        )
    )


def tiff(
    size: tuple[int, int],
    bits: Iterable[int],
    photometric: int,
    pixels: bytes,
    *,
    order: str = "<",
    more: Iterable[tuple[int, int]] = (),
) -> bytes:
    """An uncompressed TIFF of one strip; `more` are further tags with one number each."""
    bits = list(bits)
    tags = {256: size[0], 257: size[1], 259: 1, 262: photometric, 273: 0, 277: len(bits), 278: size[1]}
    tags |= {279: len(pixels), 258: 0, **dict(more)}
    entries_at = 8 + 2 + len(tags) * 12 + 4
    bits_at, pixels_at = entries_at, entries_at + 2 * len(bits)
    tags[273] = pixels_at
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    for tag in sorted(tags):
        if tag == 258:
            value = struct.pack(f"{order}HH", bits[0], 0) if len(bits) == 1 else struct.pack(f"{order}I", bits_at)
            out += struct.pack(f"{order}HHI", tag, 3, len(bits)) + value
        else:
            out += struct.pack(f"{order}HHII", tag, 4, 1, tags[tag])
    return out + struct.pack(f"{order}I", 0) + struct.pack(f"{order}{len(bits)}H", *bits) + pixels


def icc(space: bytes, tags: dict[bytes, bytes], *, pcs: bytes = b"XYZ ", kind: bytes = b"mntr") -> bytes:
    """An ICC profile, version 2.4 (ICC.1:2001-04), with the given tags and a white point."""
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"made\0" + bytes(78)
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0none\0", b"wtpt": xyz(0.9642, 1.0, 0.8249), **tags}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"\0\0\0\0", 0x02400000, kind, space, pcs)
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", *(round(v * 65536) for v in (0.9642, 1, 0.8249)))
    return header.ljust(128, b"\0") + table + body


def xyz(*values: float) -> bytes:
    """An XYZ tag."""
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(v * 65536) for v in values))


def curve(gamma: float) -> bytes:
    """A tone curve: a power, or the one of sRGB sampled when `gamma` is 0."""
    if gamma:
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    samples = [round(65535 * srgb_to_linear(n / 1023)) for n in range(1024)]
    return b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *samples)


def srgb_to_linear(value: float) -> float:
    """IEC 61966-2-1: encoded 0..1 to light 0..1."""
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(value: float) -> float:
    """IEC 61966-2-1: light 0..1 to encoded 0..1, clipped."""
    value = min(max(value, 0.0), 1.0)
    return value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


# Primaries adapted to D50 by Bradford's method, as profiles carry them.
P3_TO_XYZ = ((0.51512, 0.29198, 0.15710), (0.24120, 0.69225, 0.06657), (-0.00105, 0.04189, 0.78407))
XYZ_TO_SRGB = (
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)


def p3_profile() -> bytes:
    """Display P3: wider primaries than sRGB, the same tone curve."""
    columns = list(zip(*P3_TO_XYZ, strict=True))
    tags = {name: xyz(*column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
    return icc(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve(0)))


def p3_as_srgb(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """What a Display P3 colour is in sRGB, by arithmetic."""
    light = [srgb_to_linear(v / 255) for v in colour]
    middle = [sum(m * v for m, v in zip(row, light, strict=True)) for row in P3_TO_XYZ]
    red, green, blue = (
        round(255 * linear_to_srgb(sum(m * v for m, v in zip(row, middle, strict=True)))) for row in XYZ_TO_SRGB
    )
    return red, green, blue


def grey_profile(gamma: float) -> bytes:
    """A grey profile with a pure power curve."""
    return icc(b"GRAY", {b"kTRC": curve(gamma)})


def ink_profile(lab: tuple[int, int, int]) -> bytes:
    """A CMYK profile in which every ink gives the same colour (CIE Lab in ICC's 8-bit coding)."""
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table += ramp * 4 + bytes(lab) * 16 + ramp * 3
    return icc(b"CMYK", {b"A2B0": table, b"A2B1": table}, pcs=b"Lab ", kind=b"prtr")


# --- bombs ------------------------------------------------------------------------------------------------------


def bombs() -> dict[str, tuple[str, bytes]]:
    """A hundred small files that would unpack into very much, by name: (code of the refusal that is due, bytes)."""
    found: dict[str, tuple[str, bytes]] = {}
    for index in range(12):
        side = 8_001 + 2_000 * index
        found[f"png-{side}"] = ("too_many_pixels", png_bomb(side, side))
        found[f"gif-{side}"] = ("too_many_pixels", gif_bomb(min(side, 65_535), side, 1))
        found[f"jpeg-{side}"] = ("too_many_pixels", jpeg_bomb(side, side))
        found[f"tiff-{side}"] = ("too_many_pixels", tiff((side, side), [1], 1, bytes(64)))
        found[f"bmp-{side}"] = ("too_many_pixels", bmp_bomb(side, side))
        found[f"avif-{side}"] = ("too_many_pixels", lying_box("AVIF", side))
        found[f"heif-{side}"] = ("too_many_pixels", lying_box("HEIF", side))
    for index in range(4):
        side = 9_000 + 2_000 * index
        found[f"webp-canvas-{side}"] = ("too_many_pixels", webp_canvas(side, side))
        found[f"webp-lossless-{side}"] = ("too_many_pixels", webp_lossless(side, side))
        found[f"gif-frames-{side}"] = ("too_many_pixels", gif_bomb(1_500, side, 10))
    found["png-lying-small-side"] = ("too_many_pixels", png_bomb(2**31 - 1, 1))
    found["apng-frames"] = ("too_many_frames", apng_frames(4_000_000_000))
    found["gif-tiny-frames"] = ("too_many_frames", gif_bomb(1, 1, 301))
    found["gif-very-many-frames"] = ("too_many_frames", gif_bomb(4, 4, 200_000))
    return found


def png_bomb(width: int, height: int) -> bytes:
    """A PNG whose rows are all zero, 1 bit a pixel; compressed data for at most 200 MiB of them."""
    rows = bytes(min((1 + (width + 7) // 8) * height, 200 << 20))
    return png(width, height, 1, 0, rows)


def gif_bomb(width: int, height: int, frames: int) -> bytes:
    """A GIF of `frames` frames, each the size of the screen and one byte of data."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


def jpeg_bomb(width: int, height: int) -> bytes:
    """A small progressive JPEG whose header claims another size."""
    data = bytearray(saved(photograph(), "JPEG", progressive=True))
    at = data.index(b"\xff\xc2")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp_bomb(width: int, height: int) -> bytes:
    """A run-length coded BMP with hardly any data."""
    palette = bytes(1024)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 4, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 14 + 40 + 1024 + 4, 0, 0, 14 + 40 + 1024) + header + palette + b"\0\x01\0\x01"


def lying_box(kind: str, side: int) -> bytes:
    """An AVIF or HEIF file whose size box claims `side` squared."""
    data = saved(photograph((64, 64)), kind)
    size = struct.pack(">II", 64, 64)
    at = data.index(b"ispe") + 8
    if data[at : at + 8] != size:
        raise AssertionError("the size box is not where it was thought to be")
    return data[:at] + struct.pack(">II", side, side) + data[at + 8 :]


def webp_canvas(width: int, height: int) -> bytes:
    """A WebP with a large canvas and one small frame."""
    small = saved(photograph((16, 16)), "WEBP", lossless=True)
    frame = bytes(6) + (15).to_bytes(3, "little") * 2 + bytes((100, 0, 0, 0)) + small[12:]
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = _riff(b"VP8X", bytes((2, 0, 0, 0)) + size) + _riff(b"ANIM", bytes(6)) + _riff(b"ANMF", frame)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def webp_lossless(width: int, height: int) -> bytes:
    """A lossless WebP whose header claims another size."""
    data = bytearray(saved(photograph((16, 16)), "WEBP", lossless=True))
    bits = struct.unpack_from("<I", data, 21)[0] & ~0xFFFFFFF
    struct.pack_into("<I", data, 21, bits | (width - 1) | (height - 1) << 14)
    return bytes(data)


def _riff(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) & 1)


def apng_frames(count: int) -> bytes:
    """A PNG that claims `count` frames."""
    control = png_chunk(b"acTL", struct.pack(">II", count, 0))
    return png(4, 4, 8, 0, bytes(20), extra=[control])


def tiff_pages(count: int) -> bytes:
    """A TIFF of `count` pages that share one pixel."""
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 1}
    entries = struct.pack("<H", len(tags))
    entries += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    page = len(entries) + 4
    following = [*(10 + page * (index + 1) for index in range(count - 1)), 0]
    return b"II*\0" + struct.pack("<I", 10) + b"\x80\0" + b"".join(entries + struct.pack("<I", at) for at in following)


def png_with_text_bomb() -> bytes:
    """A PNG with a compressed comment of 200 MiB."""
    return png(8, 8, 8, 0, bytes(72), extra=[png_chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(200 << 20), 9))])


def png_with_profile_bomb() -> bytes:
    """A PNG with a compressed colour profile of 200 MiB."""
    return png(8, 8, 8, 0, bytes(72), extra=[png_chunk(b"iCCP", b"c\0\0" + zlib.compress(bytes(200 << 20), 9))])


# --- strangers and monsters ---------------------------------------------------------------------------------------


def strangers() -> dict[str, bytes]:
    """Files of kinds that are not accepted, most of which some plugin of Pillow would open."""
    picture = photograph()
    return {
        "eps": saved(picture, "EPS"),
        "ico": saved(picture, "ICO"),
        "jpeg2000": saved(picture, "JPEG2000"),
        "pdf": saved(picture, "PDF"),
        "pcx": saved(picture, "PCX"),
        "ppm": saved(picture, "PPM"),
        "tga": saved(picture, "TGA"),
        "sgi": saved(picture, "SGI"),
        "dds": saved(picture, "DDS"),
        "psd": b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 4, 4, 8, 3) + bytes(12) + bytes(64),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "html": b"<!doctype html><script>alert(1)</script>",
        "text": b"BM is how this text begins, and it is no picture.",
        "zip": b"PK\x03\x04" + bytes(64),
        "elf": b"\x7fELF" + bytes(64),
        "mp4": b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + bytes(64),
        "cr2": b"II*\0\x10\0\0\0CR\x02\0" + bytes(64),
        "dng": tiff((4, 4), [8], 1, bytes(16), more=[(50706, 0x00000401)]),
        "nef": tiff((4, 4), [8], 1, bytes(16), more=[(254, 1), (330, 8)]),
        "one-byte": b"\xff",
        "noise": random.Random(1).randbytes(4096),
    }


def polyglots() -> dict[str, bytes]:
    """Honest pictures that are something else too; `SCRIPT` is in each."""
    picture = photograph()
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", SCRIPT.decode())
    gif = saved(picture.convert("P"), "GIF")
    return {
        "jpeg-comment": saved(picture, "JPEG", comment=SCRIPT),
        "jpeg-tail": saved(picture, "JPEG") + SCRIPT,
        "jpeg-zip-tail": saved(picture, "JPEG") + b"PK\x03\x04" + SCRIPT,
        "png-text": saved(picture, "PNG", pnginfo=note),
        "png-tail": saved(picture, "PNG") + SCRIPT,
        "gif-tail": gif + SCRIPT,
        "gif-comment": saved(picture.convert("P"), "GIF", comment=SCRIPT),
        "webp-xmp": saved(picture, "WEBP", xmp=SCRIPT),
        "bmp-tail": saved(picture, "BMP") + SCRIPT,
        "tiff-tail": saved(picture, "TIFF") + SCRIPT,
    }


SCRIPT = b"<html><script>alert('polyglot')</script></html>"

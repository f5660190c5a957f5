"""What the first bytes and the skeleton of a file say, before any picture library sees it. Runs in the child only.

Each reader walks block headers and stops at the first answer; none of them unpacks anything.
Sources: GIF89a specification; PNG specification (third edition), section 5; RFC 9649 (WebP); TIFF 6.0, section 2,
and the BigTIFF extension; ISO/IEC 14496-12, section 4.2.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
AVIF_BRANDS = {b"avif", b"avis"}
LONG_BOXES = {b"ftyp", b"meta", b"moov", b"mdat"}


@dataclass
class Skeleton:
    """What the skeleton tells: size in pixels and frames (0: it does not say), and whether the file was cut short.

    `damaged`: a checksum is wrong. `display_p3`: the colours are marked as Display P3 by code points (ITU-T H.273),
    not by a profile.
    """

    width: int = 0
    height: int = 0
    frames: int = 0
    cut_short: bool = False
    damaged: bool = False
    display_p3: bool = False


def sniff(data: bytes) -> str | None:
    """The format by content, from the explicit list of `FORMATS`, or None."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(PNG_SIGNATURE):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None if data[8:10] == b"CR" else "TIFF"  # Canon's raw files dress up as TIFF
    if data[:2] == b"BM" and data[14:18] in [n.to_bytes(4, "little") for n in BMP_HEADER_SIZES]:
        return "BMP"
    if data[4:8] == b"ftyp":
        return _sniff_brands(data)
    return None


def _sniff_brands(data: bytes) -> str | None:
    length = min(int.from_bytes(data[:4], "big"), 1024)
    brands = {data[at : at + 4] for at in (8, *range(16, length - 3, 4))}
    major = data[8:12]
    if major in AVIF_BRANDS or (major in (b"mif1", b"msf1") and brands & AVIF_BRANDS):
        return "AVIF"
    return "HEIF" if major in HEIF_BRANDS else None


def skeleton(data: bytes, kind: str, most_frames: int) -> Skeleton:
    """Walk the skeleton of `data`, which `sniff` called `kind`; stops counting beyond `most_frames` frames."""
    readers = {"GIF": _gif, "PNG": _png, "WEBP": _webp, "TIFF": _tiff, "HEIF": _boxes, "AVIF": _boxes}
    if kind not in readers:
        return Skeleton()
    found = Skeleton()
    try:
        readers[kind](data, most_frames, found)
    except (IndexError, OverflowError, struct.error):  # the walk ran past the end of the file, or far beyond
        found.cut_short = True
    return found


def _gif(data: bytes, most_frames: int, found: Skeleton) -> None:
    # Pillow's n_frames reads a 32 MiB file of tiny frames for a minute; this walk stops at the first frame too many.
    found.width, found.height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + _gif_table(flags)
    while found.frames <= most_frames and at < len(data):
        if data[at] == 0x21:
            at = _gif_blocks(data, at + 2)
        elif data[at] == 0x2C:
            if not found.frames:  # a first frame larger than the screen makes the picture larger
                left, top, width, height = struct.unpack_from("<HHHH", data, at + 1)
                found.width, found.height = max(found.width, left + width), max(found.height, top + height)
            at = _gif_blocks(data, at + 11 + _gif_table(data[at + 9]))
            found.frames += 1
        else:  # the trailer, or rubbish after the last frame, which every reader forgives
            return
    found.cut_short = at > len(data)


def _gif_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(data: bytes, at: int) -> int:
    while size := data[at]:
        at += size + 1
    return at + 1


def _png(data: bytes, most_frames: int, found: Skeleton) -> None:
    found.width, found.height = struct.unpack_from(">II", data, 16)
    at = len(PNG_SIGNATURE)
    while True:
        size, name = struct.unpack_from(">I4s", data, at)
        if name == b"acTL":
            found.frames = struct.unpack_from(">I", data, at + 8)[0]
        elif name == b"cICP":
            found.display_p3 = _is_display_p3(*struct.unpack_from(">BB", data, at + 8))
        if name == b"IEND" or found.frames > most_frames:
            return
        if name == b"IDAT":  # Pillow looks at the checksums of the other chunks only and shows rubbish without a word
            content = memoryview(data)[at + 4 : at + 8 + size]
            found.damaged |= zlib.crc32(content) != struct.unpack_from(">I", data, at + 8 + size)[0]
        at += size + 12


def _webp(data: bytes, most_frames: int, found: Skeleton) -> None:
    found.cut_short = int.from_bytes(data[4:8], "little") + 8 > len(data)
    _webp_size(data, found)
    at = 12
    while at + 8 <= len(data) and found.frames <= most_frames:
        name, size = struct.unpack_from("<4sI", data, at)
        found.frames += name == b"ANMF"
        at += 8 + size + (size & 1)


def _webp_size(data: bytes, found: Skeleton) -> None:
    # libwebp allocates the whole canvas twice when the file is opened, before anybody can ask for its size.
    kind = data[12:16]
    if kind == b"VP8X":
        found.width = int.from_bytes(data[24:27], "little") + 1
        found.height = int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        found.width, found.height = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        found.width, found.height = width & 0x3FFF, height & 0x3FFF


def _tiff(data: bytes, most_frames: int, found: Skeleton) -> None:
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    count, entry, offset = (f"{order}Q", 20, f"{order}Q") if big else (f"{order}H", 12, f"{order}I")
    at = struct.unpack_from(offset, data, 8 if big else 4)[0]
    seen: set[int] = set()
    while at and at not in seen and found.frames <= most_frames:
        seen.add(at)
        entries = struct.unpack_from(count, data, at)[0]
        at = struct.unpack_from(offset, data, at + struct.calcsize(count) + entries * entry)[0]
        found.frames += 1


def _boxes(data: bytes, most_frames: int, found: Skeleton) -> None:
    for name, start, end in _each_box(data, 0, len(data)):
        found.cut_short = end > len(data) and name in LONG_BOXES
        if name == b"meta":
            _properties(data, start + 4, end, found)


def _each_box(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each box between `at` and `end`."""
    while at + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, at)
        header = 8
        if size == 1:
            size, header = struct.unpack_from(">Q", data, at + 8)[0], 16
        if size < header or not name.isalnum():
            return  # 0: it runs to the end of the file; no name: some cameras append data that is no box
        yield name, at + header, at + size
        at += size


def _properties(data: bytes, at: int, end: int, found: Skeleton) -> None:
    # The readers' own limits are higher than ours and name another reason, so the sizes are looked up here first.
    for name, start, stop in _each_box(data, at, min(end, len(data))):
        if name in (b"iprp", b"ipco"):
            _properties(data, start, stop, found)
        elif name == b"ispe":
            width, height = struct.unpack_from(">II", data, start + 4)
            if width * height > found.width * found.height:
                found.width, found.height = width, height
        elif name == b"colr" and data[start : start + 4] == b"nclx":
            found.display_p3 = _is_display_p3(*struct.unpack_from(">HH", data, start + 4))


def _is_display_p3(primaries: int, transfer: int) -> bool:
    return primaries == 12 and transfer in (1, 2, 6, 13)  # the curves of video and of sRGB; brighter ones are HDR

"""What callers of the decoder see: its limits, its answer and its refusals. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024
WEBP_EDGE = 16_383

#: The formats that are read, as people write them. MPO files (phones with two lenses) are reported as JPEG.
FORMATS: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIF", "AVIF")

#: What the decoder writes of each picture, in the order in which it is handed over.
RENDITIONS: tuple[str, ...] = ("thumbnail", "medium", "screen")


def _(words: str) -> str:
    """Mark words for the catalogue. `captions.errors` translates them: this process has no Django."""
    return words


#: Words for people, by code: what is so, then what to do. A code never changes its meaning.
REFUSALS: dict[str, str] = {
    "unsupported_format": _(
        "This file is not a picture in a format that can be read here. "
        "Add it as JPEG, PNG, WebP, GIF, TIFF, BMP, HEIC or AVIF."
    ),
    "format_turned_off": _(
        "HEIC or AVIF pictures are turned off on this server. Export this picture as JPEG, then add it again."
    ),
    "empty_file": _("This file is empty. Choose the picture again, or copy it to your device first."),
    "file_too_large": _("This file is larger than this server accepts. Export it smaller, then add it again."),
    "truncated_image": _("This file stops half way, so it cannot be read. Export it again, then add it once more."),
    "corrupt_image": _(
        "This file is damaged, so it cannot be read. Open it in a picture program, export it again, then add it."
    ),
    "image_too_small": _("This picture has no pixels. Export it again, then add it once more."),
    "too_many_pixels": _(
        "This picture has more pixels than this server accepts, all frames and pages counted. "
        "Make it smaller, then add it again."
    ),
    "too_many_frames": _(
        "This picture has more frames or pages than this server accepts. Export one of them, then add it again."
    ),
    "decoder_memory": _("Reading this picture takes more memory than is allowed. Make it smaller, then add it again."),
    "decoder_timeout": _("Reading this picture took too long, so it was stopped. Make it smaller, then add it again."),
    "decoder_crashed": _(
        "Reading this picture stopped the decoder twice, so it was refused. Export it in another format, then add it."
    ),
}


@dataclass(frozen=True)
class Limits:
    """What one picture may cost.

    :param max_bytes: size of the file in bytes.
    :param max_pixels: width times height times frames (pages of a TIFF count as frames), from the header.
    :param max_frames: frames of an animation, pages of a TIFF, pictures of a HEIF burst.
    :param max_icc_bytes: a larger colour profile is ignored and the picture read as sRGB.
    :param memory_bytes: address space of the process that decodes the picture.
    :param cpu_seconds: processor time for the picture; whole seconds, the kernel counts no finer.
    :param wall_seconds: time by the clock for the picture, waiting for a free place not counted.
    :param thumbnail_edge: longest side of the thumbnail in pixels; never enlarged.
    :param medium_edge: longest side of the medium rendition in pixels; never larger than the screen rendition.
    :param screen_edge: longest side of the screen rendition in pixels; never enlarged. At most 16,383 (WebP).
    :param heif: whether HEIC and HEIF are read (needs pillow-heif).
    :param avif: whether AVIF is read.
    """

    max_bytes: int = 32 * MIB
    max_pixels: int = 64_000_000
    max_frames: int = 300
    max_icc_bytes: int = MIB
    memory_bytes: int = 1536 * MIB
    cpu_seconds: int = 10
    wall_seconds: int = 20
    thumbnail_edge: int = 480
    medium_edge: int = 800
    screen_edge: int = 1600
    heif: bool = True
    avif: bool = True

    def __post_init__(self) -> None:
        numbers = {name: value for name, value in vars(self).items() if not isinstance(value, bool)}
        if wrong := [name for name, value in numbers.items() if value < 1]:
            raise ValueError(f"limits must be at least 1: {', '.join(wrong)}")
        if max(self.thumbnail_edge, self.medium_edge, self.screen_edge) > WEBP_EDGE:
            raise ValueError(f"a WebP picture has at most {WEBP_EDGE} pixels a side")


@dataclass(frozen=True)
class Rendition:
    """A WebP file that the decoder wrote: upright, sRGB, opaque, without metadata. Sizes in pixels and bytes."""

    path: Path
    width: int
    height: int
    bytes: int


@dataclass(frozen=True)
class Decoded:
    """What is known of a picture once it has been read.

    ``width`` and ``height`` are those of the upright picture in pixels. ``orientation`` is the EXIF value found in
    the file (1 to 8), ``mode`` Pillow's name of its pixel layout, ``profile`` says whether its colour profile was
    ``applied``, ``ignored`` (damaged, too large, or of the wrong kind) or ``absent``. ``blurhash`` are its colours in a
    few letters (https://blurha.sh). ``cpu_seconds`` and
    ``peak_bytes`` are what decoding cost.
    """

    format: str
    width: int
    height: int
    frames: int
    is_animated: bool
    thumbnail: Rendition
    medium: Rendition
    screen: Rendition
    had_alpha: bool
    orientation: int
    mode: str
    profile: str
    blurhash: str
    cpu_seconds: float = field(default=0.0, compare=False)
    peak_bytes: int = field(default=0, compare=False)


class DecodeRefused(Exception):
    """The picture cannot be taken.

    :param code: a key of :data:`REFUSALS`, for programs.
    :param detail: one line with figures for logs and details; printable ASCII, at most 200 characters.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        if code not in REFUSALS:
            raise ValueError(f"{code!r} is not a refusal code")
        self.code = code
        self.detail = printable(detail)
        super().__init__(f"{code}: {self.detail}" if self.detail else code)

    def __reduce__(self) -> tuple[type[DecodeRefused], tuple[str, str]]:
        return type(self), (self.code, self.detail)  # without this it breaks when it travels between processes

    @property
    def words(self) -> str:
        """Two sentences for the person who added the file."""
        return REFUSALS[self.code]


class DecoderUnavailable(Exception):
    """The decoder itself cannot run or has no free place. Nothing is said about the picture: try again later."""


def printable(text: str) -> str:
    """`text` fit for a log line: printable ASCII, other characters as '?', at most 200 characters."""
    # Messages of decoding libraries can repeat bytes of the file; unescaped they could forge lines in a log.
    return "".join(c if " " <= c <= "~" else "?" for c in text[:200])

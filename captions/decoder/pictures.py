"""From the bytes of a file to facts and three renditions. Runs in the child only, inside the fences.

The order matters: format by content, then size and frames from the header, and only then pixels.
"""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import blurhash
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from captions.decoder.contract import MIB, DecodeRefused, Limits
from captions.decoder.structure import Skeleton, skeleton, sniff

try:
    import pillow_heif
except ImportError:  # an extra: its wheel carries a GPL encoder
    pillow_heif = None  # type: ignore[assignment]  # "not installed", asked for where it is used

# Imported by name so that nothing has to be imported once the file system is out of reach.
PLUGINS = (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

ORIENTATION_TAG = 0x0112
#: EXIF orientation → what makes the picture upright (Exif 2.32, tag 274).
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TIFF_SUBFILE_TYPE, TIFF_BITS, TIFF_SUB_IFDS, DNG_VERSION = 254, 258, 330, 50706
ANIMATED_FORMATS = {"GIF", "PNG", "WEBP", "AVIF"}
PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
WEBP_QUALITY = 82
BLUR_SIDE, BLUR_PARTS = 24, (4, 3)  # pixels it is computed from, and its waves across and down
MEDIUM_QUALITY = 90  # captioners look at it: at 82 their pixels would be off by more than one step of 255
WEBP_METHOD = 4

SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True)
class Drawn:
    """What `read_picture` found, and the WebP bytes of its renditions. Sizes in pixels."""

    format: str
    width: int
    height: int
    frames: int
    is_animated: bool
    had_alpha: bool
    orientation: int
    mode: str
    profile: str
    thumbnail_size: tuple[int, int]
    blurhash: str
    medium_size: tuple[int, int]
    screen_size: tuple[int, int]
    thumbnail: bytes
    medium: bytes
    screen: bytes


def read_picture(data: bytes, limits: Limits) -> Drawn:
    """Read one picture.

    :param data: the whole file.
    :raises DecodeRefused: with every reason that lies in the file, `decoder_memory` included.
    """
    kind = _accepted_format(data, limits)
    bones = skeleton(data, kind, limits.max_frames)
    _check_size(bones.width, bones.height, bones.frames, limits)
    try:
        return _draw(data, kind, bones, limits)
    except DecodeRefused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeRefused("too_many_pixels", str(error)) from error
    except MemoryError as error:
        raise DecodeRefused("decoder_memory", f"limit {limits.memory_bytes} bytes") from error
    except Exception as error:  # decoders raise what they like: a broken PNG is a SyntaxError
        raise _refusal_for(error, data, kind, bones) from error


def _accepted_format(data: bytes, limits: Limits) -> str:
    if not data:
        raise DecodeRefused("empty_file")
    if len(data) > limits.max_bytes:
        raise DecodeRefused("file_too_large", f"more than {limits.max_bytes} bytes")
    kind = sniff(data)
    if kind is None:
        raise DecodeRefused("unsupported_format", f"starts with {data[:12].hex(' ')}")
    if (kind == "HEIF" and not (limits.heif and pillow_heif)) or (kind == "AVIF" and not limits.avif):
        raise DecodeRefused("format_turned_off", kind)
    return kind


def _check_size(width: int, height: int, frames: int, limits: Limits) -> None:
    if frames > limits.max_frames:
        raise DecodeRefused("too_many_frames", f"more than {limits.max_frames} frames")
    pixels = width * height * max(frames, 1)
    if pixels > limits.max_pixels:
        raise DecodeRefused(
            "too_many_pixels", f"{width} x {height} x {max(frames, 1)} = {pixels} pixels, limit {limits.max_pixels}"
        )


def _refusal_for(error: Exception, data: bytes, kind: str, bones: Skeleton) -> DecodeRefused:
    unknown = isinstance(error, UnidentifiedImageError)  # its message names an address in memory
    said = f"{kind}: " + ("no reader accepts it" if unknown else f"{type(error).__name__}: {error}")
    words = str(error).lower()
    if "memory" in words or "alloc" in words:  # libheif, libwebp and libavif report it in words only
        return DecodeRefused("decoder_memory", said)
    no_end = kind == "JPEG" and not data.rstrip(b"\0").endswith(b"\xff\xd9")
    no_pixels = kind in ("HEIF", "AVIF") and b"mdat" not in data
    if bones.cut_short or no_end or no_pixels or "truncated" in words:
        return DecodeRefused("truncated_image", said)
    return DecodeRefused("corrupt_image", said)


def _draw(data: bytes, kind: str, bones: Skeleton, limits: Limits) -> Drawn:
    Image.MAX_IMAGE_PIXELS = limits.max_pixels  # the second fence: Pillow's own check of every size it meets
    picture = Image.open(io.BytesIO(data), formats=(kind,))
    if (picture.format or "") not in ({"JPEG", "MPO"} if kind == "JPEG" else {kind}):
        raise DecodeRefused("corrupt_image", f"{kind} opened as {picture.format}")
    frames = _frames(picture, kind, bones)
    width, height = picture.size
    if not width or not height:
        raise DecodeRefused("image_too_small", f"{width} x {height}")
    _check_size(width, height, frames, limits)
    _refuse_raw(picture)
    mode = picture.mode
    orientation = _orientation(picture)  # before load(): the TIFF reader turns the picture and forgets it
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        # The decoder scales by 1/2, 1/4 or 1/8 while it decodes, which makes large photographs three times faster.
        picture.draft(None, fit((width, height), limits.screen_edge))
    picture.load()
    if bones.cut_short:
        raise DecodeRefused("truncated_image", f"{kind}: the first frame is whole, the rest of the file is missing")
    if bones.damaged:
        raise DecodeRefused("corrupt_image", f"{kind}: a checksum is wrong")
    _check_size(*picture.size, frames, limits)  # HEIF may find another size while decoding than its header said
    orientation = max(orientation, _orientation(picture))  # after load(): a PNG may carry EXIF behind its pixels
    profile_data = picture.info.get("icc_profile") or (base64.b64decode(DISPLAY_P3) if bones.display_p3 else None)
    upright = _upright(picture)
    if orientation >= 5:
        width, height = height, width
    if kind in ("HEIF", "TIFF"):  # these readers apply their own transformations; what they give is upright
        width, height = upright.size
    screen, had_alpha, profile = _screen(upright, profile_data, fit((width, height), limits.screen_edge), limits)
    thumbnail = _resized(screen, fit((width, height), limits.thumbnail_edge))
    medium = _resized(screen, fit((width, height), min(limits.medium_edge, limits.screen_edge)))
    return Drawn(
        format=kind,
        width=width,
        height=height,
        frames=frames,
        is_animated=frames > 1 and kind in ANIMATED_FORMATS,
        had_alpha=had_alpha,
        orientation=orientation,
        mode=mode,
        profile=profile,
        thumbnail_size=thumbnail.size,
        blurhash=_blurhash(thumbnail),
        medium_size=medium.size,
        screen_size=screen.size,
        thumbnail=_webp(thumbnail),
        medium=_webp(medium, MEDIUM_QUALITY),
        screen=_webp(screen),
    )


def _blurhash(thumbnail: Image.Image) -> str:
    """Give the picture's colours in 28 letters (https://blurha.sh), for pages to show until its file is there."""
    small = thumbnail.resize((BLUR_SIDE, BLUR_SIDE), Image.Resampling.BOX)
    values = list(small.tobytes())
    pixels = [values[at : at + 3] for at in range(0, len(values), 3)]
    rows = [pixels[at : at + BLUR_SIDE] for at in range(0, len(pixels), BLUR_SIDE)]
    return str(blurhash.encode(rows, *BLUR_PARTS))


def _frames(picture: ImageFile.ImageFile, kind: str, bones: Skeleton) -> int:
    if kind == "JPEG":  # the second picture of an MPO is a depth map or the other eye; it is never decoded
        return 1
    if bones.frames:  # counted with an end in sight; Pillow's n_frames reads the whole file
        return bones.frames
    return 1 if kind in ("GIF", "TIFF", "BMP") else int(getattr(picture, "n_frames", 1))


def _refuse_raw(picture: ImageFile.ImageFile) -> None:
    """Refuse a camera's raw file in TIFF's clothes: all that could be read is the small preview on its first page."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return
    tags = picture.tag_v2
    reduced = bool(int(tags.get(TIFF_SUBFILE_TYPE, 0)) & 1)
    if DNG_VERSION in tags or (reduced and TIFF_SUB_IFDS in tags):
        raise DecodeRefused("unsupported_format", "a camera's raw file")


# --- upright ------------------------------------------------------------------------------------------------------


def _orientation(picture: ImageFile.ImageFile) -> int:
    """EXIF orientation, 1 to 8; 1 when there is none or the EXIF block is damaged."""
    found = picture.info.get("original_orientation")  # HEIF: already applied by its reader
    try:
        value = int(found or picture.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001 - a damaged EXIF block must not cost the picture
        return 1
    return value if 1 <= value <= 8 else 1


def _upright(picture: ImageFile.ImageFile) -> Image.Image:
    if picture.format in ("HEIF", "TIFF"):
        return picture
    turn = UPRIGHT.get(_orientation(picture))
    return picture.transpose(turn) if turn is not None else picture


# --- colour -------------------------------------------------------------------------------------------------------


def _screen(
    picture: Image.Image, profile_data: object, size: tuple[int, int], limits: Limits
) -> tuple[Image.Image, bool, str]:
    """The picture at `size` as opaque sRGB without metadata (H x W x 3, 8 bit).

    Also says whether anything shone through, and what became of its profile.
    """
    small = _resized(_resizable(picture), size)
    alpha = small.getchannel("A") if small.mode in ("LA", "RGBA") else None
    colour = small.convert({"LA": "L", "RGBA": "RGB"}[small.mode]) if alpha else small
    colour, profile = _to_srgb(colour, profile_data, limits)
    # Pasting into a new picture leaves every kind of metadata behind: saving a converted one would keep some.
    clean = Image.new("RGB", size, (255, 255, 255))
    clean.paste(colour, (0, 0), alpha)
    had_alpha = alpha is not None and alpha.getextrema()[0] != 255
    return clean, had_alpha, profile


def _resizable(picture: Image.Image) -> Image.Image:
    """`picture` in a mode that can be resized smoothly: L, LA, RGB, RGBA, CMYK or LAB, 8 bit a channel."""
    mode = picture.mode
    if mode.startswith("I;16"):
        return _from_16_bit(picture)
    if mode in ("I", "F"):
        return _from_wide(picture)
    if mode in ("RGBA", "LA", "CMYK", "LAB"):
        return picture
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    if mode == "1":
        return picture.convert("L")
    return picture if mode in ("L", "RGB") else picture.convert("RGB")


def _from_16_bit(picture: Image.Image) -> Image.Image:
    """16-bit grey to 8-bit grey: the high byte, or the highest 8 of fewer bits (cameras that store 10, 12 or 14)."""
    bits = 16
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        bits = int(picture.tag_v2.get(TIFF_BITS, (16,))[0])
    raw = picture.tobytes()
    if 8 < bits < 16:
        wide = Image.frombytes("I", picture.size, picture.convert("I").tobytes())
        return wide.point(_linear(1 / (1 << (bits - 8)), 0)).convert("L")
    high = raw[0::2] if picture.mode == "I;16B" else raw[1::2]
    return Image.frombytes("L", picture.size, high)


def _from_wide(picture: Image.Image) -> Image.Image:
    """32-bit integers or floats to 8-bit grey. Files do not say which number is white, so the values decide."""
    low, high = (float(v) for v in picture.getextrema())  # type: ignore[arg-type]  # one band: two numbers
    if not (math.isfinite(low) and math.isfinite(high)):
        return picture.convert("L")
    if picture.mode == "F" and low >= 0 and high <= 1:
        scale, offset = 255.0, 0.0
    elif low >= 0 and high <= 255:
        scale, offset = 1.0, 0.0
    elif picture.mode == "I" and low >= 0 and high <= 65535:
        scale, offset = 1 / 257, 0.0
    else:  # measurements, depth maps: from the smallest to the largest value
        scale = 255 / ((high - low) or 1)
        offset = -low * scale
    return picture.point(_linear(scale, offset)).convert("L")


def _linear(scale: float, offset: float) -> Callable[[float], float]:
    return lambda value: value * scale + offset


def _to_srgb(colour: Image.Image, profile_data: object, limits: Limits) -> tuple[Image.Image, str]:
    """Opaque `colour` (L, RGB, CMYK or LAB) as sRGB. A profile that cannot be used is ignored, never an error."""
    if not isinstance(profile_data, bytes) or not profile_data:
        return _without_profile(colour), "absent"
    if len(profile_data) > limits.max_icc_bytes:
        return _without_profile(colour), "ignored"
    try:
        return _with_profile(colour, profile_data), "applied"
    except (ImageCms.PyCMSError, ValueError, TypeError, KeyError, OSError):
        return _without_profile(colour), "ignored"


def _with_profile(colour: Image.Image, profile_data: bytes) -> Image.Image:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_data))
    mode = PROFILE_MODES[profile.profile.xcolor_space.strip()]
    if colour.mode == "L" and mode == "RGB":
        colour = colour.convert("RGB")
    if colour.mode != mode:
        raise ValueError(f"a profile for {mode} on a picture in {colour.mode}")
    transform = ImageCms.buildTransform(
        profile,
        SRGB,
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    converted = ImageCms.applyTransform(colour, transform)
    if converted is None:  # only when converting in place
        raise ValueError("nothing was converted")
    return converted


def _without_profile(colour: Image.Image) -> Image.Image:
    return colour if colour.mode == "RGB" else colour.convert("RGB")


# --- renditions ---------------------------------------------------------------------------------------------------


def fit(size: tuple[int, int], edge: int) -> tuple[int, int]:
    """`size` (width, height) scaled so that the longer side is at most `edge`; never enlarged, at least 1 pixel."""
    longest = max(size)
    if longest <= edge:
        return size
    width, height = (max(1, round(side * edge / longest)) for side in size)
    return width, height


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    if picture.size == size:
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _webp(picture: Image.Image, quality: int = WEBP_QUALITY) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=WEBP_METHOD)
    return out.getvalue()


# --- warm-up ------------------------------------------------------------------------------------------------------


def warm_up() -> None:
    """Import, register and use once all that reading a picture ever needs, while files can still be opened."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    PngImagePlugin.MAX_TEXT_CHUNK = 8 * MIB  # profiles count as text; one over the limit is ignored, not refused
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # pictures run side by side; threads would only multiply the memory
    if pillow_heif is not None:
        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    # All plugins that may be used are imported. Without this line a file that fails to open would make Pillow look
    # for thirty others.
    Image._initialized = 2
    read_samples()


def read_samples() -> None:
    """Read one small picture of each format; raises whatever goes wrong."""
    for sample in samples():
        read_picture(sample, Limits(screen_edge=16, thumbnail_edge=8))


def samples() -> list[bytes]:
    """Small pictures of our own making, one or more of each format that can be read here."""
    rgb = Image.effect_mandelbrot((48, 32), (-2.0, -1.0, 1.0, 1.0), 50).convert("RGB")
    profile = ImageCms.ImageCmsProfile(SRGB).tobytes()
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    drawn = [
        _saved(rgb, "JPEG", exif=exif, icc_profile=profile),
        _saved(rgb, "JPEG", progressive=True),
        _saved(rgb.convert("L"), "JPEG", icc_profile=profile),
        _saved(rgb.convert("CMYK"), "JPEG"),
        _saved(rgb, "MPO", save_all=True, append_images=[rgb]),
        _saved(rgb.convert("RGBA"), "PNG", exif=exif, icc_profile=profile),
        _saved(rgb.convert("P"), "PNG", transparency=0),
        _saved(rgb, "WEBP", lossless=True, exif=exif, icc_profile=profile),
        _saved(rgb.convert("P"), "GIF"),
        _saved(rgb, "BMP"),
        _saved(rgb.convert("I;16"), "TIFF"),
        _saved(rgb.convert("F"), "TIFF"),
        _saved(rgb.convert("LAB"), "TIFF"),
    ]
    packed = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd")
    drawn += [_saved(rgb, "TIFF", compression=compression, icc_profile=profile) for compression in packed]
    drawn.append(_saved(rgb.convert("1"), "TIFF", compression="group4"))
    drawn.append(base64.b64decode(AVIF_SAMPLE))
    if pillow_heif is not None:
        drawn.append(base64.b64decode(HEIF_SAMPLE))
    return drawn


def _saved(picture: Image.Image, format_name: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.copy().save(out, format_name, **options)  # saving as JPEG leaves settings that spoil a later TIFF
    return out.getvalue()


# Encoders for these two start threads and take a hundred milliseconds, so their samples are stored.
AVIF_SAMPLE = (
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAA"
    "AAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAYQAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEA"
    "AGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAMAAAACAAAAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwA"
    "AAAAE2NvbHJuY2x4AAEADQAGgAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAAaW1kYXQSAAoJGBUv+0QENBoQMlIfl4eFFd///+LL"
    "AIDxl+Fw4f+Pj3GzOiayBBR7PGvfFSGbzFnVFtuQK34XzQdcRXB3xEAf+XwhZvWMxCOnwr7H2wRL0i0yaEnFztZvHGqq7axg"
)
HEIF_SAMPLE = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAADwAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
    "AAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMA"
    "AAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5j"
    "bHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAADAAAAABAAAAIAAAAAH////wAAAAAv///+AAAAACAAAAEHBp"
    "eGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAERtZGF0AAAAOCgBrwSY+GsbU0VGn1cpTIXJqGY/PE2AM9ahPjZx"
    "oqKVhanJoIgkxZhPF4j4xOU3zb1AyjNR2QrR"
)

# Display P3 as a profile: primaries and white point adapted to D50, the tone curve of IEC 61966-2-1 (ICC.1:2001-04).
DISPLAY_P3 = (
    "AAACEAAAAAACQAAAbW50clJHQiBYWVogAAAAAAAAAAAAAAAAYWNzcAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPbWAAEA"
    "AAAA0y0AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJZGVzYwAAAPAAAABfY3BydAAA"
    "AVAAAAANd3RwdAAAAWAAAAAUclhZWgAAAXQAAAAUZ1hZWgAAAYgAAAAUYlhZWgAAAZwAAAAUclRSQwAAAbAAAAAgZ1RSQwAAAdAA"
    "AAAgYlRSQwAAAfAAAAAgZGVzYwAAAAAAAAAFbWFkZQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAdGV4dAAAAABub25lAAAAAFhZWiAAAAAAAAD21gABAAAAANMtWFla"
    "IAAAAAAAAIPfAAA9v////7tYWVogAAAAAAAASr8AALE3AAAKuVhZWiAAAAAAAAAoOAAAEQsAAMi5cGFyYQAAAAAAAwAAAAJmZgAA"
    "8qcAAA1ZAAAT0AAACltwYXJhAAAAAAADAAAAAmZmAADypwAADVkAABPQAAAKW3BhcmEAAAAAAAMAAAACZmYAAPKnAAANWQAAE9AA"
    "AApb"
)

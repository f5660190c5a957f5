"""The files of an image: where they are, and how their bytes are handed out.

Renditions are what the decoder wrote, so a browser may show them. An original is whatever somebody uploaded: it is only
ever handed out as an attachment, of the type the decoder found and under a name that ends accordingly.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from typing import IO, Any, Final, cast
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified, StreamingHttpResponse
from django.utils.http import content_disposition_header, parse_etags

from captions.errors import DeskError
from captions.models import Image


class Kind(StrEnum):
    """Which file of an image."""

    ORIGINAL = "original"
    SCREEN = "screen"
    MEDIUM = "medium"
    THUMBNAIL = "thumbnail"


#: Ending of the file's name, and type of its bytes, by format.
FILES: Final = {
    "JPEG": ("jpg", "image/jpeg"),
    "PNG": ("png", "image/png"),
    "WEBP": ("webp", "image/webp"),
    "GIF": ("gif", "image/gif"),
    "TIFF": ("tiff", "image/tiff"),
    "BMP": ("bmp", "image/bmp"),
    "HEIF": ("heic", "image/heic"),
    "AVIF": ("avif", "image/avif"),
}
_OTHER_ENDINGS: Final = {"JPEG": {"jpeg", "jpe", "jfif", "mpo"}, "PNG": {"apng"}, "TIFF": {"tif"}, "HEIF": {"heif"}}
#: All endings that a file of a format may have, in lower case.
ENDINGS: Final = {format: {ending, *_OTHER_ENDINGS.get(format, ())} for format, (ending, _) in FILES.items()}
# A browser that is led to the bytes themselves must not run anything in them, whatever they pretend to be.
SAFETY: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_CHUNK: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.ASCII)


# --- Names ---------------------------------------------------------------------------------------------------------


def original(image: Image) -> str:
    """Name the original in the storage; made of the id and the format alone, never of what the uploader called it."""
    return f"originals/{image.id.hex[-2:]}/{image.id}.{FILES[image.format][0]}"


def screen(image: Image) -> str:
    """Name the screen rendition in the storage: WebP, longest side 1,600 pixels."""
    return f"renditions/{image.id.hex[-2:]}/{image.id}.screen.webp"


def medium(image: Image) -> str:
    """Name the medium rendition in the storage: WebP, longest side 800 pixels. Images may lack it: `has_medium`."""
    return f"renditions/{image.id.hex[-2:]}/{image.id}.medium.webp"


def thumbnail(image: Image) -> str:
    """Name the thumbnail in the storage: WebP, longest side 480 pixels."""
    return f"renditions/{image.id.hex[-2:]}/{image.id}.thumbnail.webp"


_NAME: Final = {Kind.ORIGINAL: original, Kind.SCREEN: screen, Kind.MEDIUM: medium, Kind.THUMBNAIL: thumbnail}


def has_medium(image: Image) -> bool:
    """Whether an image has a medium rendition; those added before there was one have none."""
    return image.medium_width > 0


def names(image: Image) -> tuple[str, ...]:
    """Name all files of an image."""
    renditions = (screen, medium, thumbnail) if has_medium(image) else (screen, thumbnail)
    return original(image), *(name(image) for name in renditions)


# --- Reading -------------------------------------------------------------------------------------------------------


def open_file(image: Image, kind: Kind) -> IO[bytes]:
    """Open one of an image's files for reading. Raises FileNotFoundError, or OSError when it cannot be read now."""
    return cast(IO[bytes], default_storage.open(_NAME[kind](image), "rb"))


def open_original(image: Image) -> IO[bytes]:
    """Open the untouched original. Only the decoder and exiftool may parse it."""
    return open_file(image, Kind.ORIGINAL)


def open_screen(image: Image) -> IO[bytes]:
    """Open the screen rendition."""
    return open_file(image, Kind.SCREEN)


def open_thumbnail(image: Image) -> IO[bytes]:
    """Open the thumbnail."""
    return open_file(image, Kind.THUMBNAIL)


def is_complete(image: Image) -> bool:
    """Whether all files of an image are there."""
    return all(default_storage.exists(name) for name in names(image))


def remove(image: Image) -> None:
    """Delete all files of an image that has no row any more; those that are gone already are no failure."""
    for name in names(image):
        default_storage.delete(name)


# --- Handing out ---------------------------------------------------------------------------------------------------


def serve(request: HttpRequest, image: Image, kind: Kind | str) -> HttpResponseBase:
    """Answer with one of an image's files; that the person may have it is for the caller to know.

    The screen rendition stands in where an image has no medium one. Understands conditional requests and one byte
    range. Raises DeskError `rendition_missing`.
    """
    kind = Kind(kind)
    if kind is Kind.MEDIUM and not has_medium(image):
        kind = Kind.SCREEN
    if settings.MEDIA_ACCEL_PREFIX:
        response: HttpResponseBase = HttpResponse()
        response["X-Accel-Redirect"] = f"{settings.MEDIA_ACCEL_PREFIX.rstrip('/')}/{quote(_NAME[kind](image))}"
    else:
        response = _answer(request, _opened(image, kind), image, kind)
    for header, value in {**_description(image, kind), **SAFETY}.items():
        response[header] = value
    return response


def _opened(image: Image, kind: Kind) -> IO[bytes]:
    try:
        return open_file(image, kind)
    except FileNotFoundError:
        raise DeskError("rendition_missing") from None


def _answer(request: HttpRequest, file: IO[bytes], image: Image, kind: Kind) -> HttpResponseBase:
    size = file.seek(0, 2)
    etag = f'"{image.sha256}"' if kind is Kind.ORIGINAL else f'"{image.id.hex}-{kind[0]}{size:x}"'
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if known and (known == ["*"] or etag in {one.removeprefix("W/") for one in known}):
        file.close()
        response: HttpResponseBase = HttpResponseNotModified()
    else:
        response = _body(request, file, size, _range(request, etag, size))
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    return response


def _range(request: HttpRequest, etag: str, size: int) -> range | None:
    """Give the bytes asked for: all when None, an empty range when none of them exist (RFC 9110, section 14)."""
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    if request.method != "GET" or asked is None or asked.groups() == ("", ""):
        return None  # several ranges at once may be answered with the whole
    if request.headers.get("If-Range", etag) != etag:
        return None
    first, last = asked.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1 if last else size))


def _body(request: HttpRequest, file: IO[bytes], size: int, asked: range | None) -> HttpResponseBase:
    if asked is not None and len(asked) == 0:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}", "Content-Length": "0"})
    part = range(size) if asked is None else asked
    file.seek(part.start)
    response = _stream(request, file, len(part))
    response["Content-Length"] = str(len(part))
    if asked is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return response


def _stream(request: HttpRequest, file: IO[bytes], length: int) -> HttpResponseBase:
    if request.method == "HEAD":
        file.close()
        return HttpResponse()
    if length <= _CHUNK:
        with file:
            return HttpResponse(file.read(length))
    # The async server would read a plain iterator to its end before it sends the first byte.
    is_async = isinstance(getattr(request, "_request", request), ASGIRequest)
    chunks: Any = _chunks_async(file, length) if is_async else _chunks(file, length)
    response = StreamingHttpResponse(chunks)
    cast(Any, response)._resource_closers.append(file.close)
    return response


def _chunks(file: IO[bytes], length: int) -> Iterator[bytes]:
    with file:
        while length > 0 and (chunk := file.read(min(_CHUNK, length))):
            length -= len(chunk)
            yield chunk


async def _chunks_async(file: IO[bytes], length: int) -> AsyncIterator[bytes]:
    with file:
        while length > 0 and (chunk := await sync_to_async(file.read, thread_sensitive=False)(min(_CHUNK, length))):
            length -= len(chunk)
            yield chunk


def _description(image: Image, kind: Kind) -> dict[str, str]:
    """Say what the bytes are and how long they may be kept, in headers."""
    if kind is Kind.ORIGINAL:
        name, content_type, cache = download_name(image), FILES[image.format][1], "private, no-cache"
    else:
        name, content_type = f"picture-{image.number}-{kind}.webp", "image/webp"
        cache = "private, max-age=31536000, immutable"
    disposition = content_disposition_header(kind is Kind.ORIGINAL, name)
    return {"Content-Type": content_type, "Content-Disposition": str(disposition), "Cache-Control": cache}


def download_name(image: Image) -> str:
    """Give the name under which an original is saved: the uploader's, with the ending of what it really is."""
    name = image.filename or f"picture-{image.number}"
    # A picture that is also a valid page must not be saved as page.html and opened from the disk.
    stem, _, ending = name.rpartition(".")
    fits = stem and ending.lower() in ENDINGS[image.format]
    return name if fits else f"{name}.{FILES[image.format][0]}"

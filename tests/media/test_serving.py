"""How bytes are handed out: types, caching, ranges, and nothing that a browser would run."""

import asyncio
from email.message import Message

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captions import media
from captions.errors import DeskError
from captions.models import Image
from tests import factories

pytestmark = [pytest.mark.usefixtures("store", "db"), pytest.mark.one_database]
BIG = bytes(range(256)) * 4000  # 1,024,000 bytes: more than is sent in one piece


def ask(image: Image, kind: str, method: str = "GET", **headers: str):
    return media.serve(RequestFactory().generic(method, "/", headers=headers), image, kind)


def body(response) -> bytes:
    data = b"".join(response.streaming_content) if response.streaming else response.content
    response.close()
    return data


@pytest.fixture
def image(owner) -> Image:
    return factories.receive(owner, factories.picture(width=300, height=200), filename="Hafen ä.jpg")


@pytest.fixture
def big(image, store) -> Image:
    (store / "media" / media.original(image)).write_bytes(BIG)
    return image


@pytest.mark.parametrize("kind", media.Kind)
def test_it_gives_bytes_that_no_browser_runs(image, store, kind):
    response = ask(image, kind)
    name = getattr(media, kind)(image)
    assert body(response) == (store / "media" / name).read_bytes()
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response["Cache-Control"].startswith("private, ")
    assert int(response["Content-Length"]) == len((store / "media" / name).read_bytes())


def test_it_gives_originals_only_as_attachments_of_the_type_that_was_found(image):
    response = ask(image, "original")
    assert response["Content-Type"] == "image/jpeg"
    assert response["Content-Disposition"] == "attachment; filename*=utf-8''Hafen%20%C3%A4.jpg"
    assert response["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("kind", ["screen", "medium", "thumbnail"])
def test_it_gives_renditions_as_pictures_to_be_kept_without_the_uploader_s_name(image, kind):
    response = ask(image, kind)
    assert response["Content-Type"] == "image/webp"
    assert response["Content-Disposition"] == f'inline; filename="picture-1-{kind}.webp"'
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("filename", "format", "saved"),
    [
        ("page.html", "JPEG", "page.html.jpg"),
        ("harbour.JPEG", "JPEG", "harbour.JPEG"),
        ("harbour.png", "JPEG", "harbour.png.jpg"),
        ("", "PNG", "picture-1.png"),
        ("IMG_1.HEIC", "HEIF", "IMG_1.HEIC"),
        ("scan.tif", "TIFF", "scan.tif"),
        ("run.exe", "GIF", "run.exe.gif"),
        ("jpg", "JPEG", "jpg.jpg"),
    ],
)
def test_it_saves_an_original_under_an_ending_that_says_what_it_is(filename, format, saved):
    assert media.download_name(Image(number=1, filename=filename, format=format)) == saved


@pytest.mark.parametrize("kind", media.Kind)
def test_it_sends_no_bytes_that_the_browser_has(image, kind):
    etag = ask(image, kind)["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = ask(image, kind, **{"If-None-Match": known})
        assert (response.status_code, body(response)) == (304, b"")
        assert response["ETag"] == etag
        assert response["Cache-Control"].startswith("private")
    assert ask(image, kind, **{"If-None-Match": '"other"'}).status_code == 200


def test_it_tells_the_files_of_one_picture_apart(image):
    assert len({ask(image, kind)["ETag"] for kind in media.Kind}) == 4


@pytest.mark.parametrize("prefix", ["", "/protected-media/"])
def test_it_gives_the_screen_rendition_of_an_image_that_has_no_medium_one(image, settings, prefix):
    settings.MEDIA_ACCEL_PREFIX = prefix
    image.medium_width = image.medium_height = 0
    assert sorted(ask(image, "medium").items()) == sorted(ask(image, "screen").items())
    assert body(ask(image, "medium")) == body(ask(image, "screen"))


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=1000-", 1000, len(BIG) - 1),
        ("bytes=-100", len(BIG) - 100, len(BIG) - 1),
        ("bytes=-99999999", 0, len(BIG) - 1),
        (f"bytes=100-{10**17}", 100, len(BIG) - 1),
        ("bytes= 5 - 9 ", 5, 9),
    ],
)
def test_it_gives_the_range_that_was_asked_for(big, asked, first, last):
    response = ask(big, "original", Range=asked)
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {first}-{last}/{len(BIG)}"
    assert body(response) == BIG[first : last + 1]
    assert int(response["Content-Length"]) == last - first + 1
    assert response["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("asked", [f"bytes={len(BIG)}-", f"bytes={len(BIG)}-{len(BIG) + 5}", "bytes=-0"])
def test_it_says_when_there_are_no_such_bytes(big, asked):
    response = ask(big, "original", Range=asked)
    assert (response.status_code, body(response)) == (416, b"")
    assert response["Content-Range"] == f"bytes */{len(BIG)}"


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=-", "bytes=0-1,5-6", "items=0-1", "bytes=a-b", "bytes=٣-٤", "x" * 9000]
)
def test_it_gives_the_whole_when_the_range_is_none(big, asked):
    response = ask(big, "original", Range=asked)
    assert (response.status_code, body(response)) == (200, BIG)


def test_it_gives_the_rest_only_of_the_same_file(big):
    etag = ask(big, "original")["ETag"]
    assert ask(big, "original", **{"Range": "bytes=5-", "If-Range": etag}).status_code == 206
    assert ask(big, "original", **{"Range": "bytes=5-", "If-Range": '"other"'}).status_code == 200


def test_it_answers_head_with_the_length_and_no_bytes(big):
    response = ask(big, "original", "HEAD")
    assert (response.status_code, body(response), response["Content-Length"]) == (200, b"", str(len(BIG)))
    assert ask(big, "original", "HEAD", Range="bytes=0-1").status_code == 200


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=st.integers(0, len(BIG) + 10), last=st.none() | st.integers(0, len(BIG) + 10))
def test_it_gives_any_range_exactly(big, first, last):
    response = ask(big, "original", Range=f"bytes={first}-{'' if last is None else last}")
    end = len(BIG) if last is None else min(len(BIG), last + 1)
    if last is not None and last < first:
        expected = (200, BIG)
    elif first >= len(BIG):
        expected = (416, b"")
    else:
        expected = (206, BIG[first:end])
    assert (response.status_code, body(response)) == expected


def test_it_says_when_a_file_is_missing(image, store):
    (store / "media" / media.screen(image)).unlink()
    with pytest.raises(DeskError) as missing:
        ask(image, "screen")
    assert (missing.value.code, missing.value.failure.status) == ("rendition_missing", 500)
    with pytest.raises(FileNotFoundError):
        media.open_screen(image)


def test_it_leaves_sending_to_a_proxy_that_was_set_up_for_it(image, settings):
    settings.MEDIA_ACCEL_PREFIX = "/protected-media/"
    response = ask(image, "original", Range="bytes=0-1", **{"If-None-Match": "*"})
    assert response.status_code == 200
    assert response["X-Accel-Redirect"] == f"/protected-media/{media.original(image)}"
    assert response["Content-Type"] == "image/jpeg"
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert body(response) == b""


def async_request(**headers: str) -> ASGIRequest:
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "http_version": "1.1",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    return ASGIRequest(scope, None)


def test_it_streams_to_the_async_server_piece_by_piece(big):
    response = media.serve(async_request(Range="bytes=7-"), big, "original")
    assert response.is_async

    async def read() -> list[bytes]:
        return [chunk async for chunk in response]

    pieces = asyncio.run(read())
    assert b"".join(pieces) == BIG[7:]
    assert len(pieces) > 3
    assert max(map(len, pieces)) <= 256 * 1024


def test_it_closes_files_of_downloads_that_are_broken_off(big):
    import gc
    import os

    def open_files() -> int:
        return sum(
            os.path.realpath(f"/proc/self/fd/{number}").endswith(".jpg") for number in os.listdir("/proc/self/fd")
        )

    gc.collect()
    before = open_files()
    for request in (RequestFactory().get("/"), async_request()):
        response = media.serve(request, big, "original")
        assert open_files() == before + 1
        response.close()
        assert open_files() == before


def test_it_reads_as_a_browser_reads_the_saved_name(image):
    image.filename = 'a"b; filename=evil.html \\ü.jpg'
    message = Message()
    message["Content-Disposition"] = ask(image, "original")["Content-Disposition"]
    assert message.get_content_disposition() == "attachment"
    assert message.get_filename() == image.filename

"""Pictures that are also pages or programs: a real browser, led to their bytes in every way, runs nothing of them."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image, PngImagePlugin
from playwright.sync_api import Browser, BrowserContext, Page
from playwright.sync_api import Error as PlaywrightError

from captions.media import FILES

RAN = "polyglot ran"
PAYLOADS = {
    "html": f"<html><body><script>console.log('{RAN}')</script></body></html>".encode(),
    "svg": f"<svg xmlns='http://www.w3.org/2000/svg' onload=\"console.log('{RAN}')\"/>".encode(),
    "js": f"*/;console.log('{RAN}');/*<script>console.log('{RAN}')</script>".encode(),
}
EMBEDS = (
    "<script src='{}'></script>", "<iframe src='{}'></iframe>", "<object data='{}'></object>", "<embed src='{}'>",
    "<img src='{}'>", "<link rel=stylesheet href='{}'>",
)  # fmt: skip


def saved(format: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(file, format, **options)
    return file.getvalue()


def carriers(payload: bytes) -> dict[str, bytes]:
    """Give honest pictures with `payload` in each place that a format has for it."""
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", payload.decode())
    exif = Image.Exif()
    exif[0x010E] = payload.decode()
    return {
        "jpeg-comment": saved("JPEG", comment=payload),
        "jpeg-exif": saved("JPEG", exif=exif),
        "jpeg-tail": saved("JPEG") + payload,
        "png-text": saved("PNG", pnginfo=note),
        "png-tail": saved("PNG") + payload,
        "gif-comment": saved("GIF", comment=payload),
        "gif-tail": saved("GIF") + payload,
        "webp-xmp": saved("WEBP", xmp=payload),
        "bmp-tail": saved("BMP") + payload,
        "tiff-tail": saved("TIFF") + payload,
    }


def program() -> bytes:
    """Give a GIF, 10,799 pixels wide and 1 high, that is a valid script: its width opens a comment."""
    body = f"*/=1;console.log('{RAN}');/*".encode()
    drawn = io.BytesIO()
    Image.new("P", (0x2A2F, 1)).save(drawn, "GIF", comment=b"makes it a GIF89a")
    data = drawn.getvalue()
    table = 13 + 3 * 2 ** ((data[10] & 7) + 1)  # header, screen descriptor and colour table
    comment = b"\x21\xfe" + struct.pack("B", len(body)) + body + b"\x00"
    assert data[:8] == b"GIF89a/*"
    assert b"*/" not in data
    return data[:table] + comment + data[table:] + b"*/"


POLYGLOTS = {f"{kind}-{name}": data for kind, code in PAYLOADS.items() for name, data in carriers(code).items()} | {
    "program-gif": program()
}


@pytest.fixture
def context(browser: Browser, person):
    """Somebody whose every request is allowed, so that only the answers' headers stand between bytes and browser."""
    made = browser.new_context(extra_http_headers={"Authorization": f"Bearer {person.token}"}, accept_downloads=True)
    yield made
    made.close()


class Watched:
    """A page, and what scripts in any of its frames said."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))

    @property
    def ran(self) -> bool:
        # Refusals of the browser quote addresses, never what the script would have said.
        return RAN in self.said

    def show(self, html: str, address: str) -> None:
        """Open a page of the desk's own origin, but without the desk's policy."""
        self.page.route("**/lure", lambda route: route.fulfill(body=f"<!doctype html>{html}", content_type="text/html"))
        self.page.goto(f"{address}/lure")
        self.page.wait_for_timeout(100)
        self.page.unroute("**/lure")


@pytest.mark.parametrize(
    ("name", "content_type", "embed"),
    [
        ("html-gif-tail", "text/html", "<iframe src='/bait'></iframe>"),
        ("svg-png-tail", "text/html", "<iframe src='/bait'></iframe>"),
        ("program-gif", "text/javascript", "<script src='/bait'></script>"),
    ],
)
def test_it_would_notice_if_one_ran(context, running, name, content_type, embed):
    watched = Watched(context)
    watched.page.route("**/bait", lambda route: route.fulfill(body=POLYGLOTS[name], content_type=content_type))
    watched.show(embed, running.url)
    assert watched.ran, watched.said


def test_it_runs_nothing_of_31_polyglots(context, running, person):
    watched = Watched(context)
    images = {}
    with running.client(person.token) as client:
        for name, data in POLYGLOTS.items():
            answer = client.post("/api/v1/images/", files=[("file", (f"{name}.html", data, "text/html"))])
            assert answer.status_code == 201, (name, answer.text)
            images[name] = answer.json()
    assert len(images) == 31
    for name, image in images.items():
        addresses = [f"/api/v1/images/{image['id']}/{kind}/" for kind in ("original", "screen", "medium", "thumbnail")]
        watched.show("".join(embed.format(address) for address in addresses for embed in EMBEDS), running.url)
        assert not watched.ran, name
        for address in addresses[1:]:
            shown = watched.page.goto(f"{running.url}{address}")
            assert shown is not None
            assert shown.header_value("content-type") == "image/webp"
        with watched.page.expect_download() as download, pytest.raises(PlaywrightError, match="Download is starting"):
            watched.page.goto(f"{running.url}{addresses[0]}")
        assert download.value.suggested_filename.endswith("." + FILES[image["format"]][0])
        with open(download.value.path(), "rb") as file:
            assert file.read() == POLYGLOTS[name]
        assert not watched.ran, name

"""A program that sends files in pieces, and ZIP files of every kind."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches

from captions import checking
from tests.api.conftest import Api, api, api_of, codes, nobody, other, page
from tests.ingest.conftest import store

__all__ = ["api", "api_of", "codes", "nobody", "other", "page", "store"]

PIECE = "application/offset+octet-stream"
TUS = {"Tus-Resumable": "1.0.0"}
ADDRESS = "/api/v1/uploads/"


@pytest.fixture(autouse=True)
def _here(store: Path) -> Iterator[Path]:
    """Every test has a storage of its own, and its own count of requests."""
    caches["throttle"].clear()
    yield store
    caches["throttle"].clear()


@pytest.fixture(autouse=True)
def _unpack_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open ZIP files within the request: a thread would not see what a test's transaction holds."""
    monkeypatch.setattr(checking, "unpack_soon", lambda upload_id: checking.unpack(upload_id=upload_id))


def encoded(**values: str) -> str:
    """Write Upload-Metadata."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


def begin(api: Api, length: int, data: bytes | None = None, headers: Any = None, **told: str) -> Any:
    """Begin an upload; `data` is the first piece."""
    told = {"filename": "harbour.jpg", **told}
    all_headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": encoded(**told), **(headers or {})}
    body = (
        {"data": data, "content_type": PIECE, "CONTENT_TYPE": PIECE}
        if data is not None
        else {"data": b"", "content_type": ""}
    )
    return api.generic("POST", ADDRESS, headers=all_headers, **body)


def send(api: Api, address: str, offset: int, data: bytes, headers: Any = None, kind: str = PIECE) -> Any:
    """Send a piece."""
    all_headers = {**TUS, "Upload-Offset": str(offset), **(headers or {})}
    # Django's client names no type of an empty body by itself.
    return api.generic("PATCH", address, data, content_type=kind, headers=all_headers, CONTENT_TYPE=kind)


def ask(api: Api, address: str) -> Any:
    """Ask how far an upload is."""
    return api.generic("HEAD", address, headers=TUS)


def zipped(files: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Make a ZIP file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()

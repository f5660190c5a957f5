"""The few questions asked of a model hub: is it there, what does a commit hold, send me a file.

huggingface_hub 2 throws an unfinished download away, and 1 GB over a weak line may never finish in one go; so bytes are
fetched here, resuming where the last attempt stopped. Endpoint and token are those that huggingface_hub uses.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from worker.engine.errors import DownloadFailed, ModelNotFound

TIMEOUT: Final = httpx2.Timeout(10.0)  # seconds without a byte
ATTEMPTS: Final = 5  # in a row that brought nothing
LARGEST_LISTING: Final = 16 << 20  # bytes
Progress = Callable[[int], None]  # is told how many more bytes have come; negative when they were thrown away


@dataclass(frozen=True, slots=True)
class Published:
    """One file of a commit as the hub states it: large ones by their sha256, small ones by git's sha1."""

    name: str
    size: int
    sha256: str | None
    git_sha1: str | None


def offline() -> bool:
    """Tell whether the operator forbade the hub by HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE."""
    return any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in _SWITCHES)


_SWITCHES: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def answers(source: str, revision: str, *, timeout_s: float) -> bool:
    """Tell within `timeout_s` seconds, whatever the network does, whether the hub offers this commit.

    Looking a name up can hang for half a minute and nothing interrupts it, so it is a thread that is waited for.
    """
    if offline():
        return False
    found: list[bool] = []

    def ask() -> None:
        try:
            listing(source, revision, timeout=httpx2.Timeout(timeout_s))
        except (DownloadFailed, ModelNotFound):
            return
        found.append(True)

    thread = threading.Thread(target=ask, name="hub-probe", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return bool(found)


def listing(source: str, revision: str, *, timeout: httpx2.Timeout = TIMEOUT) -> dict[str, Published]:
    """Ask which files a commit holds. Raises ModelNotFound where the hub knows none, DownloadFailed otherwise."""
    with _client(timeout) as client:
        url = f"{_endpoint()}/api/models/{source}/revision/{revision}"
        with _in_words(source), client.stream("GET", url, params={"blobs": "true"}) as response:
            _raise_for(response, source, revision)
            body = b""
            for piece in response.iter_bytes():
                body += piece
                if len(body) > LARGEST_LISTING:
                    raise DownloadFailed(f"The hub's list of files for {source} has no end.")
    return _published(body, source, revision)


def download(source: str, revision: str, file: Published, target: Path, *, progress: Progress) -> None:
    """Fetch one file to `target`, going on where an earlier attempt stopped, and check that it is what was announced.

    Raises DownloadFailed: the line broke (what came is kept for the next attempt), or the content is another one
    (thrown away).
    """
    if target.is_file() and target.stat().st_size > file.size:
        target.unlink()
    have = target.stat().st_size if target.is_file() else 0
    progress(have)
    failures = 0
    while have < file.size:
        try:
            _continue(source, revision, file, target, have, progress)
        except httpx2.HTTPError as error:
            failures = failures + 1 if target.stat().st_size <= have else 1
            if failures >= ATTEMPTS:
                raise DownloadFailed(
                    f"The download of {file.name} broke off after {target.stat().st_size:,} of {file.size:,} bytes "
                    f"({error or type(error).__name__}). Start it again: it goes on from there."
                ) from error
            time.sleep(min(2.0**failures, 10.0) / 10)
        have = target.stat().st_size
    target.touch()  # an empty file is fetched without a request
    check(file, target)


def check(file: Published, path: Path) -> None:
    """Compare a file with what was announced. Raises DownloadFailed and deletes the file when it is another one."""
    if path.stat().st_size == file.size and digest(path, file) in {file.sha256, file.git_sha1}:
        return
    path.unlink()
    raise DownloadFailed(
        f"{file.name} is not the file that was announced: its checksum is wrong. It was thrown away; start again."
    )


def digest(path: Path, file: Published) -> str:
    """Hash a file the way the hub names it: sha256 of large files, git's sha1 of small ones (hex)."""
    if file.sha256:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    body = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()


def _continue(source: str, revision: str, file: Published, target: Path, have: int, progress: Progress) -> None:
    headers = {"Range": f"bytes={have}-"} if have else {}
    url = f"{_endpoint()}/{source}/resolve/{revision}/{file.name}"
    with _client(TIMEOUT) as client, client.stream("GET", url, headers=headers) as response:
        _raise_for(response, source, revision)
        resumed = response.status_code == httpx2.codes.PARTIAL_CONTENT
        if have and not resumed:
            progress(-have)
        with target.open("ab" if resumed else "wb") as out:
            size = have if resumed else 0
            for piece in response.iter_bytes():  # as they come: whole pieces would lose a broken one
                size += len(piece)
                if size > file.size:
                    target.unlink()
                    raise DownloadFailed(f"The hub sends more of {file.name} than it announced. Nothing is kept of it.")
                out.write(piece)
                progress(len(piece))


def _published(body: bytes, source: str, revision: str) -> dict[str, Published]:
    try:
        content = json.loads(body)
        if content["sha"] != revision:
            raise DownloadFailed(f"The hub answered with another commit of {source} than {revision}.")
        files = [_file(sibling) for sibling in content["siblings"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DownloadFailed(f"What answered for {source} is no model hub ({type(error).__name__}).") from error
    return {file.name: file for file in files}


def _file(sibling: Mapping[str, Any]) -> Published:
    large = sibling.get("lfs")
    sha256 = large["sha256"] if large else None
    size = int(large["size"] if large else sibling["size"])
    return Published(str(sibling["rfilename"]), size, sha256, None if sha256 else str(sibling["blobId"]))


def _raise_for(response: httpx2.Response, source: str, revision: str) -> None:
    if response.status_code in {401, 403, 404}:
        raise ModelNotFound(
            f"The hub offers no {source} at revision {revision}, or not without a token. Check both; for a model "
            "behind a licence, accept it on the hub and set HF_TOKEN."
        )
    if response.status_code not in {200, 206}:
        raise httpx2.HTTPStatusError(
            f"the hub answered {response.status_code}", request=response.request, response=response
        )


@contextmanager
def _in_words(source: str) -> Iterator[None]:
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DownloadFailed(f"The hub does not answer for {source} ({error or type(error).__name__}).") from error


@contextmanager
def _client(timeout: httpx2.Timeout) -> Iterator[httpx2.Client]:
    from huggingface_hub import get_token

    token = get_token()
    headers = {"User-Agent": "caption-desk", "Accept-Encoding": "identity"}  # a packed body has no bytes to resume at
    if token:
        headers["Authorization"] = f"Bearer {token}"  # httpx2 drops it where a redirect leads to another host
    with httpx2.Client(timeout=timeout, headers=headers, follow_redirects=True, max_redirects=5) as client:
        yield client


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")

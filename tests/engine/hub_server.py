"""A model hub on a free port: the endpoints a download uses, large files behind a redirect, and faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

LARGE = (".bin", ".safetensors")


class HubServer:
    """Serves folders as commits. `requests` records method, path and range of every request."""

    def __init__(self) -> None:
        self.commits: dict[tuple[str, str], Path] = {}
        self.requests: list[tuple[str, str]] = []
        self.authorised: list[str] = []
        self.break_after: list[int] = []  # each download of a large file takes one: bytes sent before the line breaks
        self.spoil = ""  # name of the file whose bytes come out wrong
        self.ignore_range = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def offer(self, source: str, revision: str, folder: Path) -> None:
        """Publish a folder as one commit of a repository."""
        self.commits[source, revision] = folder

    def asked_for(self, name: str) -> list[str]:
        """Give the ranges with which a large file's content was asked for, empty for all of it."""
        return [span for path, span in self.requests if path.startswith("/cdn/") and path.endswith(f"/{name}")]

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                hub.requests.append((path, self.headers.get("Range", "")))
                hub.authorised.append(self.headers.get("Authorization", ""))
                for (source, revision), folder in hub.commits.items():
                    if path == f"/api/models/{source}/revision/{revision}":
                        return self.answer(hub.listing(source, revision, folder))
                    for start in (f"/{source}/resolve/{revision}/", f"/cdn/{source}/{revision}/"):
                        if path.startswith(start):
                            return self.file(folder / path.removeprefix(start), path)
                return self.answer(b'{"error":"Repository not found"}', 404)

            def file(self, file: Path, path: str) -> None:
                if not file.is_file():
                    return self.answer(b"Entry not found", 404)
                if file.suffix in LARGE and not path.startswith("/cdn/"):
                    source, revision = next(key for key, folder in hub.commits.items() if folder == file.parent)
                    self.send_response(302)
                    self.send_header("Location", f"{hub.url}/cdn/{source}/{revision}/{file.name}")
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                body = file.read_bytes()
                if hub.spoil == file.name:
                    body = bytes([body[0] ^ 1]) + body[1:]
                return self.content(body, file.suffix in LARGE)

            def content(self, body: bytes, large: bool) -> None:
                span = self.headers.get("Range", "")
                start = int(span.removeprefix("bytes=").rstrip("-")) if span and not hub.ignore_range else 0
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                self.send_header("Content-Length", str(len(body) - start))
                self.end_headers()
                if large and hub.break_after:
                    self.wfile.write(body[start : start + hub.break_after.pop(0)])
                    self.close_connection = True
                    return
                self.wfile.write(body[start:])

            def answer(self, body: bytes, status: int = 200) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

    def listing(self, source: str, revision: str, folder: Path) -> bytes:
        """What the hub's API states about a commit with `?blobs=true`."""
        siblings = []
        for path in sorted(folder.iterdir()):
            body = path.read_bytes()
            sibling = {
                "rfilename": path.name,
                "size": len(body),
                "blobId": hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest(),
            }
            if path.suffix in LARGE:
                sibling["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 135}
            siblings.append(sibling)
        return json.dumps({"id": source, "sha": revision, "siblings": siblings}).encode()

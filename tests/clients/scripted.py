"""A small real server that says what a test tells it to: refusals, odd answers, lines that break."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Said:
    """One answer of the script. `cut` ends the line without one, `is_torn` within its body."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    is_torn: bool = False


@dataclass
class Asked:
    """One request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


CUT = Said(cut=True)


def refusal(status: int, code: str, **headers: str) -> Said:
    """Give an answer in the desk's shape of a failure."""
    entry = {"code": code, "detail": f"It is {code}.", "attr": None}
    body = {"type": "client_error", "errors": [entry], "request_id": "request-7"}
    return Said(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Server:
    """Answers by its script; the last answer stands for all that come after it."""

    script: list[Said]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def keys(self) -> list[str | None]:
        """Give the Idempotency-Key of each request."""
        return [one.headers.get("idempotency-key") for one in self.asked]

    def say(self) -> Said:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@contextmanager
def serving(*script: Said, port: int = 0) -> Iterator[Server]:
    """Run a server by a script, on any port unless one is given."""
    server = Server(list(script))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append(Asked(self.command, self.path, headers, body))
            said = server.say()
            if said.cut:
                self.close_connection = True
                self.connection.close()
                return
            data = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response_only(said.status)
            for name, value in {
                "Date": self.date_time_string(),
                **said.headers,
                "Content-Length": str(len(data) + said.is_torn),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)
            if said.is_torn:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    for method in ("GET", "HEAD", "POST", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()

"""Servers on this machine that answer as the test tells them, and a desk that may ask them."""

import ipaddress
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Answers:
    """A real HTTP server. `script` maps a path to (status, headers, pieces); a float among the pieces is a pause."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.script: dict[str, tuple] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def _handler(answers) -> type[BaseHTTPRequestHandler]:  # noqa: N805  # `self` is the request below
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answers.asked.append((self.command, self.path, dict(self.headers), body))
                status, headers, pieces = answers.script.get(self.path, (200, {}, [b"hello"]))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    for piece in pieces:
                        time.sleep(piece) if isinstance(piece, float) else self.wfile.write(piece)
                except OSError:
                    return  # the desk has hung up, as it should

            do_POST = do_GET  # noqa: N815  # the library looks for this name

            def log_message(self, *args) -> None:
                pass

        return Handler


@pytest.fixture
def server(settings) -> Iterator[Answers]:
    made = Answers()
    settings.OUTBOUND_ALLOW = [ipaddress.ip_network("127.0.0.0/8")]
    settings.OUTBOUND_PORTS = {made.port, 80, 443}
    yield made
    made.server.shutdown()
    made.server.server_close()

"""People who upload at the same time, over HTTP with tokens, as scripts do."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx2

from tests.harness import Desk


class Uploads:
    """Sends pictures from several threads at once and keeps what was answered."""

    def __init__(self, desk: Desk, token: str, *, at_once: int) -> None:
        self.answers: Counter[str] = Counter()
        self.longest_seconds = 0.0
        self._desk, self._token = desk, token
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(at_once, "upload")

    def begin(self, pictures: Sequence[bytes]) -> None:
        """Begin to send the pictures; returns at once."""
        for picture in pictures:
            self._pool.submit(self._send, picture)

    def end(self) -> None:
        """Wait until everything was answered."""
        self._pool.shutdown()

    @property
    def refused(self) -> dict[str, int]:
        """Give how often something else than "taken" was answered."""
        return {answer: times for answer, times in self.answers.items() if answer != "201"}

    def _send(self, picture: bytes) -> None:
        try:
            with self._desk.client(self._token) as client:
                response = client.post("/api/v1/images/", content=picture, headers={"Content-Type": "image/png"})
            answer = (
                str(response.status_code) if response.status_code == 201 else f"{response.status_code} {response.text}"
            )
            seconds = response.elapsed.total_seconds()
        except httpx2.HTTPError as error:
            answer, seconds = f"{type(error).__name__}: {error}", 0.0
        with self._lock:
            self.answers[answer] += 1
            self.longest_seconds = max(self.longest_seconds, seconds)

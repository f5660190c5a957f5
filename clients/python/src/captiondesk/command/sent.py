"""What was sent already: a file that is only added to, so that a crash at any moment costs one line at most."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

_CHUNK = 1024 * 1024


class Sent:
    """Remembers by content which files of one person are on one desk, and which uploads in pieces were begun."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._digests: dict[tuple[str, int, int], str] = {}
        self._images: dict[str, str] = {}
        self._uploads: dict[str, str] = {}
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists():
            for line in path.read_bytes().splitlines():
                self._read(line)
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb", buffering=0)
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            self._file.write(b"\n")  # a line that a crash cut short must not spoil the next one

    @classmethod
    def of(cls, folder: Path, url: str, username: str) -> Sent:
        """Open the memory for one person on one desk."""
        name = hashlib.sha256(f"{url}\n{username}".encode()).hexdigest()[:16]
        return cls(folder / "uploads" / f"{name}.jsonl")

    def _read(self, line: bytes) -> None:
        try:
            told: Any = json.loads(line)
            digest = str(told["sha256"])
            if "path" in told:
                self._digests[str(told["path"]), int(told["size"]), int(told["mtime_ns"])] = digest
            if "image" in told:
                self._images[digest] = str(told["image"])
            if "upload" in told:
                self._uploads[digest] = str(told["upload"])
        except (ValueError, KeyError, TypeError):
            return  # cut short by a crash: the file it was about is looked at anew

    def _write(self, **told: Any) -> None:
        with self._lock:
            self._file.write(json.dumps(told).encode() + b"\n")

    def digest(self, path: Path) -> str:
        """Give a file's SHA-256; read it only when its size or time is another than before. Raises OSError."""
        stat = path.stat()
        key = (str(path.absolute()), stat.st_size, stat.st_mtime_ns)
        if key not in self._digests:
            total = hashlib.sha256()
            with path.open("rb") as file:
                while portion := file.read(_CHUNK):
                    total.update(portion)
            self._digests[key] = total.hexdigest()
            self._write(sha256=self._digests[key], path=key[0], size=key[1], mtime_ns=key[2])
        return self._digests[key]

    def image(self, digest: str) -> str | None:
        """Give the id of the picture that these bytes are on the desk; None when they were not sent yet."""
        return self._images.get(digest)

    def upload(self, digest: str) -> str | None:
        """Give the upload in pieces that was begun for these bytes."""
        return self._uploads.get(digest)

    def note_image(self, digest: str, image: str) -> None:
        """Remember that these bytes are there."""
        self._images[digest] = image
        self._write(sha256=digest, image=image)

    def note_upload(self, digest: str, upload: str) -> None:
        """Remember where these bytes are being sent."""
        self._uploads[digest] = upload
        self._write(sha256=digest, upload=upload)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

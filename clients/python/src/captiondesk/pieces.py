"""Files in pieces that go on after a break, by the tus protocol 1.0.0 (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias
from uuid import UUID

from captiondesk import errors
from captiondesk.retrying import Retries, answered, failure, passes
from captiondesk.wire import Answer, Broken, Request, Steps, do, pause, send

#: A path, or the bytes themselves.
Source: TypeAlias = str | os.PathLike[str] | bytes
#: Called with the bytes that have arrived, and all that there are.
Progress: TypeAlias = Callable[[int, int], None]

PIECE_BYTES: Final = 4 * 1024 * 1024
_TUS: Final = {"Tus-Resumable": "1.0.0"}
_OCTETS: Final = "application/offset+octet-stream"
# What a piece may be answered when only the place is wrong where it was to go: the desk says where to go on.
_MISPLACED: Final = frozenset({"upload_offset_wrong", "upload_locked", "upload_interrupted", "checksum_mismatch"})


@dataclass(frozen=True, slots=True)
class File:
    """What is to be sent: where its bytes are, how many, and its name."""

    source: Source
    length: int
    name: str

    @classmethod
    def of(cls, source: Source, name: str | None) -> File:
        """Look at a source. Raises OSError when there is no such file."""
        if isinstance(source, bytes):
            return cls(source, len(source), name or "")
        path = Path(source)
        return cls(source, path.stat().st_size, name or path.name)

    def open(self) -> BinaryIO:
        """Open it for reading."""
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else Path(self.source).open("rb")

    def whole(self) -> bytes:
        """Give all bytes."""
        with self.open() as file:
            return file.read()

    def piece(self, offset: int, most: int) -> bytes:
        """Give the bytes from `offset` on. Raises CaptionDeskError when the file has become shorter."""
        with self.open() as file:
            file.seek(offset)
            data = file.read(min(most, self.length - offset))
        if not data:
            raise errors.CaptionDeskError(f"{self.name} became shorter while it was sent.", code="file_changed")
        return data


@dataclass(frozen=True, slots=True)
class Sending:
    """One file on its way: `upload` goes on with an earlier one, `begun` is told the id of a new one."""

    file: File
    retries: Retries
    folder: str = ""
    fingerprint: str = ""
    piece_bytes: int = PIECE_BYTES
    upload: UUID | str | None = None
    progress: Progress | None = None
    begun: Callable[[str], None] | None = None

    def steps(self) -> Steps[str]:
        """Send what the desk lacks; give the upload's id. Raises CaptionDeskError."""
        upload, offset = str(self.upload or ""), None
        if upload:
            offset = yield from self._offset(upload, refused=False)
        if offset is None:
            upload, offset = (yield from self._begin()), 0
        self._tell(offset)
        failures = 0
        while offset < self.file.length:
            came = yield from self._piece(upload, offset)
            wrong = failure(came)
            if wrong is None and isinstance(came, Answer):
                offset, failures = int(came.headers["upload-offset"]), 0
            else:
                failures += 1
                offset = yield from self._after(wrong, upload, failures)
            self._tell(offset)
        return upload

    def _begin(self) -> Steps[str]:
        told = {"filename": self.file.name, "folder": self.folder, "fingerprint": self.fingerprint}
        pairs = [f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items() if value]
        headers = {**_TUS, "Upload-Length": str(self.file.length), "Upload-Metadata": ",".join(pairs)}
        came = yield from answered(Request("begin_upload", headers=headers), self.retries)
        upload = came.headers["location"].rstrip("/").rsplit("/", 1)[-1]
        if self.begun:
            self.begun(upload)
        return upload

    def _piece(self, upload: str, offset: int) -> Steps[Answer | Broken]:
        data = yield from do(lambda: self.file.piece(offset, self.piece_bytes))
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        headers = {"Upload-Offset": str(offset), "Upload-Checksum": f"sha256 {digest}", "Content-Type": _OCTETS}
        into = {"upload_id": upload}
        request = Request("send_piece", into=into, content=data, headers={**_TUS, **headers}, repeats=False)
        return (yield from send(request))

    def _after(self, wrong: errors.CaptionDeskError | None, upload: str, failures: int) -> Steps[int]:
        """Wait, then ask how far the upload is. Pieces that did arrive begin the count of failures anew."""
        assert wrong is not None
        if not (passes(wrong) or wrong.code in _MISPLACED) or failures >= self.retries.most:
            raise wrong
        yield from pause(self.retries.pause_after(failures, getattr(wrong, "retry_after", None)))
        offset = yield from self._offset(upload)
        if offset is None:
            raise wrong
        return offset

    def _offset(self, upload: str, *, refused: bool = True) -> Steps[int | None]:
        """Ask how many bytes are there; None when the upload is gone, or is one of another file.

        With `refused` false also when it was refused: what was too large yesterday may be taken today.
        """
        request = Request("get_upload", into={"upload_id": upload}, headers=_TUS, head=True)
        try:
            came = yield from answered(request, self.retries)
        except (errors.NotFound, errors.UnexpectedAnswer):  # the answer to HEAD has no body that would say more
            return None
        if int(came.headers["upload-length"]) != self.file.length:
            return None
        if not refused and came.headers.get("desk-upload-state") == "refused":
            return None
        return int(came.headers["upload-offset"])

    def _tell(self, offset: int) -> None:
        if self.progress:
            self.progress(offset, self.file.length)

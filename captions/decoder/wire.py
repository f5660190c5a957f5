"""How the two sides talk: frames of one length on the control socket, one answer on a pipe for each picture.

The parent sends a request frame and three descriptors: the picture (read only), the pipe for the answer, the pipe for
the exit status. Nothing that comes back is trusted: `pool` checks every value.
"""

from __future__ import annotations

import json
import struct
from typing import Any

FRAME_BYTES = 4096
HEADER = struct.Struct("!I")  # length of the JSON header of an answer
STATUS = struct.Struct("!idQ")  # wait status, processor seconds, peak resident bytes
COULD_NOT_FORK = -1  # in place of a wait status
EXIT_MEMORY = 77  # exit code of a picture's process that had no memory left to say so


def frame(message: dict[str, Any]) -> bytes:
    """`message` as one frame of `FRAME_BYTES` bytes: JSON, padded with spaces."""
    text = json.dumps(message, ensure_ascii=True).encode("ascii")
    if len(text) > FRAME_BYTES:
        raise ValueError(f"a message of {len(text)} bytes does not fit a frame")
    return text.ljust(FRAME_BYTES)


def answer(message: dict[str, Any], *blobs: bytes) -> bytes:
    """`message` and the blobs after it, as `pool` reads them; the blobs' lengths are put into the message."""
    header = json.dumps(message | {"blobs": [len(blob) for blob in blobs]}, ensure_ascii=True).encode("ascii")
    return b"".join((HEADER.pack(len(header)), header, *blobs))

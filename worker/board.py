"""What a worker process tells its supervisor without talking: a page of memory that both have mapped.

A process that hangs cannot send messages, and one whose pipe is full hangs by that alone. On the page it leaves a count
of its signs of life, and how long the batch in hand may take. No clock is shared: the supervisor measures by its own.
"""

from __future__ import annotations

import mmap
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

_BEATS: Final = struct.Struct("=Q")  # signs of life so far
_BATCH: Final = struct.Struct("=Q")  # batches begun so far
_ALLOWED: Final = struct.Struct("=d")  # seconds the batch in hand may take; 0 when there is none
_BEATS_AT, _BATCH_AT, _ALLOWED_AT, _SIZE = 0, 8, 16, 4096


class Board:
    """The page. One thread of the worker beats, one runs batches, and the supervisor only reads."""

    def __init__(self, descriptor: int) -> None:
        self._page = mmap.mmap(descriptor, _SIZE)

    def clear(self) -> None:
        """Forget the batch of a process that died in it; for the supervisor, before it starts the next one."""
        _ALLOWED.pack_into(self._page, _ALLOWED_AT, 0.0)

    def beat(self) -> None:
        """Leave one sign of life."""
        _BEATS.pack_into(self._page, _BEATS_AT, self.beats + 1)

    @contextmanager
    def batch(self, allowed_seconds: float) -> Iterator[None]:
        """Announce a batch that may take `allowed_seconds`; the supervisor kills a process that takes longer."""
        _ALLOWED.pack_into(self._page, _ALLOWED_AT, allowed_seconds)
        _BATCH.pack_into(self._page, _BATCH_AT, self.batches + 1)
        try:
            yield
        finally:
            _ALLOWED.pack_into(self._page, _ALLOWED_AT, 0.0)

    @property
    def beats(self) -> int:
        """How many signs of life were left."""
        return int(_BEATS.unpack_from(self._page, _BEATS_AT)[0])

    @property
    def batches(self) -> int:
        """How many batches were begun."""
        return int(_BATCH.unpack_from(self._page, _BATCH_AT)[0])

    @property
    def allowed_seconds(self) -> float:
        """How long the batch in hand may take, 0 when there is none."""
        return float(_ALLOWED.unpack_from(self._page, _ALLOWED_AT)[0])


def blank_page() -> IO[bytes]:
    """Make the file behind a board; its descriptor is passed to the worker process."""
    page = tempfile.TemporaryFile()  # noqa: SIM115  # stays open for the life of the supervisor
    page.truncate(_SIZE)
    return page


class AwakeClock:
    """Seconds in which this process was awake. Read it more often than once every `stride` seconds.

    A machine that was suspended, or a process that was stopped and continued, has not waited for anything: by the
    ordinary clock, everything would be overdue at once after it wakes.
    """

    def __init__(self, stride: float = 1.0) -> None:
        self._stride = stride
        self._seconds = 0.0
        self._last = time.monotonic()

    def seconds(self) -> float:
        """Give the time; a gap since the last reading counts as `stride` at most."""
        now = time.monotonic()
        self._seconds += min(now - self._last, self._stride)
        self._last = now
        return self._seconds


class Patience:
    """Measures how long something has stayed the same."""

    def __init__(self, clock: AwakeClock) -> None:
        self._clock = clock
        self._seen: object = None
        self._since = clock.seconds()

    def seconds(self, value: object) -> float:
        """Give for how long `value` has been what it is."""
        now = self._clock.seconds()
        if value != self._seen:
            self._seen, self._since = value, now
        return now - self._since

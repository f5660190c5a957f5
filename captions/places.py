"""What one person may have open at once in this process: requests that last cost a connection, and a look now and then.

A limit of requests a minute does not bound them: at a hundred a second, each open for minutes, they are thousands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import final


@final
class Places:
    """Some places for each person."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken: Counter[int] = Counter()
        self._lock = Lock()

    def are_full(self, person_id: int) -> bool:
        """Whether a person has no place left."""
        return self._taken[person_id] >= self.most

    @contextmanager
    def one(self, person_id: int) -> Iterator[bool]:
        """Take a place until the end of the block; gives whether there was one."""
        with self._lock:
            is_free = not self.are_full(person_id)
            self._taken[person_id] += is_free
        try:
            yield is_free
        finally:
            with self._lock:
                self._taken[person_id] -= is_free
                if not self._taken[person_id]:
                    del self._taken[person_id]  # a process must not remember everybody who ever came

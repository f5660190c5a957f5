"""Django's SQLite backend, in which the threads of one process write in turn.

SQLite lets one connection write at a time, and whoever finds it busy sleeps and tries again for `busy_timeout`. With a
hundred requests at once that is no queue but a lottery: some are drawn late or never and fail with "database is
locked", their work is done again, and the site does less the more is asked of it. Here the threads of a process wait
for one lock before they begin to write; between processes SQLite's own way stays.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

#: Longer than anybody waits for an answer; only a transaction that never ends makes the others wait so long.
TURN_SECONDS: Final = 60.0
_WRITES: Final = ("INSERT", "UPDATE", "DELETE", "REPLACE")

_turn = threading.Lock()


def _forget() -> None:
    global _turn  # noqa: PLW0603  # a lock that another thread held during the fork would stay locked for ever
    _turn = threading.Lock()


os.register_at_fork(after_in_child=_forget)


def _take() -> threading.Lock:
    turn = _turn
    if not turn.acquire(timeout=TURN_SECONDS):
        raise OperationalError("database is locked")
    return turn


@contextmanager
def in_turn() -> Iterator[None]:
    """Hold the turn. Raises OperationalError after TURN_SECONDS."""
    turn = _take()
    try:
        yield
    finally:
        turn.release()


class CursorInTurn(base.SQLiteCursorWrapper):
    """Waits for its turn with each writing statement outside of a transaction."""

    def execute(self, query: str, params: Any = None) -> Any:
        """Run one statement."""
        if self.connection.in_transaction or not query.lstrip()[:7].upper().startswith(_WRITES):
            return super().execute(query, params)
        with in_turn():
            return super().execute(query, params)


class DatabaseWrapper(base.DatabaseWrapper):
    """Holds the turn from the beginning of a transaction to its end."""

    _held: threading.Lock | None = None

    def create_cursor(self, name: str | None = None) -> Any:
        """Give a cursor that waits for its turn."""
        return self.connection.cursor(factory=CursorInTurn)

    def _start_transaction_under_autocommit(self) -> None:
        held = _take()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # the stubs leave it out
        except BaseException:
            held.release()
            raise
        self._held = held

    def _commit(self) -> Any:
        try:
            return super()._commit()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self._give_back()

    def _rollback(self) -> Any:
        try:
            return super()._rollback()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self._give_back()

    def _close(self) -> Any:
        try:
            return super()._close()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self._give_back()

    def _give_back(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.release()

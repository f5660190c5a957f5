"""Connections to the database, given back by whoever waits without needing one."""

from __future__ import annotations

from django.db import connections


def let_go() -> None:
    """Close this thread's connections, unless a transaction is open (in tests, around the whole request)."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()

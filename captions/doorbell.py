"""The doorbell: tells caption workers that there may be something to do. The only publisher of task names."""

from __future__ import annotations

from django.db import transaction


def ring() -> bool:
    """Ring once."""
    return False


def ring_on_commit() -> None:
    """Ring once the running transaction is committed."""

    def ring_now() -> None:
        ring()

    transaction.on_commit(ring_now, robust=True)

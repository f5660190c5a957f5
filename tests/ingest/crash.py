"""A process of its own that dies at one point of an upload: `python -m tests.ingest.crash POINT OWNER FILE`.

It dies by `os._exit`, which like SIGKILL runs no handler, no `finally` and no rollback of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

DIED = 77
POINTS = (
    "while the bytes come in",
    "before decoding",
    "before storing",
    "between two stored files",
    "before the commit",
    "between commit and ring",
)


def die(*args: Any, **kwargs: Any) -> None:
    """End at once."""
    os._exit(DIED)


def after(calls: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """Let some calls through, then die."""
    left = [calls]

    def call(*args: Any, **kwargs: Any) -> Any:
        if not left[0]:
            die()
        left[0] -= 1
        return real(*args, **kwargs)

    return call


def arm(point: str) -> None:
    """Put death where `point` says."""
    from django.db.backends.base.base import BaseDatabaseWrapper

    from captions import doorbell, ingest
    from captions.models import JobEvent
    from captions.storage import DurableFileStorage

    if point == "while the bytes come in":
        ingest._CHUNK = 100  # type: ignore[misc]  # many small pieces, so that death comes between two of them
        ingest._read = after(3, ingest._read)
    elif point == "before decoding":
        ingest.decode = die  # type: ignore[assignment]  # the point of this program
    elif point == "before storing":
        ingest._store = die
    elif point == "between two stored files":
        DurableFileStorage.take = after(1, DurableFileStorage.take)  # type: ignore[method-assign]  # as above
    elif point == "before the commit":
        # The last write of the transaction has been sent; the commit has not.
        real = JobEvent.objects.create

        def last_write(**fields: Any) -> None:
            real(**fields)
            arm_commit(BaseDatabaseWrapper)

        JobEvent.objects.create = last_write  # type: ignore[assignment]  # as above
    elif point == "between commit and ring":
        doorbell.ring = die  # type: ignore[assignment]  # as above
    else:
        raise SystemExit(f"no such point: {point}")


def arm_commit(wrapper: Any) -> None:
    """Die instead of the next commit."""
    wrapper.commit = die
    wrapper._commit = die


def main() -> None:
    """Arm the point, then take a picture in and ask for captions."""
    import django

    django.setup()
    from django.contrib.auth.models import User

    from captions import ingest

    point, owner, path = sys.argv[1:]
    arm(point)
    with Path(path).open("rb") as file:
        ingest.receive(owner=User.objects.get(username=owner), file=file, filename="harbour.jpg", chosen={})
    raise SystemExit(f"survived: {point}")


if __name__ == "__main__":
    main()

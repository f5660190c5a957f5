"""Progress for open pages: publish after a commit, subscribe from a stream."""

from __future__ import annotations

from typing import Any
from uuid import UUID


def publish_on_commit(*, owner_id: int, image_id: UUID, state: str, **more: Any) -> None:
    """Tell the owner's open pages that an image changed, once the running transaction is committed."""

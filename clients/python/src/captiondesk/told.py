"""What all answers have in common."""

from __future__ import annotations

from pydantic import BaseModel, PrivateAttr


class Told(BaseModel):
    """Something that the desk answered."""

    _etag: str | None = PrivateAttr(None)

    @property
    def etag(self) -> str | None:
        """The mark of what was read: hand it in as `if_match`. None for rows of lists, and for answers to changes."""
        return self._etag

"""What a token may do: the scopes, in the words of whoever chooses them.

A scope narrows what its person may do, and never widens it: somebody else's pictures stay somebody else's. `admin`
holds all others and what reaches beyond pictures and words: sharing albums with people and by link, and webhooks.
No scope lets a token make tokens or change how its person logs in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Scope(TextChoices):
    """One right of a token."""

    IMAGES_READ = "images:read", _("See pictures, captions, jobs, albums and searches")
    IMAGES_WRITE = "images:write", _("Add and delete pictures, and keep albums, tags and searches")
    CAPTIONS_WRITE = "captions:write", _("Ask for captions, write words, and cancel or repeat jobs")
    REVIEWS_WRITE = "reviews:write", _("Approve, edit and reject captions")
    ADMIN = "admin", _("All of these, and share albums and set up webhooks")


def parse(names: Iterable[str]) -> list[Scope]:
    """Give scopes by their names, each once, in order. Raises ValueError for none at all and for unknown ones."""
    asked = set(names)
    if not asked:
        raise ValueError("A token needs at least one scope.")
    if unknown := sorted(asked - set(Scope.values)):
        raise ValueError(f"There is no scope {', '.join(unknown)}. There are {', '.join(Scope.values)}.")
    return [scope for scope in Scope if scope.value in asked]


def allows(held: Collection[str], needed: Scope) -> bool:
    """Whether a token with these scopes may do what needs `needed`."""
    return needed.value in held or Scope.ADMIN.value in held

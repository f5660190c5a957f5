"""Who may do what with a picture. Owners with their own; two groups with everybody's."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.models import AnonymousUser, User

from captions.models import Image

REVIEWERS: Final = "reviewers"
OPERATORS: Final = "operators"


def is_reviewer(user: User | AnonymousUser) -> bool:
    """Whether a person decides on everybody's captions: reviewers, operators and superusers."""
    return _is_in(user, REVIEWERS, OPERATORS)


def is_operator(user: User | AnonymousUser) -> bool:
    """Whether a person looks after everybody's jobs and decisions: operators and superusers."""
    return _is_in(user, OPERATORS)


def may_review(user: User | AnonymousUser, image: Image) -> bool:
    """Whether a person may see a picture and decide on its captions."""
    return user.is_active and (image.owner_id == user.pk or is_reviewer(user))


def may_discard(user: User | AnonymousUser, image: Image) -> bool:
    """Whether a person may put a picture into the trash and take it out again."""
    return user.is_active and (image.owner_id == user.pk or is_operator(user))


def _is_in(user: User | AnonymousUser, *groups: str) -> bool:
    if not user.is_active:
        return False
    return user.is_superuser or user.groups.filter(name__in=groups).exists()

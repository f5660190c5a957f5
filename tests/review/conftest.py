"""What tests of the review desk start from: people who may review, and drafts without files."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from captions.models import Image, ReviewLease
from captions.models.clock import DatabaseTime
from tests import factories


@pytest.fixture
def rita(db: None) -> User:
    """Somebody who reviews everybody's pictures."""
    return factories.make_person("rita", "reviewers")


@pytest.fixture
def rob(db: None) -> User:
    """Another reviewer."""
    return factories.make_person("rob", "reviewers")


@pytest.fixture
def drafts(owner: User) -> list[Image]:
    """Six drafts, oldest first; the fifth is the least sure, the last two have no quality yet."""
    made = [factories.make_image(owner, "draft", text=f"boat {number}") for number in range(6)]
    for image, quality in zip(made, (0.9, 0.5, 0.7, None, 0.1, None), strict=True):
        image.quality = quality
        image.save(update_fields=["quality"])
    return made


def expire(*images: Image) -> None:
    """Let leases run out, as a long silence would."""
    ReviewLease.objects.filter(image__in=images).update(until=DatabaseTime(after=-1))

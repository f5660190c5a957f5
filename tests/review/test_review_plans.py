"""The queue asks its indexes: being handed the next picture may not become slower with a million pictures."""

from __future__ import annotations

import hashlib

import pytest
from django.contrib.auth.models import User
from django.db import connection

from captions import review_queue, second_review
from captions.models import Image
from captions.review_queue import Order
from tests import factories

COUNT = 3_000


@pytest.fixture
def many(owner: User) -> None:
    """Rows alone, every third of them a draft."""
    sizes = dict.fromkeys(("thumbnail_width", "thumbnail_height", "screen_width", "screen_height"), 40)
    Image.objects.bulk_create(
        Image(
            owner=owner, number=number + 1, sha256=hashlib.sha256(str(number).encode()).hexdigest(), format="JPEG",
            width=40, height=30, bytes=99, state="draft" if number % 3 == 0 else "empty",
            quality=None if number % 30 == 0 else number % 97 / 97, **sizes,
        )
        for number in range(COUNT)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def plan_of(reviewer: User, order: str) -> str:
    scope = review_queue._Scope(reviewer, order, None, ())
    [part] = scope.parts()
    return part.select_related(None).values_list("pk")[:10].explain()


@pytest.mark.parametrize(
    ("order", "indexes"),
    [(Order.LEAST_SURE, ["image_least_sure"]), (Order.OLDEST, ["image_oldest_draft", "image_review_queue"])],
)
def test_it_reads_the_next_drafts_from_an_index_in_their_order(many, order, indexes):
    plan = plan_of(factories.make_person("rita", "reviewers"), order)
    assert any(index in plan for index in indexes), plan
    assert not any(words in plan for words in ("Sort", "USE TEMP B-TREE", "Seq Scan on captions_image")), plan


def test_it_reads_second_reviews_from_their_index(many):
    reviewer = factories.make_person("rita", "reviewers")
    plan = second_review.waiting(reviewer).values_list("pk")[:5].explain()
    assert "Seq Scan on captions_image" not in plan, plan

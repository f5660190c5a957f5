"""A second review measures, and changes nothing."""

from __future__ import annotations

import pytest

from captions import review, review_queue, second_review
from captions.errors import DeskError
from captions.models import Image, ReviewPolicy, SecondReview
from captions.review_queue import Verdict
from tests import factories


@pytest.fixture(autouse=True)
def _every_decision(db: None) -> None:
    ReviewPolicy.objects.create(pk=1, second_review_share=1.0)


def code(call, *args, **kwargs) -> str:
    with pytest.raises(DeskError) as refused:
        call(*args, **kwargs)
    return refused.value.code


@pytest.fixture
def decided(owner, rita) -> Image:
    """A picture whose first draft rita approved."""
    image = factories.make_image(owner)
    factories.make_drafts(image, "a small boat", "a boat")
    image.refresh_from_db()
    review.approve(image=image, reviewer=rita)
    return image


def again(reviewer, decision: str, **options) -> SecondReview:
    [turn] = review_queue.take(reviewer=reviewer, count=1)
    assert turn.second is not None
    verdict = Verdict(decision, **{"caption": turn.shown, **options})
    return review_queue.decide(image=turn.image, reviewer=reviewer, verdict=verdict, second=turn.second)


def test_it_puts_a_decision_before_another_reviewer_as_a_draft(decided, rita, rob):
    assert review_queue.take(reviewer=rita, count=3) == []
    [turn] = review_queue.take(reviewer=rob, count=3)
    assert (turn.image, turn.shown.text, [draft.text for draft in turn.drafts]) == (
        decided, "a small boat", ["a small boat", "a boat"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("decision", "options", "agrees"),
    [
        ("approve", {}, True),
        ("edit", {"text": "a small boat"}, True),
        ("edit", {"text": "a red boat"}, False),
        ("reject", {"reason": "count"}, False),
    ],
)
def test_it_agrees_when_both_would_publish_the_same(decided, rob, decision, options, agrees):
    made = again(rob, decision, **options)
    assert (made.reviewer, made.decision, made.agrees) == (rob, decision, agrees)
    assert made.decided_at is not None


def test_it_agrees_when_both_would_publish_nothing(owner, rita, rob):
    review.reject(image=factories.make_image(owner, "draft"), reviewer=rita, reason="vague")
    assert again(rob, "reject", reason="wrong").agrees


def test_it_shows_what_a_correction_corrected(owner, rita, rob):
    image = factories.make_image(owner, "draft", text="a boat")
    review.edit(image=image, reviewer=rita, text="a ship")
    [turn] = review_queue.take(reviewer=rob, count=1)
    assert turn.shown.text == "a boat"
    assert not again(rob, "approve").agrees


def test_it_changes_nothing_that_is_published(decided, rob):
    again(rob, "edit", text="something else")
    decided.refresh_from_db()
    assert (decided.state, decided.published_caption.text) == ("approved", "a small boat")
    assert decided.reviews.count() == 1
    assert decided.captions.count() == 2


def test_it_is_put_before_one_person_at_a_time(decided, rob):
    other = factories.make_person("ruth", "reviewers")
    assert len(review_queue.take(reviewer=rob, count=1)) == 1
    assert review_queue.take(reviewer=other, count=1) == []


def test_it_is_not_asked_twice(decided, rob):
    again(rob, "approve")
    assert review_queue.take(reviewer=rob, count=1) == []


def test_it_is_not_asked_when_the_first_decision_was_taken_back(decided, rita, rob):
    review.undo(image=decided, reviewer=rita)
    [turn] = review_queue.take(reviewer=rob, count=5)
    assert turn.second is None


def test_it_refuses_the_one_who_decided_first_and_strangers(decided, rita, stranger):
    row = SecondReview.objects.get()
    assert code(second_review.decide, row=row, reviewer=rita, decision="approve") == "not_found"
    assert code(second_review.decide, row=row, reviewer=stranger, decision="approve") == "not_found"
    assert code(second_review.find, stranger, row.pk) == "not_found"


def test_it_writes_the_same_down_once_and_refuses_another_answer(decided, rob):
    row = SecondReview.objects.get()
    first = second_review.decide(row=row, reviewer=rob, decision="approve")
    assert second_review.decide(row=row, reviewer=rob, decision="approve") == first
    assert code(second_review.decide, row=row, reviewer=rob, decision="reject") == "already_decided"


def test_it_can_be_taken_back(decided, rob):
    made = again(rob, "reject")
    assert review_queue.last_decision(rob) == made
    review_queue.undo(reviewer=rob, decision=made.pk)
    [turn] = review_queue.take(reviewer=rob, count=1)
    assert turn.second == made
    assert SecondReview.objects.get().agrees is None


def test_it_asks_for_no_second_review_of_an_undo_or_of_the_rule(decided, rita):
    review.undo(image=decided, reviewer=rita)
    assert SecondReview.objects.count() == 1


def test_it_asks_for_none_while_the_share_is_nothing(owner, rita):
    ReviewPolicy.objects.update(second_review_share=0)
    review.approve(image=factories.make_image(owner, "draft"), reviewer=rita)
    assert not SecondReview.objects.exists()


def test_it_lets_operators_set_the_share(rita):
    operator = factories.make_person("oscar", "operators")
    second_review.set_share(to=0.25, by=operator)
    assert second_review.share() == 0.25
    assert code(second_review.set_share, to=0.5, by=rita) == "forbidden"
    assert code(second_review.set_share, to=1.5, by=operator) == "share_out_of_range"
    assert code(second_review.set_share, to=float("nan"), by=operator) == "share_out_of_range"


def test_it_strews_second_reviews_among_drafts(owner, rita, rob, monkeypatch):
    for _ in range(4):
        review.approve(image=factories.make_image(owner, "draft"), reviewer=rita)
    for _ in range(12):
        factories.make_image(owner, "draft")
    kinds = [turn.second is not None for turn in review_queue.take(reviewer=rob, count=16)]
    assert kinds.count(True) == 4
    assert len(kinds) == 16

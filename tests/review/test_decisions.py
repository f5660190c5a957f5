"""Approve, edit, reject and take back: what is published follows from the decisions that stand."""

import pytest
from django.contrib.auth.models import User

from captions import review
from captions.errors import DeskError
from captions.models import Caption, Image, Review
from tests import factories


def code(call, **kwargs) -> str:
    with pytest.raises(DeskError) as refused:
        call(**kwargs)
    return refused.value.code


@pytest.fixture
def image(owner: User) -> Image:
    return factories.make_image(owner, "draft", text="a small boat")


def published(image: Image) -> str:
    image.refresh_from_db()
    return image.published_caption.text if image.published_caption else ""


def test_it_publishes_the_caption_on_show(image, owner):
    made = review.approve(image=image, reviewer=owner)
    assert published(image) == "a small boat"
    assert (image.state, image.caption) == ("approved", image.published_caption)
    assert (made.decision, made.reviewer, made.published_before) == ("approve", owner, None)


def test_it_publishes_another_caption_that_is_named(image, owner):
    second = factories.make_drafts(image, "first", "second")[1]
    review.approve(image=image, reviewer=owner, caption=second)
    assert published(image) == "second"


def test_it_publishes_a_correction_as_a_new_caption(image, owner):
    draft = image.caption
    made = review.edit(image=image, reviewer=owner, text="a small  red boat")
    assert published(image) == "a small red boat"
    assert (made.caption.kind, made.caption.parent, made.caption.author) == ("edited", draft, owner)
    assert Caption.objects.get(pk=draft.pk).text == "a small boat"


def test_it_takes_unchanged_words_as_an_approval(image, owner):
    assert review.edit(image=image, reviewer=owner, text=" a small boat ").decision == "approve"
    assert Caption.objects.count() == 1


def test_it_unpublishes_what_is_rejected(image, owner):
    review.approve(image=image, reviewer=owner)
    made = review.reject(image=image, reviewer=owner, reason=" wrong\n count ")
    assert published(image) == ""
    assert (image.state, image.caption.text, made.reason) == ("rejected", "a small boat", "wrong count")


def test_it_leaves_published_words_alone_when_another_caption_is_rejected(image, owner):
    review.approve(image=image, reviewer=owner)
    [draft] = factories.make_drafts(image, "a worse draft")
    review.reject(image=image, reviewer=owner, caption=draft)
    assert published(image) == "a small boat"
    assert image.state == "approved"


@pytest.mark.parametrize("decision", ["approve", "reject", "edit"])
def test_it_writes_a_decision_down_once_when_it_is_sent_twice(image, owner, decision):
    options = {"text": "a red boat"} if decision == "edit" else {}
    mark = review.last_seen(image)
    first = factories.make_review(image, decision, reviewer=owner, seen=mark, **options)
    again = factories.make_review(image, decision, reviewer=owner, seen=mark, **options)
    named = factories.make_review(image, decision, reviewer=owner, caption=first.caption, **options)
    assert again == named == first
    assert Review.objects.count() == 1


def test_it_writes_an_edit_of_a_named_caption_down_once(image, owner):
    draft = image.caption
    first = review.edit(image=image, reviewer=owner, text="a red boat", caption=draft)
    assert review.edit(image=image, reviewer=owner, text="a red boat", caption=draft) == first
    assert Caption.objects.count() == 2


def test_it_decides_again_after_a_decision_was_taken_back(image, owner):
    first = review.approve(image=image, reviewer=owner)
    review.undo(image=image, reviewer=owner)
    assert review.approve(image=image, reviewer=owner) != first
    assert published(image) == "a small boat"


@pytest.mark.parametrize("decision", ["approve", "edit", "reject"])
@pytest.mark.parametrize("before", ["draft", "approved", "rejected"])
def test_it_takes_a_decision_back_to_exactly_what_was_before(owner, decision, before):
    image = factories.make_image(owner, before)
    [other] = factories.make_drafts(image, "another draft")
    image.refresh_from_db()
    was = (image.state, image.caption, image.published_caption)
    factories.make_review(image, decision, caption=other, **({"text": "mended"} if decision == "edit" else {}))
    undone = review.undo(image=image, reviewer=owner)
    image.refresh_from_db()
    assert (image.state, image.caption, image.published_caption) == was
    assert undone.undoes.decision == decision


def test_it_keeps_a_correction_that_was_taken_back_in_the_history(image, owner):
    review.edit(image=image, reviewer=owner, text="a red boat")
    review.undo(image=image, reviewer=owner)
    assert published(image) == ""
    assert image.caption.text == "a small boat"
    edited = Caption.objects.get(text="a red boat")
    review.approve(image=image, reviewer=owner, caption=edited)
    assert published(image) == "a red boat"


def test_it_takes_back_one_decision_after_the_other(image, owner):
    review.approve(image=image, reviewer=owner)
    review.edit(image=image, reviewer=owner, text="a red boat")
    review.reject(image=image, reviewer=owner)
    expected = ["a red boat", "a small boat", ""]
    for words in expected:
        review.undo(image=image, reviewer=owner)
        assert published(image) == words
    assert code(review.undo, image=image, reviewer=owner) == "nothing_to_undo"
    assert image.state == "draft"


def test_it_takes_back_an_own_decision_under_somebody_s_later_one(image, owner):
    colleague = factories.make_person("rita", "reviewers")
    review.reject(image=image, reviewer=owner)
    review.edit(image=image, reviewer=colleague, text="a red boat")
    review.undo(image=image, reviewer=owner)
    assert published(image) == "a red boat"
    assert code(review.undo, image=image, reviewer=owner) == "nothing_to_undo"


@pytest.mark.parametrize(("group", "allowed"), [("reviewers", False), ("operators", True)])
def test_it_takes_back_somebody_else_s_decision_for_operators_only(image, owner, group, allowed):
    review.approve(image=image, reviewer=owner)
    person = factories.make_person("", group)
    if allowed:
        review.undo(image=image, reviewer=person)
    else:
        assert code(review.undo, image=image, reviewer=person) == "nothing_to_undo"
    assert published(image) == ("" if allowed else "a small boat")


def test_it_lets_owner_groups_and_superuser_decide_and_nobody_else(owner, stranger):
    idle = factories.make_person("idle", "reviewers", is_active=False)
    for person in (stranger, idle):
        image = factories.make_image(owner, "draft")
        for decision in ("approve", "reject", "undo"):
            assert code(getattr(review, decision), image=image, reviewer=person) == "not_found"
        assert code(review.edit, image=image, reviewer=person, text="x") == "not_found"
    for person in (
        owner,
        factories.make_person("", "reviewers"),
        factories.make_person("", "operators"),
        factories.make_person("", is_superuser=True),
    ):
        assert review.approve(image=factories.make_image(owner, "draft"), reviewer=person).reviewer == person


def test_it_refuses_in_words_what_cannot_be_decided(image, owner):
    empty = factories.make_image(owner)
    assert code(review.approve, image=empty, reviewer=owner) == "nothing_to_review"
    foreign = factories.make_image(owner, "draft").caption
    assert code(review.approve, image=image, reviewer=owner, caption=foreign) == "caption_of_another_image"
    assert code(review.reject, image=image, reviewer=owner, reason="x" * 201) == "reason_too_long"
    assert code(review.edit, image=image, reviewer=owner, text="  ") == "caption_empty"
    factories.make_trash(image)
    assert code(review.approve, image=image, reviewer=owner) == "not_found"
    assert not Review.objects.filter(image=image).exists()


def test_it_notices_a_decision_made_since_the_page_was_shown(image, owner):
    colleague = factories.make_person("rita", "reviewers")
    mark = review.last_seen(image)
    assert mark == ""
    review.approve(image=image, reviewer=colleague, seen=mark)
    for decision, options in (("approve", {}), ("reject", {}), ("edit", {"text": "other words"})):
        call = getattr(review, decision)
        assert code(call, image=image, reviewer=owner, seen=mark, **options) == "already_decided"
    assert Caption.objects.count() == 1
    review.reject(image=image, reviewer=owner, seen=review.last_seen(image))
    assert published(image) == ""


def test_it_lets_the_later_decision_count_when_the_page_said_nothing(image, owner):
    review.approve(image=image, reviewer=factories.make_person("rita", "reviewers"))
    review.reject(image=image, reviewer=owner)
    assert published(image) == ""


@pytest.mark.usefixtures("transactional_db")
def test_it_lets_one_of_eight_win_who_decide_at_once_on_the_same_page():
    from tests.jobs.conftest import at_once

    owner = factories.make_person("olga")
    image = factories.make_image(owner, "draft")
    people = [factories.make_person(f"rita{n}", "reviewers") for n in range(8)]
    mark = review.last_seen(image)
    results = at_once(
        *(lambda person=person: review.approve(image=image, reviewer=person, seen=mark) for person in people)
    )
    won = [one for one in results if isinstance(one, Review)]
    lost = [one.code for one in results if isinstance(one, DeskError)]
    assert (len(won), lost) == (1, ["already_decided"] * 7), results
    assert Review.objects.count() == 1


@pytest.mark.usefixtures("transactional_db")
def test_it_takes_a_decision_back_once_when_two_try_at_once():
    from tests.jobs.conftest import at_once

    owner = factories.make_person("olga")
    image = factories.make_image(owner, "approved")
    results = at_once(*[lambda: review.undo(image=image, reviewer=owner)] * 6)
    assert sorted(one.code if isinstance(one, DeskError) else "done" for one in results) == [
        "done", "nothing_to_undo", "nothing_to_undo", "nothing_to_undo", "nothing_to_undo", "nothing_to_undo",
    ]  # fmt: skip


@pytest.mark.usefixtures("transactional_db")
def test_it_keeps_the_summary_right_while_drafts_arrive_and_people_decide():
    """Workers and reviewers at once on one picture: afterwards the summary is what the rows say."""
    from captions import ledger
    from tests.jobs.conftest import at_once

    owner = factories.make_person("olga")
    image = factories.make_image(owner, "draft")
    results = at_once(
        *(lambda n=n: factories.make_drafts(image, f"draft {n}") for n in range(4)),
        *(lambda n=n: review.edit(image=image, reviewer=owner, text=f"words {n}") for n in range(4)),
    )
    assert not [one for one in results if isinstance(one, Exception)], results
    assert Caption.objects.count() == 9
    image.refresh_from_db()
    was = (image.state, image.caption_id)
    ledger.settle(image_id=image.pk)
    image.refresh_from_db()
    assert was == (image.state, image.caption_id) == ("approved", image.published_caption_id)
    last = Review.objects.order_by("-id").first()
    assert image.published_caption == last.caption


def test_it_costs_a_fixed_number_of_queries(image, owner, django_assert_max_num_queries):
    with django_assert_max_num_queries(15):
        review.approve(image=image, reviewer=owner)

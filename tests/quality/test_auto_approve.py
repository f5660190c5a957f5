"""The rule that approves drafts by their score: switched on with open eyes, and never against a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from captions import auto_approve, jobs, ledger, review, tasks
from captions.drafts import Draft
from captions.errors import DeskError
from captions.models import AutoApproval, AutoApproveRun, Calibration, Image, Review, ReviewPolicy
from captions.params import GenerationParams
from captions.quality import PRIOR
from tests import factories
from tests.jobs.conftest import at_once
from tests.quality.conftest import draft_of

SURE, UNSURE = -0.01, -2.0


@pytest.fixture
def operator(db: None) -> User:
    return factories.make_person("otto", "operators")


@pytest.fixture
def known(db: None) -> Calibration:
    thresholds = [
        {"threshold": 0.5, "passed": 80, "right": 60},
        {"threshold": 0.7, "passed": 40, "right": 38},
        {"threshold": 0.99, "passed": 0, "right": 0},
    ]
    return Calibration.objects.create(
        method="test", decisions=100, approved=65, fitted=PRIOR.as_dict(), thresholds=thresholds, brier=0.1
    )


@pytest.fixture
def on(operator: User, known: Calibration) -> AutoApproveRun:
    return switch_on(operator, known)


def switch_on(by: User, known: Calibration, threshold: float = 0.7, **options: object) -> AutoApproveRun:
    given = {"threshold": threshold, "calibration_id": known.pk, "is_confirmed": True, **options}
    return auto_approve.switch_on(by=by, **given)


def code(call: Callable[[], object]) -> str:
    with pytest.raises(DeskError) as refused:
        call()
    return refused.value.code


def arrived(owner: User, score: float = SURE) -> Image:
    """Let a draft of a score arrive for a new picture."""
    image = factories.make_image(owner)
    draft_of(image, score)
    image.refresh_from_db()
    return image


# --- The switch ----------------------------------------------------------------------------------------------------


def test_it_is_off_by_default(owner):
    assert arrived(owner).state == "draft"
    assert auto_approve.current_run() is None


def test_it_says_what_a_threshold_would_have_done(known):
    first = auto_approve.forecasts(known)[1]
    assert (first.share, first.correct.share) == (0.4, 0.95)
    assert 0.83 < first.correct.low < 0.84
    assert auto_approve.forecasts(None) == []


def test_it_writes_down_who_switched_it_on_when_and_by_which_numbers(operator, known):
    run = switch_on(operator, known)
    policy = ReviewPolicy.objects.get()
    assert (policy.auto_approve_from, policy.auto_approve_by, policy.auto_approve_since) == (
        0.7,
        operator,
        run.started_at,
    )
    assert (run.decisions, run.passed, run.right, run.calibration) == (100, 40, 38, known)


def test_it_ends_one_run_when_another_begins(operator, known):
    first, second = switch_on(operator, known), switch_on(operator, known, 0.5)
    first.refresh_from_db()
    assert first.ended_by == operator
    assert auto_approve.current_run() == second


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"is_confirmed": False}, "rule_not_confirmed"),
        ({"calibration_id": "0199f3a2-5c1e-7d40-8b21-6a6f0d6f4c11"}, "calibration_changed"),
        ({"calibration_id": "nonsense"}, "calibration_changed"),
        ({"threshold": 0.69}, "threshold_unknown"),
        ({"threshold": float("nan")}, "threshold_unknown"),
        ({"threshold": 0.99}, "threshold_untested"),
    ],
)
def test_it_refuses_to_be_switched_on_blindly(operator, known, options, expected):
    assert code(partial(switch_on, operator, known, **options)) == expected
    assert auto_approve.current_run() is None


def test_it_cannot_be_switched_on_before_anything_was_learned(operator, known):
    Calibration.objects.all().delete()
    assert code(partial(switch_on, operator, known)) == "calibration_missing"


@pytest.mark.parametrize("groups", [(), ("reviewers",)])
def test_it_obeys_operators_only(on, known, groups):
    person = factories.make_person("", *groups)
    assert code(partial(switch_on, person, known)) == "forbidden"
    assert code(partial(auto_approve.switch_off, by=person)) == "forbidden"
    assert code(partial(auto_approve.take_back, run=on, by=person)) == "forbidden"
    assert auto_approve.current_run() == on


def test_it_lets_nothing_pass_once_it_is_off(on, owner, operator):
    auto_approve.switch_off(by=operator)
    auto_approve.switch_off(by=operator)
    assert arrived(owner).state == "draft"
    on.refresh_from_db()
    assert on.ended_by == operator


# --- The rule ------------------------------------------------------------------------------------------------------


def test_it_approves_in_its_authors_name_and_says_that_it_was_automatic(on, owner, operator):
    image = arrived(owner)
    made = Review.objects.get()
    assert (image.state, image.published_caption, image.quality) == ("approved", made.caption, None)
    assert (made.reviewer, made.decision, made.is_automatic) == (operator, "approve", True)
    assert made.by_rule.run == on
    assert made.by_rule.quality > 0.7


def test_it_lets_the_unsure_ones_wait(on, owner):
    assert arrived(owner, UNSURE).state == "draft"


def test_it_leaves_drafts_alone_that_waited_before_it_was_switched_on(owner, operator, known):
    waiting = arrived(owner)
    again = factories.make_job(waiting)
    switch_on(operator, known)
    jobs.cancel(job=again)
    waiting.refresh_from_db()
    assert waiting.state == "draft"


def _decided(image: Image, owner: User) -> None:
    review.reject(image=image, reviewer=owner)


def _decided_and_took_back(image: Image, owner: User) -> None:
    review.reject(image=image, reviewer=owner)
    review.undo(image=image, reviewer=owner)


def _wrote(image: Image, owner: User) -> None:
    factories.make_caption(image, "by hand")


@pytest.mark.parametrize("touch", [_decided, _decided_and_took_back, _wrote])
def test_it_never_touches_a_picture_that_a_person_has_touched(owner, operator, known, touch):
    image = arrived(owner)
    touch(image, owner)
    switch_on(operator, known)
    draft_of(image, SURE)
    image.refresh_from_db()
    assert image.state == "draft"
    assert not AutoApproval.objects.exists()


def test_it_leaves_decorative_pictures_alone(on, owner):
    image = factories.make_image(owner)
    Image.objects.filter(pk=image.pk).update(is_decorative=True, state="approved")
    draft_of(image, SURE)
    assert not AutoApproval.objects.exists()


@pytest.mark.parametrize("leaves", [{"is_active": False}, {}])
def test_it_rests_once_its_author_has_left(on, owner, operator, leaves):
    if leaves:
        User.objects.filter(pk=operator.pk).update(**leaves)
    else:
        operator.groups.clear()
    assert arrived(owner).state == "draft"


def test_it_lets_a_person_confirm_what_it_approved(on, owner, operator):
    image = arrived(owner)
    made = review.approve(image=image, reviewer=operator)
    assert not made.is_automatic
    assert Review.objects.count() == 2


def test_it_lets_whoever_may_review_take_its_approval_back(on, owner):
    image = arrived(owner)
    review.undo(image=image, reviewer=owner)
    image.refresh_from_db()
    assert (image.state, image.published_caption) == ("draft", None)
    draft_of(image, SURE)
    image.refresh_from_db()
    assert image.state == "draft", "a person has decided by now"


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.parametrize("decision", ["reject", "edit"])
def test_it_gives_way_to_a_person_who_decides_at_the_same_moment(owner, operator, known, decision):
    for _ in range(6):
        image = arrived(owner)
        job = factories.run(factories.make_job(image))
        switch_on(operator, known)
        options = {"text": "my words"} if decision == "edit" else {}
        complete = partial(
            jobs.complete, job_id=job.pk, attempt=job.attempt, candidates=[Draft("a small boat on a lake", SURE)],
            model="demo", revision="1", params=GenerationParams(), seed=1,
        )  # fmt: skip
        answers = at_once(complete, partial(getattr(review, decision), image=image, reviewer=owner, **options))
        assert [one for one in answers if isinstance(one, Exception)] == []
        auto_approve.switch_off(by=operator)
        image.refresh_from_db()
        by_person = Review.objects.get(image=image, is_automatic=False)
        assert by_person.undoes is None
        if Review.objects.filter(image=image, is_automatic=True, id__gt=by_person.pk).exists():
            pytest.fail("the rule overruled a person")
        if decision == "edit":
            assert image.published_caption.text == "my words"
        else:
            assert image.published_caption is None or image.published_caption_id != by_person.caption_id


# --- Taking a run back ---------------------------------------------------------------------------------------------


def test_it_counts_first_and_changes_nothing(on, owner):
    kept = arrived(owner)
    overruled = arrived(owner)
    review.reject(image=overruled, reviewer=owner)
    undone = arrived(owner)
    review.undo(image=undone, reviewer=owner)
    counted = auto_approve.tally(on)
    assert (counted.approved, counted.untouched, counted.taken_back, counted.touched) == (3, 1, 1, 1)
    kept.refresh_from_db()
    assert kept.state == "approved"


def test_it_takes_back_what_nobody_has_touched(on, owner, operator):
    plain, confirmed, edited, rejected, described = (arrived(owner) for _ in range(5))
    review.approve(image=confirmed, reviewer=owner)
    review.edit(image=edited, reviewer=owner, text="better words")
    review.reject(image=rejected, reviewer=owner)
    ledger.write(image=described, author=owner, text="my words")
    assert auto_approve.take_back(run=on, by=operator) == 1
    states = [Image.objects.get(pk=image.pk).state for image in (plain, confirmed, edited, rejected, described)]
    assert states == ["draft", "approved", "approved", "rejected", "approved"]
    plain.refresh_from_db()
    assert plain.quality is not None
    undo = Review.objects.get(image=plain, decision="undo")
    assert (undo.reviewer, undo.is_automatic) == (operator, False)


def test_it_switches_the_rule_off_when_its_run_is_taken_back(on, owner, operator):
    auto_approve.take_back(run=on, by=operator)
    assert arrived(owner).state == "draft"
    on.refresh_from_db()
    assert on.take_back_by == operator
    assert on.taken_back_at is not None


def test_it_leaves_other_runs_alone(on, owner, operator, known):
    first = arrived(owner)
    second_run = switch_on(operator, known)
    second = arrived(owner)
    assert auto_approve.take_back(run=on, by=operator) == 1
    assert auto_approve.current_run() == second_run
    assert [Image.objects.get(pk=one.pk).state for one in (first, second)] == ["draft", "approved"]


def test_it_goes_on_by_the_timetable(on, owner, operator, monkeypatch):
    monkeypatch.setattr(auto_approve, "AT_ONCE", 2)
    for _ in range(5):
        arrived(owner)
    assert auto_approve.take_back(run=on, by=operator) == 2
    on.refresh_from_db()
    assert on.taken_back_at is None
    tasks.take_back()
    assert auto_approve.tally(on).taken_back == 5
    on.refresh_from_db()
    assert on.taken_back_at is not None
    assert auto_approve.go_on_taking_back() == 0


def test_it_leaves_pictures_in_the_trash_alone(on, owner, operator):
    image = arrived(owner)
    factories.make_trash(image)
    assert auto_approve.take_back(run=on, by=operator) == 0


def test_it_costs_one_query_while_nothing_passes(owner, django_assert_num_queries):
    image = arrived(owner)
    ReviewPolicy.objects.create(auto_approve_since=timezone.now() - timedelta(days=1))
    with django_assert_num_queries(1):
        assert auto_approve.consider(image_id=image.pk) is None

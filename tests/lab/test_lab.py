"""The lab's services: trials change nothing that people see, votes are blind, a winner touches no person's words."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from captions import jobs, lab, ledger, review, selectors
from captions.errors import DeskError
from captions.models import Caption, CaptionJob, Image, Trial, TrialArm
from tests.jobs.conftest import claim, finish, make_image
from tests.web.builders import worker

QUICK = lab.ArmWish("Quick", "", {"num_beams": 1})
CAREFUL = lab.ArmWish("Careful", "", {"num_beams": 4})


@pytest.fixture
def pictures(owner: User) -> list[Image]:
    """Three pictures of one person."""
    return [make_image(owner) for _ in range(3)]


@pytest.fixture
def trial(owner: User, pictures: list[Image]) -> Trial:
    """Two ways on three pictures, nothing drafted yet."""
    return lab.start(by=owner, name="Quick against careful", images=pictures, arms=[QUICK, CAREFUL])


def drafted() -> None:
    """Let a worker do everything that waits; each caption names its way."""
    while claimed := claim(limit=8):
        for job in claimed:
            finish(job, f"a circle seen {job.params.get('num_beams')} ways")


def code_of(call: Any) -> str:
    """Give the code of what a call refuses."""
    with pytest.raises(DeskError) as refused:
        call()
    return refused.value.code


def voted(owner: User, trial: Trial) -> TrialArm:
    """Draft everything, let the first arm win every picture, show the names, and give the winner."""
    drafted()
    arm = trial.arms.get(place=0)
    for image in trial.images.all():
        lab.vote(by=owner, trial=trial, image_id=image.pk, arm_id=arm.pk)
    lab.reveal(by=owner, trial=trial)
    trial.refresh_from_db()
    return trial.arms.get(place=0)


def test_it_asks_once_for_each_way_and_picture(trial: Trial) -> None:
    assert CaptionJob.objects.filter(is_trial=True).count() == 6
    drafted()
    assert len(lab.best_captions(trial)) == 6


def test_it_changes_nothing_that_the_gallery_shows(owner: User, pictures: list[Image], trial: Trial) -> None:
    job = jobs.request(image=pictures[0], chosen={}).job
    jobs.cancel(job=job)
    before = Image.objects.get(pk=pictures[0].pk).state
    claim(limit=8)
    assert {image.state for image in Image.objects.all()} == {before, "empty"}
    drafted()
    for job in CaptionJob.objects.filter(state="running"):
        finish(job)
    for image in Image.objects.all():
        assert image.caption is None
        assert not selectors.captions(owner, image).exists()
    assert before == "cancelled"


def test_it_lets_an_ordinary_job_with_the_same_settings_run_beside_it(pictures: list[Image], trial: Trial) -> None:
    made = jobs.request(image=pictures[0], chosen={"num_beams": 1})
    assert made.created
    assert not made.job.is_trial


def test_it_begins_nothing_when_a_way_cannot_be_asked_for(owner: User, pictures: list[Image]) -> None:
    unserved = lab.ArmWish("Other", "somebody/else", {})
    assert code_of(lambda: lab.start(by=owner, name="", images=pictures, arms=[QUICK, unserved])) == "model_not_served"
    assert not Trial.objects.exists()
    assert not CaptionJob.objects.exists()


def test_it_refuses_what_is_no_trial(owner: User, stranger: User, pictures: list[Image]) -> None:
    many = [make_image(owner) for _ in range(21)]
    start = lambda images, arms: code_of(lambda: lab.start(by=owner, name="", images=images, arms=arms))  # noqa: E731  # five uses below
    assert start([], [QUICK, CAREFUL]) == "trial_without_pictures"
    assert start(many, [QUICK, CAREFUL]) == "trial_too_large"
    assert start(pictures, [QUICK]) == "trial_needs_arms"
    assert start(pictures, [QUICK, CAREFUL, QUICK]) == "trial_arms_alike"
    assert start([make_image(stranger)], [QUICK, CAREFUL]) == "not_found"


def test_it_shuffles_the_columns_of_each_picture_and_keeps_them(trial: Trial) -> None:
    arms = list(trial.arms.all())
    orders = {tuple(arm.place for arm in lab.columns(trial, uuid4(), arms)) for _ in range(60)}
    assert orders == {(0, 1), (1, 0)}
    image = trial.images.first()
    assert image is not None
    assert lab.columns(trial, image.pk, arms) == lab.columns(trial, image.pk, arms[::-1])


def test_it_counts_the_last_vote_of_each_picture(owner: User, trial: Trial) -> None:
    drafted()
    first, second = trial.arms.all()
    one, two, three = trial.images.all()
    for image, arm in ((one, first), (one, second), (two, second), (three, None)):
        lab.vote(by=owner, trial=trial, image_id=image.pk, arm_id=arm.pk if arm else None)
    assert [(score.arm.place, score.votes, score.share) for score in lab.scores(trial)] == [(1, 2, 1.0), (0, 0, 0.0)]


def test_it_takes_no_vote_before_the_caption_nor_after_the_names(owner: User, trial: Trial) -> None:
    arm, image = trial.arms.all()[0], trial.images.all()[0]
    vote = lambda: lab.vote(by=owner, trial=trial, image_id=image.pk, arm_id=arm.pk)  # noqa: E731  # three uses below
    assert code_of(vote) == "trial_not_ready"
    assert code_of(lambda: lab.reveal(by=owner, trial=trial)) == "trial_without_votes"
    drafted()
    vote()
    lab.reveal(by=owner, trial=trial)
    assert code_of(vote) == "trial_is_revealed"


def test_it_is_nobody_elses(owner: User, stranger: User, trial: Trial) -> None:
    drafted()
    arm, image = trial.arms.all()[0], trial.images.all()[0]
    for call in (
        lambda: lab.one(stranger, trial.pk),
        lambda: lab.vote(by=stranger, trial=trial, image_id=image.pk, arm_id=arm.pk),
        lambda: lab.reveal(by=stranger, trial=trial),
        lambda: lab.plan(by=stranger, arm=arm),
        lambda: lab.apply(by=stranger, arm=arm),
        lambda: lab.discard(by=stranger, trial=trial),
        lambda: lab.vote(by=owner, trial=trial, image_id=make_image(owner).pk, arm_id=arm.pk),
        lambda: lab.vote(by=owner, trial=trial, image_id=image.pk, arm_id=uuid4()),
    ):
        assert code_of(call) == "not_found"


def test_it_applies_the_winner_to_pictures_that_no_person_touched(owner: User, trial: Trial) -> None:
    winner = voted(owner, trial)
    wordless, drafted_only, approved, written = (make_image(owner) for _ in range(4))
    for image in (drafted_only, approved):
        jobs.request(image=image, chosen={})
    drafted()
    review.approve(image=approved, reviewer=owner)
    ledger.write(image=written, author=owner, text="A harbour at dawn.")
    plan = lab.plan(by=owner, arm=winner)
    assert (plan.untouched, plan.drafted_so, plan.to_ask, plan.now) == (5, 0, 5, 5)
    assert lab.apply(by=owner, arm=winner) == 5
    asked = set(CaptionJob.objects.filter(state="queued").values_list("image", flat=True))
    assert asked == {wordless.pk, drafted_only.pk, *(image.pk for image in trial.images.all())}
    assert lab.apply(by=owner, arm=winner) == 0
    assert lab.plan(by=owner, arm=winner).drafted_so == 5


def test_it_goes_on_where_the_queue_was_full(owner: User, trial: Trial) -> None:
    winner = voted(owner, trial)
    with override_settings(QUEUE_LIMIT_PER_OWNER=2):
        assert lab.plan(by=owner, arm=winner).now == 2
        assert lab.apply(by=owner, arm=winner) == 2
        assert lab.apply(by=owner, arm=winner) == 0
        drafted()
        assert lab.apply(by=owner, arm=winner) == 1


def test_it_applies_nothing_before_the_names_are_shown(owner: User, trial: Trial) -> None:
    assert code_of(lambda: lab.apply(by=owner, arm=trial.arms.all()[0])) == "trial_not_revealed"


def test_it_takes_words_over_as_a_draft_that_says_where_they_came_from(owner: User, trial: Trial) -> None:
    winner = voted(owner, trial)
    (arm_id, image_id), caption = next(iter(lab.best_captions(trial).items()))
    assert arm_id
    made = lab.take_over(by=owner, trial=trial, caption_id=caption.pk)
    image = Image.objects.get(pk=image_id)
    assert (image.state, image.caption, made.parent, made.purpose) == ("draft", made, caption, Caption.Purpose.ALT)
    assert code_of(lambda: lab.take_over(by=owner, trial=trial, caption_id=made.pk)) == "not_found"
    assert winner


def test_it_cancels_what_still_waits_when_a_trial_is_deleted(owner: User, trial: Trial) -> None:
    lab.discard(by=owner, trial=trial)
    assert set(CaptionJob.objects.values_list("state", flat=True)) == {"cancelled"}
    assert not Trial.objects.exists()
    assert worker()

"""What is learned from decisions, and what becomes of waiting drafts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from captions import calibration, ledger, quality, review
from captions.drafts import Draft
from captions.models import Calibration, Image, Review
from captions.quality import features, logistic
from tests import factories
from tests.quality.conftest import decide_on_many, draft, draft_of


def chance(score: float) -> float:
    """How likely the made-up reviewers approve a draft of this mean log-probability."""
    return logistic(3 + 2.5 * score)


@pytest.fixture
def learned(owner) -> Calibration:
    decide_on_many(owner, 1500, chance)
    made = calibration.calibrate()
    assert made is not None
    return made


# --- Scores of single drafts ---------------------------------------------------------------------------------------


def test_it_scores_a_draft_when_it_comes_on_show(owner):
    image = factories.make_image(owner)
    draft(image, Draft("a small boat", -0.3), Draft("a boat", -0.7))
    assert image.quality == quality.PRIOR.score(features(text="a small boat", score=-0.3, second=-0.7))


@pytest.mark.parametrize("state", [one for one in Image.State.values if one != "draft"])
def test_it_keeps_no_score_while_no_draft_is_on_show(owner, state):
    image = factories.make_image(owner, "draft")
    assert image.quality is not None
    if state == "approved":
        review.approve(image=image, reviewer=owner)
    elif state == "rejected":
        review.reject(image=image, reviewer=owner)
    elif state in ("queued", "drafting"):
        job = factories.make_job(image)
        if state == "drafting":
            factories.run(job)
    else:
        image = factories.make_image(owner, state)
    image.refresh_from_db()
    assert (image.state, image.quality) == (state, None)


def test_it_gives_the_score_back_with_the_draft(owner):
    image = factories.make_image(owner, "draft")
    before = image.quality
    review.approve(image=image, reviewer=owner)
    review.undo(image=image, reviewer=owner)
    image.refresh_from_db()
    assert image.quality == before


def test_it_gives_no_score_to_words_that_a_person_wrote(owner):
    image = factories.make_image(owner, "draft")
    factories.make_caption(image, "by hand")
    image.refresh_from_db()
    assert (image.state, image.quality) == ("draft", None)


def test_it_scores_by_the_newest_calibration_at_once(owner, learned):
    image = factories.make_image(owner)
    draft_of(image, -0.5)
    first = image.quality
    assert first != quality.PRIOR.score(features(text="a small boat on calm water", score=-0.5))
    Calibration.objects.create(method="test", decisions=1, approved=1, fitted=quality.PRIOR.as_dict(), brier=0.1)
    other = factories.make_image(owner)
    draft_of(other, -0.5)
    assert other.quality == quality.PRIOR.score(features(text="a small boat on calm water", score=-0.5))


# --- What counts as an outcome -------------------------------------------------------------------------------------


def outcome(image: Image) -> list[bool]:
    jobs_of_image = set(image.jobs.values_list("pk", flat=True))
    return [approved for job, approved in calibration.outcomes().items() if job in jobs_of_image]


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([("approve", {})], [True]),
        ([("reject", {})], [False]),
        ([("edit", {"text": "another boat"})], [False]),
        ([("edit", {"text": "a small boat"})], [True]),
        ([("approve", {}), ("reject", {})], [True]),
        ([("reject", {}), ("undo", {}), ("approve", {})], [True]),
        ([("approve", {}), ("undo", {})], []),
    ],
)
def test_it_takes_the_first_decision_that_stands(owner, decisions, expected):
    image = factories.make_image(owner, "draft", text="a small boat")
    for name, options in decisions:
        factories.make_review(image, name, **options)
        image.refresh_from_db()
    assert outcome(image) == expected


def test_it_takes_another_draft_that_was_chosen_for_a_refusal(owner):
    image = factories.make_image(owner)
    second = factories.make_drafts(image, "first", "second")[1]
    review.approve(image=image, reviewer=owner, caption=second)
    assert outcome(image) == [False]


def test_it_takes_a_correction_saved_first_and_approved_later_for_a_refusal(owner):
    image = factories.make_image(owner, "draft")
    corrected = ledger.edit(caption=image.caption, author=owner, text="a large boat")
    review.approve(image=image, reviewer=owner, caption=corrected)
    assert outcome(image) == [False]


def test_it_learns_nothing_from_words_written_by_hand(owner):
    image = factories.make_image(owner)
    factories.make_caption(image)
    review.approve(image=image, reviewer=owner)
    assert calibration.outcomes() == {}


def test_it_learns_nothing_from_what_a_rule_approved_nor_from_what_people_then_overruled(owner):
    image = factories.make_image(owner, "draft")
    made = review.approve_by_rule(image=image, author=owner)
    assert outcome(image) == []
    image.refresh_from_db()
    review.reject(image=image, reviewer=owner)
    assert outcome(image) == []
    review.undo(image=image, reviewer=owner)
    review.take_back_by_rule(decision=Review.objects.get(pk=made.pk), by=owner)
    image.refresh_from_db()
    review.reject(image=image, reviewer=owner)
    assert outcome(image) == [False]


# --- The fit -------------------------------------------------------------------------------------------------------


def test_it_waits_for_fifty_decisions_and_ten_of_each_outcome(owner):
    decide_on_many(owner, 49, lambda score: 0.5)
    assert calibration.calibrate() is None
    decide_on_many(owner, 60, lambda score: 1.0, seed=2)
    assert calibration.calibrate() is not None
    assert Calibration.objects.count() == 1


def test_it_recovers_the_chances_that_made_the_decisions(learned):
    formula = quality.Formula.from_dict(learned.fitted)
    errors = []
    for step in range(30):
        score = -step / 10
        found = formula.score(features(text="boat dog mat hill lamp tree", score=score))
        errors.append(abs(found - chance(score)))
    assert sum(errors) / len(errors) < 0.06, errors
    assert max(errors) < 0.15, errors


def test_it_never_scores_a_draft_lower_that_the_model_likes_better_after_learning(learned):
    formula = quality.Formula.from_dict(learned.fitted)
    scores = [formula.score(features(text="boat dog mat", score=-3 + step / 50)) for step in range(150)]
    assert scores == sorted(scores)
    assert 0 < scores[0] < 0.2
    assert 0.8 < scores[-1] < 1


def test_it_is_as_often_right_as_it_says_on_decisions_held_out(learned):
    assert sum(one["decisions"] for one in learned.bins) == learned.decisions == 1500
    off = sum(abs(one["mean"] - one["share"]) * one["decisions"] for one in learned.bins) / learned.decisions
    assert off < 0.04, learned.bins
    base = learned.approved / learned.decisions
    assert learned.brier < 0.8 * base * (1 - base)


def test_it_says_what_every_threshold_would_have_let_pass(learned):
    passed = [row["passed"] for row in learned.thresholds]
    assert passed == sorted(passed, reverse=True)
    assert all(row["right"] <= row["passed"] for row in learned.thresholds)
    ninety = next(row for row in learned.thresholds if row["threshold"] == 0.9)
    assert ninety["right"] / ninety["passed"] > 0.85


def test_it_gives_the_same_fit_for_the_same_decisions(learned):
    again = calibration.calibrate()
    assert (again.fitted, again.bins, again.brier) == (learned.fitted, learned.bins, learned.brier)


def test_it_tells_models_apart(owner):
    decide_on_many(owner, 60, chance)
    decide_on_many(owner, 30, chance, seed=2, model="other")
    made = calibration.calibrate()
    assert [(row["model"], row["decisions"]) for row in made.by_model] == [("demo", 60), ("other", 30)]


def test_it_learns_where_a_feature_never_varies_or_a_model_gives_no_score(owner):
    decide_on_many(owner, 60, lambda score: 0.5)
    image = factories.make_image(owner)
    draft(image, Draft("a boat", None))
    made = calibration.calibrate()
    image.refresh_from_db()
    assert 0 < image.quality < 1
    assert made.brier < 0.4


@pytest.mark.parametrize(
    ("right", "of", "low", "high"), [(0, 0, 0, 1), (10, 10, 0.722, 1), (0, 10, 0, 0.278), (95, 100, 0.888, 0.978)]
)
def test_it_gives_wilsons_interval(right, of, low, high):
    found = calibration.wilson(right, of)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


# --- The timetable and waiting drafts ------------------------------------------------------------------------------


def test_it_learns_again_only_after_twenty_new_decisions(owner, learned):
    Calibration.objects.update(fitted_at=timezone.now() + timedelta(minutes=2))
    assert calibration.refresh() is None
    Calibration.objects.update(fitted_at=timezone.now() - timedelta(minutes=2))
    assert calibration.refresh() is not None


def test_it_scores_waiting_drafts_anew_in_batches(owner, monkeypatch):
    images = [factories.make_image(owner) for _ in range(7)]
    for place, image in enumerate(images):
        draft_of(image, -0.3 * place)
    before = dict(Image.objects.values_list("pk", "quality"))
    decide_on_many(owner, 200, chance)
    monkeypatch.setattr(calibration, "AT_ONCE", 3)
    made = calibration.calibrate()
    formula = quality.Formula.from_dict(made.fitted)
    for place, image in enumerate(images):
        image.refresh_from_db()
        assert image.quality != before[image.pk]
        assert image.quality == formula.score(features(text=image.caption.text, score=-0.3 * place))
    assert calibration.rescore() == 0


def test_it_scores_drafts_that_have_none_yet(owner):
    images = [factories.make_image(owner, "draft") for _ in range(3)]
    Image.objects.filter(pk__in=[image.pk for image in images[:2]]).update(quality=None)
    Image.objects.filter(pk=images[2].pk).update(quality=0.123)
    assert calibration.refresh() is None
    assert Image.objects.get(pk=images[0].pk).quality == pytest.approx(images[0].quality)
    assert Image.objects.get(pk=images[2].pk).quality == 0.123


def test_it_leaves_a_picture_alone_that_shows_another_draft_by_now(owner):
    image = factories.make_image(owner, "draft")
    old = image.caption_id
    draft_of(image, -2.0)
    assert calibration._write({old: 0.999}) == 0
    review.approve(image=image, reviewer=owner)
    assert calibration._write({image.caption_id: 0.999}) == 0


def test_it_tells_the_command_line_what_was_learned(owner, capsys):
    call_command("calibrate")
    assert "0 drafts were decided on" in capsys.readouterr().out
    decide_on_many(owner, 80, chance)
    call_command("calibrate")
    assert "Learned from 80 decisions" in capsys.readouterr().out

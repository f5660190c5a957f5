"""The features of a draft and the score that plain arithmetic makes of them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from captions import quality
from captions.quality import PRIOR, Features, Formula, features

pytestmark = pytest.mark.one_database

ROOT = Path(__file__).resolve().parents[2]
BOUNDS = Features((-10, 0), (0, math.log(201)), (0, 1), (0, 1), (0, 10))  # type: ignore[arg-type]  # pairs, not numbers
texts = some.text(max_size=300) | some.lists(some.sampled_from(["a", "dog", "red"]), max_size=300).map(" ".join)
scores = some.none() | some.floats()


@given(text=texts, score=scores, second=scores)
def test_it_keeps_every_feature_within_its_bounds(text, score, second):
    for value, (low, high) in zip(features(text=text, score=score, second=second), BOUNDS, strict=True):
        assert low <= value <= high


@given(text=texts, score=scores, second=scores)
def test_it_gives_the_same_draft_the_same_score_from_0_to_1(text, score, second):
    first, again = (PRIOR.score(features(text=text, score=score, second=second)) for _ in range(2))
    assert first == again
    assert 0 <= first <= 1


@given(low=some.floats(-10, 0), more=some.floats(0, 10))
def test_it_never_scores_a_draft_lower_that_the_model_likes_better(low, more):
    worse, better = (PRIOR.score(features(text="a boat", score=score)) for score in (low, min(0.0, low + more)))
    assert worse <= better


def test_it_reads_nothing_out_of_an_empty_text():
    assert features(text="", score=None) == Features(-2.0, 0.0, 0.0, 0.0, 0.0)


def test_it_counts_words_in_any_script():
    assert features(text="ein Boot, zwei Kühe", score=-1).length == pytest.approx(math.log(5))
    assert features(text="лодка на воде", score=-1).length == pytest.approx(math.log(4))


def test_it_measures_loops_by_the_pairs_that_come_again():
    assert features(text="a dog on a red mat", score=-1).loops == 0
    assert features(text="a dog and a dog and a dog", score=-1).loops == pytest.approx(4 / 7)
    assert features(text="dog dog dog dog", score=-1).loops == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "is_boilerplate"),
    [
        ("A picture of a dog.", 1), ("an image of a boat", 1), ("a close-up of a flower", 1), ("This is a dog", 1),
        ("There are two dogs", 1), ("a black and white photo of a man", 0), ("a dog looks at a picture of itself", 0),
        ("imaging of the heart", 0), ("a blurry photo of a man", 1), ("", 0),
    ],
)  # fmt: skip
def test_it_knows_openings_that_say_nothing(text, is_boilerplate):
    assert features(text=text, score=-1).boilerplate == is_boilerplate


def test_it_measures_how_far_the_second_draft_is_behind():
    assert features(text="a dog", score=-0.5, second=-0.75).margin == pytest.approx(0.25)
    assert features(text="a dog", score=-0.5).margin == 0
    assert features(text="a dog", score=-0.75, second=-0.5).margin == 0


def test_it_scores_loops_and_boilerplate_lower_before_anything_was_learned():
    good = PRIOR.score(features(text="a small dog on a red mat", score=-0.2))
    assert PRIOR.score(features(text="a picture of a small dog", score=-0.2)) < good
    assert PRIOR.score(features(text="a dog a dog a dog a dog", score=-0.2)) < good


@given(
    points=some.lists(
        some.tuples(some.floats(0, 1), some.floats(0, 1)), min_size=1, max_size=8, unique_by=lambda p: p[0]
    ),
    found=some.tuples(*[some.floats(-10, 10)] * 5),
)
def test_it_stays_on_the_curve(points, found):
    xs, ys = sorted(x for x, _ in points), sorted(y for _, y in points)
    made = Formula(intercept=0.1, weights=(1.0, -1.0, 0.5, 0.0, 2.0), xs=tuple(xs), ys=tuple(ys))
    assert ys[0] - 1e-9 <= made.score(Features(*found)) <= ys[-1] + 1e-9


def test_it_comes_back_from_the_database_as_it_went():
    made = Formula(intercept=0.1, weights=(1.0, 2.0, 3.0, 4.0, 5.0), xs=(0.2, 0.8), ys=(0.1, 0.9))
    assert Formula.from_dict(json.loads(json.dumps(made.as_dict()))) == made


def test_it_refuses_numbers_that_were_kept_for_other_features():
    assert Formula.from_dict({**PRIOR.as_dict(), "features": ["length"]}) is None
    assert Formula.from_dict({}) is None


def test_it_scores_and_serves_without_scikit_learn(tmp_path):
    program = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'captionsite.settings'\n"
        "import django; django.setup()\n"
        "import captions.tasks, captions.jobs, captionsite.urls\n"
        "print(sorted(name for name in ('sklearn', 'scipy') if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "DATA_DIR": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.strip().endswith("[]"), done.stderr
    assert quality.PRIOR

"""The quality score in the API: on pictures, as filter and order, and how it was learned."""

from __future__ import annotations

import pytest

from captions import auto_approve, calibration
from captions.models import Calibration, Image, Review
from tests import factories
from tests.api.conftest import codes
from tests.quality.conftest import decide_on_many, draft_of


@pytest.fixture
def scored(owner) -> list[str]:
    """Seven drafts, least sure first; three of them alike."""
    images = [factories.make_image(owner) for _ in range(7)]
    for image, score in zip(images, (-3, -2, -1, -1, -1, -0.5, -0.1), strict=True):
        draft_of(image, score)
    return [str(image.pk) for image in images]


def ids(answer) -> list[str]:
    return [row["id"] for row in answer.json()["results"]]


@pytest.mark.parametrize("ordering", ["least_sure", "surest"])
def test_it_pages_by_score_forth_and_back_without_loss_or_repeat(api, owner, scored, ordering):
    factories.make_image(owner)
    factories.make_image(owner, "approved")
    expected = scored if ordering == "least_sure" else scored[::-1]
    assert ids(api.look("images/", ordering=ordering)) == expected
    address, forth = f"/api/v1/images/?limit=2&ordering={ordering}", []
    while address:
        body = api.get(address).json()
        forth += [row["id"] for row in body["results"]]
        address, back = body["next"], body["previous"]
    assert forth == expected
    assert ids(api.get(back)) == expected[4:6]


def test_it_filters_by_score(api, scored):
    middle = Image.objects.get(pk=scored[2]).quality
    assert set(ids(api.look("images/", quality_min=middle))) == set(scored[2:])
    assert set(ids(api.look("images/", quality_max=middle))) == set(scored[:5])


@pytest.mark.parametrize("value", ["-0.1", "1.5", "nan", "inf", "much"])
def test_it_refuses_a_score_that_is_none(api, value):
    assert api.look("images/", quality_min=value).status_code == 400


def test_it_refuses_a_cursor_of_another_order(api, scored):
    cursor = api.look("images/", ordering="surest", limit=2).json()["next"].partition("cursor=")[2].partition("&")[0]
    assert codes(api.look("images/", ordering="newest", cursor=cursor)) == [("invalid", "cursor")]


def test_it_tells_the_score_of_a_draft_and_none_of_other_pictures(api, owner, scored):
    assert 0 < api.look(f"images/{scored[0]}/").json()["quality"] < 1
    approved = factories.make_image(owner, "approved")
    assert api.look(f"images/{approved.pk}/").json()["quality"] is None


def test_it_says_that_a_fixed_formula_is_in_force_before_anything_was_learned(api):
    body = api.look("quality/").json()
    assert (body["method"], body["bins"], body["brier"], body["auto_approve_from"]) == ("prior", [], None, None)


def test_it_tells_how_the_score_was_learned(api, owner):
    decide_on_many(owner, 80, lambda score: 1 + score / 3)
    calibration.calibrate()
    body = api.look("quality/").json()
    assert body["decisions"] == sum(one["decisions"] for one in body["bins"]) == 80
    assert len(body["thresholds"]) == len(calibration.THRESHOLDS)


def test_it_marks_what_a_rule_approved_until_a_person_did_too(api, owner, django_assert_max_num_queries):
    operator = factories.make_person("otto", "operators")
    rows = [{"threshold": 0.5, "passed": 10, "right": 9}]
    known = Calibration.objects.create(method="x", decisions=10, approved=9, thresholds=rows, brier=0.1)
    auto_approve.switch_on(by=operator, threshold=0.5, calibration_id=known.pk, is_confirmed=True)
    image = factories.make_image(owner)
    draft_of(image, -0.01)
    decided = api.look(f"images/{image.pk}/reviews/").json()["results"][0]
    assert decided["is_automatic"]
    assert decided["reviewer"] == "otto"
    assert decided["quality"] == Review.objects.get().by_rule.quality
    with django_assert_max_num_queries(6):
        assert api.look("images/").json()["results"][0]["published_by_rule"]
    assert api.look(f"images/{image.pk}/").json()["published_by_rule"]
    approved = api.send(f"images/{image.pk}/review/", {"decision": "approve"}).json()
    assert not approved["published_by_rule"]
    assert api.look("quality/").json()["auto_approve_from"] == 0.5

"""The quality page: for reviewers to read, for operators to act."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.defaultfilters import floatformat
from django.test import Client

from captions import auto_approve, calibration
from captions.errors import FAILURES
from captions.models import AutoApproveRun, Calibration, Image
from tests import factories
from tests.factories import browser_of
from tests.quality.conftest import decide_on_many, draft_of

ACTS = ["/quality/on/", "/quality/off/"]


@pytest.fixture
def operator(db: None) -> User:
    return factories.make_person("otto", "operators")


@pytest.fixture
def otto(operator: User) -> Client:
    return browser_of(operator)


@pytest.fixture
def known(owner: User) -> Calibration:
    decide_on_many(owner, 200, lambda score: 1 + score / 3)
    made = calibration.calibrate()
    assert made is not None
    return made


def words(answer: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def turn_on(browser: Client, known: Calibration, **fields: str) -> Any:
    form = {"threshold": "0.5", "calibration": str(known.pk), "confirmed": "yes", **fields}
    return browser.post("/quality/on/", form, follow=True)


def test_it_is_for_reviewers_and_operators(olga: Client, otto: Client) -> None:
    assert olga.get("/quality/").status_code == 403
    assert otto.get("/quality/").status_code == 200
    rita = browser_of(factories.make_person("rita", "reviewers"))
    assert rita.get("/quality/").status_code == 200
    assert "/quality/" in rita.get("/").content.decode()
    assert "/quality/" not in olga.get("/").content.decode()


def test_it_lets_reviewers_read_and_change_nothing(known: Calibration) -> None:
    rita = browser_of(factories.make_person("rita", "reviewers"))
    page = rita.get("/quality/").content.decode()
    assert 'type="radio"' not in page
    assert [rita.post(path).status_code for path in ACTS] == [403, 403]
    assert not AutoApproveRun.objects.exists()


def test_it_says_how_many_decisions_are_missing(otto: Client, owner: User) -> None:
    factories.make_review(factories.make_image(owner, "draft"), "approve")
    page = words(otto.get("/quality/"))
    assert "1 drafts were decided on: 1 approved unchanged, 0 not." in page
    assert "It can be switched on once the score was learned from decisions." in page


def test_it_draws_the_diagram_and_gives_the_same_numbers_as_a_table(otto: Client, known: Calibration) -> None:
    answer = otto.get("/quality/")
    page = answer.content.decode()
    assert page.count("<circle") == len(known.bins)
    assert "style=" not in page
    for one in known.bins:
        assert f"{floatformat(one['mean'], 2)} {floatformat(one['share'], 2)}" in words(answer)
    assert floatformat(known.brier, 3) in page


def test_it_switches_the_rule_on_and_off_with_the_numbers_confirmed(otto: Client, known: Calibration) -> None:
    page = words(turn_on(otto, known))
    assert "approved by your rule from now on" in page
    assert "Switched on by you" in page
    page = words(otto.post("/quality/off/", follow=True))
    assert "Every draft waits for a person again." in page
    assert auto_approve.current_run() is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"confirmed": ""}, "rule_not_confirmed"),
        ({"threshold": "much"}, "threshold_unknown"),
        ({"calibration": ""}, "calibration_changed"),
    ],
)
def test_it_says_on_the_page_why_it_stays_off(otto: Client, known: Calibration, fields: dict, code: str) -> None:
    assert FAILURES[code].words in words(turn_on(otto, known, **fields))
    assert auto_approve.current_run() is None


def test_it_shows_a_rules_approval_as_such_everywhere(
    otto: Client, olga: Client, owner: User, known: Calibration
) -> None:
    turn_on(otto, known)
    image = factories.make_image(owner)
    draft_of(image, -0.01)
    score = Image.objects.get(pk=image.pk).reviews.get().by_rule.quality
    said = f"rule of otto, quality score {min(score, 0.99):.2f}"
    assert f"approved by {said}" in words(olga.get("/"))
    page = words(olga.get(f"/images/{image.pk}/"))
    assert page.count(said) == 2
    assert f"Approved by {said}" in page
    assert "Take back approval" in page
    assert "approved by your rule" in words(otto.get(f"/images/{image.pk}/"))


def test_it_counts_before_it_takes_a_run_back(otto: Client, owner: User, known: Calibration) -> None:
    turn_on(otto, known)
    images = [factories.make_image(owner) for _ in range(3)]
    for image in images:
        draft_of(image, -0.01)
    factories.make_review(images[0], "approve")
    run = AutoApproveRun.objects.get()
    page = words(otto.get(f"/quality/runs/{run.pk}/"))
    assert "Take back 2 approvals" in page
    assert "Taking back switches it off." in page
    assert Image.objects.filter(state="approved", pk__in=[image.pk for image in images]).count() == 3
    page = words(otto.post(f"/quality/runs/{run.pk}/take-back/", follow=True))
    assert "2 approvals are taken back." in page
    assert auto_approve.current_run() is None


def test_it_knows_no_run_that_is_not_there(otto: Client) -> None:
    assert otto.get("/quality/runs/01a20acf-ba3a-7125-8b50-fe2ceff9e183/").status_code == 404
    assert otto.post("/quality/runs/01a20acf-ba3a-7125-8b50-fe2ceff9e183/take-back/").status_code == 404

"""The operators' page: who sees it, what it counts, and what its buttons do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from captions import jobs, operations, selectors
from captions.models import CaptionJob, QueueControl, Worker
from captions.permissions import OPERATORS, REVIEWERS
from tests.factories import browser_of
from tests.jobs.conftest import ask, claim, finish
from tests.operations.test_control import failed_job
from tests.web.builders import worker

PAGE, NOW, ACT = "/operations/", "/operations/now/", "/operations/act/"


@pytest.fixture
def otto(db: None) -> Client:
    """A browser in which an operator is logged in."""
    operator = User.objects.create(username="otto", password="!")
    operator.groups.add(Group.objects.get(name=OPERATORS))
    return browser_of(operator)


@pytest.mark.parametrize("group", ["", REVIEWERS])
@pytest.mark.parametrize(("method", "path"), [("get", PAGE), ("get", NOW), ("post", ACT)])
def test_it_is_not_there_for_others(owner: User, group: str, method: str, path: str) -> None:
    if group:
        owner.groups.add(Group.objects.get(name=group))
    browser = browser_of(owner)
    assert getattr(browser, method)(path, {"act": "pause"}).status_code == 404
    assert not QueueControl.objects.exists()
    assert PAGE not in browser.get("/").content.decode()


def test_it_counts_what_waits_runs_and_ended(otto: Client, owner: User) -> None:
    ask(owner, 2)
    ask(owner, 3, lane=CaptionJob.Lane.BULK)
    [done] = claim()
    finish(done)
    claim()
    now = selectors.queue_now()
    assert (now.interactive, now.bulk, now.running) == (0, 3, 1)
    assert sum(hour.captioned for hour in selectors.last_day()) == 1
    page = otto.get(PAGE).content.decode()
    assert "Imports waiting" in page
    assert "picture captioned" in page


def test_it_leaves_yesterday_out(owner: User) -> None:
    ask(owner, 2)
    for job, hours in zip(claim(limit=2), (23, 25), strict=True):
        finish(job)
        CaptionJob.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(hours=hours))
    day = selectors.last_day()
    assert len(day) == 24
    assert sum(hour.captioned for hour in day) == 1
    assert day[0].captioned == 1 or day[1].captioned == 1


def test_it_shows_workers_with_device_memory_and_pace(otto: Client) -> None:
    worker(name="alpha", device="cuda", precision="fp16", memory_bytes=3 * 2**30, seconds_per_image=0.05)
    worker(name="gone", seen_at=timezone.now() - timedelta(hours=2))
    worker(name="forgotten", seen_at=timezone.now() - timedelta(days=2))
    page = otto.get(PAGE).content.decode()
    for words in ("alpha", "cuda, fp16", "3.0\xa0GB", "1200", "Gone, last seen"):
        assert words in page, words
    assert "forgotten" not in page
    assert page.index("alpha") < page.index("gone")


def test_it_pauses_and_resumes(otto: Client, owner: User) -> None:
    ask(owner)
    page = otto.post(ACT, {"act": "pause"}, follow=True).content.decode()
    assert "otto paused the queue" in page
    assert claim() == []
    page = otto.post(ACT, {"act": "resume"}, follow=True).content.decode()
    assert "Pause the queue" in page
    assert len(claim()) == 1


def test_it_sets_hours_and_says_what_is_wrong_with_others(otto: Client) -> None:
    otto.post(ACT, {"act": "hours", "opens_at": "20:00", "closes_at": "06:30"})
    page = otto.get(PAGE).content.decode()
    assert 'value="20:00"' in page
    assert 'value="06:30"' in page
    page = otto.post(ACT, {"act": "hours", "opens_at": "20:00", "closes_at": ""}, follow=True).content.decode()
    assert "hours_need_two_ends" in page
    page = otto.post(ACT, {"act": "hours", "opens_at": "soon", "closes_at": ""}, follow=True).content.decode()
    assert "bad_request" in page
    otto.post(ACT, {"act": "hours", "opens_at": "", "closes_at": ""})
    assert QueueControl.objects.get().opens_at is None


def test_it_drains_a_worker_and_takes_it_up_again(otto: Client) -> None:
    worker(name="alpha")
    assert "Draining" in otto.post(ACT, {"act": "drain", "worker": "alpha"}, follow=True).content.decode()
    otto.post(ACT, {"act": "take_up", "worker": "alpha"})
    assert not Worker.objects.get(name="alpha").is_draining
    assert otto.post(ACT, {"act": "drain", "worker": "nobody"}).status_code == 404


def test_it_offers_to_retry_only_what_failed(otto: Client, owner: User) -> None:
    assert "failed picture again" not in otto.get(PAGE).content.decode()
    failed_job(owner, "model_failed")
    assert "Try 1 failed picture again" in otto.get(PAGE).content.decode()
    page = otto.post(ACT, {"act": "retry"}, follow=True).content.decode()
    assert "1 picture went into the queue again." in page
    assert operations.failed().count() == 0


def test_it_answers_an_unknown_deed_with_words(otto: Client) -> None:
    assert otto.post(ACT, {"act": "explode"}).status_code == 400


def test_it_asks_as_many_questions_for_many_workers_and_jobs_as_for_few(otto: Client, owner: User) -> None:
    def questions() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert otto.get(NOW).status_code == 200
        return len(seen)

    worker(name="w0")
    ask(owner)
    few = questions()
    for number in range(5):
        worker(name=f"w{number + 1}")
    ask(owner, 5)
    assert questions() == few


def test_it_tells_the_page_of_a_waiting_picture_that_the_queue_is_paused(otto: Client, owner: User) -> None:
    worker()
    [job] = ask(owner)
    browser = browser_of(owner)
    otto.post(ACT, {"act": "pause"})
    assert "An operator paused the queue" in browser.get(f"/images/{job.image_id}/").content.decode()
    assert jobs.backlog({"demo"}).waiting == 0

"""The state and the caption that an image shows follow from its jobs, captions and decisions."""

import datetime
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from captions import jobs, ledger, review
from captions.models import Caption, CaptionJob, Image
from tests import factories


def shown(image: Image) -> tuple[str, str]:
    image.refresh_from_db()
    return image.state, image.caption.text if image.caption else ""


@pytest.mark.parametrize("state", Image.State.values)
def test_it_reaches_every_state_through_the_services(owner, state):
    assert factories.make_image(owner, state).state == state


def test_it_shows_the_best_candidate_of_the_newest_job(owner):
    image = factories.make_image(owner, "draft", text="an old draft")
    factories.make_drafts(image, "the best", "the second", "the third")
    assert shown(image) == ("draft", "the best")


def test_it_shows_a_person_s_newer_words_before_a_draft(owner):
    image = factories.make_image(owner, "draft")
    factories.make_caption(image, "words by hand")
    assert shown(image) == ("draft", "words by hand")


def test_it_shows_a_newer_draft_before_older_words_by_hand(owner):
    image = factories.make_image(owner)
    factories.make_caption(image, "words by hand")
    factories.make_drafts(image, "a new draft")
    assert shown(image) == ("draft", "a new draft")


def test_it_keeps_published_words_on_show_while_and_after_another_job_runs(owner):
    image = factories.make_image(owner, "approved", text="vouched for")
    job = factories.make_job(image, chosen={"num_beams": 2})
    assert shown(image) == ("approved", "vouched for")
    factories.finish(job, "a newer draft")
    assert shown(image) == ("approved", "vouched for")


def test_it_is_drafting_while_one_of_two_jobs_runs(owner):
    image = factories.make_image(owner, "queued")
    factories.run(factories.make_job(image, chosen={"num_beams": 2}))
    assert shown(image)[0] == "drafting"


def test_it_waits_for_a_decision_although_a_later_job_failed(owner):
    image = factories.make_image(owner, "draft", text="still undecided")
    factories.make_failure(image)
    assert shown(image) == ("draft", "still undecided")


def test_it_tells_of_the_job_that_ended_last_not_of_the_one_asked_for_last(owner):
    image = factories.make_image(owner)
    first = factories.make_failure(image)
    jobs.cancel(job=factories.make_job(image))
    assert shown(image)[0] == "cancelled"
    again = factories.run(jobs.retry(job=first, by=owner))
    jobs.fail(job_id=again.pk, attempt=again.attempt, code="model_failed", worker_fault="input")
    assert shown(image)[0] == "failed"


def test_it_stays_rejected_until_something_comes_after(owner):
    image = factories.make_image(owner, "rejected", text="refused words")
    assert shown(image) == ("rejected", "refused words")
    job = factories.make_job(image, chosen={"seed": 1})
    assert shown(image)[0] == "queued"
    factories.finish(job, "a better draft")
    assert shown(image) == ("draft", "a better draft")


def test_it_tells_of_a_job_that_failed_after_a_rejection(owner):
    image = factories.make_image(owner, "rejected")
    factories.make_failure(image)
    assert shown(image)[0] == "failed"


def test_it_counts_all_candidates_as_seen_when_one_of_them_is_rejected(owner):
    image = factories.make_image(owner)
    _, second = factories.make_drafts(image, "first", "second")
    review.reject(image=image, reviewer=owner, caption=second)
    assert shown(image) == ("rejected", "second")


def test_it_still_waits_when_an_older_caption_is_rejected_but_not_the_newest(owner):
    """A draft that came in between the page and the click was seen by nobody."""
    image = factories.make_image(owner)
    [seen] = factories.make_drafts(image, "seen")
    factories.make_drafts(image, "not seen yet")
    review.reject(image=image, reviewer=owner, caption=seen)
    assert shown(image) == ("draft", "not seen yet")


def test_it_orders_words_by_when_they_were_written_whatever_the_clocks_say(owner, monkeypatch):
    image = factories.make_image(owner, "draft", text="written first")
    fast = UUID(int=image.caption.id.int + (3_600_000 << 80))  # by a machine whose clock is an hour ahead
    monkeypatch.setattr(ledger, "uuid7", lambda: fast)
    factories.make_caption(image, "written second, on a fast machine")
    monkeypatch.undo()
    later = factories.make_caption(image, "written third")
    assert later.id > fast
    assert shown(image) == ("draft", "written third")


def test_it_rejects_and_drafts_again_across_machines_with_different_clocks(owner, monkeypatch):
    image = factories.make_image(owner, "rejected")
    slow = UUID(int=image.caption.id.int - (3_600_000 << 80))
    monkeypatch.setattr(ledger, "uuid7", lambda: slow)
    factories.make_drafts(image, "a new draft from a slow machine")
    assert shown(image) == ("draft", "a new draft from a slow machine")


@pytest.mark.parametrize("state", Image.State.values)
def test_it_settles_in_four_queries_and_writes_nothing_when_nothing_changed(
    owner, state, django_assert_max_num_queries
):
    image = factories.make_image(owner, state)
    with django_assert_max_num_queries(2):
        assert ledger.settle(image_id=image.pk) == state
    Image.objects.filter(pk=image.pk).update(caption=None, state="empty")
    with django_assert_max_num_queries(4 if state == "draft" else 3):  # a draft that comes on show is scored
        assert ledger.settle(image_id=image.pk) == state


def test_it_says_when_the_image_is_gone(db):
    with pytest.raises(Image.DoesNotExist):
        ledger.settle(image_id=UUID(int=1))


def test_it_settles_to_what_a_slow_and_simple_reading_of_the_history_gives(owner):
    """A second opinion: random histories, and after every step the rules read off the rows in plain Python."""
    import random

    for seed in range(25):
        chance = random.Random(seed)
        image = factories.make_image(owner)
        for _ in range(12):
            _random_step(chance, image, owner)
            image.refresh_from_db()
            assert image.state == _expected_state(image), f"seed {seed}"


def _random_step(chance, image: Image, owner: User) -> None:
    captions = list(Caption.objects.filter(image=image))
    open_jobs = list(image.jobs.filter(state__in=CaptionJob.OPEN))
    step = chance.choice(["draft", "fail", "cancel", "ask", "finish", "write", "approve", "reject", "edit", "undo"])
    if step == "draft":
        factories.make_drafts(image, *["some words", "other words"][: chance.randint(1, 2)])
    elif step == "fail":
        factories.make_failure(image)
    elif step == "ask":
        factories.make_job(image, chosen={"seed": chance.randrange(1000)})
    elif step == "write":
        factories.make_caption(image, f"by hand {chance.random()}")
    elif open_jobs and step in ("cancel", "finish"):
        job = chance.choice(open_jobs)
        factories.finish(job, "a late draft") if step == "finish" else jobs.cancel(job=job, by=owner)
    elif step == "undo" and ledger.standing(image.reviews.all()).exists():
        review.undo(image=image, reviewer=owner)
    elif captions and step in ("approve", "reject", "edit"):
        options = {"text": f"mended {chance.random()}"} if step == "edit" else {}
        factories.make_review(image, step, reviewer=owner, caption=chance.choice(captions), **options)


def _expected_state(image: Image) -> str:
    reviews = list(image.reviews.order_by("id"))
    undone = {one.undoes_id for one in reviews}
    standing = [one for one in reviews if one.decision != "undo" and one.pk not in undone]
    published = None
    for one in standing:
        published = one.caption if one.decision != "reject" else None if one.caption == published else published
    assert image.published_caption == published
    if published:
        assert image.caption == published
        return "approved"
    states = set(image.jobs.values_list("state", flat=True))
    for open_state, name in (("running", "drafting"), ("queued", "queued")):
        if open_state in states:
            return name
    taken_back = {one.caption_id for one in reviews if one.decision == "edit" and one.pk in undone}
    words = [one for one in image.captions.order_by("id") if one.rank in (None, 1) and one.pk not in taken_back]
    if words:
        newest = words[-1]
        decided = [one.caption for one in standing]
        if not any(one.id >= newest.id or (newest.job_id and one.job_id == newest.job_id) for one in decided):
            assert image.caption == newest
            return "draft"
    ended = [job for job in image.jobs.all() if job.finished_at]
    last = max(ended, key=lambda job: (job.finished_at, job.pk), default=None)
    bad = last.state if last and last.state in ("failed", "cancelled") else ""
    slack = datetime.timedelta(milliseconds=2)  # SQLite's own clock counts milliseconds
    if standing and not (bad and last.finished_at > standing[-1].created_at - slack):
        assert image.caption == standing[-1].caption
        return "rejected"
    if standing and bad and image.state == "rejected":
        assert abs(last.finished_at - standing[-1].created_at) <= slack
        return "rejected"
    return bad or "empty"

"""What people read: their own things, everybody's for those who decide, and never one query per row."""

from uuid import UUID

import pytest

from captions import jobs, selectors
from captions.errors import DeskError
from captions.models import CaptionJob, Worker
from captions.models.clock import DatabaseTime
from tests import factories


@pytest.fixture
def rita(db):
    return factories.make_person("rita", "reviewers")


@pytest.fixture
def otto(db):
    return factories.make_person("otto", "operators")


def missing(call, *args) -> bool:
    with pytest.raises(DeskError) as refused:
        call(*args)
    return refused.value.code == "not_found"


def test_it_keeps_galleries_apart_and_lets_reviewers_decide_on_all(owner, stranger, rita, otto):
    mine, theirs = factories.make_image(owner, "draft"), factories.make_image(stranger, "draft")
    factories.make_image(stranger, "approved")
    root = factories.make_person("root", is_superuser=True)
    assert list(selectors.images(owner)) == [mine]
    assert list(selectors.images(rita)) == []
    assert list(selectors.to_review(owner)) == [mine]
    assert selectors.image(owner, mine.pk) == mine
    assert missing(selectors.image, owner, theirs.pk)
    for person in (rita, otto, root):
        assert list(selectors.to_review(person)) == [theirs, mine]
        assert selectors.drafts_waiting(person) == 2
        assert selectors.image(person, str(theirs.pk)) == theirs
        assert missing(selectors.own_image, person, theirs.pk)
    assert selectors.drafts_waiting(owner) == 1


def test_it_shows_nothing_to_somebody_who_may_not_come_in_any_more(owner):
    from django.contrib.auth.models import AnonymousUser

    image = factories.make_image(owner, "draft")
    former = factories.make_person("former", "reviewers", is_active=False)
    for nobody in (former, AnonymousUser()):
        assert missing(selectors.image, nobody, image.pk)
        assert not selectors.captions(nobody, image).exists()
        assert selectors.drafts_waiting(nobody) == 0


@pytest.mark.parametrize("id", ["", "x", "1", "00000000-0000-0000-0000-00000000000g", UUID(int=5), "../../etc"])
def test_it_finds_nothing_under_ids_that_are_none(owner, id):
    for call in (selectors.image, selectors.own_image, selectors.job, selectors.caption):
        assert missing(call, owner, id)


def test_it_hides_what_lies_in_the_trash(owner, rita):
    image = factories.make_image(owner, "draft")
    caption, job = image.caption, image.jobs.get()
    factories.make_trash(image)
    assert not selectors.images(owner).exists()
    assert not selectors.jobs(owner).exists()
    assert not selectors.captions(owner, image).exists()
    assert missing(selectors.caption, owner, caption.pk)
    assert missing(selectors.image, rita, image.pk)
    assert list(selectors.trash(owner)) == [image]
    assert not selectors.trash(rita).exists()
    assert selectors.tally(owner) == {}
    assert selectors.job(owner, job.pk) == job  # whoever waits for it must see how it ended


def test_it_shows_captions_and_jobs_to_whom_they_concern(owner, stranger, rita, otto):
    image = factories.make_image(owner, "draft")
    job = image.jobs.get()
    assert list(selectors.captions(owner, image)) == list(selectors.captions(rita, image)) == [image.caption]
    assert not selectors.captions(stranger, image).exists()
    assert selectors.caption(rita, image.caption.pk) == image.caption
    assert missing(selectors.caption, stranger, image.caption.pk)
    assert selectors.job(owner, job.pk) == selectors.job(otto, job.pk) == job
    assert missing(selectors.job, stranger, job.pk)
    assert missing(selectors.job, rita, job.pk)


def test_it_counts_pictures_by_state(owner):
    for state in ("draft", "draft", "approved", "queued"):
        factories.make_image(owner, state)
    factories.make_trash(factories.make_image(owner, "failed"))
    assert selectors.tally(owner) == {"draft": 2, "approved": 1, "queued": 1}


def read_everything(person) -> list[object]:
    """Read all that pages show of a person's rows."""
    read: list[object] = []
    for image in selectors.images(person):
        read += [image.owner.username, image.caption and image.caption.author, image.published_caption]
    for image in selectors.images(person)[:1]:
        for caption in selectors.captions(person, image):
            read += [caption.text, caption.parent and caption.parent.text, caption.author, caption.job]
        for one in selectors.reviews(image):
            read += [one.reviewer.username, one.caption.parent, one.caption.author, getattr(one, "undone_by", None)]
    for job in selectors.jobs(person):
        read += [job.image.number, *job.captions.all()]
    return read


def test_it_needs_no_more_queries_for_many_rows_than_for_few(owner, django_assert_num_queries):
    def add() -> None:
        image = factories.make_image(owner, "approved")
        factories.make_review(image, "edit", text="mended words")
        factories.make_review(image, "undo")
        factories.make_caption(image, "by hand")
        factories.make_image(owner, "queued")

    add()
    with django_assert_num_queries(6):
        read_everything(owner)
    for _ in range(5):
        add()
    image = selectors.images(owner).filter(state="queued").first()
    factories.make_drafts(image, "another")
    for _ in range(5):
        factories.make_review(image, "edit", text=f"mended {_}")
        factories.make_review(image, "undo")
    with django_assert_num_queries(6):
        read_everything(owner)
    with django_assert_num_queries(1):
        selectors.tally(owner)


# --- Workers and places --------------------------------------------------------------------------------------------


def test_it_says_that_pictures_are_safe_while_no_worker_runs(db):
    serving = selectors.serving()
    assert not serving.ready
    assert serving.notice == "No worker is running. Pictures are safe and keep their place."
    assert not serving.answers_for("")


def test_it_says_that_a_model_is_being_loaded(db):
    factories.make_worker(state="starting")
    assert "loading its model" in selectors.serving().notice


def test_it_forgets_workers_that_are_silent_or_stopped(db):
    factories.make_worker(seen_at=DatabaseTime(after=-31))
    factories.make_worker(state="stopped")
    assert not selectors.serving().ready
    factories.make_worker(seen_at=DatabaseTime(after=-20))
    assert selectors.serving().ready
    assert Worker.objects.count() == 3


def test_it_names_a_real_model_before_the_demo_model(db, django_assert_num_queries):
    factories.make_worker(is_demo=True, notice="Knows circles only.", seconds_per_image=1.0)
    demo = selectors.serving()
    assert (demo.is_demo, demo.notice, demo.model) == (True, "Knows circles only.", "demo")
    factories.make_worker(model="some/model", revision="abc", defaults={"max_length": 20}, seconds_per_image=0.5)
    with django_assert_num_queries(2):
        serving = selectors.serving()
    assert (serving.ready, serving.is_demo, serving.notice, serving.model) == (True, False, "", "some/model")
    assert (serving.revision, serving.defaults.max_length, serving.workers) == ("abc", 20, 2)
    assert serving.answers_for("demo")
    assert serving.answers_for("some/model")
    assert serving.answers_for("")
    assert not serving.answers_for("other")
    assert serving.seconds_between_pictures == pytest.approx(1 / 3)


def test_it_tells_the_place_in_the_queue_and_how_long_it_takes(owner, stranger, django_assert_num_queries):
    mine = [factories.make_job(factories.make_image(owner)) for _ in range(4)]
    bulk = factories.make_job(factories.make_image(owner), lane=CaptionJob.Lane.BULK)
    theirs = factories.make_job(factories.make_image(stranger))
    assert selectors.queue_place(mine[0]) == (1, None)
    factories.make_worker(seconds_per_image=2.0)
    factories.make_worker(seconds_per_image=2.0)
    waiting = list(CaptionJob.objects.all())
    with django_assert_num_queries(3):
        places = selectors.queue_places(waiting)
    claimed: list[CaptionJob] = []
    expected = {}
    while batch := jobs.claim(limit=1, worker="w", models={"demo"}, lease_seconds=60):
        claimed += batch
        expected[batch[0].pk] = len(claimed)
    interactive = [job.pk for job in (*mine, theirs)]
    order = sorted(interactive, key=lambda pk: places[pk].place)
    assert order == sorted(interactive, key=lambda pk: expected[pk])
    assert places[theirs.pk].place == 2, "one picture of another person does not wait behind four"
    assert places[bulk.pk].place == 6
    assert places[bulk.pk].seconds == pytest.approx(6.0)
    assert selectors.queue_place(claimed[0]) == (0, None)


def test_it_tells_the_places_of_a_page_in_one_query_when_it_knows_the_workers(owner, django_assert_num_queries):
    waiting = [factories.make_job(factories.make_image(owner)) for _ in range(30)]
    serving = selectors.serving()
    with django_assert_num_queries(1):
        places = selectors.queue_places(waiting, served_by=serving)
    assert [places[job.pk].place for job in waiting] == list(range(1, 31))
    with django_assert_num_queries(0):
        assert selectors.queue_places([]) == {}

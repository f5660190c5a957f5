"""Bulk jobs: asked for at once, done in the background, each picture once, and told of one by one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from captions import bulk, tasks
from captions.models import BulkJob, CaptionJob, Image, ImageTag, Review
from tests import factories
from tests.api.conftest import codes


def ids(images):
    return [str(image.pk) for image in images]


@pytest.fixture
def three(owner):
    return [factories.make_image(owner, "draft") for _ in range(3)]


def ended(api, answer):
    """Let the timetable come by, and give the job."""
    assert answer.status_code == 202, answer.content
    tasks.bulk_jobs()
    job = api.look(f"bulk/{answer.json()['id']}/").json()
    assert (job["state"], bool(job["finished_at"])) == ("done", True)
    return job


def test_it_asks_for_captions_of_many(api, three):
    answer = api.send("bulk/captions/", {"images": ids(three) * 2, "num_beams": 2, "seed": 5})
    told = answer.json()
    assert (told["state"], told["total"], told["done"], told["failures"]) == ("queued", 3, 0, [])
    job = ended(api, answer)
    assert (job["done"], job["failures"]) == (3, [])
    queued = CaptionJob.objects.filter(state="queued")
    assert {str(one.image_id) for one in queued} == set(ids(three))
    assert {one.params["num_beams"] for one in queued} == {2}


def test_it_approves_and_rejects_many(api, three):
    job = ended(api, api.send("bulk/reviews/", {"images": ids(three[:2]), "decision": "approve"}))
    assert job["done"] == 2
    assert Image.objects.filter(state="approved").count() == 2
    job = ended(api, api.send("bulk/reviews/", {"images": ids(three), "decision": "approve"}))
    assert job["done"] == 3
    assert Review.objects.count() == 3  # what was approved is not approved again
    ended(api, api.send("bulk/reviews/", {"images": ids(three[:1]), "decision": "reject", "reason": "wrong"}))
    assert Review.objects.get(decision="reject").reason == "wrong"


def test_it_tags_and_deletes_many(api, three):
    ended(api, api.send("bulk/tags/", {"images": ids(three), "add": ["Sea", "boat"]}))
    assert ImageTag.objects.count() == 6
    ended(api, api.send("bulk/tags/", {"images": ids(three), "remove": ["sea"]}))
    assert ImageTag.objects.count() == 3
    ended(api, api.send("bulk/deletions/", {"images": ids(three)}))
    assert Image.objects.filter(deleted_at=None).count() == 0


def test_it_goes_on_after_a_picture_that_cannot_be_done(api, three, stranger):
    theirs = factories.make_image(stranger, "draft")
    empty = factories.make_image(three[0].owner)
    asked = [three[0], theirs, empty, three[1]]
    job = ended(api, api.send("bulk/reviews/", {"images": ids(asked), "decision": "approve"}))
    assert job["done"] == 2
    assert [(one["image"], one["code"]) for one in job["failures"]] == [
        (str(theirs.pk), "not_found"),
        (str(empty.pk), "nothing_to_review"),
    ]
    assert not Review.objects.filter(image=theirs).exists()


def test_it_waits_where_the_queue_is_full_and_goes_on(api, three, settings):
    settings.QUEUE_LIMIT_PER_OWNER = 1
    api.send("bulk/captions/", {"images": ids(three)})
    tasks.bulk_jobs()
    job = BulkJob.objects.get()
    assert (job.state, job.position, job.failures) == ("running", 1, [])
    assert job.due_at is not None
    tasks.bulk_jobs()
    assert BulkJob.objects.get().position == 1
    settings.QUEUE_LIMIT_PER_OWNER = 100
    BulkJob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    tasks.bulk_jobs()
    assert BulkJob.objects.get().state == "done"


def test_it_can_be_stopped(api, three):
    path = f"bulk/{api.send('bulk/deletions/', {'images': ids(three)}).json()['id']}/"
    assert api.send(path + "cancel/").json()["state"] == "cancelled"
    assert codes(api.send(path + "cancel/")) == [("job_not_open", None)]
    tasks.bulk_jobs()
    assert Image.objects.filter(deleted_at=None).count() == 3


SOMEBODY = "0199f3a2-5c1e-7d40-8b21-6a6f0d6f4c11"


def test_it_does_nothing_more_for_an_account_that_is_switched_off(api, owner, three):
    api.send("bulk/tags/", {"images": ids(three), "add": ["sea"]})
    owner.is_active = False
    owner.save()
    tasks.bulk_jobs()
    job = BulkJob.objects.get()
    assert (job.state, job.position, bool(job.finished_at)) == ("cancelled", 0, True)
    assert not ImageTag.objects.exists()


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("captions", {}, "required"),
        ("captions", [], "invalid"),
        ("captions", {"images": []}, "bulk_empty"),
        ("captions", {"images": ["x"]}, "invalid"),
        ("captions", {"images": [SOMEBODY], "num_beams": 99}, "invalid_parameter"),
        ("captions", {"images": [SOMEBODY], "beams": 2}, "invalid_parameter"),
        ("reviews", {"images": [], "decision": "edit"}, "invalid_choice"),
        ("reviews", {"images": [], "decision": "approve", "reason": "x"}, "invalid"),
        ("tags", {"images": [], "add": ["!"]}, "tag_empty"),
        ("deletions", {"images": [], "more": 1}, "unknown_field"),
    ],
)
def test_it_says_what_is_wrong(api, path, body, code):
    answer = api.send(f"bulk/{path}/", body)
    assert answer.status_code == 400, answer.content
    assert [one for one, _ in codes(answer)] == [code]
    assert not BulkJob.objects.exists()


def test_it_takes_a_thousand_and_no_more(api):
    many = [f"0199f3a2-5c1e-7d40-8b21-{number:012x}" for number in range(1001)]
    assert codes(api.send("bulk/deletions/", {"images": many})) == [("too_many_pictures", "images")]
    assert api.send("bulk/deletions/", {"images": many[:1000]}).json()["total"] == 1000


def test_it_allows_twenty_at_once(api, three):
    for _ in range(20):
        assert api.send("bulk/deletions/", {"images": ids(three)}).status_code == 202
    answer = api.send("bulk/deletions/", {"images": ids(three)})
    assert (answer.status_code, codes(answer)) == (429, [("bulk_limit", None)])
    assert answer["Retry-After"]


def test_it_forgets_what_ended_a_week_ago(api, three):
    ended(api, api.send("bulk/deletions/", {"images": ids(three)}))
    bulk.tidy()
    assert BulkJob.objects.count() == 1
    BulkJob.objects.update(finished_at=timezone.now() - timedelta(days=8))
    bulk.tidy()
    assert not BulkJob.objects.exists()


def test_it_does_each_picture_once_whoever_works(transactional_db, api, owner):
    """Several processes come by at once, as they do where a site runs several of them."""
    images = [factories.make_image(owner, "draft") for _ in range(12)]
    api.send("bulk/reviews/", {"images": ids(images), "decision": "reject"})

    def come_by(_: int) -> int:
        try:
            return bulk.work(budget_seconds=20)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        counted = sum(pool.map(come_by, range(4)))
    assert counted == 12
    assert Review.objects.count() == 12
    assert BulkJob.objects.get().state == "done"


def test_it_lists_the_first_failures_of_each_job_only(api, owner):
    job = bulk.request(owner=owner, action="delete", images=[uuid4() for _ in range(25)], asked={})
    bulk.work()
    [listed] = api.look("bulk/").json()["results"]
    whole = api.look(f"bulk/{job.pk}/").json()
    assert (len(listed["failures"]), len(whole["failures"])) == (10, 25)
    assert {**listed, "failures": whole["failures"]} == whole

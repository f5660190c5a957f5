"""Several models in one deployment: who takes which job, what is refused at once, and which queue is rung."""

from __future__ import annotations

import re

import pytest
import redis

from captions import doorbell, jobs, selectors
from captions.errors import DeskError
from captions.models import CaptionJob, Worker
from captions.models.clock import DatabaseTime
from tests.factories import make_worker
from tests.jobs.conftest import ask, claim, make_image
from tests.services import RedisServer

Lane = CaptionJob.Lane


def rings(server: RedisServer) -> dict[str, int]:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        return {queue: int(client.llen(queue)) for queue in client.keys("captions*")}


# --- Refused at once -----------------------------------------------------------------------------------------------


def test_it_refuses_a_model_that_nobody_serves_and_names_those_that_are_served(owner):
    make_worker(model="some/model", names=["some/model", "nice-name"])
    make_worker(model="demo", is_demo=True)
    with pytest.raises(DeskError, match="“other” now") as no:
        ask(owner, model="other")
    assert no.value.detail.endswith("Choose “some/model”, “demo”, or leave the model out.")
    assert (no.value.code, no.value.attr, no.value.failure.status) == ("model_not_served", "model", 409)
    assert not CaptionJob.objects.exists()
    assert ask(owner, model="nice-name")
    assert ask(owner, model="some/model")


def test_it_says_when_no_model_is_served_at_all(owner):
    with pytest.raises(DeskError, match="No other model is served either"):
        ask(owner, model="demo")
    assert ask(owner), "a job without a model may wait for any worker"


@pytest.mark.parametrize(
    "gone", [{"seen_at": DatabaseTime(after=-31)}, {"state": Worker.State.STOPPED}, {"state": Worker.State.STARTING}]
)
def test_it_counts_only_ready_workers_that_were_seen_lately(owner, gone):
    make_worker(model="some/model", **gone)
    with pytest.raises(DeskError, match="some/model"):
        ask(owner, model="some/model")


def test_it_answers_an_equal_request_with_the_open_job_though_its_worker_has_gone(owner):
    make_worker(model="some/model")
    image = make_image(owner)
    first = jobs.request(image=image, chosen={}, model="some/model")
    Worker.objects.update(state=Worker.State.STOPPED)
    again = jobs.request(image=image, chosen={}, model="some/model")
    assert (again.created, again.job.pk) == (False, first.job.pk)


def test_it_refuses_to_try_a_job_again_whose_model_nobody_serves(owner):
    make_worker(model="some/model")
    (job,) = ask(owner, model="some/model")
    jobs.cancel(job=job)
    Worker.objects.update(state=Worker.State.STOPPED)
    with pytest.raises(DeskError, match="model_not_served"):
        jobs.retry(job=job)
    assert CaptionJob.objects.get().state == CaptionJob.State.CANCELLED
    Worker.objects.update(state=Worker.State.READY)
    assert jobs.retry(job=job).state == CaptionJob.State.QUEUED


def test_it_says_what_a_waiting_job_lacks(owner):
    worker = make_worker(model="some/model", takes_any=False)
    (named,) = ask(owner, model="some/model")
    (unnamed,) = ask(owner)

    def lacks(job: CaptionJob) -> str:
        lack = selectors.lack_of(job, selectors.serving())
        return f"{lack.code}: {lack.words}" if lack else ""

    assert lacks(named) == ""
    assert lacks(unnamed).startswith("model_not_served: No worker takes pictures for which nobody chose a model.")
    Worker.objects.filter(pk=worker.pk).update(state=Worker.State.STOPPED)
    assert lacks(named).startswith("model_not_served: No worker serves the model “some/model” now.")
    assert lacks(unnamed).startswith("no_worker: No worker is running.")


# --- Taken by the right worker -------------------------------------------------------------------------------------


def test_it_gives_a_strict_worker_only_jobs_that_ask_for_its_model(owner):
    make_worker(model="some/model")
    (unnamed,) = ask(owner)
    (named,) = ask(owner, model="some/model")
    models = {"some/model"}
    assert jobs.backlog(models, takes_any=False).waiting == 1
    assert [job.pk for job in claim(models=models, takes_any=False, limit=8)] == [named.pk]
    assert claim(models=models, takes_any=False) == []
    assert [job.pk for job in claim(models=models)] == [unnamed.pk]


def test_it_takes_the_fair_order_across_models(owner, stranger):
    make_worker(model="some/model")
    ask(owner, 3)
    ask(stranger, 3, model="some/model")
    served = [claim(models={"some/model"})[0].owner_id for _ in range(4)]
    assert served.count(owner.pk) == served.count(stranger.pk) == 2


# --- Lanes ---------------------------------------------------------------------------------------------------------


def test_it_puts_pictures_beyond_the_first_few_into_the_bulk_lane(owner, stranger):
    imported = ask(owner, jobs.BULK_AFTER + 3, lane=None)
    assert [job.lane for job in imported] == [Lane.INTERACTIVE] * jobs.BULK_AFTER + [Lane.BULK] * 3
    assert ask(stranger, lane=None)[0].lane == Lane.INTERACTIVE
    assert ask(owner)[0].lane == Lane.INTERACTIVE, "whoever asks for one picture's captions waits for them"
    claim(limit=jobs.BULK_AFTER + 4)
    assert ask(owner, lane=None)[0].lane == Lane.INTERACTIVE


# --- Rings ---------------------------------------------------------------------------------------------------------


def test_it_names_queues_safely_and_apart():
    names = ["demo", "vit-gpt2", "nlpconnect/vit-gpt2-image-captioning", "nlpconnect-vit-gpt2-image-captioning", "Demo",
             "/models/mine", "ж", "-", "x" * 200, "demo@1", "drain "]  # fmt: skip
    queues = [doorbell.queue_of(name) for name in names]
    assert queues[:2] == ["captions.demo", "captions.vit-gpt2"]
    assert len(set(queues)) == len(names)
    assert all(re.fullmatch(r"captions\.[a-z0-9-]{1,60}", queue) for queue in queues)
    assert doorbell.queue_of("") == "captions"


def test_it_rings_the_queue_of_the_model_that_is_asked_for(transactional_db, owner, broker):
    make_worker(model="demo")
    ask(owner, 2, model="demo")
    assert rings(broker) == {"captions.demo": 2}
    ask(owner)
    assert rings(broker) == {"captions.demo": 2, "captions": 1}


def test_it_sweeps_up_lost_rings_model_by_model(db, owner, broker):
    make_worker(model="demo", names=["demo", "nice-name"])
    ask(owner, 2, model="demo")  # the test's transaction is never committed, so their rings were lost
    assert jobs.sweep().rung
    assert rings(broker) == {"captions.demo": 1}


def test_it_rings_for_a_job_that_is_given_back(transactional_db, owner, broker):
    make_worker(model="demo")
    ask(owner, model="demo")
    broker.flush()
    (job,) = claim()
    jobs.release(held={job.pk: job.attempt}, note="stopping")
    assert rings(broker) == {"captions.demo": 1}

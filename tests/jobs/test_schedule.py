"""What the scheduler promises whoever asks for what: nothing twice, batches that fit, fair turns, a share for bulk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captions import jobs
from captions.models import CaptionJob
from captions.queueing import BULK_EVERY, LaneCycle
from tests.factories import make_worker
from tests.jobs.conftest import claim, finish, make_image

MODELS = ("", "demo", "some/model")
ASKS = st.tuples(st.integers(0, 2), st.sampled_from(MODELS), st.integers(1, 2), st.sampled_from([0, 1]))
SERVED = st.tuples(st.sets(st.sampled_from(MODELS[1:])), st.booleans())
quickly = settings(
    max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
pytestmark = pytest.mark.django_db


class Scene:
    """Three people and a queue, undone at the end."""

    def __enter__(self) -> Scene:
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        jobs._cycle = LaneCycle(start=0)
        for model in MODELS[1:]:
            make_worker(model=model)
        self.people = [User.objects.create(username=name, password="!") for name in ("one", "two", "three")]
        return self

    def __exit__(self, *failure: Any) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    def ask(self, person: int, model: str = "", beams: int = 1, lane: int = 0) -> CaptionJob:
        image = make_image(self.people[person])
        return jobs.request(image=image, chosen={"num_beams": beams}, model=model, lane=lane).job

    def served(self, claims: Sequence[int]) -> list[CaptionJob]:
        """Claim and finish batches of these sizes; gives the jobs in the order in which they were served."""
        found: list[CaptionJob] = []
        for limit in claims:
            batch = claim(limit=limit)
            found += batch
            assert all(finish(job) for job in batch)
        return found


@quickly
@given(asks=st.lists(ASKS, max_size=12), workers=st.lists(st.tuples(SERVED, st.integers(1, 4)), max_size=12))
def test_it_hands_out_no_job_twice_and_only_batches_that_one_run_of_one_model_can_hold(asks, workers):
    with Scene() as scene:
        waiting = {job.pk for job in (scene.ask(*ask) for ask in asks)}
        for number, ((models, takes_any), limit) in enumerate(workers):
            could = [
                job
                for job in CaptionJob.objects.filter(pk__in=waiting)
                if job.model in models or (takes_any and not job.model)
            ]
            batch = claim(f"w{number}", limit=limit, models=models, takes_any=takes_any)
            assert bool(batch) == bool(could), "it takes something whenever there is something for it"
            assert len(batch) <= limit
            assert {job.pk for job in batch} <= {job.pk for job in could}
            assert len({(job.model, job.batch_key) for job in batch}) <= 1
            waiting -= {job.pk for job in batch}


@quickly
@given(
    counts=st.tuples(st.integers(4, 9), st.integers(4, 9), st.integers(4, 9)),
    models=st.tuples(*[st.sampled_from(MODELS[:2])] * 3),
    lane=st.sampled_from([0, 1]),
)
def test_it_serves_no_owner_more_than_one_job_ahead_of_another_that_waits(counts, models, lane):
    with Scene() as scene:
        for person, count in enumerate(counts):
            for _ in range(count):
                scene.ask(person, models[person], lane=lane)
        had: Counter[int] = Counter()
        for job in scene.served([1] * sum(counts)):
            had[job.owner_id] += 1
            waiting = {one.pk for one, count in zip(scene.people, counts, strict=True) if had[one.pk] < count}
            assert all(had[job.owner_id] - had[other] <= 1 for other in waiting)
        assert sum(had.values()) == sum(counts)


@quickly
@given(before=st.integers(1, 8), backlog=st.integers(5, 15))
def test_it_serves_a_newcomer_within_one_round_of_turns(before, backlog):
    with Scene() as scene:
        for person in (0, 1):
            for _ in range(backlog):
                scene.ask(person)
        scene.served([1] * min(before, 2 * backlog))
        mine = scene.ask(2)
        order = [job.pk for job in scene.served([1] * 2 * backlog)]
        assert order.index(mine.pk) <= 2, "each of the two others comes at most once before"


@quickly
@given(limit=st.integers(1, 4), stream=st.integers(1, 3))
def test_it_gives_bulk_its_share_while_single_requests_keep_coming(limit, stream):
    with Scene() as scene:
        for _ in range(8):
            scene.ask(0, beams=2, lane=CaptionJob.Lane.BULK)
        lanes = []
        for _ in range(2 * BULK_EVERY):
            for _ in range(stream):
                scene.ask(1)
            lanes += [job.lane for job in scene.served([limit])[:1]]
        assert lanes.count(CaptionJob.Lane.BULK) == 2
        assert lanes[: BULK_EVERY - 1] == [CaptionJob.Lane.INTERACTIVE] * (BULK_EVERY - 1)

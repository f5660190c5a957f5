"""Whatever is asked in whatever order, the rules hold after every single step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from captions import invariants, jobs
from captions.errors import DeskError
from captions.models import Caption, CaptionJob, Image
from captions.queueing import LaneCycle
from tests.jobs.conftest import claim, expire, finish, make_image

State = CaptionJob.State
WORKERS = ["w1", "w2", "w3"]
NUMBER = st.integers(0, 100)


@dataclass(frozen=True)
class Lease:
    """What a worker was told at a claim; it may be stale by now."""

    job: CaptionJob
    attempt: int
    worker: str


class Desk(RuleBasedStateMachine):
    """Keeps its own idea of who holds what, and compares every answer with it.

    Jobs and leases are picked by number and not from bundles: ids are random, and so is the order of jobs of one turn.
    """

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.owners = [User.objects.create(username=name, password="!") for name in ("one", "two")]
        self.images: list[Image] = [make_image(owner) for owner in self.owners for _ in range(2)]
        self.asked: list[CaptionJob] = []
        self.leases: list[Lease] = []
        self.held: dict[Any, Lease] = {}
        self.attempts: dict[Any, int] = {}
        self.steps = 0
        jobs._cycle = LaneCycle(start=0)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    # --- people

    @rule(picture=st.integers(0, 3), beams=st.integers(1, 2), lane=st.sampled_from([0, 1]))
    def request(self, picture: int, beams: int, lane: int) -> None:
        image, chosen = self.images[picture], {"num_beams": beams}
        twin = CaptionJob.objects.filter(image=image, params=chosen, state__in=CaptionJob.OPEN).first()
        answer = jobs.request(image=image, chosen=chosen, lane=lane)
        assert answer.created is (twin is None)
        assert twin is None or answer.job.pk == twin.pk
        self.asked.append(answer.job)

    @rule(number=NUMBER)
    def cancel(self, number: int) -> None:
        job = self.some_job(number)
        was_open = self.state_of(job) in CaptionJob.OPEN
        assert was_open is self.accepts("job_not_open", jobs.cancel, job=job)
        self.held.pop(job.pk, None)

    @rule(number=NUMBER)
    def retry(self, number: int) -> None:
        job = self.some_job(number)
        had_ended = self.state_of(job) in (State.FAILED, State.CANCELLED)
        assert had_ended is self.accepts("job_not_failed", jobs.retry, job=job)

    # --- workers

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 3))
    def claim(self, worker: str, limit: int) -> None:
        mine = {job.pk: job.isolate for job in CaptionJob.objects.filter(state=State.RUNNING, leased_by=worker)}
        given = claim(worker, limit=limit)
        assert len(given) <= limit
        assert len({job.batch_key for job in given}) <= 1
        if any(job.isolate for job in given):
            assert len(given) == 1
            assert not mine
        assert not given or not any(mine.values())
        for job in given:
            assert job.pk not in self.held
            self.held[job.pk] = Lease(job, job.attempt, worker)
            self.leases.append(self.held[job.pk])

    @rule(number=NUMBER)
    def complete(self, number: int) -> None:
        lease = self.some_lease(number)
        assert finish(lease.job, attempt=lease.attempt) is self.give_up(lease)

    @rule(number=NUMBER, fault=st.sampled_from(["input", "transient", "infra"]))
    def fail(self, number: int, fault: Any) -> None:
        lease = self.some_lease(number)
        accepted = jobs.fail(job_id=lease.job.pk, attempt=lease.attempt, code="model_failed", worker_fault=fault)
        assert accepted is self.give_up(lease)

    @rule(number=NUMBER)
    def renew(self, number: int) -> None:
        lease = self.some_lease(number)
        kept = jobs.renew(held={lease.job.pk: lease.attempt}, worker=lease.worker, lease_seconds=60)
        assert kept == ({lease.job.pk} if self.is_held(lease) else set())

    @rule(number=NUMBER)
    def release(self, number: int) -> None:
        lease = self.some_lease(number)
        assert jobs.release(held={lease.job.pk: lease.attempt}, note="told to stop") == int(self.give_up(lease))

    # --- accidents

    @rule(number=NUMBER)
    def fall_silent_and_be_swept(self, number: int) -> None:
        lease = self.some_lease(number)
        was_held = self.give_up(lease)
        if was_held:
            expire(lease.job)
        assert jobs.sweep(ring=False).expired == int(was_held)

    @rule(worker=st.sampled_from(WORKERS))
    def die(self, worker: str) -> None:
        lost = [key for key, lease in self.held.items() if lease.worker == worker]
        assert jobs.report_crash(worker=worker, note="killed").expired == len(lost)
        for key in lost:
            del self.held[key]

    @rule()
    def wait(self) -> None:
        CaptionJob.objects.filter(state=State.QUEUED).update(available_at=None)

    # --- what is known

    def some_job(self, number: int) -> CaptionJob:
        if not self.asked:
            self.request(number % 4, 1, 0)
        return self.asked[number % len(self.asked)]

    def some_lease(self, number: int) -> Lease:
        """Give any lease there ever was; late ones more often than not."""
        while not self.leases:
            self.some_job(number)
            self.retry_all()
            self.claim("w1", 2)
        return self.leases[-1 - number % len(self.leases)]

    def retry_all(self) -> None:
        for job in self.asked:
            if self.state_of(job) == State.CANCELLED:
                jobs.retry(job=job)

    def state_of(self, job: CaptionJob) -> str:
        return CaptionJob.objects.values_list("state", flat=True).get(pk=job.pk)

    def is_held(self, lease: Lease) -> bool:
        return self.held.get(lease.job.pk) == lease

    def give_up(self, lease: Lease) -> bool:
        held = self.is_held(lease)
        if held:
            del self.held[lease.job.pk]
        return held

    def accepts(self, refusal: str, call: Any, **given: Any) -> bool:
        try:
            call(**given)
        except DeskError as error:
            assert error.code == refusal  # noqa: PT017  # any other code is a fault
            return False
        return True

    @invariant()
    def rules_hold(self) -> None:
        self.steps += 1
        slow = {invariants._summaries_agree} if self.steps % 5 else set()
        checks = [check for check in invariants.CHECKS if check not in slow | {invariants._files_are_there}]
        assert [violation for check in checks for violation in check()] == []

    @invariant()
    def only_held_jobs_run(self) -> None:
        running = CaptionJob.objects.filter(state=State.RUNNING).values_list("pk", "attempt", "leased_by")
        assert {(pk, attempt, worker) for pk, attempt, worker in running} == {
            (pk, lease.attempt, lease.worker) for pk, lease in self.held.items()
        }

    @invariant()
    def attempts_only_grow(self) -> None:
        now = dict(CaptionJob.objects.values_list("pk", "attempt"))
        assert all(now[pk] >= attempt for pk, attempt in self.attempts.items())
        self.attempts = now

    @invariant()
    def results_are_kept_once(self) -> None:
        done = CaptionJob.objects.filter(state=State.DONE).count()
        assert Caption.objects.count() == done


@pytest.mark.django_db
def test_it_holds_its_rules_in_any_order_of_requests_claims_results_and_accidents():
    run_state_machine_as_test(
        Desk,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

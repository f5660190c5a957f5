"""Many at once come to the same end as one after another."""

from __future__ import annotations

import collections
import random
from collections.abc import Callable
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import close_old_connections

from captions import jobs, ledger, review, trash
from captions.errors import DeskError
from captions.invariants import violations
from captions.models import Caption, CaptionJob, Image, JobEvent
from tests.jobs.conftest import ask, at_once, claim, expire, finish, fresh, make_image

State = CaptionJob.State

pytestmark = pytest.mark.usefixtures("transactional_db")


def broken() -> list[str]:
    """Give the broken rules; these pictures have no files."""
    return [str(violation) for violation in violations() if violation.rule != "files_are_there"]


def test_it_makes_one_job_of_twenty_equal_requests(owner):
    image = make_image(owner)
    answers = at_once(*[partial(jobs.request, image=image, chosen={"num_beams": 2})] * 20)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert len({answer.job.pk for answer in answers}) == 1
    assert [answer.created for answer in answers].count(True) == 1
    assert CaptionJob.objects.count() == JobEvent.objects.count() == 1


def test_it_never_passes_the_limit_by_asking_at_once(owner, settings):
    settings.QUEUE_LIMIT_PER_OWNER = 5
    answers = at_once(*[partial(ask, owner) for _ in range(12)])
    refused = [answer.code for answer in answers if isinstance(answer, DeskError)]
    assert refused == ["queue_full"] * 7
    assert CaptionJob.objects.count() == 5
    assert sorted(CaptionJob.objects.values_list("turn", flat=True)) == [0, 1, 2, 3, 4]


def test_it_gives_every_job_to_one_worker(owner, stranger):
    ask(owner, 25)
    ask(stranger, 15)

    def drain(name: str) -> list[CaptionJob]:
        held: list[CaptionJob] = []
        misses = 0
        while misses < 20:  # somebody else may hold the head for a moment
            batch = claim(name, limit=3)
            held += batch
            misses = 0 if batch else misses + 1
        return held

    answers = at_once(*[partial(drain, f"w{n}") for n in range(8)])
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    given = [job.pk for held in answers for job in held]
    assert len(given) == len(set(given)) == 40
    assert set(CaptionJob.objects.values_list("attempt", flat=True)) == {1}
    assert not broken()


def test_it_keeps_one_result_of_many_handed_in_at_once(owner):
    ask(owner)
    (job,) = claim()
    answers = at_once(*[partial(finish, job, f"words number {n}") for n in range(10)])
    assert sorted(answers) == [False] * 9 + [True]
    assert Caption.objects.count() == 1


@pytest.mark.parametrize("round_number", range(4))
def test_it_takes_either_the_result_or_the_sweep(owner, round_number):
    ask(owner)
    (job,) = claim()
    expire(job)
    done, *swept = at_once(partial(finish, job), *[partial(jobs.sweep, ring=False)] * 3)
    job = fresh(job)
    assert sum(each.expired for each in swept) == (0 if done else 1)
    assert (job.state, Caption.objects.count()) == ((State.DONE, 1) if done else (State.QUEUED, 0))
    assert not broken()


def test_it_sweeps_each_lease_once_however_many_sweep(owner):
    ask(owner, 30)
    expire(*claim(limit=30))
    swept = at_once(*[partial(jobs.sweep, ring=False)] * 10)
    assert [each for each in swept if isinstance(each, Exception)] == []
    assert sum(each.expired for each in swept) == 30
    assert JobEvent.objects.filter(before="running", after="queued").count() == 30
    assert jobs.sweep(ring=False).expired == 0
    assert not broken()


def test_it_stands_a_crowd_without_deadlock_or_loss(owner, stranger):
    """Every service at once on few pictures: row locks in circles would end as errors of the database."""
    User.objects.update(is_superuser=True)
    images = [make_image(owner) for _ in range(5)]
    outcomes: collections.Counter[str] = collections.Counter()
    kept: list[object] = []

    def some(chance: random.Random, queryset) -> CaptionJob | None:  # type: ignore[no-untyped-def]  # jobs
        rows = list(queryset.order_by())
        return chance.choice(rows) if rows else None

    def act(chance: random.Random, name: str) -> None:
        image = chance.choice(images)
        action = chance.choice(
            ["request"] * 6 + ["claim"] * 8 + ["end"] * 8 + ["renew", "renew", "cancel", "cancel", "retry", "release"]
            + ["sweep", "sweep", "crash", "review", "undo", "write", "trash"]
        )  # fmt: skip
        outcomes[action] += 1
        mine = CaptionJob.objects.filter(state=State.RUNNING, leased_by=name)
        held = {job.pk: job.attempt for job in mine}
        if action == "request":
            jobs.request(image=image, chosen={"seed": chance.randrange(9)}, lane=chance.randrange(2))
        elif action == "claim":
            claim(name, limit=4)
        elif action == "end":
            if (job := some(chance, mine)) is not None:
                if chance.random() < 0.7:
                    if finish(job):
                        kept.append(job.pk)
                else:
                    fault = chance.choice(["input", "transient", "infra"])
                    jobs.fail(job_id=job.pk, attempt=job.attempt, code="model_failed", worker_fault=fault)
        elif action == "renew":
            jobs.renew(held=held, worker=name, lease_seconds=60)
        elif action == "cancel":
            if (job := some(chance, CaptionJob.objects.filter(state__in=CaptionJob.OPEN))) is not None:
                jobs.cancel(job=job, by=owner)
        elif action == "retry":
            if (job := some(chance, CaptionJob.objects.filter(state__in=[State.FAILED, State.CANCELLED]))) is not None:
                jobs.retry(job=job, by=owner)
        elif action == "release":
            jobs.release(held=held, note="told to stop")
        elif action == "sweep":
            if (job := some(chance, CaptionJob.objects.filter(state=State.RUNNING))) is not None:
                expire(job)
            jobs.sweep(ring=False)
        elif action == "crash":
            jobs.report_crash(worker=name, note="killed")
        elif action == "review":
            review.approve(image=Image.objects.get(pk=image.pk), reviewer=owner)
        elif action == "undo":
            review.undo(image=Image.objects.get(pk=image.pk), reviewer=owner)
        elif action == "write":
            ledger.write(image=image, author=stranger, text=f"words {chance.random()}")
        else:
            trash.discard(image=Image.objects.get(pk=image.pk), by=owner)
            trash.recover(image=Image.objects.get(pk=image.pk), by=owner)

    def crowd(number: int) -> list[str]:
        chance = random.Random(number)
        wrong = []
        for _ in range(60):
            try:
                act(chance, f"w{number}")
            except DeskError as refusal:
                outcomes[refusal.code] += 1
            except Exception as error:
                wrong.append(f"{type(error).__name__}: {error}")
            close_old_connections()
        return wrong

    wrong: list[object] = []
    calls: list[Callable[[], list[str]]] = [partial(crowd, number) for number in range(8)]
    for answer in at_once(*calls):
        wrong += answer if isinstance(answer, list) else [answer]
    assert wrong == []
    assert not broken()
    assert len(kept) > 5, outcomes
    assert sorted(kept) == sorted(Caption.objects.filter(job__isnull=False).values_list("job", flat=True))

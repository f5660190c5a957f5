"""A worker that dies costs nobody their picture, and a picture that kills workers is set aside."""

from __future__ import annotations

import random

import pytest
from django.contrib.auth.models import User

from captions import jobs
from captions.models import Caption, CaptionJob, JobEvent
from tests.jobs.conftest import ask, claim, expire, finish, fresh

State = CaptionJob.State


def claim_patiently(worker: str, limit: int) -> list[CaptionJob]:
    """Claim; when nothing is due, let the delays pass first."""
    held = claim(worker, limit=limit)
    if held:
        return held
    CaptionJob.objects.filter(state=State.QUEUED).update(available_at=None)
    return claim(worker, limit=limit)


def work_through(deadly: set[str], *, batch: int, by_lease: bool = False) -> int:
    """Claim and finish as one worker after another does; a picture in `deadly` kills it. Gives the deaths."""
    deaths = 0
    while held := claim_patiently(f"w{deaths}", batch):
        if any(str(job.pk) in deadly for job in held):
            deaths += 1
            if by_lease:
                expire(*held)
                jobs.sweep(ring=False)
            else:
                jobs.report_crash(worker=held[0].leased_by, note="killed by signal 11")
            continue
        for job in held:
            assert finish(job)
    return deaths


@pytest.mark.parametrize(("by_lease", "at_most"), [(False, 3), (True, 5)])
def test_it_sets_one_poison_picture_aside_and_finishes_the_others(owner, by_lease, at_most):
    everybody = ask(owner, 100)
    poison = everybody[77]
    assert work_through({str(poison.pk)}, batch=8, by_lease=by_lease) <= at_most
    failed = CaptionJob.objects.filter(state=State.FAILED)
    assert [(job.pk, job.error_code) for job in failed] == [(poison.pk, "poison_image")]
    assert CaptionJob.objects.filter(state=State.DONE, isolate=False, crashes=0).count() == 99
    assert fresh(poison).image.state == "failed"
    assert Caption.objects.count() == 99


def test_it_finds_several_poison_pictures_in_one_batch(owner):
    everybody = ask(owner, 24)
    deadly = {str(job.pk) for job in everybody[2:5]}
    assert work_through(deadly, batch=8) <= 1 + 2 * len(deadly)
    assert {str(job.pk) for job in CaptionJob.objects.filter(state=State.FAILED)} == deadly


def test_it_counts_no_crash_that_hit_a_batch(owner):
    ask(owner, 3)
    claim("w1", limit=3)
    assert jobs.report_crash(worker="w1", note="killed") == jobs.Swept(expired=3)
    assert set(CaptionJob.objects.values_list("isolate", "crashes", "state")) == {(True, 0, "queued")}
    assert JobEvent.objects.filter(note="killed", worker="w1", before="running", after="queued").count() == 3


def test_it_claims_an_isolated_job_alone(owner):
    ask(owner, 3)
    claim("dies", limit=2)
    jobs.report_crash(worker="dies", note="killed")
    assert [len(claim(f"w{n}", limit=8)) for n in range(4)] == [1, 1, 1, 0]


def test_it_gives_an_isolated_job_only_to_a_worker_that_holds_nothing(owner):
    (suspect,) = ask(owner)
    claim("dies")
    jobs.report_crash(worker="dies", note="killed")
    (innocent,) = ask(owner, chosen={"num_beams": 1})
    CaptionJob.objects.filter(pk=innocent.pk).update(turn=0)
    CaptionJob.objects.filter(pk=suspect.pk).update(turn=1)
    assert [job.pk for job in claim("w1", limit=8)] == [innocent.pk]
    assert claim("w1", limit=8) == []
    assert finish(fresh(innocent))
    ask(owner, 3)
    assert [job.pk for job in claim("w1", limit=8)] == [suspect.pk]
    assert claim("w1", limit=8) == [], "were it to die now, the blame would be unclear"
    assert len(claim("w2", limit=8)) == 3


def test_it_clears_the_suspicion_by_a_success(owner):
    (job,) = ask(owner)
    for _ in range(2):
        claim("dies")
        jobs.report_crash(worker="dies", note="killed")
    assert (fresh(job).isolate, fresh(job).crashes) == (True, 1)
    assert claim() == [], "it would be the first picture that the next worker takes, again"
    assert finish(claim_patiently("w1", 1)[0])
    assert (fresh(job).isolate, fresh(job).crashes, fresh(job).state) == (False, 0, State.DONE)


def test_it_blames_a_picture_for_kills_from_outside_only_after_four(owner):
    (job,) = ask(owner)
    for deaths in range(5):
        assert fresh(job).state == State.QUEUED, deaths
        claim_patiently("dies", 1)
        jobs.report_crash(worker="dies", note="killed", from_outside=True)
    assert fresh(job).error_code == "poison_image"


def test_it_sets_a_retried_poison_picture_aside_after_one_more_death(owner):
    (job,) = ask(owner)
    work_through({str(job.pk)}, batch=8)
    assert jobs.retry(job=fresh(job)).state == State.QUEUED
    assert work_through({str(job.pk)}, batch=8) == 1
    assert fresh(job).error_code == "poison_image"


def test_it_takes_back_only_the_dead_workers_jobs(owner):
    ask(owner, 4)
    claim("dead", limit=2)
    alive = claim("alive", limit=2)
    assert jobs.report_crash(worker="dead", note="killed").expired == 2
    assert jobs.report_crash(worker="dead", note="killed").expired == 0
    assert jobs.renew(held={job.pk: job.attempt for job in alive}, worker="alive", lease_seconds=60) == {
        job.pk for job in alive
    }


@pytest.mark.parametrize("seed", range(2))
def test_it_makes_no_innocent_picture_poison_by_random_kills(owner: User, seed: int, monkeypatch):
    """120 pictures, ten kills at random moments: whoever is hit is done again, alone, and nobody ends as poison."""
    monkeypatch.setattr(jobs, "CRASH_DELAY_SECONDS", 3600)  # what runs here in no time takes longer than the delay
    chance = random.Random(seed)
    ask(owner, 120)
    kills = sorted(chance.sample(range(30), 10))
    step = 0
    while held := claim_patiently(f"w{step}", 8):
        if kills and step >= kills[0]:
            kills.pop(0)
            jobs.report_crash(worker=f"w{step}", note="killed by signal 9")
        else:
            for job in held:
                assert finish(job)
        step += 1
    assert not kills
    assert CaptionJob.objects.filter(state=State.DONE).count() == 120
    assert Caption.objects.count() == 120


def test_it_bears_a_machine_that_is_switched_off_thrice_at_the_same_picture(owner):
    (job,) = ask(owner)
    for _ in range(4):
        expire(*claim_patiently("w1", 1))
        assert jobs.sweep(ring=False) == jobs.Swept(expired=1)
    assert finish(claim_patiently("w1", 1)[0])
    assert fresh(job).state == State.DONE

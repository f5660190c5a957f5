"""A job changes its state only along the arrows of its diagram."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from captions import jobs
from captions.errors import DeskError
from captions.models import Caption, CaptionJob, JobEvent
from tests.jobs.conftest import ask, claim, expire, finish, fresh, make_image

State = CaptionJob.State


def _queued(owner: User) -> CaptionJob:
    return ask(owner)[0]


def _running(owner: User) -> CaptionJob:
    _queued(owner)
    return claim()[0]


def _done(owner: User) -> CaptionJob:
    job = _running(owner)
    assert finish(job)
    return fresh(job)


def _failed(owner: User) -> CaptionJob:
    job = _running(owner)
    assert jobs.fail(job_id=job.pk, attempt=job.attempt, code="no_words", worker_fault="input")
    return fresh(job)


def _cancelled(owner: User) -> CaptionJob:
    return jobs.cancel(job=_queued(owner))


STARTS: dict[str, Callable[[User], CaptionJob]] = {
    "queued": _queued, "running": _running, "done": _done, "failed": _failed, "cancelled": _cancelled,
}  # fmt: skip


def _claim(job: CaptionJob) -> object:
    return bool(claim("w2"))


def _fail(fault: str) -> Callable[[CaptionJob], object]:
    return lambda job: jobs.fail(job_id=job.pk, attempt=job.attempt, code="model_failed", worker_fault=fault)  # type: ignore[arg-type]  # the table's word


def _sweep(job: CaptionJob) -> object:
    if job.state == State.RUNNING:
        expire(job)
    return jobs.sweep(ring=False).expired > 0


ACTIONS: dict[str, Callable[[CaptionJob], object]] = {
    "claim": _claim,
    "complete": finish,
    "fail_input": _fail("input"),
    "fail_transient": _fail("transient"),
    "fail_infra": _fail("infra"),
    "release": lambda job: jobs.release(held={job.pk: job.attempt}, note="told to stop") > 0,
    "renew": lambda job: bool(jobs.renew(held={job.pk: job.attempt}, worker="w1", lease_seconds=60)),
    "cancel": lambda job: jobs.cancel(job=job),
    "retry": lambda job: jobs.retry(job=job),
    "sweep": _sweep,
    "crash": lambda job: jobs.report_crash(worker="w1", note="killed").expired > 0,
}
ARROWS = {
    ("queued", "claim"): "running",
    ("queued", "cancel"): "cancelled",
    ("running", "complete"): "done",
    ("running", "fail_input"): "failed",
    ("running", "fail_transient"): "queued",
    ("running", "fail_infra"): "queued",
    ("running", "release"): "queued",
    ("running", "renew"): "running",
    ("running", "cancel"): "cancelled",
    ("running", "sweep"): "queued",
    ("running", "crash"): "queued",
    ("failed", "retry"): "queued",
    ("cancelled", "retry"): "queued",
}


def _accepts(action: Callable[[CaptionJob], object], job: CaptionJob) -> bool:
    try:
        return bool(action(job))
    except DeskError as refusal:
        return refusal.code not in {"job_not_open", "job_not_failed"}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("start", STARTS)
def test_it_follows_the_diagram_and_nothing_else(owner, start, action):
    job = STARTS[start](owner)
    before, events, words = fresh(job), JobEvent.objects.count(), Caption.objects.count()
    wanted = ARROWS.get((start, action))
    accepted = _accepts(ACTIONS[action], job)
    after = fresh(job)
    assert accepted is (wanted is not None)
    assert after.state == (wanted or start)
    assert after.attempt >= before.attempt
    if wanted is None:
        assert (after.attempt, after.lease_until, after.finished_at) == (
            before.attempt, before.lease_until, before.finished_at,
        )  # fmt: skip
        assert (JobEvent.objects.count(), Caption.objects.count()) == (events, words)
    elif wanted != start:
        event = JobEvent.objects.latest("id")
        assert (event.before, event.after, event.attempt) == (start, wanted, after.attempt)


@pytest.mark.parametrize(
    ("start", "summary"),
    [
        ("queued", "queued"),
        ("running", "drafting"),
        ("done", "draft"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
    ],
)
def test_it_settles_the_image_in_every_state(owner, start, summary):
    assert fresh(STARTS[start](owner)).image.state == summary


def test_it_counts_up_the_fence_with_claim_cancel_release_and_sweep(owner):
    (job,) = ask(owner)
    seen = [job.attempt]
    (held,) = claim()
    seen.append(held.attempt)
    jobs.release(held={held.pk: held.attempt}, note="")
    seen.append(fresh(job).attempt)
    (held,) = claim()
    seen.append(held.attempt)
    expire(held)
    jobs.sweep()
    seen.append(fresh(job).attempt)
    seen.append(jobs.cancel(job=job).attempt)
    assert seen == sorted(set(seen))


def test_it_says_who_cancelled_and_who_retried(owner):
    job = jobs.cancel(job=ask(owner)[0], by=owner)
    jobs.retry(job=job, by=owner)
    assert list(JobEvent.objects.values_list("note", flat=True)) == ["", "cancelled by olga", "retried by olga"]


def test_it_gives_the_open_job_when_a_failed_twin_is_retried(owner):
    failed = _failed(owner)
    again = jobs.request(image=failed.image, chosen={}).job
    assert jobs.retry(job=failed).pk == again.pk
    assert fresh(failed).state == State.FAILED


def test_it_forgets_the_error_when_a_person_retries(owner):
    job = jobs.retry(job=_failed(owner))
    assert (job.error_code, job.error_detail, job.finished_at, job.failures) == ("", "", None, 0)


def test_it_keeps_all_candidates_with_their_provenance(owner):
    job = _running(owner)
    assert finish(job, "a red circle", "a circle")
    words = list(Caption.objects.order_by("rank").values_list("text", "rank", "model", "revision", "seed", "score"))
    assert words == [("a red circle", 1, "demo", "1", 7, -0.5), ("a circle", 2, "demo", "1", 7, -1.5)]


@pytest.mark.parametrize("words", [["", " \t"], ["..."]])
def test_it_ends_a_job_without_words_as_failed(owner, words):
    job = _running(owner)
    assert finish(job, *words)
    job = fresh(job)
    assert (job.state, job.error_code, job.image.state) == (State.FAILED, "no_words", "failed")
    assert not Caption.objects.exists()
    assert list(JobEvent.objects.filter(job=job).values_list("after", flat=True)) == ["queued", "running", "failed"]


def test_it_refuses_pictures_that_are_gone_or_in_the_trash(owner):
    image = make_image(owner)
    job = jobs.cancel(job=jobs.request(image=image, chosen={}).job)
    image.deleted_at = image.created_at
    image.save(update_fields=["deleted_at"])
    for call in (lambda: jobs.request(image=image, chosen={}), lambda: jobs.retry(job=job)):
        with pytest.raises(DeskError) as refusal:
            call()
        assert refusal.value.code == "not_found"


def test_it_answers_not_found_for_a_job_that_vanished(owner):
    job = ask(owner)[0]
    CaptionJob.objects.filter(pk=job.pk).delete()
    for call in (jobs.cancel, jobs.retry):
        with pytest.raises(DeskError) as refusal:
            call(job=job)
        assert refusal.value.code == "not_found"
    assert not finish(job)


def test_it_names_a_code_nobody_knows_unknown(owner):
    job = _running(owner)
    jobs.fail(job_id=job.pk, attempt=job.attempt, code="gremlins", detail="in the wires", worker_fault="input")
    job = fresh(job)
    assert (job.error_code, job.error_detail) == ("unknown", "gremlins: in the wires")


def test_it_limits_how_many_jobs_one_owner_has_waiting(owner, stranger, settings):
    settings.QUEUE_LIMIT_PER_OWNER = 3
    ask(owner, 3)
    with pytest.raises(DeskError) as refusal:
        ask(owner)
    assert refusal.value.code == "queue_full"
    assert refusal.value.failure.status == 429
    ask(stranger)
    claim()
    ask(owner)

"""The queue is fair, batches fit together, and nobody starves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection

from captions import jobs
from captions.models import CaptionJob, Image
from captions.models.clock import DatabaseTime
from captions.queueing import BULK_EVERY
from tests.factories import make_worker
from tests.jobs.conftest import ask, claim, finish, fresh, make_image

Lane = CaptionJob.Lane


def backlog_of(owner: User, count: int, lane: int = Lane.INTERACTIVE, model: str = "") -> None:
    """Queue that many jobs without going through the service one by one; turns as the service gives them."""
    template = ask(owner, lane=lane, model=model)[0]
    picture = template.image
    Image.objects.bulk_create(
        (
            Image(
                owner=owner, number=10_000_000 + n, sha256=f"{owner.pk:08d}{lane}{n:055d}", format="PNG", width=1,
                height=1, bytes=1, thumbnail_width=1, thumbnail_height=1, screen_width=1, screen_height=1,
                state="queued",
            )
            for n in range(count - 1)
        ),
        batch_size=500,
    )  # fmt: skip
    images = Image.objects.filter(owner=owner, number__gte=10_000_000).exclude(pk=picture.pk).order_by("pk")
    CaptionJob.objects.bulk_create(
        (
            CaptionJob(
                image_id=pk, owner=owner, lane=lane, model=model, params_digest=template.params_digest,
                batch_key=template.batch_key, turn=template.turn + 1 + n,
            )
            for n, pk in enumerate(images.values_list("pk", flat=True))
        ),
        batch_size=500,
    )  # fmt: skip


def learn() -> None:
    """Let PostgreSQL look at its tables, as it does by itself from time to time."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE captions_captionjob")


def test_it_serves_the_oldest_first_within_one_owner(owner):
    wanted = [job.pk for job in ask(owner, 5)]
    assert [claim()[0].pk for _ in range(5)] == wanted


@pytest.mark.parametrize("limit", [1, 4])
def test_it_takes_turns_between_owners(owner, stranger, limit):
    ask(owner, 12)
    ask(stranger, 4)
    served: list[int] = []
    while batch := claim(limit=limit):
        served += [job.owner_id for job in batch]
        for job in batch:
            assert finish(job)
    assert served.index(stranger.pk) <= 1
    assert set(served[:8]) == {owner.pk, stranger.pk}
    assert served[:8].count(stranger.pk) == 4
    assert len(served) == 16


def test_it_gives_a_newcomer_no_credit_for_having_been_away(owner, stranger):
    ask(owner, 20)
    for _ in range(10):
        assert finish(claim()[0])
    ask(stranger, 10)
    served = []
    for _ in range(10):
        (job,) = claim()
        served.append(job.owner_id)
        finish(job)
    assert served.count(owner.pk) == 5


def test_it_serves_a_single_picture_next_after_a_backlog_of_thousands(owner, stranger):
    backlog_of(owner, 3000)
    (running,) = claim()
    assert running.owner_id == owner.pk
    (mine,) = ask(stranger)
    assert claim("w2")[0].pk == mine.pk


def test_it_serves_interactive_jobs_before_bulk_but_gives_bulk_its_share(owner, stranger):
    ask(owner, 40, lane=Lane.BULK, chosen={"num_beams": 1})
    ask(stranger, 40)
    lanes = [claim()[0].lane for _ in range(25)]
    assert lanes.count(Lane.BULK) == 25 // BULK_EVERY
    assert lanes[:4] == [Lane.INTERACTIVE] * 4


def test_it_serves_bulk_when_there_is_nothing_else(owner):
    ask(owner, 3, lane=Lane.BULK)
    assert len(claim(limit=8)) == 3


def test_it_fills_a_batch_with_jobs_that_one_run_of_the_model_can_hold(owner, stranger):
    plain = ask(owner, 2) + ask(stranger, 1)
    seeded = ask(owner, 1, chosen={"seed": 5})
    narrow = ask(owner, 2, chosen={"num_beams": 1})
    bulk = ask(owner, 1, lane=Lane.BULK)
    first = {job.pk for job in claim(limit=8)}
    assert first == {job.pk for job in plain + seeded + bulk}
    assert {job.pk for job in claim("w2", limit=8)} == {job.pk for job in narrow}


def test_it_gives_no_more_than_asked_for(owner):
    ask(owner, 9)
    assert [len(claim(f"w{n}", limit=4)) for n in range(4)] == [4, 4, 1, 0]


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"worker": ""}, {"lease_seconds": 0}])
def test_it_refuses_a_claim_that_makes_no_sense(owner, wrong):
    ask(owner)
    with pytest.raises(ValueError, match="claim"):
        claim(**wrong)


def test_it_gives_a_worker_only_the_models_it_answers_for(owner):
    make_worker(model="vit-gpt2")
    (any_model,) = ask(owner)
    (wanted,) = ask(owner, model="vit-gpt2")
    assert {job.pk for job in claim(limit=8)} == {any_model.pk}
    assert claim(limit=8) == []
    assert jobs.backlog({"demo"}).waiting == 0
    assert jobs.backlog({"vit-gpt2"}).waiting == 1
    assert {job.pk for job in claim("w2", models={"vit-gpt2"})} == {wanted.pk}


def test_it_keeps_jobs_of_different_models_in_different_batches(owner):
    make_worker(model="vit-gpt2")
    ask(owner)
    ask(owner, model="vit-gpt2")
    assert [len(claim(models={"demo", "vit-gpt2"}, limit=8)) for _ in range(3)] == [1, 1, 0]


def test_it_waits_until_a_job_is_due(owner):
    (job,) = ask(owner)
    CaptionJob.objects.filter(pk=job.pk).update(available_at=DatabaseTime(after=60))
    assert claim() == []
    assert jobs.backlog({"demo"}).waiting == 0
    CaptionJob.objects.filter(pk=job.pk).update(available_at=DatabaseTime(after=-0.01))
    assert len(claim()) == 1


def test_it_says_how_much_waits_and_for_how_long(owner):
    assert jobs.backlog({"demo"}) == jobs.Backlog(0, 0.0)
    ask(owner, 3)
    CaptionJob.objects.filter(pk=ask(owner)[0].pk).update(available_at=DatabaseTime(after=-90))
    backlog = jobs.backlog({"demo"})
    assert backlog.waiting == 4
    assert 89 < backlog.oldest_seconds < 150


def test_it_hands_jobs_out_with_what_a_worker_needs(owner, django_assert_num_queries):
    ask(owner, chosen={"num_beams": 2})
    (job,) = claim("w7")
    with django_assert_num_queries(0):
        assert job.image.screen_width == 40
    assert (job.leased_by, job.attempt, job.params, job.state) == ("w7", 1, {"num_beams": 2}, "running")
    assert job.image.state == "drafting"


def test_it_answers_an_equal_request_with_the_open_job(owner):
    make_worker(model="vit-gpt2")
    image = make_image(owner)
    first = jobs.request(image=image, chosen={"num_beams": 2})
    assert first.created
    claim()
    second = jobs.request(image=image, chosen={"num_beams": 2})
    assert (second.job.pk, second.created) == (first.job.pk, False)
    for chosen, model in (({"num_beams": 3}, ""), ({"num_beams": 2}, "vit-gpt2")):
        assert jobs.request(image=image, chosen=chosen, model=model).created
    assert finish(fresh(first.job))
    assert jobs.request(image=image, chosen={"num_beams": 2}).created


def test_it_finds_the_next_job_by_an_index(owner):
    backlog_of(owner, 2000)
    learn()
    for lookup, index in (
        (jobs.waiting([""]).filter(lane=0).order_by("turn", "id")[:1], "job_queue"),
        (
            CaptionJob.objects.filter(state="queued", lane=0, owner=owner).order_by("-turn")[:1],
            "job_queue",
        ),
        (CaptionJob.objects.filter(state="queued", lane=0).order_by("turn", "id")[:1], "job_queue"),
        (
            jobs.waiting([""]).filter(lane=0, batch_key="none", isolate=False).order_by("turn", "id")[:8],
            "job_queue_by_key",
        ),
    ):
        plan = lookup.explain()
        assert index in plan, plan
        assert "Sort" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan


def work_of(call: Callable[[], object]) -> int:
    """Count what the database does in a call: steps of SQLite's machine, or rows that PostgreSQL reads."""
    if connection.vendor == "sqlite":
        steps = []
        connection.connection.set_progress_handler(lambda: steps.append(1), 20)
        call()
        connection.connection.set_progress_handler(None, 0)
        return 20 * len(steps)
    before = _rows_read()
    call()
    return _rows_read() - before


def _rows_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT SUM(seq_tup_read + COALESCE(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables "
            "WHERE relname IN ('captions_captionjob', 'captions_image')"
        )
        return int(cursor.fetchone()[0])


def test_it_does_not_read_past_thousands_of_jobs_for_another_model(owner, stranger):
    make_worker(model="vit-gpt2")
    ask(owner, 20)
    few = work_of(lambda: claim(limit=4))
    backlog_of(stranger, 3000, model="vit-gpt2")
    learn()
    assert work_of(lambda: claim("w2", limit=4)) < 2 * few + 1000
    assert work_of(lambda: claim("w3", limit=4, models={"vit-gpt2"}, takes_any=False)) < 2 * few + 1000


def test_it_works_as_little_with_ten_thousand_waiting_jobs_as_with_fifty(owner, stranger):
    def one_round() -> dict[str, int]:
        held: list[CaptionJob] = []
        return {
            "request": work_of(lambda: ask(owner)),
            "claim": work_of(lambda: held.extend(claim(limit=8))),
            "renew": work_of(lambda: jobs.renew(held={held[0].pk: 1}, worker="w1", lease_seconds=60)),
            "complete": work_of(lambda: [finish(job) for job in held]),
            "sweep": work_of(jobs.sweep),
        }

    ask(owner, 50)
    one_round()
    few = one_round()
    backlog_of(stranger, 10_000)
    learn()
    one_round()
    many = one_round()
    # Whatever reads the whole backlog reads ten thousand rows, in several steps each.
    assert {call: work for call, work in many.items() if work > 3 * few[call] + 2000} == {}, (few, many)

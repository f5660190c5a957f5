"""The drain takes what waits, in batches, and hands in what the model answers."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from django.conf import settings

from captions import jobs, media
from captions.models import Caption, CaptionJob, Image
from captions.models.clock import DatabaseTime
from captions.params import GenerationParams
from tests.faults.scripted import words_for
from tests.harness import until
from tests.worker.conftest import Watched
from worker.drain import Drain
from worker.engine import Candidate
from worker.engine.errors import DeviceLost
from worker.engine.resting import Resting

State = CaptionJob.State


def states() -> Counter[str]:
    return Counter(CaptionJob.objects.values_list("state", flat=True))


def job_of(number: int) -> CaptionJob:
    return CaptionJob.objects.get(image__number=number)


def test_it_captions_all_that_waits_in_batches(drain: Drain, captioner: Watched, ask) -> None:
    ask(10)
    assert drain.drain() == 10
    assert captioner.batches == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert states() == {State.DONE: 10}
    written = dict(Caption.objects.values_list("image__number", "text"))
    assert written == {number: words_for(number) for number in range(1, 11)}
    assert set(Image.objects.values_list("state", flat=True)) == {Image.State.DRAFT}


def test_it_writes_where_a_caption_came_from(drain: Drain, ask) -> None:
    ask(1, num_captions=2, repetition_penalty=1.5)
    drain.drain()
    first, second = Caption.objects.order_by("rank")
    assert (first.model, first.revision, first.score, first.rank) == ("demo", "scripted", -0.5, 1)
    assert (second.score, second.rank) == (-1.5, 2)
    # Chosen by the person, then the model's own default, then ours; a search is as wide as the drafts it must give.
    expected = GenerationParams(num_captions=2, repetition_penalty=1.5, num_beams=2, max_length=16)
    assert first.params == expected.as_dict()
    assert first.seed is None


def test_it_gives_every_sampled_job_a_seed_of_its_own(drain: Drain, captioner: Watched, ask) -> None:
    ask(3, do_sample=True)
    ask(1, first=4, do_sample=True, seed=7)
    drain.drain()
    assert captioner.batches == [[1, 2, 3, 4]]  # seeds do not keep jobs out of one batch
    seeds = dict(Caption.objects.values_list("image__number", "seed"))
    assert seeds[4] == 7
    assert len(set(seeds.values())) == 4
    assert sorted(captioner.seeds) == sorted(seeds.values())
    for caption in Caption.objects.all():
        assert caption.params["seed"] == caption.seed


def test_it_keeps_jobs_of_another_width_out_of_a_batch(drain: Drain, captioner: Watched, ask) -> None:
    ask(2)
    ask(2, first=3, num_beams=3)
    drain.drain()
    assert sorted(captioner.batches) == [[1, 2], [3, 4]]


def test_it_takes_jobs_that_differ_in_other_parameters_in_one_batch(drain: Drain, captioner: Watched, ask) -> None:
    ask(2)
    ask(1, first=3, max_length=30)
    ask(1, first=4, repetition_penalty=1.5)
    drain.drain()
    assert captioner.batches == [[1, 2, 3, 4]]
    lengths = dict(Caption.objects.values_list("image__number", "params__max_length"))
    assert lengths == {1: 16, 2: 16, 3: 30, 4: 16}


def test_it_leaves_jobs_for_other_models_alone(drain: Drain, ask) -> None:
    CaptionJob.objects.filter(pk=ask(1)[0].pk).update(model="another/model")
    assert drain.drain() == 0
    assert states() == {State.QUEUED: 1}


def test_it_does_the_others_when_one_picture_breaks_the_model(drain: Drain, captioner: Watched, ask) -> None:
    ask(8)
    (captioner.orders / "raise-3").touch()
    drain.drain()
    assert states() == {State.DONE: 7, State.QUEUED: 1}
    broken = job_of(3)
    assert (broken.failures, broken.isolate, broken.crashes) == (1, False, 0)
    assert broken.available_at is not None
    assert broken.events.last().note.startswith("model_failed: RuntimeError: picture 3 breaks the model")


def test_it_counts_a_picture_that_does_not_fit_into_memory(drain: Drain, captioner: Watched, ask, settings) -> None:
    settings.JOB_RETRIES = 0
    ask(4)
    (captioner.orders / "memory-2").touch()
    drain.drain()
    assert states() == {State.DONE: 3, State.FAILED: 1}
    assert job_of(2).error_code == "out_of_memory"


def test_it_fails_a_job_whose_picture_is_gone_from_the_disk(drain: Drain, ask) -> None:
    ask(4)
    for name in media.names(job_of(2).image):
        (settings.MEDIA_ROOT / name).unlink()
    (settings.MEDIA_ROOT / media.medium(job_of(3).image)).write_bytes(b"no picture")
    drain.drain()
    assert states() == {State.DONE: 2, State.FAILED: 2}
    assert {job_of(2).error_code, job_of(3).error_code} == {"rendition_missing"}


def test_it_captions_what_has_lost_its_medium_rendition_or_never_had_one(drain: Drain, captioner: Watched, ask) -> None:
    ask(3)
    (settings.MEDIA_ROOT / media.medium(job_of(2).image)).unlink()
    (settings.MEDIA_ROOT / media.medium(job_of(3).image)).unlink()
    Image.objects.filter(number=3).update(medium_width=0, medium_height=0)
    drain.drain()
    assert captioner.batches == [[1, 2, 3]]
    assert states() == {State.DONE: 3}


def test_it_waits_when_the_whole_folder_of_pictures_is_empty(drain: Drain, ask, tmp_path, settings) -> None:
    for job in ask(3):
        for name in media.names(job.image):
            (settings.MEDIA_ROOT / name).unlink()
    settings.MEDIA_ROOT = tmp_path / "not-mounted"
    settings.MEDIA_ROOT.mkdir()
    drain.drain()
    assert states() == {State.QUEUED: 3}
    assert job_of(1).failures == 0


def test_it_fails_a_job_for_which_the_model_has_no_words(drain: Drain, captioner: Watched, ask) -> None:
    ask(2)
    answer = captioner._answer
    captioner._answer = lambda number, params: [Candidate(" \n", (1,), -1.0)] if number == 1 else answer(number, params)
    drain.drain()
    assert job_of(1).state == State.FAILED
    assert job_of(1).error_code == "no_words"
    assert job_of(2).state == State.DONE


def test_it_keeps_the_words_of_other_candidates_when_the_best_has_none(drain: Drain, captioner: Watched, ask) -> None:
    ask(1, num_captions=2)
    captioner._answer = lambda number, params: [Candidate("", (1,), -0.1), Candidate("a cat", (1, 2), -0.7)]
    drain.drain()
    assert list(Caption.objects.values_list("text", "rank")) == [("a cat", 1)]


def test_it_gives_everything_back_when_the_device_is_lost(drain: Drain, captioner: Watched, ask) -> None:
    ask(12)
    (captioner.orders / "lost-6").touch()
    with pytest.raises(DeviceLost):
        drain.drain()
    assert states() == {State.DONE: 4, State.QUEUED: 8}
    assert not CaptionJob.objects.filter(isolate=True).exists()  # nobody's picture is to blame
    assert not CaptionJob.objects.filter(failures__gt=0).exists()


def test_it_runs_an_isolated_job_alone(drain: Drain, captioner: Watched, ask) -> None:
    ask(6)
    CaptionJob.objects.filter(image__number=3).update(isolate=True)
    drain.drain()
    assert [3] in captioner.batches
    assert states() == {State.DONE: 6}
    assert not job_of(3).isolate


def test_it_prepares_the_next_batch_while_the_model_runs(drain: Drain, captioner: Watched, ask) -> None:
    ask(8)
    claimed = []

    def wait_for_the_next() -> None:
        captioner.meanwhile = lambda: None
        until(lambda: drain._held.all().keys() >= {job_of(5).pk, job_of(8).pk}, what="the next batch is claimed")
        claimed.append(len(drain._held.all()))

    captioner.meanwhile = wait_for_the_next
    drain.drain()
    assert claimed == [8]
    assert states() == {State.DONE: 8}


def test_it_spends_no_time_on_a_job_that_was_cancelled_meanwhile(drain: Drain, captioner: Watched, ask) -> None:
    ask(8)

    def cancel_one_of_the_next() -> None:
        captioner.meanwhile = lambda: None
        until(lambda: job_of(6).state == State.RUNNING, what="the next batch is claimed")
        jobs.cancel(job=job_of(6))
        renew(drain)

    captioner.meanwhile = cancel_one_of_the_next
    drain.drain()
    assert captioner.batches == [[1, 2, 3, 4], [5, 7, 8]]
    assert states() == {State.DONE: 7, State.CANCELLED: 1}


def renew(drain: Drain) -> None:
    """Do what the heartbeat does with the leases."""
    mine = drain._held.all()
    kept = jobs.renew(held=mine, worker="w/1", lease_seconds=60)
    for job_id in mine.keys() - kept:
        drain._held.drop(job_id, mine[job_id])


def test_it_drops_a_result_whose_lease_was_lost(drain: Drain, captioner: Watched, ask) -> None:
    ask(2)

    def lose_one() -> None:
        captioner.meanwhile = lambda: None
        CaptionJob.objects.filter(image__number=2).update(lease_until=DatabaseTime(after=-1))
        jobs.sweep(ring=False)
        assert jobs.claim(limit=1, worker="other/1", models={"demo"}, lease_seconds=60)

    captioner.meanwhile = lose_one
    drain.drain()
    assert drain._tally.fenced == 1
    assert drain._tally.captioned == 1
    assert job_of(1).state == State.DONE
    assert (job_of(2).state, job_of(2).leased_by) == (State.RUNNING, "other/1")
    assert not Caption.objects.filter(image__number=2).exists()
    assert drain._held.all() == {}


def test_it_finishes_the_batch_in_hand_when_asked_to_stop(drain: Drain, captioner: Watched, ask) -> None:
    ask(12)

    def stop() -> None:
        until(lambda: job_of(8).state == State.RUNNING, what="the next batch is claimed")
        drain.ask_to_stop()

    captioner.meanwhile = stop
    drain.serve()
    assert captioner.batches == [[1, 2, 3, 4]]
    assert states() == {State.DONE: 4, State.QUEUED: 8}
    assert drain.ended.is_set()


def test_it_looks_for_work_when_the_bell_rings(drain: Drain, ask) -> None:
    serving = threading.Thread(target=drain.serve)
    serving.start()
    try:
        ask(3)
        drain.bell.set()
        until(lambda: states()[State.DONE] == 3, what="the ring is answered long before the next poll")
    finally:
        drain.ask_to_stop()
        serving.join(30)
    assert not serving.is_alive()


def test_it_looks_for_work_without_any_bell(drain: Drain, ask) -> None:
    drain._poll_seconds = 0.05
    serving = threading.Thread(target=drain.serve)
    serving.start()
    try:
        ask(3)
        until(lambda: states()[State.DONE] == 3, what="the poll finds the jobs")
    finally:
        drain.ask_to_stop()
        serving.join(30)


def test_it_lets_an_idle_model_go_and_loads_it_for_the_next_picture(drain: Drain, captioner: Watched, ask) -> None:
    drain.captioner = resting = Resting(lambda: captioner)
    drain._idle_seconds = 0.3
    serving = threading.Thread(target=drain.serve)
    serving.start()
    until(lambda: resting.is_resting, what="the idle model is let go")
    ask(2)
    drain.bell.set()
    until(lambda: states()[State.DONE] == 2, what="both are captioned")
    drain.ask_to_stop()
    drain.bell.set()
    serving.join(20)
    assert not serving.is_alive()

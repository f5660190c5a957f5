"""The batch is as large as gains anything, within bounds of time and memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captions.params import GenerationParams
from worker.engine import load, tuning
from worker.engine.errors import OutOfMemory
from worker.engine.resting import Resting
from worker.engine.tuning import Bounds, Trial, best, tune

PARAMS = GenerationParams(seed=0)


class Paced:
    """Takes `seconds(pictures)` for a batch and refuses more than `room`; stands where only the pace matters."""

    device = "cpu"

    def __init__(self, seconds: Callable[[int], float], room: int = 1000) -> None:
        self.seconds, self.room, self.batch, self.now = seconds, room, 8, 0.0
        self.sizes: list[int] = []

    def prepare(self, image: Image.Image) -> Any:
        return image

    def caption(self, images: Sequence[Any], params: Any) -> list[Any]:
        self.sizes.append(len(images))
        if len(images) > self.room:
            raise OutOfMemory("full")
        self.now += self.seconds(len(images))
        return [[] for _ in images]


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Paced]:
    def make(seconds: Callable[[int], float], room: int = 1000) -> Paced:
        made = Paced(seconds, room)
        monkeypatch.setattr(tuning, "time", type("Clock", (), {"perf_counter": staticmethod(lambda: made.now)}))
        return made

    return make


def run(work: Callable[[], object]) -> object:
    return work()


def test_it_stops_where_larger_batches_gain_nothing(paced: Callable[..., Paced]) -> None:
    captioner = paced(lambda count: 0.1 * max(1.0, count / 4))
    tune(captioner, PARAMS, Bounds(), guard=run)
    assert captioner.batch == 4
    assert max(captioner.sizes) == 8


def test_it_keeps_a_batch_within_the_time_it_may_take(paced: Callable[..., Paced]) -> None:
    captioner = paced(lambda count: 1.0 + 0.05 * count)
    trials = tune(captioner, PARAMS, Bounds(seconds=2.0), guard=run)
    assert captioner.batch == 8
    assert all(trial.seconds <= 2.0 for trial in trials)


def test_it_stops_at_the_batch_that_fits(paced: Callable[..., Paced]) -> None:
    captioner = paced(lambda count: 0.1, room=6)
    tune(captioner, PARAMS, Bounds(), guard=run)
    assert captioner.batch == 4


def test_it_keeps_the_process_within_its_memory(paced: Callable[..., Paced], monkeypatch: pytest.MonkeyPatch) -> None:
    captioner = paced(lambda count: 0.1)
    monkeypatch.setattr(tuning, "_used", lambda device: 1_000_000_000 + 50_000_000 * max(captioner.sizes, default=0))
    tune(captioner, PARAMS, Bounds(bytes=1_500_000_000), guard=run)
    assert captioner.batch == 8, "16 would take 1.8 GB"


def test_it_runs_pictures_one_by_one_where_nothing_is_gained() -> None:
    assert best([]) == 1
    assert best([Trial(1, 0.1, 0), Trial(2, 0.199, 0)]) == 1
    assert best([Trial(1, 0.1, 0), Trial(2, 0.12, 0), Trial(4, 0.3, 0)]) == 2


def test_it_reads_what_memory_this_machine_has() -> None:
    assert 10_000_000 < tuning._used("cpu") < 2**40
    assert tuning._free("cpu") > 10_000_000
    assert tuning._number(Path("/no/such/file")) == 0


def test_it_measures_a_real_model(checkpoint: Path) -> None:
    captioner = load(str(checkpoint), device="cpu")
    trials = tune(captioner, PARAMS, Bounds(seconds=0.2), guard=run)
    assert trials[0].pictures == 1
    assert captioner.batch in {trial.pictures for trial in trials}


def test_it_lets_the_model_go_and_takes_it_up_again(checkpoint: Path, pictures: list[Image.Image]) -> None:
    loads: list[float] = []

    def make() -> Any:
        loads.append(time.monotonic())
        return load(str(checkpoint), device="cpu")

    captioner = Resting(make)
    captioner.batch = 3
    facts = (captioner.name, captioner.revision, captioner.precision, captioner.side, captioner.defaults)
    ready = [captioner.prepare(picture) for picture in pictures]
    first = captioner.caption(ready, PARAMS)
    captioner.rest()
    assert captioner.is_resting
    assert (captioner.name, captioner.revision, captioner.precision, captioner.side, captioner.defaults) == facts
    assert captioner.caption(ready, PARAMS) == first
    assert not captioner.is_resting
    assert len(loads) == 2
    assert captioner._model is not None
    assert captioner._model.batch == 3

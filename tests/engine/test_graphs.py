"""Recorded graphs give what the model gives; where they cannot be recorded, or differ, the model runs without them.

No GPU is needed: a recorder that only repeats the work takes the place of CUDA's, and spoils all that was given before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from PIL import Image
from torch import Tensor

from captions.params import GenerationParams
from tests.engine.test_invariants import QUICK, batches, encoded
from worker.engine import blueprint, devices, graphs, load, loader, proving, vit_gpt2
from worker.engine.catalogue import BUNDLED
from worker.engine.decoder import Numbered
from worker.engine.graphs import Captured, Work, padded
from worker.engine.pictures import preprocessing
from worker.engine.rules import Rules, Wishes
from worker.engine.search import Sentence, decode
from worker.engine.store import WEIGHTS

PLENTY = 1 << 40
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class Repeats:
    """Does recorded work again, and gives the same tensor each time. What was given before is no number any more."""

    def __init__(self, most_bytes: int = PLENTY, *, change: Callable[[Tensor], Tensor] = lambda one: one) -> None:
        self.most_bytes, self.change = most_bytes, change
        self.given: list[Tensor] = []

    def capture(self, work: Work) -> Work:
        for _ in range(2):
            result = work()
        self.given.append(result)

        def replay() -> Tensor:
            for one in self.given:
                one.fill_(torch.nan)
            return result.copy_(self.change(work()))

        return replay


class Fails(Repeats):
    """Cannot record, from the `after`th time on."""

    def __init__(self, error: Exception, *, after: int = 0) -> None:
        super().__init__()
        self.error, self.after = error, after

    def capture(self, work: Work) -> Work:
        if len(self.given) >= self.after:
            raise type(self.error)(*self.error.args)  # anew: an error that is kept keeps what its frames held
        return super().capture(work)


@pytest.fixture(scope="module")
def small(checkpoint: Path) -> Any:
    return load(str(checkpoint), device="cpu", precision="fp32")


@pytest.fixture
def model(small: Any) -> Any:
    """A model that a test may quicken."""
    yield small._model
    small._model.captured = None


@pytest.fixture(scope="module")
def used(small: Any) -> Captured:
    """Graphs that every search of this module uses, one after the other."""
    return Captured(small._model.encoder, small._model.decoder, Repeats())


def captured(model: Any, recorder: Any = None) -> Captured:
    return Captured(model.encoder, model.decoder, recorder or Repeats())


def said(model: Any, reader: Any, hidden: Tensor, every: Sequence[Wishes]) -> list[list[Sentence]]:
    with torch.inference_mode():
        return decode(reader, hidden, Rules(every, end=model.end, device="cpu"), start=model.start)


def same(found: list[list[Sentence]], expected: list[list[Sentence]]) -> bool:
    """Compare sentences: every token, and scores but for rounding."""
    pairs = [pair for ours, theirs in zip(found, expected, strict=True) for pair in zip(ours, theirs, strict=True)]
    for ours, theirs in pairs:
        assert ours.token_ids == theirs.token_ids
        assert ours.token_scores == pytest.approx(theirs.token_scores, abs=1e-4)
    return True


def pixels(captioner: Any, pictures: Sequence[Image.Image]) -> Tensor:
    return torch.stack([torch.from_numpy(captioner.prepare(one).arrays["pixels"]) for one in pictures])


@QUICK
@given(every=batches())
def test_it_says_what_the_model_says_search_after_search_in_the_same_memory(
    small: Any, used: Captured, pictures: list[Image.Image], every: list[Wishes]
) -> None:
    """Greedy, beams, chance, several captions, openings, bans and lengths of their own, in batches to be filled up."""
    with torch.inference_mode():
        hidden = encoded(small, pictures, len(every))
    model = small._model
    assert same(said(model, used, hidden, every), said(model, model.decoder, hidden, every))
    assert not used.is_off


@pytest.mark.parametrize("beams", [1, 2, 3, 4, 5])
def test_it_says_what_the_demo_model_says(pictures: list[Image.Image], beams: int) -> None:
    demo: Any = load("demo", device="cpu", precision="fp32")
    params = GenerationParams(num_beams=beams, num_captions=beams)
    expected = demo.caption(pictures, params)
    demo._model.captured = captured(demo._model)
    for _ in range(2):
        found = demo.caption(pictures, params)
        assert [[one.token_ids for one in each] for each in found] == [
            [one.token_ids for one in each] for each in expected
        ]
        assert [one.text for [one, *_] in found] == [one.text for [one, *_] in expected]
    assert demo._model.captured.count > 0


def test_pictures_that_are_done_leave_the_others_as_they_are(
    model: Any, small: Any, pictures: list[Image.Image]
) -> None:
    with torch.inference_mode():
        hidden = encoded(small, pictures, 9)
    for beams in (1, 4):
        every = [
            Wishes(num_beams=beams, max_length=length, min_length=length) for length in (3, 20, 7, 9, 4, 20, 12, 5, 16)
        ]
        assert same(said(model, captured(model), hidden, every), said(model, model.decoder, hidden, every))


def test_what_a_search_left_behind_does_not_reach_the_next(model: Any, small: Any, pictures: list[Image.Image]) -> None:
    """Infinities and worse stay in memory after a model that overflowed."""
    quick = captured(model)
    with torch.inference_mode():
        hidden = encoded(small, pictures, 3)
        every = [Wishes(max_length=length) for length in (12, 5, 9)]
        expected = said(model, model.decoder, hidden, every)
        said(model, quick, hidden, every)
        for room in quick._rooms.values():
            for pair in (*room.memory.cross, *room.memory.own):
                for one in pair:
                    one.fill_(torch.nan)
    assert same(said(model, quick, hidden, every), expected)


def test_it_records_a_size_once_and_fills_batches_up_to_it(model: Any, small: Any, pictures: list[Image.Image]) -> None:
    recorder = Repeats()
    quick = captured(model, recorder)
    for count in (5, 6, 7, 8, 5):
        with torch.inference_mode():
            hidden = quick.encode(pixels(small, pictures[:count]))
            exact = model.encode(pixels(small, pictures[:count]))
        assert torch.allclose(hidden, exact, atol=1e-5)
        said(model, quick, hidden, [Wishes(max_length=10)] * count)
    assert len(recorder.given) == quick.count == 3, "the encoder, a first step, and a step of four beams"


def test_it_fills_batches_up_to_powers_of_two() -> None:
    assert [padded(count) for count in (1, 2, 3, 4, 5, 8, 9, 33)] == [1, 2, 4, 4, 8, 8, 16, 64]


def test_it_encodes_large_batches_as_they_are(model: Any, small: Any, pictures: list[Image.Image]) -> None:
    quick = captured(model)
    with torch.inference_mode():
        assert len(quick.encode(pixels(small, pictures * 2))) == 18
    assert quick.count == 0


def test_it_refuses_a_step_in_memory_that_another_search_has_taken(
    model: Any, small: Any, pictures: list[Image.Image]
) -> None:
    quick = captured(model)
    with torch.inference_mode():
        hidden = encoded(small, pictures, 2)
        first, _ = (quick.begin(hidden, slots=9) for _ in range(2))
        with pytest.raises(RuntimeError, match="Another search"):
            quick.step(torch.zeros(2, 1, dtype=torch.long), 0, first, 0, None)


# --- What is kept --------------------------------------------------------------------------------------------------


def searches(model: Any, quick: Captured, hidden: Tensor) -> None:
    """Search with many sizes, and see after each that graphs stay within their bounds."""
    for length in (8, 30, 60):
        for beams in (1, 2, 5):
            for count in (1, 2, 5):
                every = [Wishes(num_beams=beams, max_length=length)] * count
                found = said(model, quick, hidden[:count], every)
                assert same(found, said(model, model.decoder, hidden[:count], every))
                assert quick.count <= graphs.GRAPHS
                assert quick.bytes <= quick._most_bytes


def test_it_keeps_so_many_graphs_and_no_more(
    model: Any, small: Any, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "GRAPHS", 4)
    quick = captured(model)
    with torch.inference_mode():
        searches(model, quick, encoded(small, pictures, 5))
    assert quick.count == 4
    assert len(quick._rooms) <= 4, "memory without a graph stays"


@pytest.mark.parametrize("most", [0, 300_000, 1_000_000])
def test_it_keeps_so_many_bytes_and_no_more(model: Any, small: Any, pictures: list[Image.Image], most: int) -> None:
    quick = captured(model, Repeats(most))
    with torch.inference_mode():
        searches(model, quick, encoded(small, pictures, 5))
    assert (quick.count > 0) == (most > 0)
    assert not quick.is_off


def test_it_lets_the_graph_go_that_was_not_used_for_longest(
    model: Any, small: Any, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "GRAPHS", 2)
    recorder = Repeats()
    quick = captured(model, recorder)
    with torch.inference_mode():
        hidden = encoded(small, pictures, 4)
        for count in (1, 2, 1, 4, 1):
            said(model, quick, hidden[:count], [Wishes(num_beams=1)] * count)
    assert len(recorder.given) == 3, "one picture's graph was recorded again"


# --- When it fails -------------------------------------------------------------------------------------------------


def test_it_goes_on_without_graphs_where_recording_fails(
    model: Any, small: Any, pictures: list[Image.Image], caplog: pytest.LogCaptureFixture
) -> None:
    quick = captured(model, Fails(RuntimeError("operation not permitted\nwhen stream is capturing"), after=1))
    with torch.inference_mode():
        hidden = encoded(small, pictures, 3)
    for every in ([Wishes()] * 3, [Wishes(num_beams=1)] * 3):
        assert same(said(model, quick, hidden, every), said(model, model.decoder, hidden, every))
    assert quick.is_off
    assert quick.count == quick.bytes == 0
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith("more slowly: operation not permitted")


def test_it_lets_graphs_go_when_memory_runs_out_and_holds_fewer(
    model: Any, small: Any, pictures: list[Image.Image], caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Fails(FULL, after=1)
    quick = captured(model, recorder)
    with torch.inference_mode():
        hidden = encoded(small, pictures, 3)
    expected = said(model, model.decoder, hidden, [Wishes()] * 3)
    assert same(said(model, quick, hidden, [Wishes()] * 3), expected)
    assert quick.count == quick.bytes == 0
    assert not quick.is_off
    assert quick._most_bytes < PLENTY
    assert {record.getMessage().partition(";")[0] for record in caplog.records} == {
        "Memory ran out beside recorded graphs"
    }
    recorder.after, quick._most_bytes = 1000, PLENTY
    assert same(said(model, quick, hidden, [Wishes()] * 3), expected)
    assert quick.count == 2, "it does not record again"


def test_it_searches_as_it_is_where_its_memory_does_not_fit(
    model: Any, small: Any, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = captured(model)
    with torch.inference_mode():
        hidden = encoded(small, pictures, 3)

        def full(*arguments: Any) -> None:
            raise FULL

        monkeypatch.setattr(graphs, "_Room", full)
        found = said(model, quick, hidden, [Wishes()] * 3)
    assert same(found, said(model, model.decoder, hidden, [Wishes()] * 3))
    assert quick.count == 0


# --- Before it is used ---------------------------------------------------------------------------------------------


def trial(captioner: Any) -> Tensor:
    return torch.from_numpy(captioner._preprocessing.batch(loader.trial_pictures()))


def test_it_is_used_where_it_gives_the_same(model: Any, small: Any, caplog: pytest.LogCaptureFixture) -> None:
    proving.quicken(model, trial(small), Repeats)
    assert model.captured is not None
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def one_word(logits: Tensor) -> Tensor:
    """Make one word likely that is not, which hardly shows among all of them."""
    changed = logits.clone()
    changed[..., 3] += 50
    return changed


WRONG: dict[str, Callable[[Tensor], Tensor]] = {
    "another picture's": lambda one: one.roll(1, 0),
    "another token's": lambda one: one.roll(1, -1),
    "all louder": lambda one: one * 1.01,
    "noise": lambda one: one + torch.randn_like(one) * one.std() * 0.01,
    "no number": lambda one: one * torch.nan,
    "one word": one_word,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_it_is_refused_where_it_gives_something_else(
    model: Any, small: Any, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    for width in (model.decoder.vocabulary, model.encoder.width):
        caplog.clear()

        def change(result: Tensor, width: int = width) -> Tensor:
            return WRONG[wrong](result) if result.shape[-1] == width else result

        proving.quicken(model, trial(small), partial(Repeats, change=change))
        assert model.captured is None
        [record] = caplog.records
        assert record.levelno == logging.WARNING
        assert "Recorded graphs are not used" in record.getMessage()


def test_it_is_refused_where_places_stay_what_they_were_when_it_was_recorded(model: Any, small: Any) -> None:
    """What a graph does wrong when a number was baked into it instead of being read."""

    class Frozen(Repeats):
        def capture(self, work: Work) -> Work:
            result = work().clone()
            return lambda: result

    proving.quicken(model, trial(small), Frozen)
    assert model.captured is None


@pytest.fixture(scope="module", params=["fp32", "fp16", "bf16"])
def demo(request: pytest.FixtureRequest) -> tuple[Any, Tensor]:
    """The bundled model with all of it in one type, as a GPU computes it, and what it is tried with."""
    plan = blueprint.read(BUNDLED)
    model = vit_gpt2.build(plan, BUNDLED / WEIGHTS, device="cpu:0", precision=request.param)
    prepare = preprocessing(blueprint.read_json(BUNDLED / "preprocessor_config.json"))
    return model, torch.from_numpy(prepare.batch(loader.trial_pictures())).to(model.dtype)


def test_rounding_is_no_reason_to_refuse_it(demo: tuple[Any, Tensor]) -> None:
    model, shown = demo
    with torch.inference_mode():
        proving.prove(model, captured(model), shown)


def one_slot_further(numbers: Tensor) -> Numbered:
    return Numbered((numbers + 1).clamp(max=31))


def same_rows(lent: Any, pictures: Tensor) -> None:
    lent.pictures = slice(0, len(pictures))


FAULTS: dict[str, tuple[object, str, object]] = {
    "writes one slot further": (graphs, "Numbered", one_slot_further),
    "takes other pictures for those that stay": (graphs._Lent, "keep", same_rows),
    "keeps the keys and values of pictures before": (graphs._Room, "fill", lambda *_: None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_from_rounding(demo: tuple[Any, Tensor], monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    model, shown = demo
    monkeypatch.setattr(*FAULTS[fault])
    with torch.inference_mode(), pytest.raises(proving.Differs, match="of the decoder"):
        proving.prove(model, captured(model), shown)


@pytest.mark.parametrize("error", [RuntimeError("no capture"), ImportError("no driver"), FULL])
def test_the_model_starts_whatever_fails(
    model: Any, small: Any, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def recorder() -> Any:
        raise error

    proving.quicken(model, trial(small), recorder)
    assert model.captured is None
    assert len(caplog.records) == 1


def test_it_says_once_why_nothing_was_recorded(model: Any, small: Any, caplog: pytest.LogCaptureFixture) -> None:
    proving.quicken(model, trial(small), lambda: Fails(RuntimeError("no capture")))
    assert model.captured is None
    assert len(caplog.records) == 1
    assert "no capture" in caplog.text


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loader take the CPU for a GPU, as far as it can be."""
    build = vit_gpt2.build

    class Called(str):
        type = "cuda"

    def built(plan: Any, file: Path, *, device: str, precision: str) -> Any:
        made = build(plan, file, device="cpu", precision="fp32")
        made.device = Called("cpu")
        return made

    monkeypatch.setattr(vit_gpt2, "build", built)
    monkeypatch.setattr(vit_gpt2, "BATCH", {"cuda": 4})
    monkeypatch.setattr(devices, "pick_device", lambda wanted: "cuda")
    monkeypatch.setattr(graphs, "CudaRecorder", lambda device: Repeats())


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_model_on_a_gpu_replays_unless_it_is_told_not_to(
    checkpoint: Path, captioner: Any, pictures: list[Image.Image]
) -> None:
    quick: Any = load(str(checkpoint), device="cuda")
    assert quick._model.captured.count > 0
    found, expected = (one.caption(pictures, GenerationParams(num_captions=2)) for one in (quick, captioner))
    assert [[one.token_ids for one in each] for each in found] == [[one.token_ids for one in each] for each in expected]
    told: Any = load(str(checkpoint), device="cuda", graphs=False)
    assert told._model.captured is None


def test_a_model_on_a_cpu_records_nothing(captioner: Any) -> None:
    assert captioner._model.captured is None


if torch.cuda.is_available():  # the test command names what it leaves out

    @pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
    def test_a_gpu_replays_the_bundled_model(pictures: list[Image.Image], precision: str) -> None:
        quick: Any = load(str(BUNDLED), device="cuda", precision=precision)
        assert quick._model.captured is not None
        plain: Any = load(str(BUNDLED), device="cuda", precision=precision, graphs=False)
        for params in (GenerationParams(), GenerationParams(num_beams=1)):
            found, expected = (one.caption(pictures, params) for one in (quick, plain))
            alike = [ours[0].token_ids == theirs[0].token_ids for ours, theirs in zip(found, expected, strict=True)]
            assert sum(alike) >= len(alike) - 1, "more than rounding can explain"

"""A caption belongs to its picture, whatever else is in the batch, and a full memory only makes batches smaller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image

from captions.params import GenerationParams
from worker.engine import load
from worker.engine.contract import Candidate, Captioner
from worker.engine.errors import DeviceLost, OutOfMemory

BEAMS = GenerationParams(num_beams=3, num_captions=2)
CHANCE = GenerationParams(do_sample=True, num_beams=1, num_captions=2, seed=42)


def texts(found: list[list[Candidate]]) -> list[list[tuple[int, ...]]]:
    return [[candidate.token_ids for candidate in candidates] for candidates in found]


@pytest.mark.parametrize("params", [BEAMS, CHANCE], ids=["beams", "sampling"])
def test_it_gives_a_picture_the_same_captions_alone_and_in_any_order(
    captioner: Captioner, pictures: list[Image.Image], params: GenerationParams
) -> None:
    together = texts(captioner.caption(pictures, params))
    assert len(together) == len(pictures)
    assert texts(captioner.caption(pictures[::-1], params)) == together[::-1]
    assert [texts(captioner.caption([picture], params))[0] for picture in pictures] == together


def test_it_answers_no_pictures_with_no_captions(captioner: Captioner) -> None:
    assert captioner.caption([], BEAMS) == []


def test_it_samples_something_else_from_another_seed(captioner: Captioner, pictures: list[Image.Image]) -> None:
    first = texts(captioner.caption(pictures, CHANCE))
    other = texts(captioner.caption(pictures, GenerationParams(do_sample=True, num_beams=1, num_captions=2, seed=43)))
    assert first != other


def test_it_gives_every_picture_its_own_seed(captioner: Captioner, pictures: list[Image.Image]) -> None:
    every = [replace(CHANCE, seed=seed) for seed in range(len(pictures))]
    found = texts(captioner.caption(pictures, every))
    for picture, params, candidates in zip(pictures, every, found, strict=True):
        assert texts(captioner.caption([picture], params)) == [candidates]
    with pytest.raises(ValueError, match="9 pictures but parameters for 1"):
        captioner.caption(pictures, [CHANCE])


def test_it_samples_by_chance_without_a_seed_and_leaves_the_process_generator_alone(
    captioner: Captioner, pictures: list[Image.Image]
) -> None:
    params = GenerationParams(do_sample=True, num_beams=1, num_captions=5, temperature=2.0)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, second = (texts(captioner.caption(pictures, params)) for _ in range(2))
    assert first != second
    assert torch.equal(torch.random.get_rng_state(), before)


class Small:
    """Makes a captioner's memory too small for more than `room` pictures, with the error torch itself would raise."""

    def __init__(self, captioner: Any, room: int, error: Exception) -> None:
        self.sizes: list[int] = []
        whole = captioner._batch

        def batch(images: Sequence[Image.Image], *rest: Any) -> Any:
            self.sizes.append(len(images))
            if len(images) > room:
                raise error
            return whole(images, *rest)

        captioner._batch = batch


CPU_FULL = RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried …")
GPU_FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.parametrize("error", [GPU_FULL, CPU_FULL], ids=["gpu", "cpu"])
def test_it_halves_the_batch_when_memory_runs_out_and_goes_on(
    checkpoint: Any, captioner: Captioner, pictures: list[Image.Image], error: Exception
) -> None:
    tight = load(str(checkpoint), device="cpu")
    small = Small(tight, 2, error)
    assert texts(tight.caption(pictures, BEAMS)) == texts(captioner.caption(pictures, BEAMS))
    assert small.sizes == [8, 4, 2, 2, 4, 2, 2, 1]
    small.sizes.clear()
    tight.caption(pictures[:5], BEAMS)
    assert small.sizes == [2, 2, 1], "it does not remember what fits"
    small.sizes.clear()
    tight.caption(pictures[:3], GenerationParams(num_beams=1))
    assert small.sizes[0] == 3, "a narrower search may fit in larger batches"


def test_it_says_what_to_do_when_not_even_one_picture_fits(checkpoint: Any, pictures: list[Image.Image]) -> None:
    tight = load(str(checkpoint), device="cpu")
    Small(tight, 0, GPU_FULL)
    with pytest.raises(OutOfMemory, match="Choose a narrower search or fewer drafts"):
        tight.caption(pictures, BEAMS)


def test_it_tells_a_lost_gpu_from_a_full_one(checkpoint: Any, pictures: list[Image.Image]) -> None:
    broken = load(str(checkpoint), device="cpu")
    small = Small(broken, 0, torch.AcceleratorError("CUDA error: device-side assert triggered"))
    with pytest.raises(DeviceLost, match="must be started again"):
        broken.caption(pictures, BEAMS)
    assert small.sizes == [8], "a lost device was asked again"


def test_it_lets_an_unknown_failure_through_as_it_is(checkpoint: Any, pictures: list[Image.Image]) -> None:
    broken = load(str(checkpoint), device="cpu")
    Small(broken, 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        broken.caption(pictures, BEAMS)

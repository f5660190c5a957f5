"""Any number of pictures, run in batches that fit into the device's memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import torch

from worker.engine.contract import Generation
from worker.engine.errors import DeviceLost, OutOfMemory

Item = TypeVar("Item")
Result = TypeVar("Result")
BATCH: Final[Mapping[str, int]] = {"cpu": 8, "cuda": 32}  # pictures at once, where nobody chose another number


def one_each(images: Sequence[object], params: Generation | Sequence[Generation]) -> list[Generation]:
    """Give the parameters of every picture.

    Raises ValueError when there are more or fewer than pictures, and for those that contradict each other.
    """
    each = list(params) if isinstance(params, Sequence) else [params] * len(images)
    if len(each) != len(images):
        raise ValueError(f"There are {len(images)} pictures but parameters for {len(each)}.")
    for one in each:
        if not one.do_sample and one.num_beams < one.num_captions:
            raise ValueError(
                f"A search {one.num_beams} wide cannot give {one.num_captions} captions. "
                "Widen it to the number of captions, or turn sampling on."
            )
    return each


def alike(kinds: Iterable[Hashable]) -> list[list[int]]:
    """Group the places of equal kinds."""
    groups: dict[Hashable, list[int]] = {}
    for place, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(place)
    return list(groups.values())


class Batches:
    """Cuts work into batches; halves one that does not fit and remembers what did.

    `most` is how many pictures run at once, `device` what messages call the place that was full.
    """

    def __init__(self, most: int, device: str) -> None:
        self.most, self._device = most, device
        self._fits: dict[int, int] = {}  # rows a picture takes: pictures at once, learned from running out of memory

    def run(self, work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], *, width: int) -> list[Result]:
        """Give `work`'s result for every item, in order. `width` says how many sentences each item takes at once.

        Raises OutOfMemory when not even one item fits, DeviceLost when the process must be started again.
        """
        results: list[Result] = []
        while len(results) < len(items):
            here = items[len(results) : len(results) + self._fits.get(width, self.most)]
            results += self._halving(work, here, width)
        return results

    def _halving(
        self, work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], width: int
    ) -> list[Result]:
        try:
            return work(items)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, torch.AcceleratorError) and not isinstance(error, torch.OutOfMemoryError):
                raise DeviceLost(f"The GPU stopped answering; the worker must be started again. ({error})") from error
            if not is_out_of_memory(error):
                raise
            if len(items) == 1:
                raise OutOfMemory(
                    f"One picture with {width} sentences at once does not fit into the memory of {self._device}. "
                    "Choose a narrower search or fewer drafts, or give the worker more memory."
                ) from error
        # Outside the handler: while it runs, the error's frames still hold the tensors that did not fit.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        half = len(items) // 2
        self._fits[width] = half
        return self._halving(work, items[:half], width) + self._halving(work, items[half:], width)


class Batched:
    """The part of a captioner that makes its own batches."""

    _batches: Batches

    @property
    def batch(self) -> int:
        """See Captioner.batch."""
        return self._batches.most

    @batch.setter
    def batch(self, pictures: int) -> None:
        self._batches.most = pictures


def is_out_of_memory(error: Exception) -> bool:
    """Tell a full memory from other failures: a CPU without memory raises a plain RuntimeError, only its words tell."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)

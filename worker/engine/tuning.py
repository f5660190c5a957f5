"""How many pictures to run at once, found by running some: as many as gain anything, within bounds."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from worker.engine.contract import Captioner, Generation, Picture
from worker.engine.errors import OutOfMemory

log = logging.getLogger(__name__)

GAIN: Final = 1.05  # how many times as fast a doubled batch must be to be worth its wait and its memory
SHARE: Final = 0.8  # of the memory that is free may be used, where no bound was set
MOST: Final = 256


@dataclass(frozen=True, slots=True)
class Bounds:
    """`seconds` one batch may take, so that a single picture need not wait long behind one; `bytes` the process may
    use on its device in all, None for most of what is free."""

    seconds: float = 4.0
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """How long a batch of so many pictures took, and the largest memory in use until then, in bytes."""

    pictures: int
    seconds: float
    bytes: int


def tune(
    captioner: Captioner, params: Generation, bounds: Bounds, *, guard: Callable[[Callable[[], object]], object]
) -> list[Trial]:
    """Set `captioner.batch` to what runs best with `params`; gives what was tried, the last of it within the bounds.

    `guard` calls what it is given, under the caller's watch: each call is one batch.
    """
    most = bounds.bytes or int(SHARE * _free(captioner.device)) + _used(captioner.device)
    picture: Picture = captioner.prepare(Image.new("RGB", (224, 224), (128, 128, 128)))
    trials: list[Trial] = []
    count = 1
    while count <= MOST:
        captioner.batch = count
        try:
            seconds = [_timed(captioner, [picture] * count, params, guard) for _ in range(2)]
        except OutOfMemory:
            break
        trials.append(Trial(count, min(seconds), _used(captioner.device)))
        if not _goes_on(trials, bounds.seconds, most):
            break
        count *= 2
    captioner.batch = best(trials)
    log.info(
        "%d pictures at once: %s", captioner.batch, ", ".join(f"{t.pictures} in {t.seconds:.2f} s" for t in trials)
    )
    return trials


def best(trials: list[Trial]) -> int:
    """Give the smallest batch after which doubling gained nothing worth it."""
    if not trials:
        return 1
    chosen = trials[0]
    for trial in trials[1:]:
        if trial.pictures / trial.seconds >= GAIN * chosen.pictures / chosen.seconds:
            chosen = trial
    return chosen.pictures


def _goes_on(trials: list[Trial], seconds: float, most: int) -> bool:
    """Say whether a doubled batch may stay within the bounds, and whether doubling has gained anything so far."""
    last = trials[-1]
    if 1.5 * last.seconds > seconds:
        return False
    if len(trials) == 1:
        return True
    before = trials[-2]
    growing = 2 * max(0, last.bytes - before.bytes)
    return last.bytes + growing <= most and best(trials) == last.pictures


def _timed(
    captioner: Captioner, pictures: list[Picture], params: Generation, guard: Callable[[Callable[[], object]], object]
) -> float:
    began = time.perf_counter()
    guard(lambda: captioner.caption(pictures, params))
    return time.perf_counter() - began


def _used(device: str) -> int:
    """Give the largest memory this process has used on a device so far, in bytes."""
    if device != "cpu":
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _free(device: str) -> int:
    """Give the memory that a device has left, in bytes; a CPU's is as much as the system or a container allows."""
    if device != "cpu":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    left = _number(Path("/proc/meminfo"), "MemAvailable:") * 1024 or sys.maxsize // 4
    limit, used = (_number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current"))
    return min(left, limit - used) if limit else left


def _number(path: Path, name: str = "") -> int:
    """Read a number from a file of the system: the one after `name`, or the whole; 0 where there is none."""
    try:
        words = path.read_text().split()
    except OSError:
        return 0
    place = words.index(name) + 1 if name in words else 0
    return int(words[place]) if words[place : place + 1] and words[place].isdigit() else 0

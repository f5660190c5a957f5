"""What a device could do at most with the engine's work: operations and bytes counted, ceilings measured.

    python -m benchmarks.limits CHECKPOINT [--precision fp32] [--batch 8] [--num-beams 4] [--max-length 16]
                                [--device auto]

Prints one JSON object: operations of a picture and bytes of a batch for encoder and search apart, the measured ceilings
(multiplications a second with many rows and with as many rows as the search has, bytes read a second), the seconds that
both set as a limit, and how long the engine took.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

BYTES: Final = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}
# Rows and columns of the product that measures a device's best, and the floats that are read: enough for starting the
# work not to count, and several times as much as the last-level cache of most machines.
MANY: Final[Mapping[str, int]] = {"cpu": 2048, "cuda": 8192}
READ: Final[Mapping[str, int]] = {"cpu": 64 << 20, "cuda": 512 << 20}


def operations(model: Any, *, beams: int, length: int) -> dict[str, float]:
    """Count multiply-adds times two for one picture: encoder, keys and values of the picture, search."""
    seen, said = model.encoder, model.decoder
    patch, token = weights(model)
    encoder = seen.patches * (patch + len(seen._layers) * 2 * seen.patches * seen.width)
    cross = len(said._layers) * seen.patches * 2 * said.width**2
    rows = 1 + (length - 2) * beams
    attended = len(said._layers) * 2 * said.width * seen.patches
    return {"encoder": 2.0 * encoder, "cross": 2.0 * cross, "search": 2.0 * rows * (token + attended)}


def weights(model: Any) -> tuple[int, int]:
    """Count the weights of linear maps that a patch meets in the encoder, and a token in a step of the decoder."""
    seen, said = model.encoder, model.decoder
    patch = len(seen._layers) * (4 * seen.width**2 + 2 * seen.width * seen._layers[0][4].outputs)
    token = len(said._layers) * (6 * said.width**2 + 2 * said.width * said._layers[0].up.outputs)
    return patch, token + said.width * said.vocabulary


def weights_read(model: Any, *, precision: str, length: int) -> dict[str, float]:
    """Count the bytes of weights that a batch reads, each step of the search reading all of the decoder's."""
    patch, token = weights(model)
    size = BYTES[precision]
    return {"encoder": float(patch * size), "search": float((length - 1) * token * size)}


def ceilings(model: Any, *, precision: str, rows: int) -> dict[str, float]:
    """Measure: operations a second with many rows and with `rows`, bytes of memory read a second."""
    import torch

    from worker.engine.linear import Halved, Packed, Plain, Quantised, quantise

    def form(weight: Any) -> Any:
        if model.device.type != "cpu":
            return Plain(weight.to(model.device, model.dtype), None)
        if precision == "int8":
            return Quantised(*quantise(weight), None)
        return (Halved if precision == "bf16" else Packed)(weight, None)

    def finish() -> None:
        if model.device.type != "cpu":
            torch.cuda.synchronize()

    found = {}
    size = MANY[model.device.type]
    maps = form(torch.randn(size, size))
    for name, count in (("many", size), ("few", rows)):
        there = torch.randn(count, size, device=model.device, dtype=model.dtype)
        found[name] = 2.0 * count * size * size / _best(partial(maps, there), finish)
    large = torch.zeros(READ[model.device.type], device=model.device)
    found["bytes"] = large.numel() * 4 / _best(large.sum, finish)
    return found


def _best(run: Callable[[], object], finish: Callable[[], None], times: int = 9) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        finish()
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def main(arguments: list[str] | None = None) -> int:
    """Count, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--store", type=Path)
    for name, value in (("batch", 8), ("num-beams", 4), ("max-length", 16), ("runs", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args(arguments)
    import torch

    from worker.engine import load
    from worker.engine.rules import Wishes

    captioner: Any = load(
        str(options.checkpoint), device=options.device, precision=options.precision, store=options.store
    )
    model, batch, length = captioner._model, options.batch, options.max_length
    pixels = torch.randn(batch, 3, model.encoder.side, model.encoder.side, device=model.device, dtype=model.dtype)
    wish = Wishes(num_beams=options.num_beams, max_length=length, min_length=length)
    times: dict[str, list[float]] = {"encoder": [], "search": []}
    with torch.inference_mode():
        for _ in range(options.runs + 1):
            began = time.perf_counter()
            hidden = model.encode(pixels)
            if model.device.type != "cpu":
                torch.cuda.synchronize()
            middle = time.perf_counter()
            model.decode(hidden, [wish] * batch)
            times["encoder"].append(middle - began)
            times["search"].append(time.perf_counter() - middle)
        ceiling = ceilings(model, precision=captioner.precision, rows=batch * options.num_beams)
    work = operations(model, beams=options.num_beams, length=length)
    read = weights_read(model, precision=captioner.precision, length=length)
    took = {part: statistics.median(seconds[1:]) / batch for part, seconds in times.items()}
    limit = {
        "encoder": max(work["encoder"] / ceiling["many"], read["encoder"] / batch / ceiling["bytes"]),
        "search": work["cross"] / ceiling["many"]
        + max(work["search"] / ceiling["few"], read["search"] / batch / ceiling["bytes"]),
    }
    print(
        json.dumps(
            {
                "device": captioner.device,
                "precision": captioner.precision,
                "batch": batch,
                "operations_a_picture": work,
                "weight_bytes_a_batch": read,
                "ceilings": ceiling,
                "limit_seconds": limit,
                "seconds": took,
                "share": {part: limit[part] / took[part] for part in took},
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`make bench`: measure the parts against plain ways of doing the same, and print one table.

Every ratio is one of two times taken in turns within this run, so that a busy machine disturbs both alike. It takes
about ten minutes, 4 GB of memory and 2 GB of disk. Results go to benchmarks/results as JSON, with the machine's name.
Exit status 1 when a bar is missed.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.captioning import TOGETHER, Bench, Row, cpu_rows, cuda_rows, rival_rows
from benchmarks.hardware import hardware

RESULTS = Path(__file__).resolve().parent / "results"
EXAMPLES = Path(__file__).resolve().parent.parent / "worker" / "demo" / "examples"


def in_turns(name: str, ours: Callable[[], Any], plain: Callable[[], Any], *, bar: float, runs: int = 5) -> Row:
    """Run both in turns `runs` times, after one of each to warm up; the figure says how much quicker ours is."""
    times: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + 1):
        for function, kept in zip((ours, plain), times, strict=True):
            start = time.perf_counter()
            function()
            if run:
                kept.append(time.perf_counter() - start)
    quick, slow = map(statistics.median, times)
    return Row(name, slow / quick, bar, note=f"{slow:.3f} s : {quick:.3f} s")


def decoding() -> Row:
    """A photograph of 12 megapixels to its three renditions: the sandbox against Pillow in this process, unguarded."""
    from captions import decoder

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        noise = Image.effect_noise((4000, 3000), 40).convert("L").resize((4000, 3000))
        Image.merge("RGB", (noise, noise.rotate(180), noise)).save(folder / "photo.jpg", quality=88)

        def ours() -> None:
            limits = decoder.Limits()
            places = {name: folder / f"{name}.webp" for name in ("thumbnail", "medium", "screen")}
            decoder.decode(folder / "photo.jpg", **places, limits=limits)

        def plain() -> None:
            with Image.open(folder / "photo.jpg") as picture:
                screen = picture.convert("RGB")
            for edge, quality in ((1600, 82), (800, 90), (480, 82)):
                screen.thumbnail((edge, edge))
                screen.save(io.BytesIO(), "WEBP", quality=quality)

        return in_turns("12 MP JPEG to three renditions : Pillow unguarded", ours, plain, bar=0.7)


def in_batches() -> Row:
    """The bundled model on eight pictures: the engine's batch against the engine one by one."""
    from captions.params import complete, defaults_from
    from worker.engine import load

    captioner = load("demo", device="cpu", precision="fp32")
    params = complete({}, defaults=defaults_from(captioner.defaults))
    pictures = []
    for path in sorted(EXAMPLES.glob("*.*")):
        with Image.open(path) as picture:
            pictures.append(picture.convert("RGB"))
    pictures = (pictures * 8)[:8]
    return in_turns(
        "demo model, 8 pictures in a batch : one by one",
        lambda: captioner.caption(pictures, params),
        lambda: [captioner.caption([one], params) for one in pictures],
        bar=1.2,
    )


def main() -> int:
    """Measure, print, keep."""
    began = os.getloadavg()
    rows = [decoding(), in_batches(), *engine_rows()]
    now = datetime.now(UTC)
    load = {"before": began, "after": os.getloadavg()}
    record = {"at": now.isoformat(), "hardware": hardware(), "load": load, "rows": [asdict(row) for row in rows]}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"\n{'measure':<56} {'figure':>9} {'bar':>7} {'unit':<6} seconds, or why not")
    for row in rows:
        figure = "-" if row.figure is None else f"{row.figure:.2f}"
        bar = "" if row.bar is None else f"{row.bar:g}" if row.bar < 100 else f"{row.bar:.0f}"
        print(f"{row.name:<56} {figure:>9} {bar:>7} {row.unit:<6} {row.note}{'  MISSED' if row.is_missed else ''}")
    return int(any(row.is_missed for row in rows))


def engine_rows() -> list[Row]:
    """Measure the engine on a full-size model with random weights and pictures drawn for it."""
    from benchmarks.checkpoint import make
    from benchmarks.worker import drawn

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = [folder / f"{number}.jpg" for number in range(TOGETHER)]
        for number, path in enumerate(images):
            drawn(number).resize((1024, 768)).save(path, quality=90)
        bench = Bench(make(folder / "model"), images, folder / "store")
        return [*cpu_rows(bench), *rival_rows(bench), *cuda_rows(bench)]


if __name__ == "__main__":
    sys.exit(main())

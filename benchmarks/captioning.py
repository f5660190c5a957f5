"""The engine held against the plain way, on a full-size model with random weights: rows for the table of `make bench`.

Every program runs in a process of its own, and programs that are compared run one after the other, several rounds of
them, so that a busy machine disturbs all alike; the median of the rounds counts. 4 beams, 16 tokens, fixed length.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
ROUNDS: Final = 2
ALONE, TOGETHER = 3, 16  # pictures that a program captions one by one, and in batches
BATCHES: Final = (8, 16)
MEMORY_MIB: Final = 1.2e9 / 2**20


@dataclass
class Row:
    """One line of the table: a measure, its figure, the bar it must reach, and the seconds behind it.

    `figure` None: it could not be measured, and `note` says why. `at_most`: smaller is better.
    """

    name: str
    figure: float | None
    bar: float | None = None
    unit: str = "x"
    note: str = ""
    at_most: bool = False

    @property
    def is_missed(self) -> bool:
        """Whether it was measured and does not reach its bar."""
        if self.figure is None or self.bar is None:
            return False
        return self.figure > self.bar if self.at_most else self.figure < self.bar


class Bench:
    """Runs programs and remembers what they printed. `engine` and `plain` run on the CPU."""

    def __init__(self, checkpoint: Path, images: Sequence[Path], store: Path) -> None:
        self.checkpoint, self.images, self.store = checkpoint, list(images), store
        self.results: dict[str, list[dict[str, Any]]] = {}

    def run(self, name: str, module: str, *arguments: str, pictures: int = 0) -> dict[str, Any]:
        """Run one program of this folder, on so many pictures; gives the JSON object it printed last."""
        images = map(str, itertools.islice(itertools.cycle(self.images), pictures))
        command = [sys.executable, "-m", f"benchmarks.{module}", str(self.checkpoint), *images, *arguments]
        done = subprocess.run(  # noqa: PLW1510  # its end is told below, with what it said
            command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "TOKENIZERS_PARALLELISM": "false"}
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
        result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        self.results.setdefault(name, []).append(result)
        return result

    def engine(self, precision: str, batch: int, *, pictures: int) -> None:
        """Time the engine."""
        arguments = ["--fixed-length", "--runs", "1", "--precision", precision, "--batch", str(batch)]
        arguments += ["--store", str(self.store), "--device", "cpu"]
        self.run(f"{precision} {batch}", "engine", *arguments, pictures=pictures)

    def plain(self, batch: int, *, pictures: int) -> None:
        """Time the plain way."""
        arguments = ["--fixed-length", "--runs", "1", "--batch", str(batch), "--device", "cpu"]
        self.run(f"plain {batch}", "plain", *arguments, pictures=pictures)

    def seconds(self, name: str) -> float:
        """Give the median over all rounds of the seconds a picture took."""
        return statistics.median(float(result["seconds_per_image"]) for result in self.results[name])

    def quickest(self, kind: str, batches: Sequence[int]) -> int:
        """Give the batch at which a way of captioning takes least."""
        return min(batches, key=lambda batch: self.seconds(f"{kind} {batch}"))


def cpu_rows(bench: Bench) -> list[Row]:
    """Measure everything that needs no GPU."""
    bench.engine("int8", 1, pictures=1)  # the first start makes the saved file; its figures are not kept
    bench.results.clear()
    for _ in range(ROUNDS):
        bench.plain(1, pictures=ALONE)
        bench.engine("int8", 1, pictures=ALONE)
        bench.engine("fp32", 1, pictures=ALONE)
        for batch in BATCHES:
            bench.plain(batch, pictures=TOGETHER)
            for precision in ("int8", "fp32", "bf16"):
                bench.engine(precision, batch, pictures=TOGETHER)
    best = {kind: bench.quickest(kind, BATCHES) for kind in ("plain", "int8", "fp32", "bf16")}

    def ratio(slow: str, quick: str) -> float:
        return bench.seconds(slow) / bench.seconds(quick)

    def both(slow: str, quick: str) -> str:
        return f"{bench.seconds(slow):.3f} s : {bench.seconds(quick):.3f} s"

    quick, exact = f"int8 {best['int8']}", f"fp32 {best['fp32']}"
    same, theirs, halved = f"plain {best['fp32']}", f"plain {best['plain']}", f"bf16 {best['bf16']}"
    peak = max(result["peak_rss_mib"] for result in bench.results["int8 8"])
    rows = [
        Row("CPU, one picture, int8 : plain", ratio("plain 1", "int8 1"), 4.5, note=both("plain 1", "int8 1")),
        Row(f"CPU, {quick} : plain one by one", ratio("plain 1", quick), 7.0, note=both("plain 1", quick)),
        Row(f"CPU, {quick} : {theirs}, its best", ratio(theirs, quick), 3.0, note=both(theirs, quick)),
        Row("CPU, one picture, fp32 : plain", ratio("plain 1", "fp32 1"), 2.0, note=both("plain 1", "fp32 1")),
        Row(f"CPU, {exact} : plain, same batch", ratio(same, exact), 2.0, note=both(same, exact)),
        Row(f"CPU, {halved} : plain one by one", ratio("plain 1", halved), note=both("plain 1", halved)),
        Row("CPU, peak memory, int8 from its file, batch 8", peak, MEMORY_MIB, "MiB", at_most=True),
    ]
    return [*rows, *tokens_rows(bench), *worker_rows(bench, best["int8"]), *limit_rows(bench, best)]


def tokens_rows(bench: Bench) -> list[Row]:
    """Hold the tokens of fp32 against the plain way's: random weights nearly tie, so every one is a hard case."""
    pairs = [
        (ours, theirs)
        for batch in BATCHES
        for ours, theirs in zip(
            bench.results[f"fp32 {batch}"][0]["tokens"], bench.results[f"plain {batch}"][0]["tokens"], strict=True
        )
    ]
    share = sum(ours == theirs for ours, theirs in pairs) / len(pairs)
    return [Row("CPU, fp32, captions token for token the plain ones", share, 1.0, "share", f"{len(pairs)} captions")]


def worker_rows(bench: Bench, batch: int) -> list[Row]:
    """Hold the whole worker against the engine alone, over eight batches: nothing runs beside the first opening and
    the last write, and over few batches these two would be most of the difference."""
    arguments = [
        "--precision",
        "int8",
        "--batch",
        str(batch),
        "--store",
        str(bench.store),
        "--pictures",
        str(8 * batch),
        "--device",
        "cpu",
    ]
    result = bench.run("worker", "worker", *arguments)
    note = f"{result['engine_seconds']:.3f} s : {result['worker_seconds']:.3f} s"
    return [Row("CPU, whole worker : engine alone, int8", result["share"], 0.9, "share", note)]


def limit_rows(bench: Bench, best: Mapping[str, int]) -> list[Row]:
    """Say how near each part comes to what this machine could do with the same operations and bytes."""
    rows = []
    for precision in ("int8", "fp32"):
        arguments = ["--precision", precision, "--batch", str(best[precision]), "--store", str(bench.store)]
        arguments += ["--device", "cpu"]
        result = bench.run(f"limit {precision}", "limits", *arguments)
        for part in ("encoder", "search"):
            note = f"limit {result['limit_seconds'][part]:.3f} s, took {result['seconds'][part]:.3f} s a picture"
            rows.append(Row(f"CPU, {precision}, {part} : its limit", result["share"][part], None, "share", note))
    return rows


def rival_rows(bench: Bench) -> list[Row]:
    """Put ONNX Runtime and OpenVINO beside it, where requirements/rivals.txt is installed."""
    from benchmarks.rivals import missing

    rows = []
    for runtime, precision in (("onnxruntime", "fp32"), ("onnxruntime", "int8"), ("openvino", "fp32")):
        name = f"CPU, {runtime} {precision}, 8 at once : plain one by one"
        if lacking := missing(runtime, precision):
            rows.append(Row(name, None, note=lacking))
            continue
        arguments = ["--runtime", runtime, "--precision", precision, "--batch", "8", "--runs", "2"]
        result = bench.run(f"{runtime} {precision}", "rivals", *arguments, pictures=8)
        seconds = result["seconds_per_image"]
        rows.append(Row(name, bench.seconds("plain 1") / seconds, note=f"{seconds:.3f} s a picture"))
    return rows


CUDA: Final = ("--device", "cuda", "--precision", "fp16")  # both ways in the same precision
CUDA_BATCHES: Final = (32, 64, 128, 256)
CUDA_ROWS: Final = (
    ("CUDA, throughput : plain one by one", 40.0, "x"),
    ("CUDA, encoder : ceiling", 0.4, "share"),
    ("CUDA, search : ceiling", 0.4, "share"),
    ("CUDA H200, prepared tensors, captions a second", 2500.0, ""),
    ("CUDA, one picture : plain", 5.0, "x"),
)


def cuda_rows(bench: Bench) -> list[Row]:
    """Measure what only a GPU can show, or say that there is none."""
    import torch

    if not torch.cuda.is_available():
        return [Row(name, None, bar, unit, "no GPU was available") for name, bar, unit in CUDA_ROWS]
    timed = ("--fixed-length", "--runs", "3", *CUDA)
    for _ in range(ROUNDS):
        bench.run("cuda plain 1", "plain", *timed, "--batch", "1", pictures=ALONE)
        bench.run("cuda 1", "engine", *timed, "--batch", "1", pictures=ALONE)
        for batch in CUDA_BATCHES:
            for name, more in (("cuda", []), ("cuda prepared", ["--prepared"])):
                bench.run(f"{name} {batch}", "engine", *timed, "--batch", str(batch), *more, pictures=2 * batch)
    best = bench.quickest("cuda prepared", CUDA_BATCHES)
    bench.run("cuda limit", "limits", *CUDA, "--batch", str(best))
    return cuda_figures(bench, torch.cuda.get_device_name())


def cuda_figures(bench: Bench, gpu: str) -> list[Row]:
    """Make rows of what was measured on the GPU of that name. A bar for one kind of GPU does not hold for others."""
    whole, ready = (bench.quickest(kind, CUDA_BATCHES) for kind in ("cuda", "cuda prepared"))
    plain, alone, together = (bench.seconds(name) for name in ("cuda plain 1", "cuda 1", f"cuda {whole}"))
    [limit] = bench.results["cuda limit"]

    def ceiling(part: str) -> tuple[float, str]:
        took, least = limit["seconds"][part], limit["limit_seconds"][part]
        return limit["share"][part], f"limit {1000 * least:.3f} ms, took {1000 * took:.3f} ms a picture"

    captions = 1 / bench.seconds(f"cuda prepared {ready}")
    graphs = f"{bench.results['cuda 1'][-1]['graphs']} graphs"
    figures = [
        (plain / together, f"{1000 * plain:.1f} ms : {1000 * together:.2f} ms, {whole} at once"),
        ceiling("encoder"),
        ceiling("search"),
        (captions, f"{gpu}, {ready} at once"),
        (plain / alone, f"{1000 * plain:.1f} ms : {1000 * alone:.2f} ms, {graphs}"),
    ]
    rows = [
        Row(name, figure, bar, unit, note) for (name, bar, unit), (figure, note) in zip(CUDA_ROWS, figures, strict=True)
    ]
    for row in rows:
        if "H200" in row.name and "H200" not in gpu:
            row.name, row.bar = row.name.replace(" H200", ""), None
    return rows

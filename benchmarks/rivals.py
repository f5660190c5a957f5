"""Time another runtime on the checkpoint and pictures of the engine's benchmark, and print what it wrote.

    python -m benchmarks.rivals CHECKPOINT IMAGE... --runtime onnxruntime|openvino --precision fp32|int8
                                [--num-beams 4] [--max-length 16] [--batch 1] [--runs 3] [--keep FOLDER]

CHECKPOINT is a ViT-GPT2 folder or whatever else CAPTION_MODEL takes. The runtime computes the encoder, the picture's
keys and values and each step of the decoder; pictures are prepared, beams searched and text written by the engine's
own code, so that the runtimes differ in nothing else. Captions are exactly max-length tokens long.

Prints one JSON object with the keys of `benchmarks.engine`, and `same_tokens`: the share of tokens that the engine
chooses too, in fp32. --keep keeps the exported model for later runs with the same checkpoint. The packages are in
requirements/rivals.txt.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from benchmarks.engine import opened
from benchmarks.exporting import export, plain_model
from benchmarks.memory import peak_mib
from benchmarks.runtimes import RUNTIMES, Runtime
from captions.params import GenerationParams
from worker.engine import blueprint as blueprints
from worker.engine.errors import EngineError
from worker.engine.loader import load
from worker.engine.pictures import LARGEST_SIDE, preprocessing
from worker.engine.resolving import resolve
from worker.engine.rules import Rules, Wishes
from worker.engine.search import decode
from worker.engine.wording import words

NEEDS: Final = {"onnxruntime": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("onnx", "onnxscript", "openvino")}


class Rival:
    """Another runtime with the engine's own preparation of pictures, search and wording."""

    def __init__(self, runtime: Runtime, folder: Path, wish: Wishes) -> None:
        """`folder` holds the checkpoint."""
        self.runtime, self._wish = runtime, wish
        self._plan = plan = blueprints.read(folder)
        self._prepare = preprocessing(blueprints.read_json(folder / "preprocessor_config.json"))
        self._side = max(self._prepare.size or (LARGEST_SIDE,))
        self._words = words(folder)
        self._decoder: Any = Decoder(runtime, plan.decoder)

    def caption(self, images: Sequence[Path]) -> list[tuple[list[int], str]]:
        """Caption one batch of files: the tokens, with the start token, and the text of each."""
        with torch.inference_mode():
            hidden = self.runtime.encode(self._prepare.batch([opened(path, self._side) for path in images]))
            rules = Rules([self._wish] * len(images), end=self._plan.end, device="cpu")
            found = decode(self._decoder, hidden, rules, start=self._plan.start)
        rows = [list(sentences[0].token_ids) for sentences in found]
        return [([self._plan.start, *row], self._words.text(row)) for row in rows]


class Decoder:
    """What the engine's search calls, computed by a runtime."""

    def __init__(self, runtime: Runtime, sizes: Any) -> None:
        """`sizes` is the decoder's part of config.json."""
        self.places, self.vocabulary = int(sizes.get("n_positions", 1024)), int(sizes.get("vocab_size", 50257))
        self._runtime = runtime

    def begin(self, hidden: Tensor, *, slots: int) -> Any:
        """Compute what `hidden` (B,patches,width) gives to every sentence. The cache grows by itself, without slots."""
        return self._runtime.begin(hidden)

    def step(self, tokens: Tensor, place: int, memory: Any, first: int, mask: Tensor | None) -> Tensor:
        """See worker.engine.decoder.Decoder.step."""
        if mask is None:
            mask = tokens.new_ones((*tokens.shape, first + tokens.shape[1]), dtype=torch.bool)
        return self._runtime.step(tokens, place, memory, mask)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; 0 when it printed its figures, 1 with one sentence on stderr when it could not."""
    options = _parser().parse_args(arguments)
    if lacking := missing(options.runtime, options.precision):
        sys.stderr.write(f"{lacking}\n")
        return 1
    try:
        folder = resolve(options.checkpoint, store=options.store)
        with tempfile.TemporaryDirectory() as temporary:
            figures = _measured(options, folder, options.keep or Path(temporary))
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(json.dumps(figures))
    return 0


def missing(runtime: str, precision: str) -> str:
    """Say what to install, "" when all packages are there."""
    wanted = [*NEEDS[runtime], *(["nncf"] if (runtime, precision) == ("openvino", "int8") else [])]
    lacking = ", ".join(name for name in wanted if importlib.util.find_spec(name) is None)
    return f"{lacking} is not installed: pip install -r requirements/rivals.txt" if lacking else ""


def _measured(options: argparse.Namespace, folder: Path, graphs: Path) -> dict[str, Any]:
    wish = Wishes(max_length=options.max_length, min_length=options.max_length, num_beams=options.num_beams)
    threads = torch.get_num_threads()
    started = time.perf_counter()
    if not (graphs / "step.onnx").is_file():
        graphs.mkdir(parents=True, exist_ok=True)
        export(plain_model(folder), graphs)
    exported = time.perf_counter()
    runtime = RUNTIMES[options.runtime](graphs, options.precision, threads)
    loaded = time.perf_counter()
    rival = Rival(runtime, folder, wish)
    torch.set_num_threads(1)  # two pools of threads would wait for each other on the same cores
    tokens = [row for rows in _batches(rival, options.images, options.batch) for row in rows]
    seconds = [_timed(rival, options.images, options.batch) for _ in range(options.runs)]
    torch.set_num_threads(threads)
    peak = peak_mib()
    return {
        "device": "cpu",
        "seconds_per_image": statistics.median(seconds),
        "tokens": tokens,
        "precision": options.precision,
        "batch": options.batch,
        "threads": threads,
        "runtime": options.runtime,
        "runtime_version": runtime.version,
        "same_tokens": same(tokens, _engine_tokens(folder, options)),
        "export_seconds": round(exported - started, 3),
        "load_seconds": round(loaded - exported, 3),
        "peak_rss_mib": peak,
        "runs": seconds,
    }


def _batches(rival: Rival, images: list[Path], batch: int) -> Iterator[list[list[int]]]:
    for start in range(0, len(images), batch):
        yield [tokens for tokens, _ in rival.caption(images[start : start + batch])]


def _timed(rival: Rival, images: list[Path], batch: int) -> float:
    start = time.perf_counter()
    for _ in _batches(rival, images, batch):
        pass
    return (time.perf_counter() - start) / len(images)


def _engine_tokens(folder: Path, options: argparse.Namespace) -> list[list[int]]:
    captioner: Any = load(str(folder), device="cpu", precision="fp32", batch=options.batch)
    captioner.min_length = options.max_length
    params = GenerationParams(max_length=options.max_length, num_beams=options.num_beams)
    found = captioner.caption([opened(path, captioner.side) for path in options.images], params)
    return [[captioner.start_token, *candidates[0].token_ids] for candidates in found]


def same(ours: list[list[int]], theirs: list[list[int]]) -> float:
    """Give the share of tokens that are equal at their place, the start token left out."""
    pairs = [pair for one, other in zip(ours, theirs, strict=True) for pair in zip(one[1:], other[1:], strict=True)]
    return sum(one == other for one, other in pairs) / max(1, len(pairs))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rivals", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", help="demo, a catalogue name, a hub id, or a model folder")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--runtime", choices=sorted(RUNTIMES), required=True)
    parser.add_argument("--precision", choices=["fp32", "int8"], default="fp32")
    parser.add_argument("--num-beams", type=int, default=4)
    parser.add_argument("--max-length", type=int, default=16)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a folder for the exported model")
    parser.add_argument("--store", type=Path, default=Path(os.environ.get("DATA_DIR", "data")) / "models")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Time the captioning engine on pictures of your own, and print what it wrote.

    python -m benchmarks.engine CHECKPOINT IMAGE... [--num-beams 4] [--max-length 16] [--batch 1|auto]
                                [--precision auto] [--fixed-length] [--runs 3] [--device auto] [--prepared]
                                [--no-graphs]

CHECKPOINT is whatever CAPTION_MODEL takes; --fixed-length makes every caption exactly max-length tokens long, so that
random weights take the time of real ones. Prints one JSON object: the device, seconds per picture (median of the runs,
after one to warm up; opening the files, preparing pixels, decoding and scoring included) and the token ids of every
caption, with the start token, padded to the longest of its batch as transformers' generate returns them. With
--prepared, pictures are opened and shrunk before the time begins; with --no-graphs, a GPU replays nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from PIL import Image

from benchmarks.memory import peak_mib
from captions.params import GenerationParams
from worker.engine import Prepared
from worker.engine.errors import EngineError
from worker.engine.loader import load
from worker.engine.tuning import Bounds, tune

READERS: Final = 4  # threads that open pictures


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; 0 when it printed its figures, 1 with one sentence on stderr when it could not."""
    options = _parser().parse_args(arguments)
    started = time.perf_counter()
    try:
        captioner: Any = load(
            options.checkpoint,
            device=options.device,
            precision=options.precision,
            store=options.store,
            batch=None if options.batch == "auto" else int(options.batch),
            graphs=not options.no_graphs,
        )
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    loaded = time.perf_counter() - started
    params = GenerationParams(max_length=options.max_length, num_beams=options.num_beams)
    captioner.min_length = options.max_length if options.fixed_length else 0
    if options.batch == "auto":
        tune(captioner, params, Bounds(), guard=lambda run: run())
    pictures: list[Any] = options.images
    if options.prepared:
        pictures = [prepared(captioner, path) for path in pictures]
    tokens = [row for rows in _batches(captioner, pictures, params) for row in rows]
    seconds = [_timed(captioner, pictures, params) for _ in range(options.runs)]
    print(
        json.dumps(
            {
                "device": captioner.device,
                "seconds_per_image": statistics.median(seconds),
                "tokens": tokens,
                "precision": captioner.precision,
                "batch": captioner.batch,
                "graphs": _graphs(captioner),
                "threads": _threads(),
                "model": captioner.name,
                "revision": captioner.revision,
                "load_seconds": round(loaded, 3),
                "peak_rss_mib": peak_mib(),
                "runs": seconds,
            }
        )
    )
    return 0


def _graphs(captioner: Any) -> int:
    """Count the recorded graphs that are in use; families that transformers decodes have none."""
    captured = getattr(getattr(captioner, "_model", None), "captured", None)
    return captured.count if captured else 0


def _timed(captioner: Any, images: list[Any], params: GenerationParams) -> float:
    start = time.perf_counter()
    for _ in _batches(captioner, images, params):
        pass
    return (time.perf_counter() - start) / len(images)


def _batches(captioner: Any, images: list[Any], params: GenerationParams) -> Iterator[list[list[int]]]:
    """Caption batch after batch, opening the pictures of the next in threads while the model runs on this one.

    Pictures are paths, or prepared already.
    """
    with ThreadPoolExecutor(READERS) as readers:

        def opening(start: int) -> list[Future[Prepared]]:
            return [readers.submit(prepared, captioner, one) for one in images[start : start + captioner.batch]]

        coming = opening(0)
        for start in range(0, len(images), captioner.batch):
            pictures = [future.result() for future in coming]
            coming = opening(start + captioner.batch)
            rows = [candidates[0].token_ids for candidates in captioner.caption(pictures, params)]
            longest = max(map(len, rows))
            yield [[captioner.start_token, *row, *[captioner.pad_token] * (longest - len(row))] for row in rows]


def prepared(captioner: Any, path: Path | Prepared) -> Prepared:
    """Open a picture and make of it what the model reads."""
    if isinstance(path, Prepared):
        return path
    made: Prepared = captioner.prepare(opened(path, captioner.side))
    return made


def opened(path: Path, side: int) -> Image.Image:
    """Open a picture in RGB. A JPEG that is much larger than needed is decoded at a reduced scale, at least twice as
    large as `side`: what the model is shown stays within a mean of 1/255 of the plain way."""
    with Image.open(path) as picture:
        picture.draft("RGB", (2 * side, 2 * side))  # does nothing for other formats
        return picture.convert("RGB")


def _threads() -> int:
    import torch

    return int(torch.get_num_threads())


def _count(text: str) -> str:
    if text != "auto" and not (text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError("give a number of pictures, or auto")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", help="demo, a catalogue name, a hub id, or a model folder")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--num-beams", type=int, default=4)
    parser.add_argument("--max-length", type=int, default=16)
    parser.add_argument("--batch", type=_count, default="1")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    for switch in ("fixed-length", "prepared", "no-graphs"):
        parser.add_argument(f"--{switch}", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--store", type=Path, default=Path(os.environ.get("DATA_DIR", "data")) / "models")
    return parser


if __name__ == "__main__":
    sys.exit(main())

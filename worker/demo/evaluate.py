"""Measure a captioner on fresh scenes: ``python -m worker.demo.evaluate --scenes 2000``.

The model is loaded as any other, its own default parameters apply, and each scene reaches it as a JPEG picture of real
size. The last line of standard output is JSON: ``scenes``, ``exact_match`` (captions right to the letter) and
``attribute_accuracy`` (backgrounds, sizes, colours, shapes and relations that were named right, of all there were).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from captions.params import defaults_from
from worker.demo.scenes import Scene, attributes_right, evaluation_seeds, make_scene, picture
from worker.engine import Captioner, EngineError, load


@dataclass(slots=True)
class Tally:
    """Captions and attributes, right and in all."""

    scenes: int = 0
    exact: int = 0
    right: int = 0
    attributes: int = 0

    def add(self, scene: Scene, text: str) -> None:
        """Compare one caption with what the scene shows."""
        right, asked = attributes_right(scene.attributes, text)
        self.scenes += 1
        self.exact += text == scene.caption
        self.right += right
        self.attributes += asked

    def result(self) -> dict[str, float]:
        """Shares of 1, rounded down to four places so that no figure looks better than it is."""
        return {
            "scenes": self.scenes,
            "exact_match": self.exact * 10_000 // self.scenes / 10_000,
            "attribute_accuracy": self.right * 10_000 // self.attributes / 10_000,
        }


def captions_of(captioner: Captioner, scenes: Sequence[Scene]) -> list[str]:
    """The captioner's best caption of each scene, with its own default parameters."""
    params = defaults_from(captioner.defaults)
    return [found[0].text for found in captioner.caption([picture(scene) for scene in scenes], params)]


def evaluate(captioner: Captioner, seeds: range, *, batch: int, wrong: bool = False) -> Tally:
    """Caption the scenes of these seeds and count; progress, and with `wrong` each wrong caption, to standard error."""
    tally = Tally()
    for start in range(0, len(seeds), batch):
        scenes = [make_scene(seed) for seed in seeds[start : start + batch]]
        for scene, text in zip(scenes, captions_of(captioner, scenes), strict=True):
            tally.add(scene, text)
            if wrong and text != scene.caption:
                print(f"{scene.seed}\n  right: {scene.caption}\n  got:   {text}", file=sys.stderr)
        print(f"{tally.scenes} of {len(seeds)} scenes, {tally.exact} captions right", file=sys.stderr, flush=True)
    return tally


def main(arguments: list[str] | None = None) -> int:
    """Evaluate and print the result as the last line."""
    parser = argparse.ArgumentParser(
        prog="python -m worker.demo.evaluate", description="Measure a captioner on scenes it has never seen."
    )
    parser.add_argument("--scenes", type=int, default=2_000, help="how many fresh scenes (2000)")
    parser.add_argument("--seed", type=int, default=0, help="which fresh scenes, 0 to 9999 (0)")
    parser.add_argument("--batch", type=int, default=100, help="pictures handed to the model at once (100)")
    parser.add_argument("--model", default="demo", help="name or folder of the model (demo)")
    parser.add_argument("--threads", type=int, default=0, help="processor cores to use (0: as torch chooses)")
    parser.add_argument("--wrong", action="store_true", help="print wrong captions to standard error")
    options = parser.parse_args(arguments)
    try:
        seeds = evaluation_seeds(options.seed, options.scenes)
    except ValueError as error:
        parser.error(str(error))
    if options.batch < 1:
        parser.error("--batch must be at least 1")
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    try:
        captioner = load(options.model, revision=None, device="cpu", precision="fp32")
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(evaluate(captioner, seeds, batch=options.batch, wrong=options.wrong).result()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Train the demo model: ``python -m worker.demo.train --output FOLDER``.

The model learns to write captions, and on the side each patch of the picture learns to tell what lies on it (a help
while training only; these heads are not kept). Training starts with single shapes and moves on to scenes of three. The
learning rate warms up, stays, falls to nothing, and does so again; the weights that are kept are a running mean.

Every step draws its batch from the seed and its own number, and a checkpoint holds all the rest, so a training that
was killed and resumed ends with the same bits as one that ran through (on the same machine, with as many threads).
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import VisionEncoderDecoderModel

from worker.demo.network import PAD, PHRASES, START, VOCABULARY, Dimensions, build_model, export
from worker.demo.pool import COUNTS, LABELS, Bytes, Pool, Rows, pool_for, validation_rows
from worker.demo.scenes import BACKGROUNDS
from worker.engine.catalogue import DEMO
from worker.engine.store import write_manifest

IGNORED = -100  # a target that counts for nothing


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that the trained weights depend on."""

    seed: int = 1
    cycles: tuple[int, ...] = (2_500, 2_000)  # steps from one warm-up of the learning rates to the next
    batch: int = 64
    scenes: int = 50_400  # drawn scenes; each is also used mirrored
    learning_rate: float = 1e-3  # of embeddings, heads, gains and biases (AdamW)
    matrix_rate: float = 4e-3  # of the layers' matrices (Muon)
    warmup: int = 150  # steps
    cooldown: float = 0.5  # last share of a cycle, over which the learning rates fall
    restart: float = 0.5  # share of the full learning rates in the cycles after the first
    weight_decay: float = 0.05
    clip: float = 1.0  # largest norm of the gradient
    mean: float = 0.998  # how much of the running mean of the weights a step keeps
    patches: float = 0.5  # weight of the loss of the patches' labels
    ground: float = 0.15  # weight of a patch of bare ground against one with a shape on it
    curriculum: int = 500  # first steps, over which scenes of three become frequent
    head_start: int = 6_000  # scenes that must be drawn before the first step
    bfloat16: bool = False  # multiply in bfloat16: faster on processors made for it, slower elsewhere
    dimensions: Dimensions = field(default_factory=Dimensions)

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return sum(self.cycles)


class Student(nn.Module):
    """The captioner with the heads that are needed for training only."""

    def __init__(self, dimensions: Dimensions, *, ground: float) -> None:
        super().__init__()
        self.ground = ground
        self.captioner: VisionEncoderDecoderModel = build_model(dimensions)
        self.captioner.encoder.set_attn_implementation("eager")  # twice as fast to train in bfloat16
        self.captioner.decoder.set_attn_implementation("eager")
        self.patch_head = nn.Linear(dimensions.hidden, sum(LABELS))
        self.ground_head = nn.Linear(dimensions.hidden, len(BACKGROUNDS))

    def losses(self, pixels: Tensor, tokens: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of the caption and of what is seen: pixels [n, 3, s, s], tokens [n, LONGEST], labels [n, g * g, 3]."""
        logits, seen = self.read(pixels, tokens)  # [n, LONGEST, words], [n, 1 + g * g, hidden]
        written = functional.cross_entropy(logits.flatten(0, 1).float(), masked(tokens).flatten())
        parts = self.patch_head(seen[:, 1:]).float().split(LABELS, dim=-1)
        patches = sum(self._patch_loss(part.flatten(0, 1), labels[..., i].flatten()) for i, part in enumerate(parts))
        ground = functional.cross_entropy(self.ground_head(seen[:, 0]).float(), background(tokens))
        return written, ground + patches

    def _patch_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Most patches are bare ground: at full weight they would drown what the few others could teach."""
        weight = torch.ones(logits.shape[-1])
        weight[0] = self.ground
        return functional.cross_entropy(logits, labels, weight=weight)

    def read(self, pixels: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of each next word when the words before it are right, and what the encoder saw."""
        before = torch.cat([torch.full_like(tokens[:, :1], START), tokens[:, :-1]], dim=1)
        whole = torch.ones_like(before)  # padding comes last and is never looked at; a stated mask says so
        out = self.captioner(
            pixel_values=pixels, decoder_input_ids=before, decoder_attention_mask=whole, use_cache=False
        )
        return out.logits, out.encoder_last_hidden_state


def masked(tokens: Tensor) -> Tensor:
    """Targets for the loss, with padding ignored."""
    return tokens.masked_fill(tokens == PAD, IGNORED)


def background(tokens: Tensor) -> Tensor:
    """Index of the background that each caption names: tokens [n, LONGEST] -> [n]."""
    first = VOCABULARY[PHRASES[-len(BACKGROUNDS)]]
    return tokens.max(dim=1).values - first  # backgrounds are the last words of the vocabulary


# --- batches ---------------------------------------------------------------------------------------------------


def needed(recipe: Recipe, step: int) -> int:
    """How many rows of the pool a step may draw from: drawing goes on beside, a little ahead of training.

    A fixed rule, because "what is drawn so far" would make the batch depend on how busy the machine is.
    """
    return min(recipe.scenes, recipe.head_start + step * recipe.batch // 2) // len(COUNTS) * len(COUNTS)


def shares(recipe: Recipe, step: int) -> tuple[float, float, float]:
    """Share of the scenes with one, two and three shapes at a step."""
    done = min(1.0, step / recipe.curriculum)
    first, last = (0.7, 0.2, 0.1), (0.15, 0.3, 0.55)
    one, two, three = (a + (b - a) * done for a, b in zip(first, last, strict=True))
    return one, two, three


def batch_of(recipe: Recipe, rows: Rows, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """The batch of a step: pixels [n, 3, s, s] in -1..1, tokens [n, LONGEST], labels [n, g * g, 3]."""
    rng = np.random.default_rng((recipe.seed, step))
    n = recipe.batch
    counts = rng.choice((1, 2, 3), size=n, p=shares(recipe, step))
    slots = [rng.choice([i for i, c in enumerate(COUNTS) if c == count]) for count in counts]
    picked = rng.integers(needed(recipe, step) // len(COUNTS), size=n) * len(COUNTS) + np.array(slots)
    flip = (rng.random(n) < 0.5) & (rows.mirrors[picked] == 1)
    pictures, labels = rows.pictures[picked], _grid(rows.patches[picked])
    pictures[flip], labels[flip] = pictures[flip][:, :, ::-1], labels[flip][:, :, ::-1]
    tokens = torch.from_numpy(rows.tokens[picked, flip.astype(int)].astype(np.int64))
    return _weathered(pictures, rng), tokens, torch.from_numpy(labels.reshape(n, -1, 3).astype(np.int64))


def _grid(patches: Bytes) -> Bytes:
    side = math.isqrt(patches.shape[1])
    return patches.reshape(len(patches), side, side, 3)


def _weathered(pictures: Bytes, rng: np.random.Generator) -> Tensor:
    """Pixels with a little change of light, contrast and grain, so that a picture is never quite the same."""
    n = len(pictures)
    contrast = rng.uniform(0.95, 1.05, (n, 1, 1, 1)).astype(np.float32)
    light = rng.uniform(-0.04, 0.04, (n, 1, 1, 1)).astype(np.float32)
    pixels = normalised(pictures) * torch.from_numpy(contrast) + torch.from_numpy(light)
    grain = rng.standard_normal(pixels.shape, dtype=np.float32) * rng.uniform(0, 0.03, (n, 1, 1, 1)).astype(np.float32)
    return (pixels + torch.from_numpy(grain)).clamp_(-1, 1)


def normalised(pictures: Bytes) -> Tensor:
    """[n, s, s, 3] in 0..255 to [n, 3, s, s] in -1..1, as the model's preprocessing does."""
    return torch.from_numpy(pictures.transpose(0, 3, 1, 2).astype(np.float32)) / 127.5 - 1


# --- the course of a training ------------------------------------------------------------------------------------


def pace(recipe: Recipe, step: int) -> float:
    """Share of the full learning rates: in each cycle a linear warm-up, a level, and half a cosine down to zero."""
    peak = 1.0
    for length in recipe.cycles:
        if step < length:
            break
        step, peak = step - length, recipe.restart
    start = length * (1 - recipe.cooldown)
    fall = min(1.0, max(0.0, (step - start) / max(1.0, length - start)))
    return peak * min(1.0, (step + 1) / recipe.warmup) * 0.5 * (1 + math.cos(math.pi * fall))


class Course:
    """One training: the student, the running mean of its weights, and how far it is."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.step = 0
        self.student = Student(recipe.dimensions, ground=recipe.ground)
        self.mean = copy.deepcopy(self.student).requires_grad_(False)
        self.optimizers = _optimizers(self.student, recipe)

    def train_step(self, rows: Rows) -> tuple[float, float]:
        """Take one step; returns the loss of the captions and of what is seen."""
        recipe = self.recipe
        for optimizer, peak in zip(self.optimizers, (recipe.matrix_rate, recipe.learning_rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * pace(recipe, self.step)
        with arithmetic(recipe):
            written, seen = self.student.losses(*batch_of(recipe, rows, self.step))
        (written + recipe.patches * seen).backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), recipe.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self._follow()
        return written.item(), seen.item()

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(self.recipe.mean, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.mean.parameters()), list(self.student.parameters()), 1 - keep)

    @torch.no_grad()
    def exact(self, pictures: Bytes, tokens: Bytes) -> float:
        """Share of captions that the mean weights would write right to the last word, greedily.

        Greedy search writes the right caption if and only if each word is the likeliest after the right ones before it.
        """
        right = 0
        for start in range(0, len(pictures), 100):
            part = torch.from_numpy(tokens[start : start + 100].astype(np.int64))
            with arithmetic(self.recipe):
                logits, _ = self.mean.read(normalised(pictures[start : start + 100]), part)
            right += int(((logits.argmax(-1) == part) | (part == PAD)).all(dim=1).sum())
        return right / len(pictures)

    def save(self, path: Path) -> None:
        """Write a checkpoint; a kill at any moment leaves the old one or the new one, whole."""
        draft = path.with_suffix(".new")
        with draft.open("wb") as file:
            torch.save(self._state(), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; raises ValueError when it was made by another recipe.

        Other cycles are the same recipe as long as the learning rates up to the checkpoint are the same.
        """
        state = torch.load(path, weights_only=True)
        given, made = asdict(self.recipe), state["recipe"]
        differing = [name for name, value in given.items() if made[name] != value]
        if differing == ["cycles"]:
            before = replace(self.recipe, cycles=tuple(made["cycles"]))
            if all(pace(self.recipe, step) == pace(before, step) for step in range(state["step"])):
                differing = []
        if differing:
            raise ValueError(f"{path} was made with other values of: {', '.join(differing)}")
        self.student.load_state_dict(state["student"])
        self.mean.load_state_dict(state["mean"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.step = state["step"]

    def _state(self) -> dict[str, Any]:
        return {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "student": self.student.state_dict(),
            "mean": self.mean.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }


@contextmanager
def arithmetic(recipe: Recipe) -> Iterator[None]:
    """Multiply matrices in bfloat16 where the recipe says so."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.bfloat16):
        yield


def _optimizers(student: Student, recipe: Recipe) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for all the rest.

    Muon (Jordan 2024, scaled as in Liu et al. 2025, arXiv:2502.16982) makes each update orthogonal. In a comparison of
    the first steps it needed about a third of AdamW's to reach the same loss, at 1.2 times the time a step.
    """
    layers = [p for name, p in student.captioner.named_parameters() if p.ndim == 2 and _in_a_layer(name)]
    inside = {id(p) for p in layers}
    rest = [p for p in student.parameters() if id(p) not in inside]
    return (
        torch.optim.Muon(layers, lr=0.0, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=0.0, weight_decay=0.0, betas=(0.9, 0.98), fused=True),
    )


def _in_a_layer(name: str) -> bool:
    return not any(part in name for part in ("embeddings", "pooler", "wte", "wpe"))


@dataclass(slots=True)
class Watch:
    """When to report, to save and to stop."""

    minutes: float
    every: int  # steps between checkpoints
    validation: int  # scenes looked at with each checkpoint
    stopped: bool = False
    started: float = field(default_factory=time.monotonic)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: finish the step, save, end."""
        self.stopped = True

    @property
    def over(self) -> bool:
        """True when the time is up or somebody asked to stop."""
        return self.stopped or (self.minutes > 0 and time.monotonic() - self.started >= self.minutes * 60)


def train(course: Course, pool: Pool, checkpoint: Path, watch: Watch) -> bool:
    """Train until the recipe's last step, or until the watch says stop; returns whether the training is complete."""
    recipe = course.recipe
    process = pool.fill_beside() if pool.ready() < recipe.scenes else None
    pool.wait(needed(recipe, course.step), process)
    rows = pool.rows()
    held_out = validation_rows(watch.validation, recipe.dimensions.image)
    written, seen, since, begun = 0.0, 0.0, course.step, time.monotonic()
    while course.step < recipe.steps and not watch.over:
        pool.wait(needed(recipe, course.step), process)
        losses = course.train_step(rows)
        written, seen = written + losses[0], seen + losses[1]
        if course.step % watch.every == 0 or course.step == recipe.steps:
            course.save(checkpoint)
            steps, seconds = course.step - since, time.monotonic() - begun
            print(
                f"step {course.step} of {recipe.steps}  loss {written / steps:.4f} (patches {seen / steps:.4f})"
                f"  exact {course.exact(*held_out):.3f}  {seconds / steps * 1000:.0f} ms a step"
                f"  {(time.monotonic() - watch.started) / 60:.1f} min",
                flush=True,
            )
            written, seen, since, begun = 0.0, 0.0, course.step, time.monotonic()
    course.save(checkpoint)
    return course.step >= recipe.steps


def main(arguments: list[str] | None = None) -> int:
    """Train, and write the model's folder when the last step is done."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    options.cycles = tuple(options.cycles)
    recipe = Recipe(**{f.name: getattr(options, f.name) for f in fields(Recipe) if hasattr(options, f.name)})
    checkpoint = options.work / "checkpoint.pt"
    if checkpoint.exists() and not options.resume:
        print(f"{checkpoint} exists: go on with --resume, or choose another folder with --work", file=sys.stderr)
        return 2
    options.work.mkdir(parents=True, exist_ok=True)
    course = Course(recipe)
    if options.resume and checkpoint.exists():
        try:
            course.load(checkpoint)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
    watch = Watch(minutes=options.minutes, every=options.every, validation=options.validation)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, watch.stop)
    pool = pool_for(options.work / "pool", recipe.seed, recipe.scenes, recipe.dimensions)
    if not train(course, pool, checkpoint, watch):
        print(f"stopped after step {course.step}; go on with --resume")
        return 3
    export(course.mean.captioner, options.output)
    write_manifest(options.output, source=DEMO, licence="Apache-2.0")
    print(f"wrote {options.output}")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    plain = Recipe()
    parser = argparse.ArgumentParser(prog="python -m worker.demo.train", description="Train the bundled demo model.")
    parser.add_argument("--output", type=Path, required=True, help="folder to write the trained model to")
    parser.add_argument("--work", type=Path, default=Path("data/demo-training"), help="folder of pool and checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the work folder")
    parser.add_argument(
        "--steps",
        dest="cycles",
        type=int,
        nargs="+",
        default=plain.cycles,
        help="steps of the training; several numbers: the learning rate starts anew after each "
        f"({' '.join(map(str, plain.cycles))})",
    )
    parser.add_argument("--minutes", type=float, default=0, help="stop after that time, to be resumed (0: never)")
    parser.add_argument("--seed", type=int, default=plain.seed, help=f"of weights, scenes and batches ({plain.seed})")
    parser.add_argument("--batch", type=int, default=plain.batch, help=f"pictures a step ({plain.batch})")
    parser.add_argument("--scenes", type=int, default=plain.scenes, help=f"scenes to draw ({plain.scenes})")
    parser.add_argument("--bfloat16", action="store_true", help="multiply in bfloat16 (for processors made for it)")
    parser.add_argument("--threads", type=int, default=1, help="processor cores to use (1)")
    parser.add_argument("--every", type=int, default=500, help="steps between checkpoints (500)")
    parser.add_argument("--validation", type=int, default=500, help="scenes looked at with each checkpoint (500)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

"""Captions by transformers' own `generate`, from any architecture that `families` knows."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import GenerationConfig

from worker.engine.batches import BATCH, Batched, Batches, alike, is_out_of_memory, one_each
from worker.engine.contract import Candidate, Generation, Picture, Prepared
from worker.engine.devices import DTYPES
from worker.engine.errors import ModelNotVerified, ModelUnsupported
from worker.engine.families import Plan
from worker.engine.looking import Eye
from worker.engine.voices import Seen, Voice
from worker.engine.wording import Words

SCORED: Final = 256  # tokens judged at once: their logits take 4 bytes times the vocabulary, 155 MB for Qwen's
KNOBS: Final = (
    *("max_length", "num_beams", "do_sample", "temperature", "top_k", "top_p", "repetition_penalty"),
    *("no_repeat_ngram_size", "num_captions"),
)
Job = tuple[Prepared, int | None]  # a picture and its seed


class Spelled:
    """A checkpoint's tokenizer, used for the prompt."""

    def __init__(self, tokenizer: Any) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()  # a published file may cut at a length of its own, in the middle of the prompt
        self._tokenizer = tokenizer

    def ids(self, text: str) -> list[int]:
        """Give the tokens of a text; names of special tokens in it become those tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)


def spelling(folder: Path) -> Spelled:
    """Read `tokenizer.json`. Raises ModelNotVerified for a file that is no tokenizer."""
    try:
        return Spelled(Tokenizer.from_file(str(folder / "tokenizer.json")))
    except Exception as error:  # the library raises bare Exception for any malformed file
        raise ModelNotVerified(f"The tokenizer of the model in {folder.name} cannot be read: {error}") from error


def build(plan: Plan, weights: Sequence[Path], *, device: str, precision: str) -> Any:
    """Build a plan's model and fill it from safetensors files, which are mapped, not read into memory a second time.

    Raises ModelUnsupported for settings that contradict each other, ModelNotVerified for files that are damaged, lack
    weights, or hold weights of other shapes.
    """
    names = ", ".join(path.name for path in weights)
    config, architecture = _config(plan), getattr(transformers, plan.family.architecture)
    if _weights_of(architecture, config) > sum(path.stat().st_size for path in weights):  # a byte each, at the least
        raise ModelNotVerified(f"config.json describes a larger model than {names} can hold.")
    try:
        model, report = architecture.from_pretrained(
            None, config=config, state_dict=_state(weights), dtype=DTYPES[precision], output_loading_info=True
        )
    except (SafetensorError, RuntimeError, ValueError, KeyError, OverflowError) as error:
        raise ModelNotVerified(f"{names} does not hold this model's weights: {error}") from error
    if missing := sorted(report["missing_keys"]):
        # Going on would caption with random numbers in place of what was never loaded.
        raise ModelNotVerified(f"{names} lacks {len(missing)} of the model's weights, first {missing[0]}.")
    for part in model.modules():
        if hasattr(part, "generation_config"):
            part.generation_config = GenerationConfig()  # its defaults would fill what no caption job says
    return model.eval().requires_grad_(False).to(device)


def _config(plan: Plan) -> Any:
    try:
        parts = {name: _settings(plan.family.parts[name], values) for name, values in plan.parts.items()}
        return _settings(plan.family.config, plan.settings, **parts)
    except Exception as error:  # its checks raise errors of several libraries
        raise ModelUnsupported(f"config.json does not describe a {plan.family.kind}: {error}") from error


def _settings(name: str, values: Mapping[str, Any], **parts: Any) -> Any:
    """Build settings by the name of their class, from those values that the class itself declares."""
    kind = getattr(transformers, name)
    return kind(**{key: value for key, value in values.items() if key in kind.__annotations__}, **parts)


def _weights_of(architecture: Any, config: Any) -> int:
    """Count the weights of a model that is only drawn, not built: it takes no memory."""
    try:
        with torch.device("meta"):
            drawn = architecture(config)
    except (RuntimeError, ValueError, TypeError, ZeroDivisionError, IndexError, OverflowError) as error:
        raise ModelUnsupported(f"The sizes in config.json contradict each other: {error}") from error
    return sum(weight.numel() for weight in drawn.parameters())


def _state(weights: Sequence[Path]) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = {}
    for path in weights:
        part = load_file(path)
        if twice := state.keys() & part.keys():
            raise ValueError(f"{min(twice)} is there twice")
        state |= part
    return state


def try_out(voice: Voice, eye: Eye) -> None:
    """Look at one grey picture, so that files which do not belong together are found now and not at every job.

    Raises ModelUnsupported.
    """
    picture = eye.prepare(Image.new("RGB", (64, 48), "grey"))
    try:
        with torch.inference_mode():
            voice.see([_tensors(picture)])
    except (RuntimeError, ValueError, IndexError, KeyError, ZeroDivisionError) as error:
        if is_out_of_memory(error):
            raise
        raise ModelUnsupported(f"The model cannot see what its files say it should see: {error}") from error


class Generated(Batched):
    """A Captioner. One thread at a time runs the model; others wait.

    Lengths mean the same for every architecture: `max_length` counts the generated tokens and one before them, so that
    16 leave room for 15. The prompt of a model that has one does not count.
    """

    def __init__(
        self,
        *,
        voice: Voice,
        eye: Eye,
        words: Words,
        name: str,
        revision: str,
        precision: str,
        defaults: Mapping[str, Any],
        batch: int | None = None,
    ) -> None:
        self.name, self.revision, self.precision, self.is_demo = name, revision, precision, False
        self.defaults: Mapping[str, Any] = dict(defaults)
        self.device, self.side = str(voice.model.device), eye.side
        self.min_length = 0  # benchmarks set it to the maximum, so that random weights take the time of real ones
        self._voice, self._eye, self._words = voice, eye, words
        self._batches = Batches(batch or BATCH[voice.model.device.type], self.device)
        self._lock = threading.Lock()

    def prepare(self, image: Image.Image) -> Prepared:
        """See Captioner.prepare."""
        return self._eye.prepare(image)

    def caption(self, images: Sequence[Picture], params: Generation | Sequence[Generation]) -> list[list[Candidate]]:
        """See Captioner.caption."""
        each = one_each(images, params)
        ready = [image if isinstance(image, Prepared) else self.prepare(image) for image in images]
        found: dict[int, list[Candidate]] = {}
        with self._lock, torch.inference_mode():
            for places in alike((_knobs(one), _look(picture)) for picture, one in zip(ready, each, strict=True)):
                jobs = [(ready[place], each[place].seed) for place in places]
                found.update(zip(places, self._run(jobs, each[places[0]]), strict=True))
        return [found[place] for place in range(len(images))]

    def _run(self, jobs: Sequence[Job], params: Generation) -> list[list[Candidate]]:
        width = max(_beams(params), params.num_captions)
        return self._batches.run(lambda here: self._batch(here, params), jobs, width=width)

    def _batch(self, jobs: Sequence[Job], params: Generation) -> list[list[Candidate]]:
        seen = self._voice.see([_tensors(picture) for picture, _ in jobs])
        options = self._options(params, self._voice.room(seen))
        if params.do_sample:
            drawn = [self._sampled(_taken(seen, [i]), seed, options) for i, (_, seed) in enumerate(jobs)]
            rows = [row for one in drawn for row in one.tolist()]
        else:
            rows = self._voice.rows(seen, options).tolist()
        known = [self._cut(row) for row in rows]
        count = len(known) // len(jobs)
        flat = [self._candidate(ids, scores) for ids, scores in zip(known, self._scores(seen, known), strict=True)]
        found = [flat[start : start + count] for start in range(0, len(flat), count)]
        if params.do_sample:
            for candidates in found:
                candidates.sort(key=lambda candidate: -candidate.score)
        return found

    def _sampled(self, seen: Seen, seed: int | None, options: Any) -> torch.Tensor:
        # One picture at a time from a generator of its own: in a batch, neighbours would take numbers from its stream.
        device = self._voice.model.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(random.SystemRandom().getrandbits(63) if seed is None else seed)
            return self._voice.rows(seen, options)

    def _scores(self, seen: Seen, known: Sequence[tuple[int, ...]]) -> list[tuple[float, ...]]:
        """Give the log-probability of each token of N rows; N is a multiple of the pictures seen."""
        count = len(known) // len(next(iter(seen.values())))
        at_once = max(1, SCORED // max(map(len, known)))
        scores: list[tuple[float, ...]] = []
        for start in range(0, len(known), at_once):
            here = known[start : start + at_once]
            scores += self._scores_at_once(_taken(seen, [(start + i) // count for i in range(len(here))]), here)
        return scores

    def _scores_at_once(self, seen: Seen, known: Sequence[tuple[int, ...]]) -> list[tuple[float, ...]]:
        length = max(map(len, known))
        padded = [[*ids, *[self._voice.pad] * (length - len(ids))] for ids in known]
        # Attention is causal: what is filled up behind a row changes nothing before it.
        tokens = torch.tensor(padded, device=self._voice.model.device)  # N,L
        logits = self._voice.logits(seen, tokens).float()  # N,L,V
        chosen = logits.gather(-1, tokens[..., None]).squeeze(-1) - logits.logsumexp(-1)  # N,L
        return [
            tuple(min(0.0, score) for score in row[: len(ids)]) for row, ids in zip(chosen.tolist(), known, strict=True)
        ]

    def _candidate(self, ids: tuple[int, ...], scores: tuple[float, ...]) -> Candidate:
        return Candidate(self._words.text(ids), ids, float(np.mean(scores)), scores)

    def _cut(self, row: Sequence[int]) -> tuple[int, ...]:
        end = next((place for place, token in enumerate(row) if token in self._voice.ends), len(row))
        return tuple(row[: end + 1])

    def _options(self, params: Generation, room: int) -> Any:
        longest = min(max(1, params.max_length - 1), room)
        sampling = {"temperature": params.temperature, "top_k": params.top_k, "top_p": params.top_p}
        return GenerationConfig(
            max_new_tokens=longest,
            min_new_tokens=min(self.min_length - 1, longest) if self.min_length > 1 else None,
            num_beams=_beams(params),
            do_sample=params.do_sample,
            repetition_penalty=params.repetition_penalty,
            no_repeat_ngram_size=params.no_repeat_ngram_size,
            num_return_sequences=params.num_captions,
            length_penalty=self.defaults.get("length_penalty", 1.0),
            early_stopping=self.defaults.get("early_stopping", False),
            bos_token_id=self._voice.start,
            eos_token_id=list(self._voice.ends),
            pad_token_id=self._voice.pad,
            **self._voice.extra,
            **(sampling if params.do_sample else {}),
        )


def _beams(params: Generation) -> int:
    if params.do_sample and params.num_beams > 1:
        return max(params.num_beams, params.num_captions)  # sampled beams give one caption each
    return params.num_beams


def _knobs(params: Generation) -> tuple[Any, ...]:
    return tuple(getattr(params, name) for name in KNOBS)


def _look(picture: Prepared) -> tuple[Any, ...]:
    """What must be equal for pictures to share a batch: every shape, and every whole number, such as rows of tiles."""
    return tuple(
        (name, array.shape, array.tobytes() if array.dtype.kind in "iu" else b"")
        for name, array in sorted(picture.arrays.items())
    )


def _tensors(picture: Prepared) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in picture.arrays.items()}


def _taken(seen: Seen, places: Sequence[int]) -> Seen:
    return {name: tensor[list(places)] for name, tensor in seen.items()}

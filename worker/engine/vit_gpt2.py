"""A ViT encoder with a GPT-2 decoder, decoded by transformers' own `generate`."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import (
    GenerationConfig,
    GPT2Config,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
)
from transformers.modeling_outputs import BaseModelOutput

from worker.engine.blueprint import Blueprint
from worker.engine.contract import Candidate, Generation
from worker.engine.errors import DeviceLost, DeviceUnavailable, ModelNotVerified, ModelUnsupported, OutOfMemory
from worker.engine.pictures import Preprocessing
from worker.engine.wording import Words

DTYPES: Final[Mapping[str, torch.dtype]] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS: Final = ("auto", *DTYPES)
DEVICES: Final = re.compile(r"cpu|cuda(:\d+)?")
BATCH: Final[Mapping[str, int]] = {"cpu": 8, "cuda": 32}  # pictures at once; above 8 a CPU gains nothing
SCORED: Final = 256  # tokens scored at once: their logits take 4 bytes times the vocabulary, 51 MB for GPT-2's
UNUSED: Final = ("encoder.pooler.",)  # weights that captioning never reads: a checkpoint may lack them


def pick_device(wanted: str) -> str:
    """Turn `auto` into what this machine has. Raises DeviceUnavailable for what it has not."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not DEVICES.fullmatch(wanted):
        raise DeviceUnavailable(f"There is no device {wanted!r}. Choose auto, cpu or cuda.")
    if wanted != "cpu" and int(wanted.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise DeviceUnavailable(f"No NVIDIA GPU answers as {wanted} on this machine. Choose cpu or auto.")
    return wanted


def pick_precision(wanted: str, device: str) -> str:
    """Turn `auto` into fp32 on a CPU and fp16 on a GPU. Raises ModelUnsupported for what is no precision."""
    if wanted not in PRECISIONS:
        raise ModelUnsupported(f"There is no precision {wanted!r}. Choose one of {', '.join(PRECISIONS)}.")
    if wanted == "auto":
        return "fp32" if device == "cpu" else "fp16"
    return wanted


def build(blueprint: Blueprint, weights: Path, *, device: str, precision: str) -> Any:
    """Build the model and fill it from one safetensors file, which is mapped, not read into memory a second time.

    Raises ModelNotVerified for a file that is damaged, lacks weights, or holds weights of other shapes.
    """
    if blueprint.at_least() > weights.stat().st_size:  # less than a byte for each: it would be built, then found empty
        raise ModelNotVerified(f"config.json describes a larger model than {weights.name} can hold.")
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        ViTConfig(**blueprint.encoder), GPT2Config(**blueprint.decoder)
    )
    try:
        state = load_file(weights)
        model, report = VisionEncoderDecoderModel.from_pretrained(
            None,
            config=config,
            state_dict=state,
            dtype=DTYPES[precision],
            attn_implementation="sdpa",
            output_loading_info=True,
        )
    except (SafetensorError, RuntimeError, ValueError, KeyError, OverflowError) as error:
        raise ModelNotVerified(f"{weights.name} does not hold this model's weights: {error}") from error
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(UNUSED))
    if missing:
        # Going on would caption with random numbers in place of what was never loaded.
        raise ModelNotVerified(f"{weights.name} lacks {len(missing)} of the model's weights, first {missing[0]}.")
    return model.eval().requires_grad_(False).to(device)


def _out_of_memory(error: Exception) -> bool:
    # A CPU that has no memory left raises a plain RuntimeError; only its words tell.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)


class ViTGPT2:
    """A Captioner. One thread at a time runs the model; others wait."""

    def __init__(
        self,
        *,
        model: Any,
        blueprint: Blueprint,
        preprocessing: Preprocessing,
        words: Words,
        name: str,
        revision: str,
        precision: str,
        is_demo: bool,
        defaults: Mapping[str, Any],
        batch: int | None = None,
    ) -> None:
        self.name, self.revision, self.precision, self.is_demo = name, revision, precision, is_demo
        self.defaults: Mapping[str, Any] = dict(defaults)
        self.device = str(model.device)
        self.batch = batch or BATCH[model.device.type]
        self.min_length = 0  # benchmarks set it to the maximum, so that random weights take the time of real ones
        self.start_token, self.pad_token = blueprint.start, blueprint.pad
        self._model, self._blueprint, self._preprocessing, self._words = model, blueprint, preprocessing, words
        self._lock = threading.Lock()
        self._fits: dict[int, int] = {}  # rows a picture takes: pictures at once, learned from running out of memory

    def caption(
        self, images: Sequence[Image.Image], params: Generation, *, seeds: Sequence[int | None] | None = None
    ) -> list[list[Candidate]]:
        """See Captioner.caption."""
        if seeds is not None and len(seeds) != len(images):
            raise ValueError(f"There are {len(images)} pictures but {len(seeds)} seeds.")
        rows = list(seeds) if seeds is not None else [params.seed] * len(images)
        options = self._options(params)
        width = max(options.num_beams, options.num_return_sequences)
        results: list[list[Candidate]] = []
        with self._lock, torch.inference_mode():
            while len(results) < len(images):
                here = slice(len(results), len(results) + self._fits.get(width, self.batch))
                results += self._halving(images[here], rows[here], params, options)
        return results

    def _halving(
        self, images: Sequence[Image.Image], seeds: Sequence[int | None], params: Generation, options: Any
    ) -> list[list[Candidate]]:
        try:
            return self._batch(images, seeds, params, options)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, torch.AcceleratorError) and not isinstance(error, torch.OutOfMemoryError):
                raise DeviceLost(f"The GPU stopped answering; the worker must be started again. ({error})") from error
            if not _out_of_memory(error):
                raise
            if len(images) == 1:
                raise OutOfMemory(
                    f"One picture with {options.num_beams} sentences at once does not fit into the memory of "
                    f"{self.device}. Choose a narrower search or fewer drafts, or give the worker more memory."
                ) from error
        # Outside the handler: while it runs, the error's frames still hold the tensors that did not fit.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        half = len(images) // 2
        self._fits[max(options.num_beams, options.num_return_sequences)] = half
        return [
            candidates
            for here in (slice(0, half), slice(half, None))
            for candidates in self._halving(images[here], seeds[here], params, options)
        ]

    def _batch(
        self, images: Sequence[Image.Image], seeds: Sequence[int | None], params: Generation, options: Any
    ) -> list[list[Candidate]]:
        pixels = torch.from_numpy(self._preprocessing.pixels(images)).to(self.device, self._model.dtype)  # B,3,H,W
        hidden = self._model.encoder(pixel_values=pixels).last_hidden_state  # B,patches+1,width
        if params.do_sample:
            drawn = [self._sampled(hidden[i : i + 1], seed, options) for i, seed in enumerate(seeds)]
            rows = [row for rows in drawn for row in rows.tolist()]
        else:
            rows = self._generate(hidden, options).tolist()
        known = [self._generated(row) for row in rows]
        count = len(known) // len(images)
        scores = self._scores(hidden.repeat_interleave(count, 0), known)
        flat = [Candidate(self._words.text(ids), ids, score) for ids, score in zip(known, scores, strict=True)]
        found = [flat[start : start + count] for start in range(0, len(flat), count)]
        if params.do_sample:
            for candidates in found:
                candidates.sort(key=lambda candidate: -candidate.score)
        return found

    def _generate(self, hidden: torch.Tensor, options: Any) -> torch.Tensor:  # B,S,W -> B*captions,length
        return self._model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden), generation_config=options
        )

    def _sampled(self, hidden: torch.Tensor, seed: int | None, options: Any) -> torch.Tensor:
        # One picture at a time from a generator of its own: in a batch, neighbours would take numbers from its stream.
        devices = [self._model.device] if self._model.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(random.SystemRandom().getrandbits(63) if seed is None else seed)
            return self._generate(hidden, options)

    def _scores(self, hidden: torch.Tensor, known: Sequence[tuple[int, ...]]) -> list[float]:
        """Give the mean log-probability of N token rows; `hidden` (N,S,W) are their pictures, encoded."""
        at_once = max(1, SCORED // max(map(len, known)))
        scores: list[float] = []
        for start in range(0, len(known), at_once):
            here = known[start : start + at_once]
            scores += self._scores_at_once(hidden[start : start + at_once], here)
        return scores

    def _scores_at_once(self, hidden: torch.Tensor, known: Sequence[tuple[int, ...]]) -> list[float]:
        length, plan = max(map(len, known)), self._blueprint
        padded = [[plan.start, *ids, *[plan.pad] * (length - len(ids))] for ids in known]
        tokens = torch.tensor(
            padded, device=hidden.device
        )  # N,L+1; attention is causal: padding changes nothing before it
        logits = self._model(
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden), decoder_input_ids=tokens[:, :-1], use_cache=False
        ).logits  # N,L,V
        chosen = logits.float().log_softmax(-1).gather(-1, tokens[:, 1:, None]).squeeze(-1)  # N,L
        return [min(0.0, float(row[: len(ids)].double().mean())) for row, ids in zip(chosen, known, strict=True)]

    def _generated(self, row: Sequence[int]) -> tuple[int, ...]:
        ids = tuple(row[1:])
        return ids[: ids.index(self._blueprint.end) + 1] if self._blueprint.end in ids else ids

    def _options(self, params: Generation) -> Any:
        if not params.do_sample and params.num_beams < params.num_captions:
            raise ValueError(
                f"A search {params.num_beams} wide cannot give {params.num_captions} captions. "
                "Widen it to the number of captions, or turn sampling on."
            )
        beams = params.num_beams
        if params.do_sample and beams > 1:
            beams = max(beams, params.num_captions)  # sampled beams give one caption each
        longest = min(params.max_length, int(self._model.config.decoder.n_positions))
        sampling = {"temperature": params.temperature, "top_k": params.top_k, "top_p": params.top_p}
        return GenerationConfig(
            max_length=longest,
            min_length=min(self.min_length, longest),
            num_beams=beams,
            do_sample=params.do_sample,
            repetition_penalty=params.repetition_penalty,
            no_repeat_ngram_size=params.no_repeat_ngram_size,
            num_return_sequences=params.num_captions,
            length_penalty=self.defaults.get("length_penalty", 1.0),
            early_stopping=self.defaults.get("early_stopping", False),
            decoder_start_token_id=self._blueprint.start,
            bos_token_id=self._blueprint.start,
            eos_token_id=self._blueprint.end,
            pad_token_id=self._blueprint.pad,
            **(sampling if params.do_sample else {}),
        )

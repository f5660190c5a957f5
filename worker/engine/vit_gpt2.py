"""A ViT encoder with a GPT-2 decoder, decoded by this engine itself."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor

from worker.engine.batches import BATCH, Batched, Batches, alike, one_each
from worker.engine.blueprint import Blueprint
from worker.engine.contract import Candidate, Generation, Picture, Prepared
from worker.engine.decoder import Decoder
from worker.engine.encoder import Encoder
from worker.engine.errors import ModelNotVerified, ModelUnsupported
from worker.engine.graphs import Captured
from worker.engine.pictures import LARGEST_SIDE, Preprocessing
from worker.engine.rules import Rules, Wishes, wishes
from worker.engine.search import Sentence, decode
from worker.engine.weights import Weights
from worker.engine.wording import Words

PIXELS: Final = "pixels"  # C,H,W


class Model:
    """Encoder and decoder with their weights, on one device and in one precision. `captured` is both, as graphs."""

    def __init__(self, blueprint: Blueprint, weights: Weights) -> None:
        """Raises ModelNotVerified for weights that do not fit the blueprint, ModelUnsupported for its functions."""
        try:
            self.encoder = Encoder(weights, blueprint.encoder)
            self.decoder = Decoder(weights, blueprint.decoder, encoder_width=self.encoder.width)
        except KeyError as error:
            raise ModelUnsupported(f"The model computes with {error}, which this engine does not have.") from error
        self.device, self.dtype, self.precision = torch.device(weights.device), weights.dtype, weights.precision
        self.start, self.end = blueprint.start, blueprint.end
        self.captured: Captured | None = None

    def encode(self, pixels: Tensor) -> Tensor:
        """B,C,H,W -> B,patches,width."""
        if self.captured:
            return self.captured.encode(pixels)
        if self.device.type == "cpu":
            # One at a time: its products are large enough by themselves, and then need less memory.
            return torch.cat([self.encoder(pixels[place : place + 1]) for place in range(len(pixels))])
        return self.encoder(pixels)

    def decode(self, hidden: Tensor, every: Sequence[Wishes]) -> list[list[Sentence]]:
        """B,patches,width and a wish for each picture, all of one shape -> sentences for each, best first."""
        reader = self.captured or self.decoder
        return decode(reader, hidden, Rules(every, end=self.end, device=self.device), start=self.start)


def build(blueprint: Blueprint, file: Path, *, device: str, precision: str) -> Model:
    """Build the model from one safetensors file. Raises ModelNotVerified for a file that does not hold its weights."""
    refuse_too_small(blueprint, file)
    with torch.inference_mode():
        return Model(blueprint, Weights(file, device=device, precision=precision))


def refuse_too_small(blueprint: Blueprint, file: Path) -> None:
    """Raise ModelNotVerified for a file with less than a byte for each weight: it would be built, then found empty."""
    if blueprint.at_least() > file.stat().st_size:
        raise ModelNotVerified(f"config.json describes a larger model than {file.name} can hold.")


class ViTGPT2(Batched):
    """A Captioner. One thread at a time runs the model; others wait."""

    def __init__(
        self,
        *,
        model: Model,
        blueprint: Blueprint,
        preprocessing: Preprocessing,
        words: Words,
        name: str,
        revision: str,
        is_demo: bool,
        defaults: Mapping[str, Any],
        batch: int | None = None,
    ) -> None:
        self.name, self.revision, self.is_demo = name, revision, is_demo
        self.device, self.precision = str(model.device), model.precision
        self.defaults: Mapping[str, Any] = dict(defaults)
        self.min_length = 0  # benchmarks set it to the maximum, so that random weights take the time of real ones
        self.side = max(preprocessing.size or (LARGEST_SIDE,))  # pixels: what a picture is shrunk to
        self.start_token, self.pad_token = blueprint.start, blueprint.pad
        self._model, self._preprocessing, self._words = model, preprocessing, words
        self._lock = threading.Lock()
        self._batches = Batches(batch or BATCH[model.device.type], self.device)

    def prepare(self, image: Image.Image) -> Prepared:
        """See Captioner.prepare."""
        return Prepared({PIXELS: self._preprocessing.picture(image)})

    def caption(self, images: Sequence[Picture], params: Generation | Sequence[Generation]) -> list[list[Candidate]]:
        """See Captioner.caption."""
        wanted = [self._wishes(one) for one in one_each(images, params)]
        tasks = list(zip(images, wanted, strict=True))
        results: dict[int, list[Candidate]] = {}
        with self._lock, torch.inference_mode():
            for places in alike(wish.shape for wish in wanted):
                mine = [tasks[place] for place in places]
                found = self._batches.run(self._batch, mine, width=mine[0][1].width)
                results |= dict(zip(places, found, strict=True))
        return [results[place] for place in range(len(images))]

    def _batch(self, tasks: Sequence[tuple[Picture, Wishes]]) -> list[list[Candidate]]:
        pixels = [self._prepared(picture).arrays[PIXELS] for picture, _ in tasks]
        stacked = torch.stack([torch.from_numpy(one) for one in pixels])  # B,C,H,W
        hidden = self._model.encode(stacked.to(self._model.device, self._model.dtype))
        found = self._model.decode(hidden, [wish for _, wish in tasks])
        return [[self._candidate(sentence) for sentence in sentences] for sentences in found]

    def _prepared(self, picture: Picture) -> Prepared:
        return picture if isinstance(picture, Prepared) else self.prepare(picture)

    def _candidate(self, sentence: Sentence) -> Candidate:
        scores = sentence.token_scores
        score = sum(scores) / len(scores) if scores else 0.0
        return Candidate(self._words.text(sentence.token_ids), sentence.token_ids, score, scores)

    def _wishes(self, params: Generation) -> Wishes:
        early = self.defaults.get("early_stopping", False)
        return wishes(
            params,
            min_length=self.min_length,
            length_penalty=float(self.defaults.get("length_penalty", 1.0)),
            early_stopping=early if early == "never" else bool(early),
        )

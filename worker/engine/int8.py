"""A model in int8: channels that would drown the others are folded away, and nothing is used that was not checked.

Loud channels: a few channels of a language model are dozens of times louder than the rest, and bytes scaled to them
have no steps left for the others. After a normalisation such a channel can be made quieter for nothing, by its gain,
and louder again in the weights of the maps that read it (Xiao et al., SmoothQuant, 2023).

Check: the int8 model and the exact one read the same sentences, and choose the same next token in at least a share
`AGREEMENT` of them, or int8 is refused. What passed is saved, so that the next start neither checks nor needs the
memory of the exact model.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file
from torch import Tensor

from worker.engine.blueprint import Blueprint, read_json
from worker.engine.errors import EngineError, ModelUnsupported
from worker.engine.rules import Wishes
from worker.engine.store import sha256
from worker.engine.vit_gpt2 import Model
from worker.engine.weights import Weights

log = logging.getLogger(__name__)

AGREEMENT: Final = 0.9  # share of next tokens; models whose tokens nearly tie reach 0.95 at best
FORM: Final = 1  # of saved files: a file of another form is made anew
TOKENS: Final = 16  # read of each picture's sentence
QUIET: Final = 1e-3  # channels below this share of the loudest are left alone: there is nothing to balance


class Disagrees(ModelUnsupported):
    """The model chooses other words in int8 than in fp32."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What is known of a saved file: the hash of its content and how it was checked."""

    form: int
    sha256: str
    agreement: float
    tokens: int


def build_int8(blueprint: Blueprint, file: Path, pixels: Tensor, *, saved: Path | None = None) -> Model:
    """Build the model in int8, from `saved` where that is whole, else from `file`, and then save it there.

    `pixels` (B,C,H,W) are pictures to check it with. Raises Disagrees when int8 would change what the model says.
    """
    if saved and _is_whole(saved):
        with torch.inference_mode():
            return Model(blueprint, Weights(saved, device="cpu", precision="int8"))
    with torch.inference_mode():
        said, chosen, folds = _listened(blueprint, file, pixels)
        weights = Weights(file, device="cpu", precision="int8", folds=folds)
        model = Model(blueprint, weights)
        share = agreement(model, pixels, said, chosen)
    log.info("int8 chooses the token of fp32 in %.1f of 100 cases", 100 * share)
    if share < AGREEMENT:
        raise Disagrees(
            f"In int8 this model chooses other words than in fp32 in {100 * (1 - share):.0f} of 100 cases. "
            "Choose fp32, or bf16."
        )
    if saved:
        _save(weights.kept, saved, share, said.numel())
    weights.kept.clear()
    return model


def agreement(model: Model, pixels: Tensor, said: Tensor, chosen: Tensor) -> float:
    """Give the share of places in `said` (B,L) after which the model chooses the next token that was `chosen` (B,L)."""
    return float((_choices(model, pixels, said) == chosen).double().mean())


def _listened(blueprint: Blueprint, file: Path, pixels: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Give what the exact model says, what it chooses after each token of that, and the factors of each channel.

    The exact model is let go with this function: the int8 one is built in the memory that it took.
    """
    weights = Weights(file, device="cpu", precision="fp32")
    exact = Model(blueprint, weights)
    said = _sentences(exact, weights, pixels)
    return said, _choices(exact, pixels, said), _folds(weights)


def _sentences(exact: Model, weights: Weights, pixels: Tensor) -> Tensor:
    """Have the exact model caption the pictures, and note how loud each channel becomes meanwhile: B,TOKENS."""
    for norm in weights.norms.values():
        norm.loudest = torch.zeros_like(norm.bias)
    length = min(TOKENS, exact.decoder.places)
    wish = Wishes(num_beams=1, max_length=length + 1, min_length=length + 1)
    found = exact.decode(exact.encode(pixels), [wish] * len(pixels))
    return torch.tensor([[exact.start, *sentence.token_ids][:length] for [sentence] in found])


def _choices(model: Model, pixels: Tensor, said: Tensor) -> Tensor:
    memory = model.decoder.begin(model.encode(pixels), slots=said.shape[1])
    chosen = [
        model.decoder.step(said[:, place : place + 1], place, memory, place, None)[:, 0].argmax(-1)
        for place in range(said.shape[1])
    ]
    return torch.stack(chosen, 1)


def _folds(weights: Weights) -> dict[str, Tensor]:
    """Give, for every normalisation that only linear maps read, the factor of each channel."""
    heaviest: dict[str, Tensor] = {}
    for maps in weights.maps:
        for name in maps.names if maps.after else ():
            here = weights.weight(name, maps).float().abs().amax(0)
            heaviest[maps.after] = torch.maximum(heaviest.get(maps.after, torch.zeros(())), here)
    folds = {}
    for name, weight in heaviest.items():
        loudest = weights.norms[name].loudest
        assert loudest is not None
        loud = loudest.clamp_min(QUIET * float(loudest.max()))
        folds[name] = (loud / weight.clamp_min(QUIET * float(weight.max()))).sqrt()
    return folds


# --- Saved files ---------------------------------------------------------------------------------------------------


def _is_whole(saved: Path) -> bool:
    try:
        known = read_json(saved.with_suffix(".json"))
        return known.get("form") == FORM and known.get("sha256") == sha256(saved)
    except (EngineError, OSError):
        return False


def _save(tensors: Mapping[str, Tensor], saved: Path, share: float, tokens: int) -> None:
    """Write the file, then what is known of it; a file without that is not used. A full disk only costs time later."""
    unfinished = saved.with_suffix(".new")
    try:
        saved.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished)
        known = Saved(form=FORM, sha256=sha256(unfinished), agreement=round(share, 4), tokens=tokens)
        unfinished.replace(saved)
        saved.with_suffix(".json").write_text(json.dumps(asdict(known), indent=2) + "\n")
    except OSError as error:
        log.warning("The int8 model was not saved, the next start makes it again: %s", error)
        with contextlib.suppress(OSError):
            unfinished.unlink()

"""`load`: a name in, a captioner out, and nothing but verified safetensors in between."""

from __future__ import annotations

import logging
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw

from worker.engine import blueprint as blueprints
from worker.engine import families, looking
from worker.engine.blueprint import Blueprint
from worker.engine.catalogue import entry_of
from worker.engine.contract import Captioner
from worker.engine.errors import ModelUnsupported
from worker.engine.families import Family
from worker.engine.pictures import Preprocessing, preprocessing
from worker.engine.resolving import resolve
from worker.engine.store import WEIGHTS, Identity, verified, weights_in
from worker.engine.wording import words

if TYPE_CHECKING:
    from worker.engine.vit_gpt2 import Model

log = logging.getLogger(__name__)

LARGE: Final = 30_000_000  # weights; smaller models gain nothing from int8
INT8: Final = "int8"  # the folder in the store that keeps models in int8


def load(
    name: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    store: Path | None = None,
    batch: int | None = None,
    graphs: bool = True,
) -> Captioner:
    """Load the model called `name`: `demo`, a catalogue name, a hub id that is in the store, or a local folder.

    `device` is auto, cpu or cuda; `precision` is auto, fp32, bf16, fp16 (GPU) or int8 (CPU, own decoding only);
    `store` the folder of fetched models; `batch` how many pictures run at once; `graphs` whether a GPU may record its
    work and replay it. Never reaches for the network.

    Raises ModelNotFound, ModelNotVerified, ModelUnsupported or DeviceUnavailable, each saying what to do.
    """
    folder = resolve(name, store=store, revision=revision)
    identity = verified(folder)
    return _loaded(folder, identity, device=device, precision=precision, batch=batch, store=store, graphs=graphs)


def _loaded(
    folder: Path,
    identity: Identity,
    *,
    device: str,
    precision: str,
    batch: int | None,
    store: Path | None,
    graphs: bool,
) -> Captioner:
    if (family := families.family_of(folder)) is not None:
        return _generated(folder, identity, family, device=device, precision=precision, batch=batch)
    if not (folder / WEIGHTS).is_file():
        raise ModelUnsupported(f"The weights are split into several files. Save them as one {WEIGHTS}.")
    plan = blueprints.read(folder)
    prepare = preprocessing(blueprints.read_json(folder / "preprocessor_config.json"))
    _shut_the_hub()

    from worker.engine import vit_gpt2

    entry = entry_of(identity.name)
    saved = store / INT8 / saved_name(identity) if store and not identity.is_demo else None
    model = _model(plan, folder / WEIGHTS, prepare, device=device, precision=precision, saved=saved)
    if graphs and model.device.type == "cuda":
        _quicken(model, prepare)
    return vit_gpt2.ViTGPT2(
        model=model,
        blueprint=plan,
        preprocessing=prepare,
        words=words(folder),
        name=identity.name,
        revision=identity.revision,
        is_demo=identity.is_demo,
        defaults={**plan.defaults, **(entry.defaults if entry else {})},
        batch=batch,
    )


def _model(
    plan: Blueprint, weights: Path, prepare: Preprocessing, *, device: str, precision: str, saved: Path | None
) -> Model:
    """Build the model; `auto` on a CPU is int8 for large models that say the same in it, else fp32."""
    import torch

    from worker.engine import int8, vit_gpt2
    from worker.engine.devices import pick_device, pick_precision

    at = pick_device(device)
    is_worth_it = at == "cpu" and precision == "auto" and plan.at_least() >= LARGE
    chosen = "int8" if is_worth_it else pick_precision(precision, at)
    if chosen == "int8":
        vit_gpt2.refuse_too_small(plan, weights)
        try:
            return int8.build_int8(plan, weights, torch.from_numpy(prepare.batch(trial_pictures())), saved=saved)
        except int8.Disagrees as error:
            if not is_worth_it:
                raise
            log.warning("%s fp32 is used.", error)
            chosen = "fp32"
    return vit_gpt2.build(plan, weights, device=at, precision=chosen)


def _quicken(model: Model, prepare: Preprocessing) -> None:
    """Let a model on a GPU replay recorded graphs, where those give the same."""
    import torch

    from worker.engine import graphs, proving

    pixels = torch.from_numpy(prepare.batch(trial_pictures()))
    proving.quicken(model, pixels, partial(graphs.CudaRecorder, model.device))


def saved_name(identity: Identity) -> str:
    """Name the file that keeps a model in int8."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", f"{identity.name}-{identity.revision}") + ".safetensors"


def trial_pictures() -> list[Image.Image]:
    """Draw pictures to check a model with: some of plain shapes, some of soft colours, one of noise."""
    chance = np.random.default_rng(8)
    found = []
    for side in (2, 3, 5, 8, 64):
        noise = Image.fromarray(chance.integers(0, 256, (side, side, 3), dtype=np.uint8))
        found.append(noise.resize((256, 256), Image.Resampling.BICUBIC))
    for ground, shape in (("beige", "red"), ("navy", "yellow"), ("white", "green")):
        drawn = Image.new("RGB", (256, 256), ground)
        left, top = (int(edge) for edge in chance.integers(20, 120, 2))
        ImageDraw.Draw(drawn).ellipse((left, top, left + 100, top + 110), fill=shape)
        found.append(drawn)
    return found


def _generated(
    folder: Path, identity: Identity, family: Family, *, device: str, precision: str, batch: int | None
) -> Captioner:
    plan, entry = families.read(folder, family), entry_of(identity.name)
    pictures = looking.plain({**looking.settings(folder), **(entry.pictures if entry else {})}, family)
    _shut_the_hub()

    from transformers.utils import logging

    from worker.engine import devices, generated
    from worker.engine.voices import VOICES

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    at = devices.pick_device(device)
    chosen = precision_of(family, precision, at)
    spelling = generated.spelling(folder)
    model = generated.build(plan, weights_in(folder), device=at, precision=chosen)
    voice = VOICES[family.kind](model, plan, spelling, entry.prompt if entry else "")
    eye = looking.eye(pictures, family, voice.patches())
    generated.try_out(voice, eye)
    return generated.Generated(
        voice=voice,
        eye=eye,
        words=words(folder),
        name=identity.name,
        revision=identity.revision,
        precision=chosen,
        defaults={**plan.defaults, **(entry.defaults if entry else {})},
        batch=batch,
    )


def precision_of(family: Family, wanted: str, device: str) -> str:
    """Turn `auto` into fp32 on a CPU and the family's own 16 bits on a GPU. Raises ModelUnsupported."""
    from worker.engine import devices

    if wanted == "int8":
        raise ModelUnsupported(f"A {family.kind} model does not run in int8. Choose auto, fp32 or bf16.")
    chosen = devices.pick_precision(wanted, device)
    return family.half if wanted == "auto" and device != "cpu" else chosen


def _shut_the_hub() -> None:
    """Switch huggingface_hub off for the life of this process: loading never needs it.

    Its constants are set, not the environment: that was read when it was imported, and a child process that fetches a
    model must be able to tell what the operator wished from what this process did.
    """
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = True
    constants.HF_HUB_DISABLE_TELEMETRY = True

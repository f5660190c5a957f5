"""`load`: a name in, a captioner out, and nothing but verified safetensors in between."""

from __future__ import annotations

from pathlib import Path

from worker.engine import blueprint as blueprints
from worker.engine import families, looking
from worker.engine.catalogue import entry_of
from worker.engine.contract import Captioner
from worker.engine.errors import ModelUnsupported
from worker.engine.families import Family
from worker.engine.pictures import preprocessing
from worker.engine.store import WEIGHTS, Identity, resolve, verified, weights_in
from worker.engine.wording import words


def load(
    name: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    store: Path | None = None,
    batch: int | None = None,
) -> Captioner:
    """Load the model called `name`: `demo`, a catalogue name, a hub id that is in the store, or a local folder.

    `device` is auto, cpu or cuda; `precision` is auto, fp32, bf16 or fp16; `store` the folder of fetched models;
    `batch` how many pictures run at once. Never reaches for the network.

    Raises ModelNotFound, ModelNotVerified, ModelUnsupported or DeviceUnavailable, each saying what to do.
    """
    folder = resolve(name, store=store, revision=revision)
    identity = verified(folder)
    return _loaded(folder, identity, device=device, precision=precision, batch=batch)


def _loaded(folder: Path, identity: Identity, *, device: str, precision: str, batch: int | None) -> Captioner:
    if (family := families.family_of(folder)) is not None:
        return _generated(folder, identity, family, device=device, precision=precision, batch=batch)
    if not (folder / WEIGHTS).is_file():
        raise ModelUnsupported(f"The weights are split into several files. Save them as one {WEIGHTS}.")
    plan = blueprints.read(folder)
    prepare = preprocessing(blueprints.read_json(folder / "preprocessor_config.json"))
    _shut_the_hub()

    from worker.engine import vit_gpt2
    from worker.engine.devices import pick_device, pick_precision

    at = pick_device(device)
    chosen = pick_precision(precision, at)
    entry = entry_of(identity.name)
    return vit_gpt2.ViTGPT2(
        model=vit_gpt2.build(plan, folder / "model.safetensors", device=at, precision=chosen),
        blueprint=plan,
        preprocessing=prepare,
        words=words(folder),
        name=identity.name,
        revision=identity.revision,
        is_demo=identity.is_demo,
        defaults={**plan.defaults, **(entry.defaults if entry else {})},
        batch=batch,
    )


def _generated(
    folder: Path, identity: Identity, family: Family, *, device: str, precision: str, batch: int | None
) -> Captioner:
    plan, entry = families.read(folder, family), entry_of(identity.name)
    pictures = {**looking.settings(folder), **(entry.pictures if entry else {})}
    looking.plain(pictures, family)
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

"""`load` gives a captioner that says what it is, or an error that says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants, is_offline_mode
from PIL import Image
from safetensors.torch import load_file, save_file

from captions.params import GenerationParams, defaults_from
from tests.engine.checkpoints import SIDE, copy_of, edit_json, modern_checkpoint, write_json
from worker.engine import load
from worker.engine.contract import Captioner
from worker.engine.convert import ROOT
from worker.engine.errors import DeviceUnavailable, ModelNotFound, ModelNotVerified, ModelUnsupported
from worker.engine.store import local_revision, write_manifest


def test_it_names_a_folder_of_ones_own_by_the_hash_of_its_weights(checkpoint: Path, captioner: Captioner) -> None:
    assert captioner.name == "small"
    assert captioner.revision == local_revision(checkpoint)
    assert captioner.revision.startswith("local:")
    assert len(captioner.revision) == len("local:") + 12
    assert (captioner.device, captioner.precision, captioner.is_demo) == ("cpu", "fp32", False)
    assert captioner.side == SIDE


def test_it_takes_name_and_revision_from_the_manifest(checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    write_manifest(folder, source="demo", licence="apache-2.0")
    loaded = load(str(folder), device="cpu")
    assert (loaded.name, loaded.is_demo) == ("demo", True)
    assert loaded.revision == local_revision(checkpoint)


def test_it_gives_the_publishers_defaults(checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    edit_json(folder / "generation_config.json", max_length=20, num_beams=2, length_penalty=2.0, top_k=None)
    assert load(str(folder), device="cpu").defaults == {"max_length": 20, "num_beams": 2, "length_penalty": 2.0}
    assert defaults_from(load(str(folder), device="cpu").defaults) == GenerationParams(max_length=20, num_beams=2)


def test_it_searches_with_the_publishers_length_penalty(
    checkpoint: Path, tmp_path: Path, captioner: Captioner, pictures: list[Image.Image]
) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    edit_json(folder / "generation_config.json", length_penalty=-3.0)
    short = load(str(folder), device="cpu").caption(pictures, GenerationParams())
    usual = captioner.caption(pictures, GenerationParams())
    assert sum(len(one.token_ids) for [one] in short) < sum(len(one.token_ids) for [one] in usual)


def test_it_reads_defaults_of_an_old_config_without_generation_file(checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    (folder / "generation_config.json").unlink()
    edit_json(folder / "config.json", max_length=12)
    assert load(str(folder), device="cpu").defaults == {"max_length": 12}


def test_it_shuts_the_hub_for_the_whole_process(captioner: Captioner) -> None:
    assert is_offline_mode()
    assert constants.HF_HUB_DISABLE_TELEMETRY


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
def test_it_computes_in_fp32_on_a_cpu_whatever_the_weights_are_stored_in(
    tmp_path: Path, pictures: list[Image.Image], stored: torch.dtype
) -> None:
    folder = modern_checkpoint(tmp_path / "half", dtype=stored)
    assert load_file(folder / "model.safetensors")["encoder.layernorm.weight"].dtype == stored
    loaded: Any = load(str(folder), device="cpu")
    assert loaded.precision == "fp32"
    assert loaded._model.dtype == torch.float32
    assert len(loaded.caption(pictures, GenerationParams())) == len(pictures)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_it_captions_in_less_precision_when_asked(
    checkpoint: Path, pictures: list[Image.Image], precision: str
) -> None:
    loaded = load(str(checkpoint), device="cpu", precision=precision)
    assert loaded.precision == precision
    for [candidate] in loaded.caption(pictures, GenerationParams(num_beams=2)):
        assert -20 < candidate.score <= 0


def test_it_says_what_a_cpu_computes_instead_of_fp16(checkpoint: Path) -> None:
    with pytest.raises(ModelUnsupported, match="On a CPU, choose fp32, bf16 or int8"):
        load(str(checkpoint), device="cpu", precision="fp16")


@pytest.mark.parametrize("precision", ["int4", "fp64", ""])
def test_it_names_the_precisions_there_are(checkpoint: Path, precision: str) -> None:
    with pytest.raises(ModelUnsupported, match="Choose one of auto, fp32, bf16, fp16"):
        load(str(checkpoint), device="cpu", precision=precision)


@pytest.mark.parametrize("device", ["tpu", "cuda:99", ""])
def test_it_says_when_a_device_is_not_there(checkpoint: Path, device: str) -> None:
    with pytest.raises(DeviceUnavailable, match="Choose"):
        load(str(checkpoint), device=device)


@pytest.mark.parametrize("name", ["/no/such/folder", "./nowhere", "gpt5", "nlpconnect/vit-gpt2-image-captioning"])
def test_it_says_how_to_get_a_model_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelNotFound, match=r"Give demo|models fetch"):
        load(name, store=tmp_path)


def test_it_refuses_weights_that_lack_a_part(checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    state = load_file(folder / "model.safetensors")
    del state["decoder.transformer.ln_f.weight"]
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ModelNotVerified, match=r"lacks 1 of the model's weights, first .*ln_f.weight"):
        load(str(folder), device="cpu")


def test_it_does_without_the_pooler_that_captioning_never_reads(
    checkpoint: Path, tmp_path: Path, captioner: Captioner, pictures: list[Image.Image]
) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    state = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in state.items() if ".pooler." not in k}, folder / "model.safetensors")
    found = load(str(folder), device="cpu").caption(pictures, GenerationParams())
    assert found == captioner.caption(pictures, GenerationParams())


def test_it_refuses_weights_of_another_shape(checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    state = load_file(folder / "model.safetensors")
    state["encoder.layernorm.bias"] = torch.zeros(7)
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ModelNotVerified, match=r"does not hold this model's weights"):
        load(str(folder), device="cpu")


@pytest.mark.parametrize(
    "changes",
    [
        {"architectures": ["BlipForConditionalGeneration"]},
        {"encoder": {"model_type": "swin"}},
        {"decoder": {"model_type": "bert"}},
        {"encoder": "vit"},
        {"quantization_config": {"quant_method": "bitsandbytes"}},
    ],
    ids=str,
)
def test_it_says_which_models_it_runs(checkpoint: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    edit_json(folder / "config.json", **changes)
    with pytest.raises(ModelUnsupported):
        load(str(folder), device="cpu")


@pytest.mark.parametrize("missing", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_it_says_which_file_a_folder_lacks(checkpoint: Path, tmp_path: Path, missing: str) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(ModelUnsupported, match=missing):
        load(str(folder), device="cpu")


def test_it_needs_tokens_to_begin_and_end_with(checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    edit_json(folder / "config.json", decoder_start_token_id=None)
    write_json(folder / "generation_config.json", {"bos_token_id": None})
    config = folder / "config.json"
    edit_json(config, decoder={"model_type": "gpt2"}, bos_token_id=None)
    with pytest.raises(ModelUnsupported, match="could not begin or end"):
        load(str(folder), device="cpu")


def test_it_is_cheap_to_import_and_knows_neither_django_nor_the_product() -> None:
    code = (
        "import sys, worker.engine, worker.engine.choice, worker.engine.fetch, worker.engine.__main__;"
        "print(sorted({'torch', 'transformers', 'django', 'captions'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"

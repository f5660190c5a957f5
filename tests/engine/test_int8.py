"""int8 says what fp32 says, whoever else is in the batch, or is not used."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from captions.params import GenerationParams
from tests.engine.checkpoints import copy_of
from worker.engine import int8, load, loader
from worker.engine import linear as linears
from worker.engine.errors import ModelUnsupported
from worker.engine.linear import Packed, Quantised, quantise


@pytest.fixture(scope="module")
def loud(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model, with channels of every normalisation thirty times as loud and weights that make up for it."""
    folder = copy_of(checkpoint, tmp_path_factory.mktemp("models") / "loud")
    state = load_file(folder / "model.safetensors")
    channels = torch.tensor([3, 11])

    def turn_up(norm: str, *readers: str) -> None:
        for part in ("weight", "bias"):
            state[f"{norm}.{part}"][channels] *= 30
        for name in readers:
            weight = state[f"{name}.weight"]
            if ".h." in name or "c_attn" in name:
                weight[channels] /= 30  # GPT-2 keeps inputs,outputs
            else:
                weight[:, channels] /= 30

    for number in range(2):
        seen, said = f"encoder.encoder.layer.{number}", f"decoder.transformer.h.{number}"
        turn_up(f"{seen}.layernorm_before", *(f"{seen}.attention.attention.{x}" for x in ("query", "key", "value")))
        turn_up(f"{seen}.layernorm_after", f"{seen}.intermediate.dense")
        turn_up(f"{said}.ln_1", f"{said}.attn.c_attn")
        turn_up(f"{said}.ln_cross_attn", f"{said}.crossattention.q_attn")
        turn_up(f"{said}.ln_2", f"{said}.mlp.c_fc")
    turn_up("encoder.layernorm", *(f"decoder.transformer.h.{n}.crossattention.c_attn" for n in range(2)))
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("has_vnni", [True, False])
def test_it_gives_a_row_the_same_bits_beside_the_loudest_neighbours(
    has_vnni: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linears, "has_vnni", lambda: has_vnni)
    torch.manual_seed(3)
    weight, bias = torch.randn(96, 64) * 0.05, torch.randn(96)
    rows = torch.randn(33, 64) * torch.logspace(-3, 3, 33)[:, None]
    rows[7] = 0
    for form in (Quantised(*quantise(weight), bias), Packed(weight, bias)):
        together = form(rows)
        for size in (1, 2, 5):
            parts = [form(rows[start : start + size]) for start in range(0, 33, size)]
            assert torch.equal(torch.cat(parts), together)
        exact = rows.double() @ weight.double().T
        error = (together.double() - bias - exact).norm(dim=1) / exact.norm(dim=1).clamp_min(1e-9)
        assert error[exact.norm(dim=1) > 1e-2].max() < (0.02 if has_vnni else 0.03)


def test_it_hears_loud_and_quiet_channels(loud: Path) -> None:
    """Folded, the loud model agrees with itself in fp32 as the plain one does; without folding it does not."""
    exact: Any = load(str(loud), device="cpu", precision="fp32")
    pixels = torch.from_numpy(exact._preprocessing.batch(loader.trial_pictures()))
    folded: Any = load(str(loud), device="cpu", precision="int8")
    file = loud / "model.safetensors"
    with torch.inference_mode():
        weights = int8.Weights(file, device="cpu", precision="int8")
        flat = int8.Model(_blueprint(loud), weights)
        said = int8._sentences(*_exact(loud, file), pixels)
        model = exact._model
        chosen = int8._choices(model, pixels, said)
        without = int8.agreement(flat, pixels, said, chosen)
        with_folds = int8.agreement(folded._model, pixels, said, chosen)
    assert with_folds >= int8.AGREEMENT
    assert with_folds > without + 0.02


def _blueprint(folder: Path) -> Any:
    from worker.engine import blueprint

    return blueprint.read(folder)


def _exact(folder: Path, file: Path) -> tuple[Any, Any]:
    weights = int8.Weights(file, device="cpu", precision="fp32")
    return int8.Model(_blueprint(folder), weights), weights


def test_it_says_the_same_alone_and_in_any_batch(checkpoint: Path, pictures: list[Image.Image]) -> None:
    quick = load(str(checkpoint), device="cpu", precision="int8")
    params = GenerationParams(num_beams=3, num_captions=2)
    together = quick.caption(pictures, params)
    assert quick.caption(pictures[::-1], params)[::-1] == together
    assert [quick.caption([picture], params)[0] for picture in pictures] == together


def test_it_refuses_int8_that_changes_what_the_model_says(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(int8, "agreement", lambda *_: 0.6)
    with pytest.raises(ModelUnsupported, match=r"other words than in fp32 in 40 of 100 cases\. Choose fp32"):
        load(str(checkpoint), device="cpu", precision="int8")
    monkeypatch.setattr(loader, "LARGE", 0)
    with caplog.at_level(logging.WARNING):
        assert load(str(checkpoint), device="cpu", precision="auto").precision == "fp32"
    assert "fp32 is used" in caplog.text


def test_it_takes_int8_by_itself_for_large_models_only(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(str(checkpoint), device="cpu").precision == "fp32"
    monkeypatch.setattr(loader, "LARGE", 0)
    assert load(str(checkpoint), device="cpu").precision == "int8"


def test_it_saves_what_it_checked_and_starts_from_that(
    checkpoint: Path, tmp_path: Path, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(str(checkpoint), device="cpu", precision="int8", store=tmp_path)
    [saved] = (tmp_path / "int8").glob("*.safetensors")
    monkeypatch.setattr(int8, "_sentences", None)  # the exact model is not asked again
    again = load(str(checkpoint), device="cpu", precision="int8", store=tmp_path)
    params = GenerationParams(num_beams=2)
    assert again.caption(pictures, params) == first.caption(pictures, params)
    assert saved.stat().st_size < 0.6 * (checkpoint / "model.safetensors").stat().st_size


@pytest.mark.parametrize("damage", ["weights", "note", "form"])
def test_it_makes_a_damaged_file_anew(checkpoint: Path, tmp_path: Path, damage: str) -> None:
    load(str(checkpoint), device="cpu", precision="int8", store=tmp_path)
    [saved] = (tmp_path / "int8").glob("*.safetensors")
    note, whole = saved.with_suffix(".json"), saved.read_bytes()
    if damage == "weights":
        saved.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "note":
        note.unlink()
    else:
        note.write_text(note.read_text().replace(f'"form": {int8.FORM}', '"form": 0'))
    load(str(checkpoint), device="cpu", precision="int8", store=tmp_path)
    assert saved.read_bytes() == whole
    assert f'"form": {int8.FORM}' in note.read_text()


def test_it_goes_on_where_it_cannot_save(checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "int8").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert load(str(checkpoint), device="cpu", precision="int8", store=tmp_path).precision == "int8"
    assert "was not saved" in caplog.text

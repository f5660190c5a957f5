"""Weights that come in several files are one model: all parts or none, and no other file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from captions.params import GenerationParams
from tests.engine.checkpoints import copy_of, edit_json, write_json
from tests.engine.family_checkpoints import family_checkpoint
from tests.engine.hub_server import HubServer
from worker.engine import load
from worker.engine.errors import ModelNotVerified, ModelUnsupported
from worker.engine.fetch import fetch
from worker.engine.store import local_revision, shard_name, verified, weights_in, write_manifest

SOURCE, REVISION = "olga/split", "0e" * 20
PARTS = 3


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return family_checkpoint(tmp_path_factory.mktemp("split") / "whole", "blip")


@pytest.fixture
def split(whole: Path, tmp_path: Path) -> Path:
    """The same model in three parts, with the table that transformers writes beside them."""
    folder = copy_of(whole, tmp_path / "split")
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    table = {}
    for number in range(PARTS):
        name = shard_name(number + 1, PARTS)
        part = {key: state[key] for key in sorted(state)[number::PARTS]}
        save_file(part, folder / name, metadata={"format": "pt"})
        table |= dict.fromkeys(part, name)
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": table})
    return folder


def test_it_captions_as_the_model_in_one_file_does(whole: Path, split: Path, pictures: list[Image.Image]) -> None:
    params = GenerationParams(num_beams=2, max_length=8)
    found = load(str(split), device="cpu").caption(pictures[:3], params)
    assert found == load(str(whole), device="cpu").caption(pictures[:3], params)


def test_it_names_a_split_folder_by_all_its_parts(whole: Path, split: Path) -> None:
    before = local_revision(split)
    assert before.startswith("local:")
    assert before != local_revision(whole)
    last = weights_in(split)[-1]
    save_file({name: weight + 1 for name, weight in load_file(last).items()}, last)
    assert local_revision(split) != before


def test_it_keeps_every_part_in_the_manifest(split: Path) -> None:
    manifest = write_manifest(split, source=SOURCE, licence="mit", revision=REVISION)
    assert {path.name for path in weights_in(split)} <= manifest.files.keys()
    assert verified(split).revision == REVISION
    weights_in(split)[1].write_bytes(weights_in(split)[0].read_bytes())
    with pytest.raises(ModelNotVerified, match="is not the file that was fetched"):
        verified(split)


@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_it_refuses_a_folder_that_lacks_a_part(split: Path, part: int) -> None:
    (split / shard_name(part, PARTS)).unlink()
    with pytest.raises(ModelUnsupported, match="not every part"):
        load(str(split), device="cpu")


def test_it_refuses_a_table_that_leads_elsewhere(split: Path) -> None:
    path = split / "model.safetensors.index.json"
    table = json.loads(path.read_text())["weight_map"]
    edit_json(path, weight_map=table | {"a": "../whole/model.safetensors"})
    with pytest.raises(ModelNotVerified, match="names other files"):
        load(str(split), device="cpu")


def test_it_refuses_a_weight_that_is_there_twice(split: Path) -> None:
    first, second, _ = weights_in(split)
    name = next(iter(load_file(second)))
    save_file({**load_file(first), name: torch.zeros(1)}, first)
    with pytest.raises(ModelNotVerified, match="is there twice"):
        load(str(split), device="cpu")


def test_it_wants_a_vit_gpt2_in_one_file(checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    (folder / "model.safetensors").rename(folder / shard_name(1, 1))
    with pytest.raises(ModelUnsupported, match="Save them as one"):
        load(str(folder), device="cpu")


def test_it_fetches_every_part(split: Path, hub: HubServer, tmp_path: Path) -> None:
    hub.offer(SOURCE, REVISION, split)
    folder = fetch(f"{SOURCE}@{REVISION}", store=tmp_path / "store")
    assert [path.name for path in weights_in(folder)] == [path.name for path in weights_in(split)]
    assert load(SOURCE, store=tmp_path / "store", device="cpu").name == SOURCE


def test_it_fetches_nothing_of_a_repository_that_lacks_a_part(split: Path, hub: HubServer, tmp_path: Path) -> None:
    (split / shard_name(2, PARTS)).unlink()
    hub.offer(SOURCE, REVISION, split)
    with pytest.raises(ModelUnsupported, match="not every part"):
        fetch(f"{SOURCE}@{REVISION}", store=tmp_path / "store")
    assert hub.asked_for(shard_name(1, PARTS)) == []

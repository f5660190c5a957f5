"""The store knows its models byte for byte."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from captions.params import GenerationParams
from tests.engine.checkpoints import copy_of, edit_json, published_checkpoint
from worker.engine import load
from worker.engine.__main__ import listed, main
from worker.engine.catalogue import BUNDLED, CATALOGUE
from worker.engine.contract import Captioner
from worker.engine.errors import ModelNotFound, ModelNotVerified
from worker.engine.resolving import resolve
from worker.engine.store import folder_of, pinned, stored, verified, verify, write_manifest

SOURCE, REVISION = "olga/captions", "0a" * 20
ENTRY = CATALOGUE["vit-gpt2"]


def put(store: Path, checkpoint: Path, source: str = SOURCE, revision: str = REVISION) -> Path:
    """Put a checkpoint into a store as a fetch would have."""
    folder = copy_of(checkpoint, folder_of(store, source, revision))
    write_manifest(folder, source=source, revision=revision, licence="apache-2.0")
    return folder


def cache(root: Path, source: str, revision: str, folder: Path) -> Path:
    """Lay a repository out as the Hugging Face cache does: blobs named by hash, snapshots of links."""
    top = root / f"models--{source.replace('/', '--')}"
    snapshot = top / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (top / "blobs").mkdir()
    for path in folder.iterdir():
        body = path.read_bytes()
        large = path.suffix in {".bin", ".safetensors"}
        name = hashlib.sha256(body) if large else hashlib.sha1(b"blob %d\0" % len(body) + body)
        blob = top / "blobs" / name.hexdigest()
        blob.write_bytes(body)
        (snapshot / path.name).symlink_to(Path("..") / ".." / "blobs" / blob.name)
    return top


def test_it_finds_a_model_by_hub_id_and_revision(checkpoint: Path, tmp_path: Path) -> None:
    folder = put(tmp_path, checkpoint)
    assert resolve(f"{SOURCE}@{REVISION}", store=tmp_path) == folder
    assert resolve(SOURCE, store=tmp_path, revision=REVISION) == folder
    assert resolve(SOURCE, store=tmp_path) == folder, "the only revision there is needs no naming"
    loaded = load(SOURCE, store=tmp_path, device="cpu")
    assert (loaded.name, loaded.revision, loaded.is_demo) == (SOURCE, REVISION, False)


def test_it_asks_which_of_several_revisions_is_meant(checkpoint: Path, tmp_path: Path) -> None:
    put(tmp_path, checkpoint)
    other = put(tmp_path, checkpoint, revision="0b" * 20)
    with pytest.raises(ModelNotFound, match="in several revisions"):
        resolve(SOURCE, store=tmp_path)
    assert resolve(f"{SOURCE}@{'0b' * 20}", store=tmp_path) == other


def test_it_pins_the_catalogues_models() -> None:
    assert pinned("vit-gpt2") == (ENTRY.source, ENTRY.revision)
    assert pinned("nlpconnect/vit-gpt2-image-captioning") == (ENTRY.source, ENTRY.revision)
    assert ENTRY.revision == "dc68f91c06a1ba6f15268e5b9c13ae7a7c514084"
    assert ENTRY.defaults == {"max_length": 16, "num_beams": 4}
    assert resolve("demo") == BUNDLED


def test_it_gives_the_published_defaults_of_the_catalogue(checkpoint: Path, tmp_path: Path) -> None:
    put(tmp_path, checkpoint, ENTRY.source, ENTRY.revision)
    loaded = load("vit-gpt2", store=tmp_path, device="cpu")
    assert loaded.defaults == {"max_length": 16, "num_beams": 4}
    assert (loaded.name, loaded.revision) == (ENTRY.source, ENTRY.revision)


@pytest.mark.parametrize(
    "name", ["../../etc/x@" + "0" * 40, "a/..@" + "0" * 40, "a/b/c", "a b/c", f"{SOURCE}@main", "-/x"]
)
def test_it_never_leaves_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelNotFound):
        resolve(name, store=tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "preprocessor_config.json"])
def test_it_notices_a_file_that_changed(checkpoint: Path, tmp_path: Path, name: str) -> None:
    folder = put(tmp_path, checkpoint)
    assert verify(folder).source == SOURCE
    body = bytearray((folder / name).read_bytes())
    body[-2] ^= 1
    (folder / name).write_bytes(body)
    for check in (verify, lambda _: load(SOURCE, store=tmp_path)):
        with pytest.raises(ModelNotVerified, match=r"fetch the model again|cannot be read"):
            check(folder)


def test_it_notices_a_file_that_went_or_came(checkpoint: Path, tmp_path: Path) -> None:
    folder = put(tmp_path, checkpoint)
    (folder / "vocab.json").write_text("{}")
    with pytest.raises(ModelNotVerified, match="not those in its manifest"):
        verified(folder)
    (folder / "vocab.json").unlink()
    (folder / "generation_config.json").unlink()
    with pytest.raises(ModelNotVerified, match="not those in its manifest"):
        verified(folder)


@pytest.mark.parametrize(
    "changes",
    [{"files": []}, {"files": {"config.json": {"sha256": 1, "size": 1}}}, {"source": 5}, {"published": 3}],
    ids=str,
)
def test_it_refuses_a_malformed_manifest(checkpoint: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    folder = put(tmp_path, checkpoint)
    edit_json(folder / "manifest.json", **changes)
    with pytest.raises(ModelNotVerified):
        verified(folder)
    assert stored(tmp_path) == []


def test_it_takes_a_model_from_the_hugging_face_cache(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    captioner: Captioner,
    pictures: list[Image.Image],
) -> None:
    published = published_checkpoint(tmp_path / "published", checkpoint)
    cache(tmp_path / "cache", ENTRY.source, ENTRY.revision, published)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    loaded = load("vit-gpt2", store=tmp_path / "store", device="cpu")
    assert loaded.revision == ENTRY.revision
    [one] = stored(tmp_path / "store")
    assert one.manifest.published.keys() == {"pytorch_model.bin"}
    assert loaded.caption(pictures, GenerationParams()) == captioner.caption(pictures, GenerationParams())


def test_it_refuses_a_damaged_hugging_face_cache(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = cache(tmp_path / "cache", ENTRY.source, ENTRY.revision, published_checkpoint(tmp_path / "p", checkpoint))
    blob = (top / "snapshots" / ENTRY.revision / "pytorch_model.bin").resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelNotVerified, match="cache is damaged"):
        resolve("vit-gpt2", store=tmp_path / "store")
    assert stored(tmp_path / "store") == []


def test_it_does_not_take_half_a_model_from_the_cache(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = cache(tmp_path / "cache", ENTRY.source, ENTRY.revision, published_checkpoint(tmp_path / "p", checkpoint))
    (top / "snapshots" / ENTRY.revision / "pytorch_model.bin").unlink()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelNotFound, match="models fetch vit-gpt2"):
        resolve("vit-gpt2", store=tmp_path / "store")


def test_it_lists_the_catalogue_and_the_store(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, checkpoint)
    assert main(["--store", str(tmp_path), "list"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows == {row["name"]: row for row in listed(tmp_path)}
    assert rows["vit-gpt2"]["ready"] is False
    assert rows["vit-gpt2"]["licence"] == "apache-2.0"
    assert rows[f"{SOURCE}@{REVISION}"]["ready"] is True
    assert rows[f"{SOURCE}@{REVISION}"]["bytes"] > 100_000


def test_it_verifies_the_store_from_a_shell(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = put(tmp_path, checkpoint)
    assert main(["--store", str(tmp_path), "verify"]) == 0
    assert f"{SOURCE}@{REVISION}" in capsys.readouterr().out
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes() + b"x")
    assert main(["--store", str(tmp_path), "verify", SOURCE]) == 1
    assert "fetch the model again" in capsys.readouterr().err

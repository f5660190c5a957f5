"""A download brings exactly the published bytes, goes on after a break, and enters the store whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from captions.params import GenerationParams
from tests.engine.checkpoints import copy_of, edit_json, published_checkpoint
from tests.engine.hub_server import HubServer
from worker.engine import hub as hub_module
from worker.engine import load
from worker.engine.__main__ import main
from worker.engine.contract import Captioner
from worker.engine.errors import DownloadFailed, EngineError, ModelNotFound, ModelNotVerified, ModelUnsupported
from worker.engine.fetch import fetch
from worker.engine.store import folder_of, sha256, stored

SOURCE, REVISION = "olga/captions", "0c" * 20
NAME = f"{SOURCE}@{REVISION}"


@pytest.fixture
def published(checkpoint: Path, tmp_path: Path, hub: HubServer) -> Path:
    """The model in the layout of the published repository, offered by the hub."""
    folder = published_checkpoint(tmp_path / "published", checkpoint)
    (folder / "README.md").write_text("# A model")
    hub.offer(SOURCE, REVISION, folder)
    return folder


@pytest.fixture
def safe(checkpoint: Path, tmp_path: Path, hub: HubServer) -> Path:
    """The same model already stored as safetensors, which needs no conversion."""
    folder = copy_of(checkpoint, tmp_path / "safe")
    hub.offer(SOURCE, REVISION, folder)
    return folder


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(hub_module.time, "sleep", lambda seconds: None)
    return


def test_it_fetches_the_published_kind_and_captions_with_it(
    published: Path, tmp_path: Path, captioner: Captioner, pictures: list[Image.Image]
) -> None:
    heard: list[tuple[int, int]] = []
    folder = fetch(NAME, store=tmp_path / "store", progress=lambda done, total: heard.append((done, total)))
    assert folder == folder_of(tmp_path / "store", SOURCE, REVISION)
    assert heard[-1][0] == heard[-1][1] > 100_000
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["source"], manifest["revision"], manifest["licence"]) == (SOURCE, REVISION, "unknown")
    assert manifest["files"].keys() == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert manifest["published"]["pytorch_model.bin"]["sha256"] == sha256(published / "pytorch_model.bin")
    assert not list(folder.glob("*.bin"))
    assert not (folder / "README.md").exists()
    loaded = load(NAME, store=tmp_path / "store", device="cpu")
    assert (loaded.name, loaded.revision) == (SOURCE, REVISION)
    params = GenerationParams(num_captions=2)
    assert loaded.caption(pictures, params) == captioner.caption(pictures, params)


def test_it_goes_on_where_a_broken_line_stopped(safe: Path, hub: HubServer, tmp_path: Path) -> None:
    hub.break_after = [50_000, 0, 70_000]
    folder = fetch(NAME, store=tmp_path / "store")
    assert hub.asked_for("model.safetensors") == ["", "bytes=50000-", "bytes=50000-", "bytes=120000-"]
    assert sha256(folder / "model.safetensors") == sha256(safe / "model.safetensors")


def test_it_goes_on_in_the_next_attempt_after_giving_up(safe: Path, hub: HubServer, tmp_path: Path) -> None:
    hub.break_after = [60_000, 0, 0, 0, 0]
    with pytest.raises(DownloadFailed, match=r"broke off after 60,000 of .* Start it again: it goes on from there"):
        fetch(NAME, store=tmp_path / "store")
    assert stored(tmp_path / "store") == []
    hub.requests.clear()
    heard: list[int] = []
    fetch(NAME, store=tmp_path / "store", progress=lambda done, total: heard.append(done))
    assert hub.asked_for("model.safetensors") == ["bytes=60000-"]
    assert max(heard) == sum(path.stat().st_size for path in safe.iterdir())


def test_it_starts_over_with_a_server_that_cannot_resume(safe: Path, hub: HubServer, tmp_path: Path) -> None:
    hub.break_after, hub.ignore_range = [50_000], True
    heard: list[tuple[int, int]] = []
    folder = fetch(NAME, store=tmp_path / "store", progress=lambda done, total: heard.append((done, total)))
    assert sha256(folder / "model.safetensors") == sha256(safe / "model.safetensors")
    assert heard[-1][0] == heard[-1][1]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_it_refuses_and_throws_away_what_was_not_announced(
    safe: Path, hub: HubServer, tmp_path: Path, name: str
) -> None:
    hub.spoil = name
    with pytest.raises(DownloadFailed, match=f"{name} is not the file that was announced"):
        fetch(NAME, store=tmp_path / "store")
    assert stored(tmp_path / "store") == []
    hub.spoil = ""
    fetch(NAME, store=tmp_path / "store")
    assert len(stored(tmp_path / "store")) == 1


def test_it_refuses_weights_that_differ_from_the_catalogues_hash(
    safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worker.engine.catalogue import CATALOGUE, Entry

    known = {"model.safetensors": "0" * 64}
    entry = Entry("olga", "Olga's", SOURCE, REVISION, "mit", 1, sha256=known)
    monkeypatch.setitem(CATALOGUE, "olga", entry)  # type: ignore[arg-type]  # a dict behind its read-only type
    with pytest.raises(ModelNotVerified, match="not the published file"):
        fetch("olga", store=tmp_path / "store")
    known["model.safetensors"] = sha256(safe / "model.safetensors")
    fetch("olga", store=tmp_path / "store")
    assert stored(tmp_path / "store")[0].manifest.licence == "mit"


def test_it_does_not_download_what_it_has(safe: Path, hub: HubServer, tmp_path: Path) -> None:
    first = fetch(NAME, store=tmp_path / "store")
    hub.requests.clear()
    assert fetch(NAME, store=tmp_path / "store") == first
    assert hub.requests == []


def test_it_refuses_an_unsuitable_model_before_its_weights_travel(safe: Path, hub: HubServer, tmp_path: Path) -> None:
    edit_json(safe / "config.json", architectures=["LlavaForConditionalGeneration"])
    with pytest.raises(ModelUnsupported, match="LlavaForConditionalGeneration"):
        fetch(NAME, store=tmp_path / "store")
    assert hub.asked_for("model.safetensors") == []


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json", "tokenizer.json"])
def test_it_says_what_a_repository_lacks(safe: Path, tmp_path: Path, missing: str) -> None:
    (safe / missing).unlink()
    with pytest.raises(ModelUnsupported, match=missing):
        fetch(NAME, store=tmp_path / "store")


@pytest.mark.parametrize("name", [SOURCE, f"{SOURCE}@main", f"{SOURCE}@{'0C' * 20}", "demo", "../x@" + "0" * 40])
def test_it_fetches_only_exact_revisions(hub: HubServer, tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelNotFound):
        fetch(name, store=tmp_path / "store")
    assert hub.requests == []


def test_it_says_when_the_hub_knows_no_such_model(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="The hub offers no olga/captions"):
        fetch(NAME, store=tmp_path / "store")


def test_it_says_when_the_hub_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadFailed, match="does not answer"):
        fetch(NAME, store=tmp_path / "store")


def test_it_downloads_nothing_when_the_operator_forbade_it(
    safe: Path, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadFailed, match="HF_HUB_OFFLINE"):
        fetch(NAME, store=tmp_path / "store")
    assert hub.requests == []


def test_it_shows_its_token_to_the_hub(
    safe: Path, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(NAME, store=tmp_path / "store")
    assert hub.authorised[0] == "Bearer hf_secret"


def test_it_refuses_a_hub_that_answers_with_another_commit(safe: Path, hub: HubServer, tmp_path: Path) -> None:
    hub.listing = lambda source, revision, folder: json.dumps({"sha": "0d" * 20, "siblings": []}).encode()  # type: ignore[method-assign]  # a lying hub
    with pytest.raises(DownloadFailed, match="another commit"):
        fetch(NAME, store=tmp_path / "store")


@pytest.mark.parametrize(
    "body", [b"<html>login</html>", b"[]", b"{}", b'{"sha":"%s","siblings":[{}]}' % REVISION.encode()]
)
def test_it_says_when_something_else_answers(hub: HubServer, safe: Path, tmp_path: Path, body: bytes) -> None:
    hub.listing = lambda source, revision, folder: body  # type: ignore[method-assign]  # a captive portal
    with pytest.raises(DownloadFailed, match="is no model hub"):
        fetch(NAME, store=tmp_path / "store")


def test_it_says_when_the_disk_is_too_small(safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.engine.fetch.SPARE", 1 << 60)
    with pytest.raises(DownloadFailed, match="Make room"):
        fetch(NAME, store=tmp_path / "store")


def test_it_says_when_the_store_cannot_be_written(safe: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(EngineError, match="cannot be written"):
        fetch(NAME, store=tmp_path / "store")


def test_it_fetches_from_a_shell(
    safe: Path, hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "store")
    assert main(["--store", store, "fetch", NAME]) == 0
    assert str(tmp_path / "store") in capsys.readouterr().out
    assert main(["--store", store, "fetch", "olga/other"]) == 1
    assert "40 characters" in capsys.readouterr().err


def test_it_downloads_once_for_everybody_who_asks_at_the_same_time(safe: Path, hub: HubServer, tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        folders = list(pool.map(lambda _: fetch(NAME, store=tmp_path / "store"), range(3)))
    assert len(set(folders)) == 1
    assert hub.asked_for("model.safetensors") == [""]


@pytest.mark.parametrize("endpoint", ["nonsense", "http://[", "ftp://hub.example"])
def test_it_says_when_the_endpoint_is_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(DownloadFailed, match="does not answer"):
        fetch(NAME, store=tmp_path / "store")

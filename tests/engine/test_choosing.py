"""`auto` is the published model where it can be had, else, in under five seconds, the demo that says it is one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.checkpoints import copy_of
from tests.engine.hub_server import HubServer
from tests.engine.test_store import put
from worker.engine import hub as hub_module
from worker.engine.catalogue import BUNDLED, CATALOGUE
from worker.engine.choice import choose

ENTRY = CATALOGUE["vit-gpt2"]


@pytest.fixture
def black_hole() -> Iterator[str]:
    """A hub that takes the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def is_plain_about_it(reason: str) -> bool:
    return "only knows coloured shapes" in reason and "python manage.py models fetch vit-gpt2" in reason


def test_it_takes_the_published_model_from_the_store(checkpoint: Path, tmp_path: Path, hub: HubServer) -> None:
    folder = put(tmp_path, checkpoint, ENTRY.source, ENTRY.revision)
    choice = choose(tmp_path)
    assert (choice.name, choice.folder, choice.is_demo) == ("vit-gpt2", folder, False)
    assert hub.requests == [], "what is there needs no network"


def test_it_downloads_the_published_model_when_the_hub_answers(
    checkpoint: Path, tmp_path: Path, hub: HubServer
) -> None:
    hub.offer(ENTRY.source, ENTRY.revision, copy_of(checkpoint, tmp_path / "published"))
    heard: list[int] = []
    choice = choose(tmp_path / "store", progress=lambda done, total: heard.append(done))
    assert (choice.name, choice.is_demo) == ("vit-gpt2", False)
    assert (choice.folder / "manifest.json").is_file()
    assert heard


def test_it_downloads_nothing_when_that_is_not_allowed(checkpoint: Path, tmp_path: Path, hub: HubServer) -> None:
    hub.offer(ENTRY.source, ENTRY.revision, checkpoint)
    choice = choose(tmp_path / "store", allow_download=False)
    assert (choice.name, choice.folder, choice.is_demo) == ("demo", BUNDLED, True)
    assert is_plain_about_it(choice.reason)
    assert hub.requests == []


def test_it_falls_back_to_the_demo_within_five_seconds_of_silence(
    tmp_path: Path, black_hole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", black_hole)
    start = time.monotonic()
    choice = choose(tmp_path)
    assert time.monotonic() - start < 5
    assert choice.is_demo
    assert is_plain_about_it(choice.reason)
    assert "does not answer" in choice.reason


def test_it_does_not_wait_for_a_name_that_never_resolves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: Any, **__: Any) -> None:
        time.sleep(3)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    assert choose(tmp_path, timeout_s=0.5).is_demo
    assert time.monotonic() - start < 2.5


def test_it_falls_back_at_once_when_nothing_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert choose(tmp_path).is_demo


def test_it_says_why_a_download_failed_and_serves_the_demo(
    checkpoint: Path, tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module.time, "sleep", lambda seconds: None)
    hub.offer(ENTRY.source, ENTRY.revision, copy_of(checkpoint, tmp_path / "published"))
    hub.spoil = "model.safetensors"
    choice = choose(tmp_path / "store")
    assert choice.is_demo
    assert is_plain_about_it(choice.reason)
    assert "checksum is wrong" in choice.reason


def test_it_asks_nobody_when_the_operator_forbade_it(
    tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert choose(tmp_path).is_demo
    assert hub.requests == []

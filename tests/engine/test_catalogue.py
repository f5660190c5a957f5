"""Every entry of the catalogue can be fetched, is pinned, and says what it may be used for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from captions.params import GenerationParams, defaults_from
from worker.engine.__main__ import listed
from worker.engine.catalogue import CATALOGUE, DEMO, HUB_ID, REVISION, Entry, entry_of
from worker.engine.store import is_weights, pinned

LICENCES = {"apache-2.0", "mit", "bsd-3-clause"}
PUBLISHED = [entry for entry in CATALOGUE.values() if entry.name != DEMO]
DOCS = Path(__file__).parents[2] / "docs" / "models.md"


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_it_pins_every_published_model(entry: Entry) -> None:
    assert HUB_ID.fullmatch(entry.source)
    assert REVISION.fullmatch(entry.revision)
    assert pinned(entry.name) == (entry.source, entry.revision)
    assert entry_of(entry.source) is entry
    assert all(re.fullmatch("[0-9a-f]{64}", known) for known in entry.sha256.values())
    assert all(is_weights(name) or name == "pytorch_model.bin" for name in entry.sha256)


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_it_says_licence_size_and_languages(entry: Entry) -> None:
    assert entry.licence in LICENCES
    assert 100_000_000 < entry.size < 20_000_000_000
    assert entry.languages
    assert len(entry.title) < 80


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_it_recommends_parameters_that_may_be_chosen(entry: Entry) -> None:
    found = defaults_from(entry.defaults)
    assert isinstance(found, GenerationParams)
    assert {name: getattr(found, name) for name in entry.defaults} == dict(entry.defaults)


def test_it_lists_languages(tmp_path: Path) -> None:
    assert {row["name"]: row["languages"] for row in listed(tmp_path)}["smolvlm-256m"] == ["en"]


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_it_documents_every_entry(entry: Entry) -> None:
    row = next(line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{entry.name}`"))
    assert entry.source in row
    assert entry.licence in row
    size = f"{entry.size / 1e9:.1f} GB" if entry.size >= 1e9 else f"{entry.size / 1e6:.0f} MB"
    assert size in row

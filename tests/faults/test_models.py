"""The command that deployments run, `python -m worker`, with real models and without any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from captions.errors import DeskError
from captions.ledger import clean
from captions.params import complete, defaults_from
from tests.engine.checkpoints import modern_checkpoint
from tests.faults.conftest import MakeWorkshop
from tests.faults.fill import SIDE
from tests.faults.scripted import colour_of
from worker.engine import load

PICTURES = 12


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model folder with random weights."""
    return modern_checkpoint(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def expected(checkpoint: Path) -> Iterator[dict[int, str]]:
    """What the engine itself says about the pictures that `fill` draws; "" where the model has no words."""
    captioner = load(str(checkpoint), device="cpu")
    params = complete({}, defaults=defaults_from(captioner.defaults))
    pictures = [Image.new("RGB", (SIDE, SIDE), colour_of(number)) for number in range(1, PICTURES + 1)]
    found = {}
    for number, (best, *_) in enumerate(captioner.caption(pictures, params), 1):
        try:
            found[number] = clean(best.text)
        except DeskError:
            found[number] = ""
    return found


def test_it_serves_a_model_from_a_folder(workshop: MakeWorkshop, kind: str, checkpoint: Path, expected: dict) -> None:
    desk = workshop(kind, CAPTION_MODEL=str(checkpoint))
    desk.fill(PICTURES)
    worker = desk.start_worker()
    desk.until_at_rest()
    sql = "SELECT i.number, c.text FROM captions_caption c JOIN captions_image i ON i.id = c.image_id"
    assert dict(desk.rows.ask(sql)) == {number: words for number, words in expected.items() if words}
    assert desk.rows.failures() == [(number, "no_words") for number, words in expected.items() if not words]
    ((model, revision, device, precision, notice),) = desk.rows.ask(
        "SELECT model, revision, device, precision, notice FROM captions_worker WHERE NOT is_demo AND state = 'ready'"
    )
    assert (model, device, precision, notice) == ("small", "cpu", "fp32", "")
    assert revision.startswith("local:")
    assert "worker ready" in worker.log.read_text()
    assert worker.stop() == 0, worker.log.read_text()[-3000:]
    assert desk.rows.workers("stopped") == 1


def test_it_says_plainly_that_the_demo_model_answers(workshop: MakeWorkshop) -> None:
    desk = workshop("sqlite", CAPTION_MODEL="auto", CAPTION_DOWNLOAD="no")
    worker = desk.start_worker()
    desk.until_ready()
    ((is_demo, notice),) = desk.rows.ask("SELECT is_demo, notice FROM captions_worker")
    assert is_demo
    assert "only knows coloured shapes" in notice
    assert "manage.py models fetch" in notice
    assert worker.log.read_text().count("A demo model that only knows coloured shapes is answering") == 1


def test_it_says_why_a_model_cannot_be_loaded_and_tries_again(workshop: MakeWorkshop) -> None:
    desk = workshop("sqlite", CAPTION_MODEL="/no/such/folder")
    worker = desk.start_worker()
    desk.until_logged(worker, "worker process started", times=3)
    ((state, notice),) = desk.rows.ask("SELECT state, notice FROM captions_worker")
    assert state == "starting"
    assert "/no/such/folder" in notice
    assert worker.stop() == 0, worker.log.read_text()[-3000:]

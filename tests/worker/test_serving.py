"""What a worker says about its model; how it serves one is tested with real processes, in the tests of faults."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from captions.models import Worker
from tests.worker.conftest import Watched
from worker.engine.catalogue import CATALOGUE
from worker.heartbeat import Row, Tally
from worker.service import _progress, names_of, plain, published, warm_up


def test_it_answers_to_every_name_of_its_model(settings) -> None:
    settings.CAPTION_MODEL = "auto"
    entry = CATALOGUE["vit-gpt2"]
    names = names_of(SimpleNamespace(name=entry.source, revision=entry.revision))
    assert names == {"vit-gpt2", entry.source, f"{entry.source}@{entry.revision}"}
    settings.CAPTION_MODEL = "/models/mine"
    assert names_of(SimpleNamespace(name="mine", revision="local:1")) == {"mine", "mine@local:1", "/models/mine"}


def test_it_tells_nobody_where_a_model_lies_on_its_machine() -> None:
    assert published({"mine", "mine@local:1", "/models/mine", "~/mine", "../mine"}) == ["mine", "mine@local:1"]


def test_it_publishes_defaults_that_json_can_hold() -> None:
    assert plain({"max_length": 16, "early_stopping": True, "bad_words": [[1]]}) == {
        "max_length": 16,
        "early_stopping": True,
    }


def test_it_warms_up_with_the_models_own_defaults(captioner: Watched) -> None:
    warm_up(captioner, nullcontext)
    assert len(captioner.batches) == 1


def test_it_tells_of_a_download_at_every_tenth() -> None:
    told: list[str] = []
    show = _progress(told.append)
    for done in range(0, 1_000_000_001, 5_000_000):
        show(done, 1_000_000_000)
    assert len(told) == 11
    assert told[5] == "Fetching the model: 500 of 1000 MB."


@pytest.mark.django_db
def test_it_leaves_standing_why_the_process_before_gave_up() -> None:
    Row("w", Tally()).say(notice="There is no model.")
    Row("w", Tally()).write()
    assert Worker.objects.get().notice == "There is no model."
    Row("w", Tally()).say(state=Worker.State.READY, notice="")
    assert Worker.objects.get().notice == ""

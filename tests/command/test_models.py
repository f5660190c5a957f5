"""manage.py models: what is here, and which one `auto` stands for."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.engine.checkpoints import modern_checkpoint
from worker.engine.choice import choose


@pytest.fixture
def store(settings, tmp_path) -> Path:
    settings.MODEL_DIR = tmp_path / "models"
    return settings.MODEL_DIR


def test_it_lists_what_can_be_had(store, capsys):
    call_command("models")
    words = capsys.readouterr().out
    assert "vit-gpt2" in words
    assert "not here" in words
    assert "dc68f91c06a1" in words


def test_it_selects_a_model_and_forgets_it_again(store, tmp_path):
    folder = modern_checkpoint(tmp_path / "tiny")
    call_command("models", "select", str(folder))
    chosen = choose(store, allow_download=False)
    assert (chosen.folder, chosen.is_demo) == (folder, False)
    call_command("models", "select", "auto")
    assert choose(store, allow_download=False).is_demo


def test_it_refuses_to_select_what_is_not_there(store):
    with pytest.raises(CommandError, match="nope"):
        call_command("models", "select", "nope")
    assert not (store / "selected").exists()


def test_it_answers_with_the_demo_model_when_the_selected_one_is_gone(store, tmp_path):
    folder = modern_checkpoint(tmp_path / "tiny")
    call_command("models", "select", str(folder))
    folder.rename(tmp_path / "moved")
    chosen = choose(store, allow_download=False)
    assert chosen.is_demo
    assert "is gone" in chosen.reason

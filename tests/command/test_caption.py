"""manage.py caption PATH...: files in, captions out, without server, broker or database."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from captions import decoder
from tests.engine.checkpoints import modern_checkpoint
from worker.management.commands import caption as caption_command

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return modern_checkpoint(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures with space"
    (folder / "deeper").mkdir(parents=True)
    for number, colour in enumerate(["red", "green", "blue"]):
        Image.new("RGB", (64 + number, 48), colour).save(folder / f"{number}.png")
    Image.new("RGB", (60, 40), "white").save(folder / "deeper" / "=formula.jpg")
    (folder / "notes.txt").write_text("not a picture, and not asked for")
    return folder


def caption(model: Path, tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command with a broker and a database that cannot be reached."""
    return subprocess.run(
        [sys.executable, "manage.py", "caption", *map(str, arguments)], cwd=ROOT, text=True, capture_output=True,
        env={
            "PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "CAPTION_MODEL": str(model),
            "REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "sqlite:////proc/nowhere/db", "OMP_NUM_THREADS": "1",
        },
    )  # fmt: skip


@pytest.mark.parametrize(("side", "seen"), [(224, (800, 600)), (768, (1600, 1200)), (None, (1600, 1200))])
def test_it_gives_the_model_the_rendition_that_a_worker_would(tmp_path, side, seen):
    Image.new("RGB", (2000, 1500), "navy").save(tmp_path / "navy.png")
    opened = caption_command._open(tmp_path / "navy.png", tmp_path, decoder.Limits(), side=side)
    assert (opened.mode, opened.size) == ("RGB", seen)


def test_it_captions_a_folder_as_json(model, pictures, tmp_path):
    done = caption(model, tmp_path, pictures, "--format", "json", "--num-beams", 2, "--num-captions", 2)
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    assert [Path(record["path"]).name for record in records] == ["0.png", "1.png", "2.png", "=formula.jpg"]
    assert all(record["score"] <= 0 and len(record["alternatives"]) == 1 for record in records)


def test_it_writes_json_lines_and_csv_that_say_the_same(model, pictures, tmp_path):
    lines = caption(model, tmp_path, pictures, "--format", "jsonl").stdout.splitlines()
    rows = list(csv.DictReader(io.StringIO(caption(model, tmp_path, pictures, "--format", "csv").stdout)))
    assert [json.loads(line)["caption"] for line in lines] == [row["caption"].lstrip("'") for row in rows]
    assert len(lines) == 4


def test_it_finishes_the_others_when_files_are_bad(model, pictures, tmp_path):
    (pictures / "1.png").write_bytes((pictures / "1.png").read_bytes()[:60])
    done = caption(model, tmp_path, pictures, tmp_path / "absent.png", pictures / "notes.txt", "--format", "jsonl")
    assert done.returncode == 1
    assert [Path(json.loads(line)["path"]).name for line in done.stdout.splitlines()] == [
        "0.png",
        "2.png",
        "=formula.jpg",
    ]
    complaints = [line for line in done.stderr.splitlines() if line.startswith(str(tmp_path))]
    assert len(complaints) == 3
    assert any("absent.png: There is no such file." in line for line in complaints)
    assert any("notes.txt" in line and "(unsupported_format)" in line for line in complaints)


def test_it_names_a_parameter_out_of_range(model, pictures, tmp_path):
    done = caption(model, tmp_path, pictures, "--num-beams", 99)
    assert done.returncode == 1
    assert "--num-beams: Choose a number from 1 to 8." in done.stderr


def test_it_says_so_when_the_model_cannot_be_had(pictures, tmp_path):
    done = caption(tmp_path / "nothing here", tmp_path, pictures)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "nothing here" in done.stderr


def test_it_never_opens_a_picture_outside_the_sandbox(model, tmp_path):
    bomb = tmp_path / "bomb.png"
    Image.new("1", (40_000, 40_000)).save(bomb)
    done = caption(model, tmp_path, bomb)
    assert done.returncode == 1
    assert "(too_many_pixels)" in done.stderr

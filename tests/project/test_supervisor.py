"""`make run` says in one sentence why it cannot start, and ends every child it started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from captionsite import bootstrap, supervisor
from tests.harness import until
from tests.services import free_port

ROOT = Path(__file__).resolve().parents[2]


def start(tmp_path: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "captionsite.supervisor"], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
        env={
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATA_DIR": str(tmp_path / "my data"),
            "PORT": str(free_port()), "CAPTION_MODEL": "demo", "OMP_NUM_THREADS": "1", **environment,
        },
    )  # fmt: skip


def refusal(tmp_path: Path, **environment: str) -> str:
    """Give the one sentence on standard error; the exit status must be 1 and nothing else may be said."""
    process = start(tmp_path, **environment)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, (out, err)
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1, err
    return err


def test_it_says_that_the_port_is_taken_and_how_to_choose_another(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert f"Port {port} is taken by another program" in refusal(tmp_path, PORT=str(port))


def test_it_says_which_setting_is_wrong(tmp_path):
    assert refusal(tmp_path, MAX_FRAMES="many").startswith("MAX_FRAMES must be")


def test_it_says_that_the_data_folder_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be made" in refusal(tmp_path, DATA_DIR=str(tmp_path / "file" / "data"))


def test_it_says_that_the_disk_is_full(tmp_path):
    assert "The disk of" in refusal(tmp_path, MIN_FREE_DISK_MB="9999999")


def test_it_says_that_another_desk_runs_on_the_same_data(tmp_path):
    (tmp_path / "my data").mkdir()
    lock = supervisor.take_lock(tmp_path / "my data")
    try:
        assert "Another desk already runs on the data folder" in refusal(tmp_path)
    finally:
        lock.close()


def test_it_says_that_the_python_is_too_old():
    program = """
import runpy, shutil, sys
sys.version_info, sys.version, sys.argv = (3, 9, 2), "3.9.2 (old)", ["bootstrap.py", "run"]
shutil.which = lambda name: None
runpy.run_path("captionsite/bootstrap.py", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Caption Desk needs Python 3.11 or newer, and this is 3.9.2.")
    assert len(done.stderr.splitlines()) == 1


def test_it_says_that_the_disk_is_too_full_to_set_up(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda path: SimpleNamespace(free=5_000_000))
    with pytest.raises(SystemExit) as stopped:
        bootstrap.set_up("requirements.txt")
    assert stopped.value.code == 1
    assert "Setting up needs about 3000 MB of disk and 5 MB are free." in capsys.readouterr().err


def test_it_says_that_the_folder_cannot_be_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(bootstrap.os, "access", lambda path, mode: False)
    with pytest.raises(SystemExit):
        bootstrap.set_up("requirements.txt")
    assert "cannot be written (no write permission)" in capsys.readouterr().err


def test_it_installs_again_only_when_a_pin_changed(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("")
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path))
    (tmp_path / "installed-requirements.txt").write_text(bootstrap.digest("requirements.txt"))
    monkeypatch.setattr(bootstrap, "make_environment", lambda: pytest.fail("it installed again"))
    bootstrap.set_up("requirements.txt")


def descendants(pid: int) -> set[int]:
    """Give all living processes below one, by Linux's own lists."""
    found: set[int] = set()
    for entry in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, entry.read_text().split()):
            found |= {child} | descendants(child)
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="module")
def used_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all endings: static files are collected once, and each start finds what the last one left."""
    return tmp_path_factory.mktemp("used")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_leaves_no_child_behind(used_folder, ending):
    process = start(used_folder)
    assert process.stdout is not None
    for line in process.stdout:
        if "Caption Desk is at" in line:
            break
    children = until(lambda: (c := descendants(process.pid)) and len(c) >= 4 and c, what="its children run")
    process.send_signal(ending)
    process.communicate(timeout=60)
    until(lambda: not [pid for pid in children if alive(pid)], seconds=45, what="all children ended")
    assert process.returncode == (0 if ending != signal.SIGKILL else -signal.SIGKILL)

"""The command line before a real desk, as a process of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import select
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from captiondesk import Client
from tests.harness import Desk, until

SOURCE = Path(__file__).resolve().parents[2] / "clients" / "python" / "src"


@dataclass
class Person:
    """Somebody with a home of their own, who runs commands."""

    desk: Desk
    home: Path
    token: str
    client: Client

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCE),
            "HOME": str(self.home),
            "NO_PROXY": "127.0.0.1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *arguments: str | Path, input: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "captiondesk", *map(str, arguments)]
        env = {**self.environment, **environment}
        return subprocess.run(command, env=env, input=input, capture_output=True, text=True, timeout=200)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "captiondesk", *map(str, arguments)]
        return subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_interrupts,  # noqa: PLW1509  # it sets one signal and takes no lock
        )

    def shas(self) -> list[str]:
        return sorted(image.sha256 for image in self.client.images.list())


def _hear_interrupts() -> None:
    """What a shell puts into the background ignores Ctrl+C, and so does everything that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def person(running: Desk, token: str, client: Client, tmp_path: Path) -> Iterator[Person]:
    """Somebody new who is logged in."""
    made = Person(running, tmp_path / "home", token, client)
    made.home.mkdir()
    done = made.run("login", "--url", running.url, input=f"{token}\n")
    assert done.returncode == 0, done.stderr
    return made


def test_it_logs_in_and_keeps_the_token_secret(person):
    path = person.home / ".config/captiondesk/account.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"url": person.desk.url, "token": person.token}
    told = person.run("me", "--json")
    assert json.loads(told.stdout)["username"].startswith("person")
    assert person.token not in told.stdout + told.stderr


def test_it_keeps_no_token_that_does_not_work(person):
    before = (person.home / ".config/captiondesk/account.json").read_text()
    done = person.run("login", "--url", person.desk.url, input="cdesk_wrong\n")
    assert done.returncode == 3
    assert (person.home / ".config/captiondesk/account.json").read_text() == before
    done = person.run("login", "--url", "captions.example.org", input="t\n")
    assert (done.returncode, "whole address" in done.stderr) == (2, True)


def test_it_says_when_a_token_is_wrong(person, folder):
    done = person.run("upload", folder, CAPTIONDESK_TOKEN="cdesk_wrong")
    assert (done.returncode, "Run: captiondesk login" in done.stderr) == (3, True)


def test_it_uploads_a_folder_once(person, folder):
    done = person.run("upload", folder, "--recursive", "--album", "Spring intake", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 sent." in done.stderr
    assert len(person.shas()) == 6
    (album,) = person.client.albums.list()
    assert (album.name, album.pictures) == ("Spring intake", 6)
    assert "scene-5.jpg: " in done.stdout
    again = person.run("upload", folder, "--recursive", "--album", "Spring intake", "--json")
    assert again.returncode == 0
    assert [json.loads(line)["state"] for line in again.stdout.splitlines()] == ["already"] * 6
    shutil.copy(folder / "scene-0.jpg", folder / "copy.jpg")
    assert "7 sent before" in person.run("upload", folder, "--recursive").stderr
    assert len(person.shas()) == 6


def test_it_names_what_it_could_not_send_and_sends_the_rest(person, folder):
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "empty.png").write_bytes(b"")
    done = person.run("upload", folder, "--json")
    assert done.returncode == 1
    told = {Path(one["file"]).name: one for one in map(json.loads, done.stdout.splitlines())}
    assert told["broken.jpg"]["state"] == told["empty.png"]["state"] == "failed"
    assert told["broken.jpg"]["code"]
    assert "4 sent, 2 failed." in done.stderr
    assert "2 failed" in person.run("upload", folder).stderr  # tried again, because it may have been mended


def test_it_goes_on_after_it_was_killed(person, tmp_path, scene):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.jpg").write_bytes(scene()[0])
    process = person.start("upload", folder, "--parallel", "2")
    assert process.stdout is not None
    for _ in range(5):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = len(person.shas())
    assert 5 <= before < 40
    done = person.run("upload", folder)
    assert done.returncode == 0, done.stderr
    assert len(person.shas()) == len(set(person.shas())) == 40
    sent = int(done.stderr.split(" sent")[0].split()[-1])
    assert 40 - before <= sent <= 35  # the five that it had told of were not sent again


def test_it_ends_in_order_when_it_is_interrupted(person, tmp_path, scene):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.jpg").write_bytes(scene()[0])
    process = person.start("upload", folder, "--parallel", "1")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Run the same command again" in said
    assert "Traceback" not in said
    assert person.run("upload", folder).returncode == 0
    assert len(person.shas()) == 30


def large_picture(path: Path) -> Path:
    """Write a picture of more than 8 MiB: one that does not get smaller by being packed."""
    from PIL import Image

    Image.frombytes("RGB", (2000, 1700), os.urandom(2000 * 1700 * 3)).save(path)
    assert path.stat().st_size > 8 * 1024 * 1024
    return path


def test_it_goes_on_within_a_large_file_after_it_was_killed(person, tmp_path):
    path = large_picture(tmp_path / "large.png")
    process = person.start("upload", path)
    until(lambda: [one for one in person.client.uploads.list() if one.offset], every=0.005, what="a piece has arrived")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (there,) = person.client.uploads.list()
    done = person.run("upload", path)
    assert done.returncode == 0, done.stderr
    (after,) = person.client.uploads.list()
    assert (after.id, after.state, after.length) == (there.id, "done", path.stat().st_size)
    assert len(person.shas()) == 1


def test_it_opens_a_zip_file_on_the_desk(person, folder, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "pictures"), "zip", folder)
    assert person.run("upload", archive).returncode == 0
    until(lambda: len(person.shas()) == 6, what="six pictures came out of it")
    assert "1 sent before" in person.run("upload", archive).stderr


def test_it_searches_captions_and_exports(person, folder, tmp_path):
    assert person.run("upload", folder, "--wait").returncode == 0
    images = [*person.client.images.list()]
    person.client.images.change(images[0].id, title="=SUM(1)", tags=["coast"])
    found = person.run("search", "tag:coast")
    assert images[0].filename in found.stdout
    assert len(found.stdout.splitlines()) == 2
    (shown,) = map(json.loads, person.run("search", "tag:coast", "--json").stdout.splitlines())
    assert shown["id"] == str(images[0].id)
    wrong = person.run("search", "state:nonsense")
    assert (wrong.returncode, "nonsense" in wrong.stderr) == (1, True)

    made = person.run("caption", "--query", "tag:coast", "--wait", "-p", "num_captions=2", "--json")
    assert len(json.loads(made.stdout)["captions"]) == 2
    missing = person.run("caption", "0198c0de-0000-7000-8000-000000000000", images[1].id, "--wait")
    assert missing.returncode == 1
    assert str(images[1].id) in missing.stdout
    assert person.run("caption").returncode == 2

    target = tmp_path / "out.csv"
    assert person.run("export", target).returncode == 0
    rows = list(csv.DictReader(io.StringIO(target.read_text("utf-8-sig"), newline="")))
    assert len(rows) == 4
    assert [row["title"] for row in rows if row["tags"]] == ["'=SUM(1)"]
    assert all(row["draft"] and not row["text"] for row in rows)
    lines = person.run("export", "-", "--format", "jsonl", "--query", "tag:coast").stdout.splitlines()
    assert [json.loads(line)["title"] for line in lines] == ["=SUM(1)"]
    assert person.run("export", tmp_path / "out.txt").returncode == 2
    assert person.run("export", tmp_path / "gone" / "out.csv").returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out.csv", "pictures"]


def test_it_decides_by_id(person, scene):
    first, second = (str(person.client.images.upload(scene()[0], wait=60).id) for _ in range(2))
    done = person.run("review", "approve", first, second)
    assert (done.returncode, done.stdout.count("approved")) == (0, 2)
    assert person.run("review", "undo", first).returncode == 0
    assert person.run("review", "edit", first, "--text", "Three shapes.").returncode == 0
    assert person.client.images.get(first).published_caption.text == "Three shapes."
    assert person.run("review", "edit", first).returncode == 2
    assert person.run("review", "reject").returncode == 2
    assert person.run("review", "reject", "0198c0de-0000-7000-8000-000000000000").returncode == 1


def test_it_decides_on_all_that_a_search_finds(person, scene):
    images = [person.client.images.upload(scene()[0], wait=60).id for _ in range(3)]
    person.client.images.change(images[0], tags=["coast"])
    done = person.run("review", "reject", "--query", "tag:coast", "--reason", "vague")
    assert (done.returncode, done.stdout) == (0, "1 of 1  done\n")
    done = person.run("review", "approve", "--query", "state:draft", "--json")
    assert (done.returncode, json.loads(done.stdout)["done"]) == (0, 2)
    assert [person.client.images.get(one).state for one in images] == ["rejected", "approved", "approved"]
    assert person.run("review", "approve", "--query", "state:draft").returncode == 1
    assert person.run("review", "undo", "--query", "state:draft").returncode == 2
    assert person.run("review", "approve", str(images[0]), "--query", "state:draft").returncode == 2
    assert person.run("review", "--query", "state:draft").returncode == 2


def test_it_reviews_one_draft_after_the_other(person, scene):
    images = {str(person.client.images.upload(scene()[0], wait=60, num_captions=2).id) for _ in range(4)}
    keys = ["s", "a", "z", "2", "a", "e", "Two words.", "x", "2", "e", "", "q"]
    done = person.run("review", input="\n".join(keys) + "\n")
    assert done.returncode == 0, done.stderr
    assert "3 decided." in done.stderr
    states = sorted(person.client.images.get(image).state for image in images)
    assert states == ["approved", "approved", "draft", "rejected"]
    words = {image.published_caption.text for image in person.client.images.list(state="approved")}
    assert "Two words." in words
    left = person.run("review", input="a\n")
    assert "No draft is waiting" in left.stderr


def test_it_takes_single_keys_from_a_terminal(person, scene):
    first, second = (str(person.client.images.upload(scene()[0], wait=60).id) for _ in range(2))
    process, descriptor = pty.fork()
    if not process:
        os.execve(sys.executable, [sys.executable, "-m", "captiondesk", "review"], person.environment)
    shown = b""

    def read_until(words: bytes) -> None:
        nonlocal shown
        end = time.monotonic() + 60
        while words not in shown:
            assert time.monotonic() < end, shown
            if select.select([descriptor], [], [], 0.1)[0]:
                shown += os.read(descriptor, 65536)
        shown = shown.split(words, 1)[1]

    def press(keys: bytes) -> None:
        time.sleep(0.3)  # as people do: what comes before the draft is shown counts for nothing
        os.write(descriptor, keys)

    read_until(b"[q] quit")
    press(b"\x1b[A")  # the arrow upwards ends with the letter that approves
    time.sleep(0.3)
    assert {person.client.images.get(one).state for one in (first, second)} == {"draft"}
    press(b"a")
    read_until(b"[q] quit")
    press(b"q")
    read_until(b"1 decided.")
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    os.close(descriptor)
    assert sorted(person.client.images.get(one).state for one in (first, second)) == ["approved", "draft"]

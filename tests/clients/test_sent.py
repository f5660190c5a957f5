"""Parts of the command line that need no desk: what it remembers, writes and refuses."""

from __future__ import annotations

import csv
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import captiondesk
from captiondesk import Client, Retries
from captiondesk.command import account, captioning, finding, uploading
from captiondesk.command.main import main
from captiondesk.command.screen import Screen, Stop, plain, table
from captiondesk.command.sent import Sent
from tests.clients.scripted import CUT, Said, Server, refusal, serving


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_it_remembers_what_was_sent(tmp_path):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"one")
    sent = Sent(tmp_path / "sent.jsonl")
    digest = sent.digest(file)
    sent.note_upload(digest, "upload-1")
    sent.note_image(digest, "image-1")
    sent.close()
    again = Sent(tmp_path / "sent.jsonl")
    assert (again.digest(file), again.image(digest), again.upload(digest)) == (digest, "image-1", "upload-1")
    file.write_bytes(b"other")
    assert again.image(again.digest(file)) is None
    again.close()
    assert stat.S_IMODE((tmp_path / "sent.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", range(1, 90, 7))
def test_it_loses_only_the_line_that_a_crash_cut(tmp_path, cut):
    path = tmp_path / "sent.jsonl"
    sent = Sent(path)
    sent.note_image("a" * 64, "image-1")
    first = path.stat().st_size
    sent.note_image("b" * 64, "image-2")
    sent.close()
    os.truncate(path, first + cut)
    again = Sent(path)
    again.note_image("c" * 64, "image-3")
    again.close()
    third = Sent(path)
    assert (third.image("a" * 64), third.image("c" * 64)) == ("image-1", "image-3")
    third.close()


def test_it_finds_pictures_in_folders(tmp_path, capsys):
    for name in ("b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "inner/c.heic", ".trash/d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    screen = Screen()
    flat = uploading.found([tmp_path], recursive=False, screen=screen)
    assert [path.name for path in flat] == ["a.PNG", "b.jpg"]
    assert "add --recursive" in capsys.readouterr().err
    deep = uploading.found([tmp_path, tmp_path / "b.jpg", tmp_path / "notes.txt"], recursive=True, screen=screen)
    assert [path.name for path in deep] == ["a.PNG", "b.jpg", "c.heic", "notes.txt"]
    with pytest.raises(Stop, match="There is no file or folder"):
        uploading.found([tmp_path / "gone"], recursive=False, screen=screen)


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_it_writes_nothing_that_a_spreadsheet_would_run(words):
    line = finding.Table().lines({"text": words})
    assert [row[0] for row in csv.reader(io.StringIO(line, newline=""))] == ["text", f"'{words}"]


def test_it_writes_plain_values_into_a_table():
    values = {"a": None, "b": True, "c": ["x", "y"], "d": 3, "e": ["=x"]}
    rows = list(csv.reader(io.StringIO(finding.Table().lines(values))))
    assert rows == [["a", "b", "c", "d", "e"], ["", "true", "x, y", "3", "'=x"]]


def test_it_lets_no_name_command_the_terminal():
    assert plain("a\x1b[2Jb\r\nc\u202ed\udce4") == "a�[2Jb��c�d�"
    assert table(["x", "y"], [["1", "long words"], ["22", "\x07"]], 8) == ["x   y", "1   lon…", "22  �"]


def test_it_reads_parameters():
    assert captioning.parameters(["num_captions=3", "do_sample=true", "model=demo"]) == {
        "num_captions": 3,
        "do_sample": True,
        "model": "demo",
    }
    with pytest.raises(Stop, match=r"is no parameter.*num_beams"):
        captioning.parameters(["beams=3"])


def test_it_keeps_the_token_where_only_its_owner_reads_it():
    old = os.umask(0)
    try:
        path = account.keep(account.Account("https://x.example", "cdesk_t"))
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert account.current() == account.Account("https://x.example", "cdesk_t")
    assert [one.name for one in path.parent.iterdir()] == ["account.json"]


def test_it_shows_a_token_to_no_other_desk(monkeypatch):
    account.keep(account.Account("https://x.example", "cdesk_t"))
    monkeypatch.setenv("CAPTIONDESK_URL", "https://y.example")
    with pytest.raises(Stop, match="names another desk"):
        account.current()
    monkeypatch.setenv("CAPTIONDESK_TOKEN", "cdesk_other")
    assert account.current() == account.Account("https://y.example", "cdesk_other")
    monkeypatch.delenv("CAPTIONDESK_URL")
    assert account.current() == account.Account("https://x.example", "cdesk_other")


def test_it_says_that_nobody_is_logged_in(capsys):
    assert main(["me"]) == 3
    assert "captiondesk login" in capsys.readouterr().err
    account.keep(account.Account("https://x.example", "cdesk_t")).write_text("{broken")
    assert main(["me"]) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [[], ["paint"], ["upload"], ["search"], ["search", "x", "--limit", "0"], ["review", "x"]]
)
def test_it_explains_a_wrong_command(wrong, capsys):
    with pytest.raises(SystemExit) as caught:
        main(wrong)
    assert caught.value.code == 2
    assert "usage: captiondesk" in capsys.readouterr().err


PICTURE = {
    **dict.fromkeys(("alt_text", "caption", "deleted_at", "long_description", "published_caption", "quality")),
    **dict.fromkeys(("bytes", "frames", "height", "number", "width"), 1),
    **{name: [] for name in ("albums", "jobs", "tags")},
    **dict.fromkeys(("is_decorative", "published_by_rule"), False),
    **dict.fromkeys(("filename", "owner", "sha256", "title"), "x"),
    "id": "0198c0de-0000-7000-8000-000000000000",
    "created_at": "2026-11-01T10:00:00Z",
    "format": "JPEG",
    "state": "queued",
    "urls": {"medium": "x", "original": "x", "screen": "x", "thumbnail": "x"},
}


def sending(server: Server, folder: Path, parallel: int = 1) -> tuple[uploading.Upload, list[Path]]:
    """Prepare to send three files to a scripted server, each tried once."""
    files = [folder / f"{number}.jpg" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]))
    client, sent = Client(server.url, "t", retries=Retries(most=1)), Sent(folder / "sent.jsonl")
    return uploading.Upload(client, sent, Screen(), uploading.Options(parallel=parallel)), files


def test_it_waits_for_a_desk_that_has_no_room(tmp_path, capsys):
    full = refusal(429, "queue_full", Retry_After="0")
    with serving(Said(201, PICTURE), full, full, full, Said(201, PICTURE)) as server:
        upload, files = sending(server, tmp_path)
        assert upload.run(files) == 0
    assert len(server.asked) == 6
    said = capsys.readouterr()
    assert said.err == "Waiting for the desk, which says: It is queue_full.\n3 sent.\n"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (refusal(507, "disk_full"), captiondesk.ServerFailed),
        (refusal(401, "authentication_failed"), captiondesk.NotAuthenticated),
        (CUT, captiondesk.ConnectionFailed),
    ],
)
def test_it_ends_at_what_every_other_file_would_hear_as_well(tmp_path, capsys, said, kind):
    with serving(Said(201, PICTURE), said) as server:
        upload, files = sending(server, tmp_path)
        with pytest.raises(kind):
            upload.run(files)
    assert len(server.asked) == 2
    assert "1 sent, 2 not done." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (refusal(429, "throttled", Retry_After="3600"), 4),
        (refusal(503, "database_busy", Retry_After="3600"), 4),
        (refusal(500, "error"), 4),
        (refusal(403, "scope_missing"), 3),
        (refusal(401, "authentication_failed"), 3),
        (Said(200, b"<html>"), 1),
    ],
)
def test_it_ends_with_a_status_that_says_what_to_do(said, status, monkeypatch, capsys):
    with serving(said) as server:
        monkeypatch.setenv("CAPTIONDESK_URL", server.url)
        monkeypatch.setenv("CAPTIONDESK_TOKEN", "cdesk_t")
        assert main(["me"]) == status
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1


def test_it_ends_quietly_when_nobody_reads_on(tmp_path):
    tag = {"next": None, "previous": None, "results": [{**PICTURE, "filename": "x" * 100}] * 2000}
    source = Path(captiondesk.__file__).parents[1]
    with serving(Said(200, tag)) as server:
        environment = {**os.environ, "CAPTIONDESK_URL": server.url, "CAPTIONDESK_TOKEN": "t", "PYTHONPATH": str(source)}
        command = [sys.executable, "-m", "captiondesk", "search", "x", "--json", "--limit", "2000"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1


def test_it_forgets_the_token():
    path = account.keep(account.Account("https://x.example", "cdesk_t"))
    assert main(["logout"]) == 0
    assert not path.exists()
    assert main(["logout"]) == 0

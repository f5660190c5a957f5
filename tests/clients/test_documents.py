"""What the documents say about the clients is so."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from captiondesk import Client, errors
from captiondesk.command.main import parser
from captiondesk.command.screen import Exit
from captiondesk.surface import Operations, following, listing, operation
from tests.clients.test_command import SOURCE

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/clients.md").read_text()
README = (ROOT / "clients/python/README.md").read_text()


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("example", blocks(README, "python") + blocks(DOCUMENT, "python")[:1])
def test_its_examples_run(example, running, token, scene, tmp_path):
    (tmp_path / "harbour.jpg").write_bytes(scene()[0])
    example = example.replace('"https://captions.example.org", token="cdesk_..."', "")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "CAPTIONDESK_URL": running.url,
        "CAPTIONDESK_TOKEN": token,
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_it_documents_every_command_and_option():
    (commands,) = (one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        assert f"`{name} " in DOCUMENT or f"`{name}`" in DOCUMENT, name
        for action in command._actions:
            for option in action.option_strings:
                assert option in ("-h", "--help") or option in DOCUMENT, f"{name} {option}"


def test_it_documents_every_status():
    rows = re.findall(r"^\| (\d+) \|", DOCUMENT, re.MULTILINE)
    assert [int(row) for row in rows] == [code.value for code in Exit]


def test_it_documents_every_class_of_error():
    classes = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, Exception)}
    assert {name for name in classes if f"`{name}`" not in DOCUMENT} == set()


def test_it_documents_every_method():
    client = Client("https://x.example", "t")
    groups = {f"client.{name}": one for name, one in vars(client).items() if isinstance(one, Operations)}
    table = {
        name: set(re.findall(r"`(\w+)`", methods))
        for name, methods in re.findall(r"^\| `(client.*?)` \| (.*) \|$", DOCUMENT, re.M)
    }
    for name, group in {**groups, "client": client}.items():
        methods = {
            key
            for kind in type(group).__mro__
            for key, one in vars(kind).items()
            if isinstance(one, operation | listing | following)
        }
        assert table[name] == methods, name


def test_every_method_has_words_of_its_own():
    client = Client("https://x.example", "t")
    for group in (client, *(one for one in vars(client).values() if isinstance(one, Operations))):
        for kind in type(group).__mro__:
            for name, one in vars(kind).items():
                assert not isinstance(one, operation | listing | following) or getattr(group, name).__doc__, name


def test_its_package_builds_and_brings_the_command(tmp_path):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*command, "--no-build-isolation", "--target", tmp_path, ROOT / "clients/python"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "captiondesk/py.typed").exists()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    told = subprocess.run([tmp_path / "bin/captiondesk", "--version"], env=environment, capture_output=True, text=True)
    assert told.stdout == "captiondesk 0.1.0\n"

"""The TypeScript client: its types are what the contract says, it compiles, and it works before a real desk."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.scripted import CUT, Said, refusal, serving

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGE = ROOT / "clients" / "typescript"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with what it needs, compiled: the tests write nothing into the repository."""
    folder = tmp_path_factory.mktemp("typescript") / "clients" / "typescript"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder.parents[1] / "docs").mkdir()
    shutil.copy(ROOT / "docs/openapi.json", folder.parents[1] / "docs")
    npm(folder, "ci", "--no-audit", "--no-fund")
    npm(folder, "run", "build")
    return folder


def npm(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["npm", *arguments], cwd=folder, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr


def node(built: Path, *arguments: str | Path) -> dict[str, object]:
    """Run the script with the built client."""
    command = ["node", HERE / "desk.mjs", built / "dist", *arguments]
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_its_types_are_what_the_contract_says(built):
    committed = (PACKAGE / "src/contract.ts").read_text()
    npm(built, "run", "generate")
    assert (built / "src/contract.ts").read_text() == committed


def test_it_compiles_with_declarations(built):
    assert {"index.js", "index.d.ts", "contract.d.ts"} <= {path.name for path in (built / "dist").iterdir()}
    assert json.loads((built / "tsconfig.json").read_text())["compilerOptions"]["strict"] is True


def test_it_pins_what_it_needs_and_names_no_registry():
    lock = json.loads((PACKAGE / "package-lock.json").read_text())
    package = json.loads((PACKAGE / "package.json").read_text())
    wanted = {**package["dependencies"], **package["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    addresses = [one["resolved"] for one in lock["packages"].values() if "resolved" in one]
    assert all(address.startswith("https://registry.npmjs.org/") for address in addresses)
    assert all("integrity" in one for name, one in lock["packages"].items() if name)


def test_it_works_before_a_real_desk(built, running, token, tmp_path, scene):
    paths, words = [], []
    for number in range(3):
        data, caption = scene()
        paths.append(tmp_path / f"{number}.jpg")
        paths[-1].write_bytes(data)
        words.append(caption)
    told = node(built, "real", running.url, token, *paths)
    missing, wrong = told.pop("missing"), told.pop("wrong")
    assert str(told.pop("me")).startswith("person")
    assert told == {
        "caption": words[0],
        "job": ["done", 2],
        "listed": 3,
        "turns": 3,
        "approved": "approved",
        "published": "Three shapes.",
        "albums": "Harbour",
        "bulk": ["done", 1, ["not_found"]],
        "address": "address_refused",
        "hook": "address_refused",
        "left": "approved",
    }
    assert isinstance(missing, dict)
    assert isinstance(wrong, dict)
    assert (missing["kind"], missing["code"], missing["status"]) == ("ApiError", "not_found", 404)
    assert missing["requestId"]
    assert (wrong["code"], wrong["attr"]) == ("invalid_parameter", "num_beams")


def test_it_sends_again_with_the_same_key(built):
    script = [CUT, refusal(503, "queue_full"), Said(200, {"username": "olga"}), CUT, refusal(429, "throttled")]
    with serving(*script, refusal(400, "not_a_picture")) as server:
        told = node(built, "scripted", server.url, "t")
    assert told["me"] == "olga"
    assert told["refused"] == {
        "kind": "ApiError",
        "code": "not_a_picture",
        "attr": None,
        "status": 400,
        "requestId": None,
    }
    uploads = [one for one in server.asked if one.method == "POST"]
    assert len(uploads) == 3
    assert len({one.headers["idempotency-key"] for one in uploads}) == 1
    assert all(b"bytes" in one.body for one in uploads)


def test_it_gives_up_after_so_many_tries(built):
    with serving(Said(200, {"username": "olga"}), CUT) as server:
        told = node(built, "scripted", server.url, "t")
    assert told["refused"] == {"kind": "ConnectionFailed", "code": "connection_failed"}
    assert len([one for one in server.asked if one.method == "POST"]) == 4

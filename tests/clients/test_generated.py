"""What was generated from the contract is what the contract says, and all of it can be called."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from captiondesk.addresses import OPERATIONS

ROOT = Path(__file__).resolve().parents[2]


def test_its_models_are_what_the_contract_says():
    command = [sys.executable, "clients/python/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_has_a_method_for_every_operation():
    source = "".join(path.read_text() for path in (ROOT / "clients/python/src/captiondesk").glob("*.py"))
    asked = set(re.findall(r'Request\(\s*"(\w+)"', source)) | {
        "get_original",
        "get_screen",
        "get_medium",
        "get_thumbnail",
    }
    assert asked == OPERATIONS.keys()

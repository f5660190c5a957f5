"""What schemathesis cannot know of the API; named in the configuration that test_fuzzing writes for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import schemathesis

CONTRACT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def _names() -> dict[tuple[str, str], set[str]]:
    """Give the fields that may be asked for, by method and path, as the parameter's words list them."""
    found = {}
    for path, operations in json.loads(CONTRACT.read_text())["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                if parameter.get("name") == "fields":
                    found[method.upper(), path] = set(re.findall(r"`(\w+)`", parameter["description"]))
    return found


NAMES = _names()
assert NAMES, "no operation takes `fields`"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Ask for whole answers: one of few fields lacks what its schema requires. Wrong names stay, and must fail."""
    asked = (case.query or {}).get("fields")
    known = NAMES.get((case.method.upper(), case.path), set())
    if isinstance(asked, str) and {name.strip() for name in asked.split(",")} <= known:
        case.query = {name: value for name, value in case.query.items() if name != "fields"}

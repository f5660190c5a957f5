"""The API's contract: kept in the repository, and what would break clients is found."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from captions.api.contract import breaking_changes

pytestmark = pytest.mark.one_database

FILE = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
IMAGES = "/api/v1/images/"
JOBS = "/api/v1/images/{image_id}/jobs/"

Change = Callable[[dict[str, Any]], object]


def kept() -> dict[str, Any]:
    return json.loads(FILE.read_text())


def body_of(document: dict[str, Any], path: str, method: str = "post") -> dict[str, Any]:
    schema = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def image(document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"]["Image"]


def test_it_is_kept_up_to_date():
    call_command("contract", check=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda doc: doc["paths"].pop(JOBS), f"POST {JOBS} is gone."),
        (lambda doc: doc["paths"][IMAGES].pop("get"), f"GET {IMAGES} is gone."),
        (lambda doc: doc["paths"][IMAGES]["get"]["parameters"].pop(0), "the parameter"),
        (
            lambda doc: doc["paths"][IMAGES]["get"]["parameters"].append(
                {"in": "query", "name": "new", "required": True, "schema": {}}
            ),
            f"GET {IMAGES}: the new parameter new is required.",
        ),
        (lambda doc: doc["paths"][IMAGES]["get"]["responses"].pop("200"), f"GET {IMAGES} no longer answers 200."),
        (lambda doc: image(doc)["properties"].pop("sha256"), ".sha256 is gone."),
        (lambda doc: image(doc)["properties"]["width"].update(type="string"), ".width may now be string."),
        (lambda doc: image(doc)["required"].remove("sha256"), ".sha256 may be missing."),
        (lambda doc: body_of(doc, JOBS)["properties"].pop("num_beams"), ".num_beams is gone."),
        (lambda doc: body_of(doc, JOBS).update(required=["seed"]), ".seed has become required."),
    ],
)
def test_it_finds_what_would_break_a_client(change: Change, sentence: str):
    before, after = kept(), kept()
    change(after)
    found = breaking_changes(before, after)
    assert any(sentence in one for one in found), found


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: None,
        lambda doc: doc["paths"].update({"/api/v1/new/": copy.deepcopy(doc["paths"][IMAGES])}),
        lambda doc: image(doc)["properties"].update(new={"type": "string"}),
        lambda doc: body_of(doc, JOBS)["properties"].update(new={"type": "string"}),
        lambda doc: doc["paths"][IMAGES]["get"]["parameters"].append({"in": "query", "name": "new", "schema": {}}),
        lambda doc: doc["info"].update(title="Another name"),
    ],
)
def test_it_lets_the_contract_grow(change: Change):
    before, after = kept(), kept()
    change(after)
    assert breaking_changes(before, after) == []


def test_it_writes_no_contract_that_breaks_clients_unawares(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    richer = kept()
    richer["paths"]["/api/v1/gone/"] = {"get": {"responses": {}}}
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(richer))
    with pytest.raises(CommandError, match="would break clients"):
        call_command("contract", file=file)
    assert "GET /api/v1/gone/ is gone." in capsys.readouterr().err
    assert json.loads(file.read_text()) == richer
    with pytest.raises(CommandError, match="out of date"):
        call_command("contract", file=file, check=True)
    call_command("contract", "--break", file=file)
    assert json.loads(file.read_text()) == kept()

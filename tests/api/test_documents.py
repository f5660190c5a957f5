"""What the API says about itself: complete, valid, and true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from django.core.management import call_command
from django.urls import resolve

from captions.api.urls import urlpatterns
from captions.api.views.documents import document
from captions.errors import FAILURES
from captions.scopes import Scope
from tests import factories

pytestmark = pytest.mark.one_database

ROOT = Path(__file__).resolve().parents[2]
OPEN = {"schema", "docs", "api-unknown", None}
NAMING_OTHERS = {"next_reviews", "export_captions", "begin_presigned_upload"}  # outside their address


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Give every operation, with the answers and headers that stand in `components` put back into it."""
    return [
        (path, method, {**operation, "responses": {code: whole(one) for code, one in operation["responses"].items()}})
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    ]


def whole(answer: dict[str, Any]) -> dict[str, Any]:
    answer = referred(answer)
    return {**answer, "headers": {name: referred(one) for name, one in answer.get("headers", {}).items()}}


def referred(part: dict[str, Any]) -> dict[str, Any]:
    for name in part.get("$ref", "").split("/")[1:2]:
        kind, key = part["$ref"].split("/")[2:]
        return document()[name][kind][key]
    return part


def test_it_is_valid_openapi_3_1_without_a_warning(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))
    written = yaml.load((tmp_path / "schema.yaml").read_text(), yaml.CSafeLoader)
    assert written["openapi"].startswith("3.1")


@pytest.mark.parametrize("path", ["/api/schema/", "/api/schema"])
def test_it_is_served_to_anybody_as_json_and_as_yaml(nobody, db, path):
    answer = nobody.get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("application/json")
    served = json.loads(answer.content)
    assert served["openapi"].startswith("3.1")
    asked = nobody.get(path, headers={"Accept": "application/vnd.oai.openapi"})
    assert yaml.load(asked.content, yaml.CSafeLoader)["paths"].keys() == served["paths"].keys()


def test_it_documents_every_operation_that_is_served():
    documented = {(path, method) for path, method, _ in operations()}
    served = {
        ("/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern)), method)
        for pattern in urlpatterns
        if pattern.name not in OPEN
        for method in ("get", "post", "put", "patch", "delete")
        if hasattr(pattern.callback.cls, method)
    }
    assert documented == served


@pytest.mark.parametrize(("path", "method", "operation"), operations())
def test_it_tells_all_about_an_operation(path, method, operation):
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", operation["operationId"])
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    opens = next(way["token"] for way in operation["security"] if "token" in way)
    assert set(opens) <= set(Scope.values)
    responses = operation["responses"]
    assert {"401", "406", "429", "500", "503"} <= responses.keys()
    assert ("404" in responses) == ("{" in path or operation["operationId"] in NAMING_OTHERS)
    assert ("403" in responses) == bool(opens)
    for status, response in responses.items():
        content = response.get("content", {})
        assert response["headers"]["X-Request-ID"], status
        if int(status) >= 400:
            assert content["application/json"]["schema"]["$ref"].endswith("/Failure")
            assert response["description"]
        if "application/json" in content:
            assert content["application/json"]["examples"], f"{status} has no example"
    for status in {"429", "503", "507"} & responses.keys():
        assert "Retry-After" in responses[status]["headers"]
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        assert operation["requestBody"]["content"]["application/json"]["examples"]


def validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    whole = {**schema, "components": document()["components"]}
    return jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())


def test_it_gives_examples_that_fit_their_schema():
    checked = 0
    for _, _, operation in operations():
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            for content in body.get("content", {}).values():
                for example in content.get("examples", {}).values():
                    validator(content["schema"]).validate(example["value"])
                    checked += 1
    assert checked > 150


def check(answer: Any, operation_id: str) -> None:
    """Hold a real answer to what is documented for its operation and status; nothing more may be in it."""
    (operation,) = [o for _, _, o in operations() if o["operationId"] == operation_id]
    schema = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
    validator(schema).validate(answer.json())
    _no_more(answer.json(), schema)


def _no_more(value: Any, schema: dict[str, Any]) -> None:
    schemas = document()["components"]["schemas"]
    while "$ref" in schema or "allOf" in schema or "oneOf" in schema:
        choices = schema.get("allOf") or [s for s in schema.get("oneOf", []) if s.get("type") != "null"] or [schema]
        schema = schemas[choices[0]["$ref"].rpartition("/")[2]] if "$ref" in choices[0] else choices[0]
    if isinstance(value, dict) and "properties" in schema:
        assert set(value) == set(schema["properties"])
        for name, part in value.items():
            _no_more(part, schema["properties"][name])
    elif isinstance(value, list) and "items" in schema:
        for part in value:
            _no_more(part, schema["items"])


def test_it_answers_as_documented(api, owner):
    factories.make_worker()
    image = factories.make_image(owner, "draft")
    factories.make_caption(image, "by hand")
    failed = factories.make_failure(image)
    check(api.look("me/"), "get_me")
    check(api.look("models/"), "list_models")
    check(api.look("models/", limit=2), "list_models")
    check(api.look("quality/"), "get_quality")
    check(api.look("images/"), "list_images")
    check(api.raw("images/", factories.picture()), "upload_image")
    check(api.raw("images/", b""), "upload_image")
    check(api.look(f"images/{image.pk}/"), "get_image")
    check(api.look(f"images/{image.pk}/captions/"), "list_captions")
    check(api.send(f"images/{image.pk}/captions/", {"text": "more"}), "write_caption")
    check(api.send(f"images/{image.pk}/captions/{image.caption_id}/restore/"), "restore_caption")
    check(api.look(f"images/{image.pk}/jobs/"), "list_jobs_of_image")
    check(api.send(f"images/{image.pk}/jobs/", {}), "request_captions")
    check(api.send(f"images/{image.pk}/jobs/", {"top_k": "x"}), "request_captions")
    check(api.send(f"images/{image.pk}/jobs/", {"model": "other"}), "request_captions")
    check(api.look("jobs/"), "list_jobs")
    check(api.look(f"jobs/{failed.pk}/"), "get_job")
    check(api.send(f"jobs/{failed.pk}/cancel/"), "cancel_job")
    check(api.send(f"jobs/{failed.pk}/retry/"), "retry_job")
    check(api.send(f"images/{image.pk}/review/", {"decision": "approve"}), "review_image")
    check(api.send(f"images/{image.pk}/review/undo/"), "undo_review")
    check(api.look(f"images/{image.pk}/reviews/"), "list_reviews")
    check(api.send("review/next/", {"n": 5}), "next_reviews")
    check(api.send("review/next/", {"n": 0}), "next_reviews")
    check(api.look("images/", ordering="least_sure"), "list_images")
    check(api.look("images/", state="x"), "list_images")


def test_it_shows_the_document_on_a_page_without_anything_inline(nobody, db):
    answer = nobody.get("/api/docs/", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert 'data-schema="/api/schema/"' in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    assert "unsafe-inline" not in answer["Content-Security-Policy"]
    assert "script-src 'self'" in answer["Content-Security-Policy"]


# --- docs/api.md ---------------------------------------------------------------------------------------------------

GUIDE = ROOT / "docs" / "api.md"


def test_it_names_only_addresses_that_exist_in_the_guide():
    text = GUIDE.read_text()
    named = set(re.findall(r"/api/[\w/{}$-]+", text))
    assert len(named) > 10
    for address in named:
        path = re.sub(r"\{\w+\}|\$\w+", "0199f3a2-5c1e-7d40-8b21-6a6f0d6f4c11", address)
        assert resolve(path).url_name != "api-unknown", address


def test_it_names_every_address_in_the_guide():
    text = re.sub(r"\{\w+\}", "{}", GUIDE.read_text())
    for path, method, _ in operations():
        line = re.sub(r"\{\w+\}", "{}", f"{method.upper()} {path}")
        assert f"`{line}`" in text, line


def test_it_names_only_codes_that_exist_in_the_guide():
    text = GUIDE.read_text()
    codes = set(re.findall(r"^\| `([a-z_]+)` \| \d{3} \|", text, re.MULTILINE))
    assert {"not_authenticated", "throttled", "parse_error"} <= codes
    assert not codes & FAILURES.keys(), "these are in docs/errors.md already"

"""Write the models of the API's answers anew from its contract, docs/openapi.json.

    python clients/python/generate.py            # writes models.py, parameters.py and addresses.py in src/captiondesk
    python clients/python/generate.py --check    # ends with 1 when they are not what the contract says

What is generated is never edited by hand. Everything that people call is in the modules beside it.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
CONTRACT: Final = ROOT / "docs" / "openapi.json"
PACKAGE: Final = Path(__file__).resolve().parent / "src" / "captiondesk"
HEADER: Final = '"""{words}\n\nGenerated from docs/openapi.json by clients/python/generate.py; do not edit.\n"""'
PARAMETERS: Final = "JobRequestRequest"
COMMON: Final = (
    *("--input-file-type", "openapi", "--openapi-scopes", "schemas", "--schema-version-mode", "lenient"),
    *("--target-python-version", "3.11", "--use-schema-description", "--use-double-quotes", "--disable-timestamp"),
    *("--use-standard-collections", "--use-union-operator", "--enum-field-as-literal", "all", "--use-annotated"),
    *("--collapse-root-models", "--use-standard-primitive-types", "--formatters", "builtin", "--disable-warnings"),
)


def schemas() -> dict[str, Any]:
    """Give the contract's schemas by name."""
    found: dict[str, Any] = json.loads(CONTRACT.read_text())["components"]["schemas"]
    return found


def references(part: Any) -> Iterator[str]:
    """Give the names of the schemas that a part of the contract refers to."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield str(part["$ref"]).rsplit("/", 1)[-1]
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from references(one)


def with_all_they_name(names: set[str], known: dict[str, Any]) -> dict[str, Any]:
    """Give these schemas and those that they refer to, however deep, in the contract's order."""
    wanted, fresh = set(names), set(names)
    while fresh:
        fresh = {name for one in fresh for name in references(known[one])} - wanted
        wanted |= fresh
    return {name: schema for name, schema in known.items() if name in wanted}


def answered() -> dict[str, Any]:
    """Give the schemas that answers are made of; bodies of requests are the arguments of the client's methods."""
    document = json.loads(CONTRACT.read_text())
    parts = [document["components"].get("responses", {})]
    parts += [one.get("responses", {}) for item in document["paths"].values() for one in item.values()]
    known = schemas()
    return with_all_they_name({name for part in parts for name in references(part) if name in known}, known)


def freed(schema: Any) -> Any:
    """Let every closed list of values take others too, and drop limits.

    Within version 1 answers only become richer: a client that refused a value or a length that is newer than itself
    would break at an upgrade of the desk.
    """
    if isinstance(schema, list):
        return [freed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    limits = {"maximum", "minimum", "maxLength", "minLength", "pattern", "maxItems", "minItems", "example", "examples"}
    loose = {key: freed(value) for key, value in schema.items() if key not in limits}
    if loose.get("format") in ("uri", "email"):  # shown and followed, never taken apart
        loose.pop("format")
    if isinstance(loose.get("enum"), list) and loose.get("type") == "string":
        closed = {"type": "string", "enum": loose.pop("enum")}
        loose.pop("type")
        return {**loose, "anyOf": [closed, {"type": "string"}]}
    if len(loose.get("allOf", [])) == 1:  # a reference with a description beside it
        return {**{key: value for key, value in loose.items() if key != "allOf"}, **loose["allOf"][0]}
    return loose


def document(parts: dict[str, Any]) -> dict[str, Any]:
    """Wrap schemas into a document of their own."""
    info = {"title": "Caption Desk", "version": "1"}
    return {"openapi": "3.1.1", "info": info, "paths": {}, "components": {"schemas": parts}}


def parameters() -> dict[str, Any]:
    """Give the parameters of a captioning run, under the name that the client's methods use."""
    params = copy.deepcopy(schemas()[PARAMETERS])
    params["description"] = "How captions are made. What is left out takes the default of the model that answers."
    return {"GenerationParams": params}


def addresses() -> str:
    """Give a module that says of each operation of the contract what to send where."""
    paths: dict[str, dict[str, Any]] = json.loads(CONTRACT.read_text())["paths"]
    entries = {
        one["operationId"]: (method.upper(), path) for path, item in paths.items() for method, one in item.items()
    }
    lines = [f"    {name!r}: {entries[name]!r},".replace("'", '"') for name in sorted(entries)]
    table = "\n".join(["OPERATIONS: Final[dict[str, tuple[str, str]]] = {", *lines, "}"])
    words = "Every operation of the API by its name: its method, and its address with the names of what goes into it."
    return (
        f"{HEADER.format(words=words)}\n\nfrom __future__ import annotations\n\nfrom typing import Final\n\n{table}\n"
    )


def write(parts: dict[str, Any], target: Path, words: str, *options: str) -> None:
    """Let the generator write one module."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "contract.json"
        source.write_text(json.dumps(document(parts)))
        command = [sys.executable, "-m", "datamodel_code_generator", "--input", str(source), "--output", str(target)]
        subprocess.run([*command, *COMMON, *options, "--custom-file-header", HEADER.format(words=words)], check=True)
    tidy(target)


def tidy(target: Path) -> None:
    """Bring a module into the project's form."""
    for arguments in (["check", "--quiet", "--fix", "--select", "I,UP,F401,RUF022"], ["format", "--quiet"]):
        settings = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
        subprocess.run([sys.executable, "-m", "ruff", *arguments, *settings, str(target)], check=True)


def generate(folder: Path) -> list[Path]:
    """Write the modules into a folder; give their paths."""
    models, params, operations = folder / "models.py", folder / "parameters.py", folder / "addresses.py"
    base = ("--output-model-type", "pydantic_v2.BaseModel", "--extra-fields", "allow", "--use-field-description")
    write(freed(answered()), models, "What the desk answers.", *base, "--base-class", "captiondesk.told.Told")
    write(
        parameters(), params, "How captions are made.",
        "--output-model-type", "typing.TypedDict", "--use-total-false-for-typed-dict", "--use-field-description",
    )  # fmt: skip
    operations.write_text(addresses())
    tidy(operations)
    return [models, params, operations]


def lagging() -> list[str]:
    """Give the names of the committed modules that are not what the contract says."""
    with tempfile.TemporaryDirectory() as folder:
        made = generate(Path(folder))
        return [
            path.name
            for path in made
            if not (PACKAGE / path.name).exists() or (PACKAGE / path.name).read_bytes() != path.read_bytes()
        ]


def main() -> int:
    """Write, or only compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="only say whether they are what the contract says")
    if not parser.parse_args().check:
        generate(PACKAGE)
        return 0
    late = lagging()
    if late:
        sys.stderr.write(f"Not what docs/openapi.json says: {', '.join(late)}. Run clients/python/generate.py.\n")
    return int(bool(late))


if __name__ == "__main__":
    raise SystemExit(main())

"""The OpenAPI document as a contract: its repeated parts stand once, and what would break a client is found.

The document is kept as docs/openapi.json. A client that was written for it may send what it describes and rely on what
it promises: so a request may only become freer, an answer only richer.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal

from rest_framework.utils.encoders import JSONEncoder

Json = dict[str, Any]
Side = Literal["request", "answer"]

_METHODS: Final = ("get", "post", "put", "patch", "delete", "head")


# --- Repeated parts ------------------------------------------------------------------------------------------------


def share_repeated(result: Json, generator: Any, request: Any, public: bool) -> Json:
    """Move refusals and headers that several operations give alike into `components` (a hook of drf-spectacular)."""
    components = result.setdefault("components", {})
    answers = Counter(_key(answer) for answer in _answers(result))
    for operation in _operations(result):
        for status, answer in operation["responses"].items():
            if status >= "400" and answers[_key(answer)] > 1:
                kept = components.setdefault("responses", {})
                operation["responses"][status] = _referred(kept, _name(status), answer, "responses")
    for answer in [*_answers(result), *components.get("responses", {}).values()]:
        for name, header in answer.get("headers", {}).items():
            kept = components.setdefault("headers", {})
            answer["headers"][name] = _referred(kept, name, header, "headers")
    return result


def _referred(kept: Json, name: str, part: Json, kind: str) -> Json:
    if "$ref" in part:
        return part
    number, free = 1, name
    while free in kept and kept[free] != part:
        number += 1
        free = f"{name}{number}"
    kept[free] = part
    return {"$ref": f"#/components/{kind}/{free}"}


def _name(status: str) -> str:
    try:
        return HTTPStatus(int(status)).phrase.title().replace(" ", "").replace("-", "")
    except ValueError:
        return f"Status{status}"


def _key(part: Json) -> str:
    return json.dumps(part, sort_keys=True, cls=JSONEncoder)  # descriptions may be words that wait for a language


def _operations(document: Json) -> Iterator[Json]:
    for path in document["paths"].values():
        yield from (path[method] for method in _METHODS if method in path)


def _answers(document: Json) -> Iterator[Json]:
    for operation in _operations(document):
        yield from (answer for answer in operation["responses"].values() if "$ref" not in answer)


# --- What would break a client --------------------------------------------------------------------------------------


def breaking_changes(before: Json, after: Json) -> list[str]:
    """Say, a sentence each, what a client that was written for `before` may stumble over in `after`; best none."""
    return list(_Comparison(before, after).all())


class _Comparison:
    def __init__(self, before: Json, after: Json) -> None:
        self.before, self.after = before, after
        self.seen: set[tuple[str, str, Side]] = set()

    def all(self) -> Iterator[str]:
        """Compare operation by operation."""
        for path, methods in self.before["paths"].items():
            for method in _METHODS:
                if method not in methods:
                    continue
                place = f"{method.upper()} {path}"
                now = self.after["paths"].get(path, {}).get(method)
                if now is None:
                    yield f"{place} is gone."
                else:
                    yield from self._operation(place, methods[method], now)

    def _operation(self, place: str, old: Json, new: Json) -> Iterator[str]:
        yield from self._parameters(place, old.get("parameters", []), new.get("parameters", []))
        yield from self._body(place, old.get("requestBody"), new.get("requestBody"))
        for status, answer in old["responses"].items():
            now = new["responses"].get(status)
            if now is None:
                if status.startswith("2"):
                    yield f"{place} no longer answers {status}."
                continue
            was, is_now = self._plain(self.before, answer), self._plain(self.after, now)
            for name in sorted(was.get("headers", {}).keys() - is_now.get("headers", {}).keys()):
                yield f"{place}: the answer {status} has no header {name} any more."
            yield from self._contents(f"{place}: answer {status}", was, is_now, "answer")

    def _parameters(self, place: str, old: list[Json], new: list[Json]) -> Iterator[str]:
        now = {(one["in"], one["name"]): one for one in new}
        known = {(one["in"], one["name"]): one for one in old}
        for key, parameter in known.items():
            if key not in now:
                yield f"{place}: the parameter {key[1]} is gone."  # unknown ones are refused
                continue
            if now[key].get("required") and not parameter.get("required"):
                yield f"{place}: the parameter {key[1]} has become required."
            yield from self._schema(f"{place}: {key[1]}", parameter["schema"], now[key]["schema"], "request")
        for key, parameter in now.items():
            if key not in known and parameter.get("required"):
                yield f"{place}: the new parameter {key[1]} is required."

    def _body(self, place: str, old: Json | None, new: Json | None) -> Iterator[str]:
        if old is None:
            if new and new.get("required"):
                yield f"{place} has come to need a body."
            return
        if new is None:
            yield f"{place} takes no body any more."
            return
        if new.get("required") and not old.get("required"):
            yield f"{place} has come to need a body."
        yield from self._contents(f"{place}: body", old, new, "request")

    def _contents(self, place: str, old: Json, new: Json, side: Side) -> Iterator[str]:
        for kind, content in old.get("content", {}).items():
            now = new.get("content", {}).get(kind)
            if now is None:
                yield f"{place} is no longer {kind}."
            elif "schema" in content and "schema" in now:
                yield from self._schema(f"{place}", content["schema"], now["schema"], side)

    def _schema(self, place: str, old: Json, new: Json, side: Side) -> Iterator[str]:
        mark = (_key(old), _key(new), side)
        if mark in self.seen:  # told already, or a schema that holds itself
            return
        self.seen.add(mark)
        old, new = self._plain(self.before, old), self._plain(self.after, new)
        yield from self._kinds(place, old, new, side)
        yield from self._properties(place, old, new, side)
        if "items" in old and "items" in new:
            yield from self._schema(f"{place}[]", old["items"], new["items"], side)
        for choice in ("oneOf", "anyOf", "allOf"):
            yield from self._choices(place, old.get(choice, []), new.get(choice, []), side)
        if side == "request":
            yield from _limits(place, old, new)

    def _kinds(self, place: str, old: Json, new: Json, side: Side) -> Iterator[str]:
        was, now = _types(old), _types(new)
        lost, gained = (was - now, now - was) if was and now else (set(), set())
        wrong = lost if side == "request" else gained
        if wrong:
            verb = "takes no" if side == "request" else "may now be"
            yield f"{place} {verb} {' or '.join(sorted(wrong))}."
        if "enum" in old and side == "request":
            for value in [one for one in old["enum"] if "enum" in new and one not in new["enum"]]:
                yield f"{place} no longer takes {json.dumps(value)}."
        if "enum" not in old and "enum" in new and side == "request":
            yield f"{place} takes a few values only."

    def _properties(self, place: str, old: Json, new: Json, side: Side) -> Iterator[str]:
        had, has = old.get("properties", {}), new.get("properties", {})
        for name, schema in had.items():
            if name not in has:
                yield f"{place}.{name} is gone."
                continue
            yield from self._schema(f"{place}.{name}", schema, has[name], side)
        was, now = set(old.get("required", [])), set(new.get("required", []))
        if side == "request":
            yield from (f"{place}.{name} has become required." for name in sorted(now - was))
        else:
            yield from (f"{place}.{name} may be missing." for name in sorted((was - now) & has.keys()))

    def _choices(self, place: str, old: list[Json], new: list[Json], side: Side) -> Iterator[str]:
        if len(old) > len(new) and side == "request":
            yield f"{place} takes fewer kinds of values."
        if old and len(new) > len(old) and side == "answer":
            yield f"{place} may be another kind of value."
        for was, now in zip(old, new, strict=False):
            yield from self._schema(place, was, now, side)

    @staticmethod
    def _plain(document: Json, part: Json) -> Json:
        while "$ref" in part:
            found: Any = document
            for name in part["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            part = found
        return part


def _types(schema: Mapping[str, Any]) -> set[str]:
    kind = schema.get("type")
    types = {kind} if isinstance(kind, str) else set(kind or ())
    return types | ({"integer"} if "number" in types else set())


def _limits(place: str, old: Json, new: Json) -> Iterator[str]:
    for name in ("minimum", "minLength", "minItems", "maximum", "maxLength", "maxItems"):
        tighter = 1 if name.startswith("min") else -1
        if name in new and (name not in old or tighter * new[name] > tighter * old[name]):
            yield f"{place} has a tighter {name}."
    if new.get("pattern") != old.get("pattern") and "pattern" in new:
        yield f"{place} has another pattern."

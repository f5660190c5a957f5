"""Reads the catalogue, and finds the words that belong in it: gettext's own tools are not on every machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.template import engines
from django.template.base import Node, NodeList
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*.*") if "admin" not in path.parts)
CODE = sorted(path for path in (ROOT / "captions").rglob("*.py") if "migrations" not in path.parts)
_CALLS = {"_": 1, "gettext": 1, "gettext_lazy": 1, "gettext_noop": 1, "ngettext": 2, "ngettext_lazy": 2}

Key = tuple[str, ...]  # the words, or the words of one and of many


@dataclass
class Entry:
    """One entry of a .po file."""

    key: Key
    words: list[str]
    is_fuzzy: bool = False


def read(path: Path) -> list[Entry]:
    """Read a .po file; its header is the entry with the key ("",)."""
    entries = []
    for block in re.split(r"\n\s*\n", path.read_text()):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if named := re.match(r'(msgid|msgid_plural|msgstr(?:\[\d\])?) (?=")', line):
                name = named[1]
                fields[name] = ""
            if name and line.endswith('"'):
                fields[name] += ast.literal_eval(line[line.index('"') :])
        if "msgid" in fields:
            key = tuple(fields[part] for part in ("msgid", "msgid_plural") if part in fields)
            words = [text for part, text in fields.items() if part.startswith("msgstr")]
            entries.append(Entry(key, words, is_fuzzy=bool(re.search(r"^#,.*\bfuzzy", block, re.MULTILINE))))
    return entries


def wanted() -> set[Key]:
    """Find all words that templates and code hand to the catalogue."""
    found: set[Key] = set()
    for path in TEMPLATES:
        template = engines["django"].get_template(str(path.relative_to(ROOT / "templates"))).template  # type: ignore[attr-defined]  # Django's own engine, whose templates have nodes
        found |= set(_of_nodes(template.nodelist))
        found |= {(words,) for words in re.findall(r"\b_\(\"([^\"]+)\"\)", path.read_text())}
    for path in CODE:
        found |= set(_of_code(ast.parse(path.read_text())))
    return found


def _of_nodes(nodes: NodeList) -> Iterator[Key]:
    for node in nodes.get_nodes_by_type(Node):
        if isinstance(node, BlockTranslateNode):
            many = [node.render_token_list(node.plural)[0]] if node.plural else []
            yield (node.render_token_list(node.singular)[0], *many)
        elif isinstance(node, TranslateNode) and isinstance(node.filter_expression.var.literal, str):
            yield (node.filter_expression.var.literal.replace("%", "%%"),)


def _of_code(tree: ast.AST) -> Iterator[Key]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
            given = [one.value for one in node.args[: _CALLS[node.func.id]] if isinstance(one, ast.Constant)]
            words = tuple(one for one in given if isinstance(one, str))
            if words:
                yield words

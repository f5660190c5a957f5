"""Uploaded bytes are parsed in one place: no other module opens pictures, except the WebP files that place wrote."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEARCHED = ("captions", "captionsite", "worker")
THE_PLACE = "captions/decoder/"
#: Files that open pictures of their own making, none of which anybody uploaded.
OWN_DRAWINGS = {"worker/demo/scenes.py"}
OTHER_PARSERS = {
    "cv2", "filetype", "imageio", "magic", "pi_heif", "pillow_avif", "pillow_heif", "pyvips", "rawpy", "skimage",
    "tifffile", "torchvision", "wand",
}  # fmt: skip
PARSING_NAMES = {"ImageField", "get_image_dimensions", "Parser", "ImageFile", "TiffImagePlugin"}


def offences(source: str) -> Iterator[str]:
    """Each way in which a module parses pictures by itself, with its line."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imports(node)
        elif isinstance(node, ast.Call) and _is_open(node.func) and not _only_our_renditions(node):
            yield f"line {node.lineno}: Image.open without formats=('WEBP',)"
        elif isinstance(node, ast.Attribute) and node.attr in PARSING_NAMES and node.attr != "ImageFile":
            yield f"line {node.lineno}: {node.attr}"


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        full = f"{module}.{alias.name}".strip(".")
        package, name = full.partition(".")[0], full.rpartition(".")[2]
        if package in OTHER_PARSERS or full == "PIL.Image.open" or (name in PARSING_NAMES and package != "captions"):
            yield f"line {node.lineno}: imports {full}"


def _is_open(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "open" and "Image" in ast.unparse(function.value)


def _only_our_renditions(call: ast.Call) -> bool:
    formats = [keyword.value for keyword in call.keywords if keyword.arg == "formats"]
    return len(formats) == 1 and ast.unparse(formats[0]) in ("('WEBP',)", "['WEBP']")


def all_offences() -> dict[str, list[str]]:
    """Offences by file, of every module of the product and of its workers."""
    files = (path for folder in SEARCHED for path in (ROOT / folder).rglob("*.py"))
    outside = (path for path in files if not str(path.relative_to(ROOT)).startswith(THE_PLACE))
    found = {str(path.relative_to(ROOT)): list(offences(path.read_text(encoding="utf-8"))) for path in outside}
    return {name: lines for name, lines in found.items() if lines}


def test_it_is_the_only_place_that_parses_pictures() -> None:
    found = all_offences()
    assert {name: lines for name, lines in found.items() if name not in OWN_DRAWINGS} == {}
    assert set(found) == OWN_DRAWINGS, "take files off the list that need no exception any more"


@pytest.mark.parametrize(
    "source",
    [
        "from PIL import Image\nImage.open(path)",
        "import PIL.Image\nPIL.Image.open(path, formats=('JPEG',))",
        "from PIL import Image as PILImage\nPILImage.open(path)",
        "from PIL.Image import open",
        "from PIL import ImageFile",
        "from django.db import models\nmodels.ImageField()",
        "from django import forms\nforms.ImageField()",
        "from django.core.files.images import get_image_dimensions",
        "import pillow_heif",
        "import cv2",
    ],
)
def test_it_would_notice(source: str) -> None:
    assert list(offences(source))


@pytest.mark.parametrize(
    "source",
    [
        "from PIL import Image\nImage.open(path, formats=('WEBP',))",
        "from captions.models import Image\nImage.objects.get()",
        "path.open('rb')",
    ],
)
def test_it_lets_honest_code_be(source: str) -> None:
    assert list(offences(source)) == []

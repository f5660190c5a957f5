"""`captiondesk search` and `captiondesk export`: pictures as tables, JSON and CSV."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from captiondesk import Client, models
from captiondesk.command.screen import Exit, Screen, Stop, table

# A spreadsheet runs a cell that begins like this as a formula, and captions and file names come from strangers.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_PAGE: Final = 200


def row(image: models.Image) -> dict[str, Any]:
    """Say of a picture what an export says: `text` are the approved words, `draft` those on show before any are."""
    published, shown = image.published_caption, image.published_caption or image.caption
    return {
        "id": str(image.id),
        "number": image.number,
        "owner": image.owner,
        "filename": image.filename,
        "title": image.title,
        "state": image.state,
        "text": published.text if published else None,
        "alt_text": image.alt_text,
        "draft": image.caption.text if image.caption and not published else None,
        "language": shown.language if shown else None,
        "long_description": image.long_description,
        "tags": list(image.tags),
        "albums": [album.name for album in image.albums],
        "is_decorative": image.is_decorative,
        "kind": shown.kind if shown else None,
        "model": shown.model if shown else None,
        "revision": shown.revision if shown else None,
        "score": shown.score if shown else None,
        "quality": image.quality,
        "author": shown.author if shown else None,
        "approved_by_rule": image.published_by_rule,
        "width": image.width,
        "height": image.height,
        "format": image.format,
        "bytes": image.bytes,
        "sha256": image.sha256,
        "created_at": image.created_at.isoformat(),
    }


def cell(value: Any) -> Any:
    """Write a value for a table: lists with ", " between, and nothing that a spreadsheet would run."""
    if isinstance(value, list):
        value = ", ".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


class Table:
    """Lines of CSV (RFC 4180)."""

    def __init__(self) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        self._has_head = False

    def lines(self, said: dict[str, Any]) -> str:
        """Give a picture's line, with the names of the columns before the first."""
        if not self._has_head:
            self._writer.writerow(said)
            self._has_head = True
        self._writer.writerow([cell(value) for value in said.values()])
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text


# --- search --------------------------------------------------------------------------------------------------------


def search(client: Client, screen: Screen, query: str, form: str, limit: int) -> Exit:
    """Show what is found, the best first."""
    found = islice(client.images.list(q=query, page_size=min(limit, _PAGE)), limit)
    if form == "json":
        for image in found:
            screen.object(image.model_dump(mode="json"))
        return Exit.DONE
    if form == "csv":
        lines = Table()
        for image in found:
            screen.out.write(lines.lines(row(image)))
        return Exit.DONE
    images = list(found)
    if not images:
        screen.note("Nothing was found.")
        return Exit.DONE
    width = shutil.get_terminal_size().columns if screen.out.isatty() else None
    cells = [[str(one.number), one.state, _percent(one), str(one.id), one.filename, _words(one)] for one in images]
    for line in table(["no.", "state", "quality", "id", "file", "caption"], cells, width):
        screen.line(line)
    return Exit.DONE


def _percent(image: models.Image) -> str:
    return "" if image.quality is None else f"{image.quality:.0%}"


def _words(image: models.Image) -> str:
    shown = image.published_caption or image.caption
    return shown.text if shown else ""


# --- export --------------------------------------------------------------------------------------------------------


def export(client: Client, screen: Screen, target: str, form: str | None, query: str | None) -> Exit:
    """Write all pictures, or those that a search finds, oldest first. The file is there when it is whole."""
    form = form or {".csv": "csv", ".jsonl": "jsonl"}.get(Path(target).suffix.lower())
    if form is None:
        raise Stop("Say which format: --format csv or --format jsonl.")
    images = client.images.list(q=query, ordering="oldest", page_size=_PAGE)
    lines = Table()
    number = 0
    with _written(target) as file:
        if form == "csv" and target != "-":
            file.write("\N{ZERO WIDTH NO-BREAK SPACE}")  # without it, Excel takes UTF-8 for the machine's code page
        for number, image in enumerate(images, 1):
            said = row(image)
            file.write(lines.lines(said) if form == "csv" else json.dumps(said, ensure_ascii=False) + "\n")
            screen.status(f"{number} pictures")
    screen.note(f"{number} pictures written.")
    return Exit.DONE


@contextlib.contextmanager
def _written(target: str) -> Iterator[IO[str]]:
    """Write beside the target and move it there at the end, so that a broken run leaves what was there before."""
    if target == "-":
        yield sys.stdout
        return
    path = Path(target)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise Stop(f"“{target}” cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="", errors="replace") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # the mode that a file made in one step would have
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

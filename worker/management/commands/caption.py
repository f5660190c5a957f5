"""manage.py caption: caption files and folders directly, without server, broker or database."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from PIL import Image
from tqdm import tqdm  # type: ignore[import-untyped]  # tqdm ships no types

from captions import decoder, ingest
from captions.decoder.contract import RENDITIONS
from captions.params import KNOBS, GenerationParams, Knob, ParamsInvalid, complete, defaults_from, parse
from worker.engine import Candidate, Captioner, EngineError, load
from worker.engine.choice import choose
from worker.renditions import shows_enough

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".apng", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".avif"}


@dataclass(frozen=True)
class Done:
    """One file and its captions, best first."""

    path: Path
    candidates: list[Candidate]


class Command(BaseCommand):
    """Captions go to stdout as table, JSON, JSON lines or CSV; the bar and what went wrong go to stderr."""

    help = "Caption picture files and folders directly. Needs neither broker nor database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take paths, output form, model and every generation parameter."""
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a picture, or a folder to search")
        parser.add_argument("--format", choices=["table", "json", "jsonl", "csv"], default="table")
        parser.add_argument("--model", default=settings.CAPTION_MODEL, help="as CAPTION_MODEL")
        parser.add_argument("--batch", type=int, default=settings.CAPTION_BATCH or 8, help="pictures at once")
        for knob in KNOBS:
            parser.add_argument(f"--{knob.name.replace('_', '-')}", **_option(knob))

    def handle(self, *args: Any, **options: Any) -> None:
        """Caption everything that can be; exit 1 at the end when something could not be."""
        try:
            chosen = parse({knob.name: options[knob.name] for knob in KNOBS})
        except ParamsInvalid as error:
            raise CommandError("\n".join(f"--{n.replace('_', '-')}: {w}" for n, w in error.problems.items())) from None
        problems: list[str] = []
        files = list(_files(options["paths"], problems))
        captioner = self._load(options["model"]) if files else None
        write = WRITERS[options["format"]](sys.stdout)
        if captioner:
            params = complete(chosen, defaults=defaults_from(captioner.defaults))
            for done in _caption(files, captioner, params, batch=max(1, options["batch"]), problems=problems):
                write.add(done)
        write.end()
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise SystemExit(1)

    def _load(self, name: str) -> Captioner:
        try:
            if name == "auto":
                choice = choose(settings.MODEL_DIR, allow_download=settings.CAPTION_DOWNLOAD, progress=_bar())
                if choice.is_demo:
                    self.stderr.write(choice.reason)
                name = choice.name
            return load(
                name,
                store=settings.MODEL_DIR,
                device=settings.CAPTION_DEVICE,
                precision=settings.CAPTION_PRECISION,
                graphs=settings.CAPTION_GRAPHS,
            )
        except EngineError as error:
            raise CommandError(str(error)) from None


def _option(knob: Knob) -> dict[str, Any]:
    words = knob.help.replace("%", "%%")
    if knob.kind is bool:
        return {"action": "store_const", "const": True, "help": words}
    return {"metavar": "N", "help": f"{words} From {knob.minimum} to {knob.maximum}."}


def _bar() -> Any:
    """Give a progress function that draws the download's bar once it begins."""
    bars: list[Any] = []

    def show(done: int, total: int) -> None:
        if not bars:
            bars.append(tqdm(desc="model", unit="B", unit_scale=True, total=total))
        bars[0].update(done - bars[0].n)

    return show


def _files(paths: list[Path], problems: list[str]) -> Iterator[Path]:
    """Give every picture file named or found; note what does not exist."""
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            if not found:
                problems.append(f"{path}: There is no picture in this folder.")
            yield from found
        elif path.exists():
            yield path
        else:
            problems.append(f"{path}: There is no such file.")


def _caption(
    files: list[Path], captioner: Captioner, params: GenerationParams, *, batch: int, problems: list[str]
) -> Iterator[Done]:
    limits = ingest.limits()
    with tempfile.TemporaryDirectory() as folder, tqdm(total=len(files), unit="picture", disable=None) as bar:
        for start in range(0, len(files), batch):
            paths, pictures = [], []
            for path in files[start : start + batch]:
                try:
                    pictures.append(_open(path, Path(folder), limits, side=captioner.side))
                    paths.append(path)
                except decoder.DecodeRefused as refusal:
                    problems.append(f"{path}: {refusal.detail} ({refusal.code})")
                except OSError as error:
                    problems.append(f"{path}: It cannot be read ({error.strerror}).")
            if pictures:
                for path, candidates in zip(paths, captioner.caption(pictures, params), strict=True):
                    yield Done(path, candidates)
            bar.update(len(files[start : start + batch]))


def _open(path: Path, folder: Path, limits: decoder.Limits, *, side: int | None) -> Image.Image:
    """Have the sandbox decode a file, and open the clean picture it wrote: the same way a worker sees an upload."""
    places = {name: folder / f"{name}.webp" for name in RENDITIONS}
    found = decoder.decode(path, **places, limits=limits)
    medium, screen = ((one.width, one.height) for one in (found.medium, found.screen))
    chosen = found.medium if shows_enough(medium, screen=screen, side=side) else found.screen
    with Image.open(chosen.path, formats=("WEBP",)) as picture:
        return picture.convert("RGB")


class Writer:
    """Writes results in one form. `add` takes one file's captions, `end` closes the output."""

    def __init__(self, out: IO[str]) -> None:
        self.out = out

    def add(self, done: Done) -> None:
        """Take one file's captions."""
        raise NotImplementedError

    def end(self) -> None:
        """Close the output."""
        self.out.flush()


def _record(done: Done) -> dict[str, Any]:
    first, *others = done.candidates
    record: dict[str, Any] = {"path": str(done.path), "caption": first.text, "score": round(first.score, 6)}
    if others:
        record["alternatives"] = [{"caption": c.text, "score": round(c.score, 6)} for c in others]
    return record


class JsonLines(Writer):
    """One JSON object a line, as soon as it is known."""

    def add(self, done: Done) -> None:
        """Write one line."""
        self.out.write(json.dumps(_record(done), ensure_ascii=False) + "\n")
        self.out.flush()


class JsonArray(Writer):
    """One JSON array of all files."""

    def __init__(self, out: IO[str]) -> None:
        super().__init__(out)
        self.records: list[dict[str, Any]] = []

    def add(self, done: Done) -> None:
        """Keep it for the end."""
        self.records.append(_record(done))

    def end(self) -> None:
        """Write the array."""
        self.out.write(json.dumps(self.records, ensure_ascii=False, indent=2) + "\n")
        super().end()


class Csv(Writer):
    """One row a caption: path, rank, caption, score."""

    def __init__(self, out: IO[str]) -> None:
        super().__init__(out)
        self.rows = csv.writer(out)
        self.rows.writerow(["path", "rank", "caption", "score"])

    def add(self, done: Done) -> None:
        """Write the file's rows."""
        for rank, candidate in enumerate(done.candidates, 1):
            self.rows.writerow([_cell(str(done.path)), rank, _cell(candidate.text), f"{candidate.score:.6f}"])
        self.out.flush()


def _cell(text: str) -> str:
    """Keep a spreadsheet from running a cell as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


class Table(Writer):
    """A line a file for people: its path and captions."""

    def add(self, done: Done) -> None:
        """Write the path, then its captions under each other."""
        for rank, candidate in enumerate(done.candidates):
            self.out.write(f"{str(done.path) if rank == 0 else '':<40}  {candidate.text}\n")
        self.out.flush()


WRITERS: dict[str, type[Writer]] = {"table": Table, "json": JsonArray, "jsonl": JsonLines, "csv": Csv}

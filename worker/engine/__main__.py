"""The model store from a shell: `python -m worker.engine list|fetch|verify --store FOLDER`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm  # type: ignore[import-untyped]  # tqdm ships no types

from worker.engine.catalogue import BUNDLED, CATALOGUE, DEMO
from worker.engine.errors import EngineError
from worker.engine.fetch import fetch
from worker.engine.resolving import resolve
from worker.engine.store import stored, verified


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it succeeded, 1 with one sentence on stderr when not."""
    parser = argparse.ArgumentParser(prog="python -m worker.engine", description=__doc__)
    parser.add_argument("--store", type=Path, required=True, help="folder of the fetched models")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what the catalogue knows and what the store holds, as JSON")
    wanted = commands.add_parser("fetch", help="download a model at one revision")
    wanted.add_argument("name", help="a catalogue name, or owner/name@revision")
    checked = commands.add_parser("verify", help="hash every file again")
    checked.add_argument("name", nargs="?", help="one model; without it all that are in the store")
    options = parser.parse_args(arguments)
    try:
        if options.command == "list":
            say(json.dumps(listed(options.store), indent=2))
        elif options.command == "fetch":
            say(f"{options.name} is in {_with_bar(options.name, options.store)}")
        else:
            _verify(options.name, options.store)
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. What has come is kept; start again to go on.\n")
        return 1
    return 0


def listed(store: Path) -> list[dict[str, Any]]:
    """List the catalogue and whatever else is in the store.

    Each row has name, source, revision, licence, title, bytes, languages and ready.
    """
    here = {(one.manifest.source, one.manifest.revision): one for one in stored(store)}
    rows = []
    for entry in CATALOGUE.values():
        known = here.pop((entry.source, entry.revision), None)
        ready = (BUNDLED / "config.json").is_file() if entry.name == DEMO else known is not None
        row = _row(entry.name, entry.title, entry.source, entry.revision, entry.licence, entry.size, ready)
        rows.append(row | {"languages": list(entry.languages)})
    for (source, revision), one in here.items():
        size = sum(known["size"] for known in one.manifest.files.values())
        rows.append(
            _row(f"{source}@{revision}", source, source, revision, one.manifest.licence, size, True) | {"languages": []}
        )
    return rows


def say(line: str) -> None:
    """Write one line to standard output."""
    sys.stdout.write(f"{line}\n")


def _row(name: str, title: str, source: str, revision: str, licence: str, size: int, ready: bool) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "source": source,
        "revision": revision,
        "licence": licence,
        "bytes": size,
        "ready": ready,
    }


def _with_bar(name: str, store: Path) -> Path:
    with tqdm(desc=name, unit="B", unit_scale=True, unit_divisor=1000) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return fetch(name, store=store, progress=show)


def _verify(name: str | None, store: Path) -> None:
    folders = [resolve(name, store=store)] if name else [one.folder for one in stored(store)]
    for folder in folders:
        identity = verified(folder)
        say(f"{identity.name}@{identity.revision}: every file is the one that was fetched")
    if not folders:
        say(f"There is no fetched model in {store}.")


if __name__ == "__main__":
    sys.exit(main())

"""manage.py models: list, fetch, verify and select the captioning models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from worker.engine.__main__ import listed
from worker.engine.__main__ import main as engine_command
from worker.engine.choice import select
from worker.engine.errors import EngineError


class Command(BaseCommand):
    """The model store of this deployment (MODEL_DIR) from the command line. Needs neither broker nor database."""

    help = "List, fetch, verify and select captioning models."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take `list` (also when nothing is said), `fetch NAME`, `verify [NAME]` or `select NAME`."""
        commands = parser.add_subparsers(dest="act", metavar="list|fetch|verify|select")
        commands.add_parser("list", help="what is here and what can be had")
        fetch = commands.add_parser("fetch", help="download, check and keep a model")
        fetch.add_argument("name", help="a name of the list, or owner/name@revision of the hub")
        verify = commands.add_parser("verify", help="hash every file again")
        verify.add_argument("name", nargs="?", help="one model; without it all that were fetched")
        chosen = commands.add_parser("select", help="use this model when CAPTION_MODEL is auto")
        chosen.add_argument(
            "name", help="a name of the list, owner/name@revision, a folder, or auto to choose by itself"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it. Raises CommandError with one sentence when it cannot be done."""
        store: Path = settings.MODEL_DIR
        store.mkdir(parents=True, exist_ok=True)
        act = options["act"] or "list"
        if act == "list":
            self._list(store)
        elif act == "select":
            self._select(options["name"], store)
        elif engine_command(["--store", str(store), act, *([options["name"]] if options["name"] else [])]):
            raise SystemExit(1)

    def _list(self, store: Path) -> None:
        self.stdout.write(f"{'name':<24} {'state':<10} {'size':>8}  what it is")
        for row in listed(store):
            state = "ready" if row["ready"] else "not here"
            self.stdout.write(f"{row['name']:<24} {state:<10} {row['bytes'] / 1e6:>5.0f} MB  {row['title']}")
            if row["source"]:
                self.stdout.write(f"{'':<45}{row['source']} at {row['revision'][:12]}, {row['licence']}")
        self.stdout.write(f"In use: CAPTION_MODEL={settings.CAPTION_MODEL}. Kept in {store}")

    def _select(self, name: str, store: Path) -> None:
        try:
            select(name, store=store)
        except EngineError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{name} is used from the worker's next start, as long as CAPTION_MODEL is auto.")

"""What `auto` means: the published model when it can be had, else the bundled demo model, and words that say which."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.engine import hub
from worker.engine.catalogue import BUNDLED, CATALOGUE, DEFAULT, DEMO
from worker.engine.errors import EngineError
from worker.engine.fetch import Progress, fetch
from worker.engine.resolving import resolve

AUTO: Final = "auto"
SELECTED: Final = "selected"  # the file in the store that holds a selected model's name
REMEDY: Final = f"python manage.py models fetch {DEFAULT}"
DEMO_WORDS: Final = (
    "A demo model that only knows coloured shapes is answering: on photographs its captions mean nothing."
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which model `auto` stands for. `name` goes to `load`; `reason` is for people: in pages, API and logs."""

    name: str
    folder: Path
    is_demo: bool
    reason: str


def choose(
    store: Path, *, timeout_s: float = 5.0, allow_download: bool = True, progress: Progress | None = None
) -> Choice:
    """Pick the published model when it is in the store, in the Hugging Face cache, or can be downloaded; else the demo.

    Without an answer of the hub it takes less than `timeout_s` seconds, whatever the network does. A download takes as
    long as it takes; give `allow_download=False` to decide at once by what is on this machine. Never raises for a model
    that cannot be had: the reason says what went wrong.
    """
    deadline = time.monotonic() + timeout_s * 0.8
    if name := selected(store):
        return _selected(name, store)
    entry = CATALOGUE[DEFAULT]
    try:
        return Choice(DEFAULT, resolve(DEFAULT, store=store), False, f"{entry.title}. It is in the model store.")
    except EngineError as error:
        why = str(error) if error.code != "model_not_found" else ""
    if not allow_download:
        return _demo(why or "The real model is not on this machine, and downloads are off.")
    if not hub.answers(entry.source, entry.revision, timeout_s=max(0.1, deadline - time.monotonic())):
        return _demo(why or "The real model is not on this machine, and the model hub does not answer.")
    try:
        folder = fetch(DEFAULT, store=store, progress=progress)
    except (EngineError, OSError) as error:
        return _demo(f"The real model could not be fetched. {error}")
    return Choice(DEFAULT, folder, False, f"{entry.title}. It was fetched just now.")


def select(name: str, *, store: Path) -> None:
    """Keep `name` as what `auto` stands for in this store; the name `auto` forgets it. Raises ModelNotFound."""
    file = store / SELECTED
    if name == AUTO:
        file.unlink(missing_ok=True)
        return
    resolve(name, store=store)
    store.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".new")
    unfinished.write_text(f"{name}\n")
    unfinished.replace(file)


def selected(store: Path) -> str:
    """Give the name that was selected for this store, "" when none was."""
    try:
        return (store / SELECTED).read_text().strip()
    except FileNotFoundError:
        return ""


def _selected(name: str, store: Path) -> Choice:
    try:
        folder = resolve(name, store=store)
    except EngineError as error:
        return _demo(f"The selected model {name} is gone. {error}")
    if name == DEMO:
        return _demo("It was selected with: python manage.py models select demo")
    return Choice(name, folder, False, f"{name} was selected for this store.")


def _demo(why: str) -> Choice:
    return Choice(DEMO, BUNDLED, True, f"{DEMO_WORDS} {why} To get the real model, run: {REMEDY}")

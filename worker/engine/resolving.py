"""Which folder a model's name means: in the store, from this machine's Hugging Face cache, or of one's own."""

from __future__ import annotations

from pathlib import Path

from worker.engine.catalogue import BUNDLED, DEMO, HUB_ID, entry_of
from worker.engine.errors import ModelNotFound
from worker.engine.fetch import import_cached
from worker.engine.store import MANIFEST, folder_of, pinned, stored


def resolve(name: str, *, store: Path | None = None, revision: str | None = None) -> Path:
    """Find the folder of `demo`, a catalogue name, a hub id (`owner/name` or `owner/name@revision`) or a local folder.

    A hub id is looked up in the store, then in this machine's Hugging Face cache, from where it is taken into the
    store. Never reaches for the network. Raises ModelNotFound with the command that would fetch the model.
    """
    if name == DEMO:
        return BUNDLED
    if name.startswith(("/", ".", "~")) or (entry_of(name) is None and not HUB_ID.fullmatch(name.partition("@")[0])):
        return _local(name)
    source, wanted = pinned(name, revision)
    if wanted is None:
        return _only_revision(name, source, store)
    if store is not None:
        folder = folder_of(store, source, wanted)
        if (folder / MANIFEST).is_file():
            return folder
        if (imported := import_cached(source, wanted, store=store)) is not None:
            return imported
    if Path(name).is_dir():
        return Path(name)
    raise ModelNotFound(
        f"{source} at revision {wanted} is not in the model store. Fetch it with: python manage.py models fetch {name}"
    )


def _local(name: str) -> Path:
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ModelNotFound(
            f"There is no model {name!r}. Give demo, vit-gpt2, a hub id such as owner/name, or the path of a folder."
        )
    return folder


def _only_revision(name: str, source: str, store: Path | None) -> Path:
    folders = [one.folder for one in stored(store) if one.manifest.source == source] if store else []
    if len(folders) == 1:
        return folders[0]
    if Path(name).is_dir() and not folders:
        return Path(name)
    found = "is not in the model store" if not folders else "is in the model store in several revisions"
    raise ModelNotFound(
        f"{source} {found}. Name one revision, as in {source}@<40 characters>, and fetch it with: "
        f"python manage.py models fetch {source}@<40 characters>"
    )

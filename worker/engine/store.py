"""The store of verified models: where a model lies in it, and whether its files are those that were checked.

STORE/nlpconnect--vit-gpt2-image-captioning/<40 hex of the revision>/
    manifest.json   source, revision, licence, when it came, sha256 and size of every file
    model.safetensors  config.json  preprocessor_config.json  tokenizer.json …
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from worker.engine.blueprint import read_json
from worker.engine.catalogue import BUNDLED, DEMO, HUB_ID, REVISION, entry_of
from worker.engine.errors import ModelNotFound, ModelNotVerified, ModelUnsupported

MANIFEST: Final = "manifest.json"
WEIGHTS: Final = "model.safetensors"
SHARD: Final = re.compile(r"model-(\d{5})-of-(\d{5})\.safetensors")  # a part of weights that are split into several
SETTINGS: Final = ("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json")
TOKENIZER: Final = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "special_tokens_map.json")
KEPT: Final = (*SETTINGS, *TOKENIZER)
REFUSED: Final = frozenset(
    {
        *(".bin", ".pt", ".pth", ".pt2", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".npy", ".npz"),
        *(".h5", ".keras", ".msgpack", ".onnx", ".gguf"),
        *(".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".sh"),
    }
)
REFUSED_NAMES: Final = frozenset({"adapter_config.json"})
MOST_SHARDS: Final = 64
LARGEST_INDEX: Final = 16 << 20  # bytes; that of 3,000 weights has 300,000
LONGEST_HEADER: Final = 100_000_000  # bytes; the format's own limit
LARGEST_TOKENIZER: Final = 64 << 20  # bytes; GPT-2's has 1.4 million


@dataclass(frozen=True, slots=True)
class Identity:
    """Where captions of a model folder come from: the name and revision written into every caption."""

    name: str
    revision: str
    is_demo: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was fetched. `files` maps each file's name to its sha256 (hex) and size (bytes); `published` the same for
    files that were read once and not kept, such as pickled weights."""

    source: str
    revision: str
    licence: str
    fetched_at: str
    files: dict[str, dict[str, Any]]
    published: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Stored:
    """One model in the store."""

    folder: Path
    manifest: Manifest


def folder_of(store: Path, source: str, revision: str) -> Path:
    """Say where the store keeps a revision of a hub id. Raises ModelNotFound for names that are no hub id."""
    if not HUB_ID.fullmatch(source) or ".." in source or not REVISION.fullmatch(revision):
        raise ModelNotFound(
            f"{source}@{revision} names no model: write the hub id and the 40 characters of its revision."
        )
    return store / source.replace("/", "--") / revision


def pinned(name: str, revision: str | None = None) -> tuple[str, str | None]:
    """Split a catalogue name or hub id into hub id and revision; None where nothing pins it."""
    source, _, written = name.partition("@")
    entry = entry_of(source)
    chosen = revision or written or (entry.revision if entry else None)
    return (entry.source if entry else source), chosen


def stored(store: Path) -> list[Stored]:
    """List the models in the store, by name. What has no readable manifest is left out."""
    found = []
    for path in sorted(store.glob(f"*/*/{MANIFEST}")):
        try:
            found.append(Stored(path.parent, read_manifest(path.parent)))
        except (ModelNotVerified, ModelUnsupported):
            continue
    return found


def verified(folder: Path) -> Identity:
    """Check a model folder and say what it is: nothing in it can run, and every byte is as its manifest says.

    A folder without manifest (a checkpoint of one's own) is named by the hash of its weights.
    Raises ModelNotVerified, or ModelUnsupported when it holds no model at all.
    """
    if not folder.is_dir():
        raise ModelNotFound(f"There is no model folder {folder}.")
    _refuse_unsafe(folder)
    is_demo = folder.resolve() == BUNDLED.resolve()
    if (folder / MANIFEST).is_file():
        manifest = verify(folder)
        return Identity(manifest.source, manifest.revision, is_demo or manifest.source == DEMO)
    name = DEMO if is_demo else folder.resolve().name
    return Identity(name, local_revision(folder), is_demo)


def verify(folder: Path) -> Manifest:
    """Hash every file of a model folder again and compare with its manifest. Raises ModelNotVerified."""
    manifest = read_manifest(folder)
    present = {path.name for path in folder.iterdir() if is_kept(path.name)}
    if present != manifest.files.keys() or not any(is_weights(name) for name in present):
        raise _damaged(folder, "its files are not those in its manifest")
    for name, known in manifest.files.items():
        path = folder / name
        if path.stat().st_size != known.get("size") or sha256(path) != known.get("sha256"):
            raise _damaged(folder, f"{name} is not the file that was fetched")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read a folder's manifest. Raises ModelNotVerified when it is not one."""
    content = read_json(folder / MANIFEST)
    try:
        manifest = Manifest(**{name: content[name] for name in Manifest.__slots__})
    except KeyError as error:
        raise _damaged(folder, f"its manifest lacks {error}") from error
    texts = (manifest.source, manifest.revision, manifest.licence, manifest.fetched_at)
    entries = (manifest.files, manifest.published)
    if not all(isinstance(text, str) for text in texts) or not all(map(_is_file_table, entries)):
        raise _damaged(folder, "its manifest is malformed")
    if not all(map(is_kept, manifest.files)):
        raise _damaged(folder, "its manifest names files that no model has")
    return manifest


def write_manifest(
    folder: Path,
    *,
    source: str,
    licence: str,
    revision: str | None = None,
    published: dict[str, dict[str, Any]] | None = None,
) -> Manifest:
    """Hash a folder's files and write its manifest. Without `revision` the hash of the weights names it."""
    names = sorted(path.name for path in folder.iterdir() if is_kept(path.name))
    files: dict[str, dict[str, Any]] = {
        name: {"sha256": sha256(folder / name), "size": (folder / name).stat().st_size} for name in names
    }
    manifest = Manifest(
        source=source,
        revision=revision or local_revision(folder),
        licence=licence,
        fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
        files=files,
        published=published or {},
    )
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
    return manifest


def local_revision(folder: Path) -> str:
    """Name a folder's weights by their hash, where no hub names them by a commit."""
    parts = [sha256(path) for path in weights_in(folder)]
    whole = parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()
    return f"local:{whole[:12]}"


def is_kept(name: str) -> bool:
    """Tell whether a model is loaded from a file of this name."""
    return name in KEPT or is_weights(name)


def is_weights(name: str) -> bool:
    """Tell whether a file of this name holds weights, or a part of them."""
    return name == WEIGHTS or SHARD.fullmatch(name) is not None


def weights_in(folder: Path) -> list[Path]:
    """Give the files that hold a folder's weights, in order: one, or all the parts of one set.

    Raises ModelUnsupported when there is none, or parts are missing.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    return [folder / name for name in shards(path.name for path in folder.iterdir())]


def shards(names: Iterable[str]) -> list[str]:
    """Pick the parts of split weights from names of files. Raises ModelUnsupported when there is no whole set."""
    found = {name: match for name in names if (match := SHARD.fullmatch(name))}
    parts = sorted(found)
    total = int(found[parts[0]][2]) if parts else 0
    if not 0 < total <= MOST_SHARDS or parts != [shard_name(number, total) for number in range(1, total + 1)]:
        raise ModelUnsupported(f"There is no {WEIGHTS}, and not every part of weights that were split into several.")
    return parts


def shard_name(number: int, total: int) -> str:
    """Give the name of a part of split weights; `number` counts from 1."""
    return f"model-{number:05d}-of-{total:05d}.safetensors"


def sha256(path: Path) -> str:
    """Give the sha256 of a file as 64 hex characters."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_unsafe(folder: Path) -> None:
    for path in _every_file(folder):
        shown = path.relative_to(folder)
        if path.is_symlink():
            raise ModelNotVerified(f"{shown} in the model folder is a link. Copy the files themselves: cp -rL.")
        if path.suffix.lower() in REFUSED or path.name in REFUSED_NAMES:
            raise ModelNotVerified(
                f"The model folder holds {shown}, a kind of file that can carry code. Only safetensors are loaded: use "
                "a folder without it, or fetch the model with: python manage.py models fetch"
            )
    for name in (*SETTINGS, "tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).is_file():
            read_json(folder / name)  # refuses hints that ask to run code, also in files that are not used further
    try:
        weights = weights_in(folder)
    except ModelUnsupported as error:
        raise ModelUnsupported(f"The model folder {folder} holds no weights to load. {error}") from error
    for index in folder.glob("*.safetensors.index.json"):
        _check_index(index, {path.name for path in weights})
    for part in TOKENIZER:
        if (folder / part).is_file() and (folder / part).stat().st_size > LARGEST_TOKENIZER:
            raise ModelNotVerified(f"{part} is larger than {LARGEST_TOKENIZER >> 20} MiB, so it is no tokenizer.")
    for path in weights:
        _check_header(path)


def _check_index(index: Path, weights: set[str]) -> None:
    """Check that the table of split weights names no file but the parts that are there. Nothing is loaded by it."""
    table = read_json(index, largest=LARGEST_INDEX).get("weight_map")
    if not isinstance(table, dict) or not all(isinstance(name, str) and name in weights for name in table.values()):
        raise ModelNotVerified(f"{index.name} names other files than the parts of the weights that are there.")


def _every_file(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):  # links to folders are listed, never followed
        yield from (Path(parent) / name for name in files)
        yield from (path for path in (Path(parent) / name for name in folders) if path.is_symlink())


def _check_header(weights: Path) -> None:
    """Check that the header of a safetensors file fits its size; the library checks what is inside it while loading."""
    size = weights.stat().st_size
    with weights.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(LONGEST_HEADER, size - 8) or file.read(1) != b"{":
            raise ModelNotVerified(f"{weights.name} is no safetensors file, or it is cut short.")


def _is_file_table(entries: Any) -> bool:
    return isinstance(entries, dict) and all(
        isinstance(known, dict) and isinstance(known.get("sha256"), str) and type(known.get("size")) is int
        for known in entries.values()
    )


def _damaged(folder: Path, what: str) -> ModelNotVerified:
    return ModelNotVerified(
        f"The model in {folder} is not loaded: {what}. Delete the folder and fetch the model again."
    )

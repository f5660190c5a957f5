"""Take a model into the store: from the hub, or from this machine's Hugging Face cache.

Settings come first and are read, so that an unsuitable model is refused before its gigabyte is on the way. Weights are
checked against the hash that names them, pickled ones are read once and written as safetensors, a manifest is made, and
only then the folder gets its name: what is in the store is whole.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from worker.engine import blueprint, families, hub, looking
from worker.engine.catalogue import DEMO, REVISION, entry_of
from worker.engine.convert import to_safetensors
from worker.engine.errors import DownloadFailed, EngineError, ModelNotFound, ModelNotVerified, ModelUnsupported
from worker.engine.hub import Published
from worker.engine.pictures import preprocessing
from worker.engine.store import (
    KEPT,
    MANIFEST,
    WEIGHTS,
    folder_of,
    is_weights,
    pinned,
    sha256,
    shards,
    verified,
    write_manifest,
)
from worker.engine.wording import words

PICKLED: Final = "pytorch_model.bin"
SPARE: Final = 50_000_000  # bytes that must stay free on the disk
Progress = Callable[[int, int], None]  # bytes that have come, bytes in all
Obtain = Callable[[Published, Path], None]


def fetch(name: str, *, store: Path, revision: str | None = None, progress: Progress | None = None) -> Path:
    """Download a catalogue name or hub id at one revision (40 hex characters) into the store; give its folder.

    An interrupted download goes on where it stopped. `progress` hears of every piece. One process downloads, others
    that want the same model wait for it. A model that is there already is only checked.

    Raises ModelNotFound, DownloadFailed, ModelNotVerified or ModelUnsupported; then nothing enters the store.
    """
    if name == DEMO:
        raise ModelNotFound("The demo model is part of Caption Desk: there is nothing to fetch.")
    source, wanted = pinned(name, revision)
    if wanted is None or not REVISION.fullmatch(wanted):
        raise ModelNotFound(
            f"A model is fetched at one exact revision. Write {source}@ and the 40 characters of its commit on the hub."
        )
    final = folder_of(store, source, wanted)
    with _alone(store, source, wanted):
        if (final / MANIFEST).is_file():
            verified(final)
            return final
        if hub.offline():
            raise DownloadFailed("HF_HUB_OFFLINE is set, so nothing is downloaded. Unset it and start again.")
        listing = hub.listing(source, wanted)
        wants = _needed(listing)
        count = _counter(sum(file.size for file in wants), progress)

        def obtain(file: Published, target: Path) -> None:
            hub.download(source, wanted, file, target, progress=count)

        return _take_in(source, wanted, store, wants, obtain)


def import_cached(source: str, revision: str, *, store: Path) -> Path | None:
    """Take a model into the store from this machine's Hugging Face cache; None when it is not there, or not all of it.

    The cache names every file by its hash, which is checked. Raises ModelNotVerified or ModelUnsupported.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    cached = Path(HF_HUB_CACHE) / f"models--{source.replace('/', '--')}"
    snapshot = cached / "snapshots" / revision
    if not snapshot.is_dir():
        return None
    try:
        wants = _needed({file.name: file for file in _cached_files(snapshot, cached / "blobs")})
    except ModelUnsupported:
        return None  # an unfinished download: the hub may know the rest

    def obtain(file: Published, target: Path) -> None:
        shutil.copyfile(snapshot / file.name, target)
        try:
            hub.check(file, target)
        except DownloadFailed as error:
            raise ModelNotVerified(
                f"{file.name} in the Hugging Face cache is damaged. Delete {snapshot} and fetch the model again."
            ) from error

    with _alone(store, source, revision):
        final = folder_of(store, source, revision)
        if (final / MANIFEST).is_file():
            return final
        return _take_in(source, revision, store, wants, obtain)


def _take_in(source: str, revision: str, store: Path, wants: list[Published], obtain: Obtain) -> Path:
    entry = entry_of(source)
    final = folder_of(store, source, revision)
    work = store / ".partial" / f"{final.parent.name}--{revision}"
    work.mkdir(parents=True, exist_ok=True)
    weights = [file for file in wants if file.name not in KEPT]
    _check_space(work, wants)
    for file in wants:
        if file.name in KEPT:
            obtain(file, work / file.name)
    _check_settings(work)
    for file in weights:
        obtain(file, work / file.name)
        if known := (entry.sha256.get(file.name) if entry and entry.revision == revision else None):
            _check_known(work / file.name, known)
    published = _converted(work, weights[0]) if weights[0].name == PICKLED else {}
    licence = entry.licence if entry else "unknown"
    write_manifest(work, source=source, revision=revision, licence=licence, published=published)
    verified(work)
    final.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(final, ignore_errors=True)  # without a manifest it never was whole
    os.replace(work, final)
    return final


def _check_settings(work: Path) -> None:
    """Refuse what no captioner here could run. Raises ModelUnsupported or ModelNotVerified."""
    if (family := families.family_of(work)) is None:
        blueprint.read(work)
        preprocessing(blueprint.read_json(work / "preprocessor_config.json"))
    else:
        families.read(work, family)
        looking.plain(looking.settings(work), family)
    words(work)


def _converted(work: Path, weights: Published) -> dict[str, dict[str, Any]]:
    """Turn pickled weights into safetensors; give what the manifest says of the file they came in."""
    known = {"sha256": sha256(work / PICKLED), "size": weights.size}
    try:
        to_safetensors(work / PICKLED, work / WEIGHTS)
    except ModelNotVerified:
        (work / PICKLED).unlink(missing_ok=True)
        raise
    (work / PICKLED).unlink()
    return {PICKLED: known}


def _needed(listing: Mapping[str, Published]) -> list[Published]:
    """Pick the files a model is loaded from, weights last. Raises ModelUnsupported when some are not there."""
    weights = _weights(listing)
    settings = [listing[name] for name in KEPT if name in listing]
    names = {file.name for file in settings}
    lacking = sorted({"config.json"} - names)
    if not names & {"preprocessor_config.json", "processor_config.json"}:
        lacking.append("preprocessor_config.json")
    if not weights:
        lacking.append(WEIGHTS)
    if "tokenizer.json" not in names and not {"vocab.json", "merges.txt"} <= names:
        lacking.append("tokenizer.json")
    if lacking:
        raise ModelUnsupported(f"This repository holds no model the engine can run: it has no {', '.join(lacking)}.")
    return [*settings, *weights]


def _weights(listing: Mapping[str, Published]) -> list[Published]:
    """Pick one whole set of weights: safetensors in one file, else in parts, else pickled; empty when there is none."""
    if WEIGHTS in listing:
        return [listing[WEIGHTS]]
    if any(map(is_weights, listing)):
        return [listing[name] for name in shards(listing)]
    return [listing[PICKLED]] if PICKLED in listing else []


def _cached_files(snapshot: Path, blobs: Path) -> Iterator[Published]:
    for path in snapshot.iterdir():
        blob = path.resolve()
        if blob.parent != blobs.resolve() or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", blob.name):
            continue  # not the cache's own work: there is no hash to hold it against
        large = len(blob.name) == 64
        yield Published(path.name, blob.stat().st_size, blob.name if large else None, None if large else blob.name)


def _check_space(work: Path, wants: list[Published]) -> None:
    have = sum((work / file.name).stat().st_size for file in wants if (work / file.name).is_file())
    twice = wants[-1].size if wants[-1].name == PICKLED else 0  # while converting, both forms are on the disk
    need = sum(file.size for file in wants) - have + twice + SPARE
    free = shutil.disk_usage(work).free
    if free < need:
        raise DownloadFailed(
            f"The disk of {work} has {free / 1e9:.1f} GB free, and {need / 1e9:.1f} GB are needed. "
            "Make room and start again."
        )


def _check_known(path: Path, known: str) -> None:
    if sha256(path) != known:
        path.unlink()
        raise ModelNotVerified(f"{path.name} is not the published file: its checksum is wrong. It was thrown away.")


def _counter(total: int, progress: Progress | None) -> Callable[[int], None]:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    return count


@contextmanager
def _alone(store: Path, source: str, revision: str) -> Iterator[None]:
    folder = folder_of(store, source, revision)
    locks = store / ".locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / f"{folder.parent.name}--{revision}.lock", timeout=-1):
            yield
    except OSError as error:
        raise EngineError(
            f"The model store {store} cannot be written ({error.strerror or error}). "
            "Make room or give the permission, and start again: what has come is kept."
        ) from error

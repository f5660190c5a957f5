"""`captiondesk upload`: files and folders, several at once, gone on with after a crash."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from captiondesk import (
    ApiError,
    CaptionDeskError,
    Client,
    ConnectionFailed,
    NotAllowed,
    NotAuthenticated,
    UploadRefused,
    WaitedTooLong,
)
from captiondesk.command.screen import Exit, Screen, Stop, plain
from captiondesk.command.sent import Sent
from captiondesk.resources import LARGE_BYTES

PICTURES: Final = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".avif"}
)
_ALBUM_PORTION: Final = 500  # the desk takes 1,000 at once
_BUSY: Final = frozenset({429, 503})  # the desk has as much to do as it takes, and will have room
_AWAY: Final = frozenset({502, 504, 507})  # every other file would hear the same
_PATIENCE: Final = 3600.0  # seconds without one file getting through, after which a busy desk is given up
_LOOK_AGAIN: Final = 15.0  # seconds, unless the desk says how long


class Stopped(Exception):
    """Somebody wants to stop: leave what is in the middle where it is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file. `state` is sent, already (it was there), opened (a ZIP file) or failed."""

    path: Path
    state: str
    image: str | None = None
    code: str | None = None
    detail: str | None = None

    def told(self) -> dict[str, Any]:
        """Give it for JSON."""
        return {
            "file": plain(self.path),
            "state": self.state,
            "image": self.image,
            "code": self.code,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Options:
    """What somebody asked for beside the files."""

    album: str | None = None
    wait: float | None = None
    parallel: int = 4
    again: bool = False
    json: bool = False


def found(named: Iterable[Path], *, recursive: bool, screen: Screen) -> list[Path]:
    """Give the files to send: those that were named, and the pictures in folders. Raises Stop for what is not there."""
    files: dict[Path, None] = {}  # in order, each once
    for path in named:
        if path.is_dir():
            files |= dict.fromkeys(_pictures_in(path, recursive=recursive, screen=screen))
        elif path.exists():
            files[path] = None
        else:
            raise Stop(f"There is no file or folder “{path}”.")
    return list(files)


def _pictures_in(folder: Path, *, recursive: bool, screen: Screen) -> Iterator[Path]:
    def told(error: OSError) -> None:
        screen.note(f"A folder cannot be opened and is left out: {error}")

    for place, folders, names in os.walk(folder, onerror=told):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if folders and not recursive:
            screen.note(f"Left out: {len(folders)} folders within {folder}. To send them too, add --recursive.")
            folders.clear()
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURES:
                yield Path(place) / name


class Upload:
    """One run of the command."""

    def __init__(self, client: Client, sent: Sent, screen: Screen, options: Options) -> None:
        self.client, self.sent, self.screen, self.options = client, sent, screen, options
        self.stop = threading.Event()
        self.outcomes: list[Outcome] = []
        self.files = 0
        self._through = time.monotonic()  # when a file got through last
        self._told_busy = False

    def run(self, files: list[Path]) -> Exit:
        """Send the files, fill the album, wait for captions; say what became of it. Raises CaptionDeskError, Stop."""
        if not files:
            raise Stop("There is no picture to send here.", Exit.PARTLY)
        self.files = len(files)
        if self.options.album is not None:
            album = self.client.albums.make_or_find(self.options.album).id  # a wrong name ends it before anything goes
        try:
            self._send_all(files)
        finally:
            images = list(dict.fromkeys(one.image for one in self.outcomes if one.image))
            self._sum_up()
        if self.options.album is not None:
            for start in range(0, len(images), _ALBUM_PORTION):
                self.client.albums.add(album, images[start : start + _ALBUM_PORTION])
        late = self._wait_for(images) if self.options.wait is not None else 0
        return Exit.PARTLY if late or any(one.state == "failed" for one in self.outcomes) else Exit.DONE

    # --- Sending ---

    def _send_all(self, files: list[Path]) -> None:
        with ThreadPoolExecutor(max_workers=self.options.parallel, thread_name_prefix="upload") as pool:
            try:
                self._collect(pool, iter(files))
            except BaseException:
                self.stop.set()  # those in pieces stop after the piece they are at; the others end by themselves
                self.screen.note("Stopping. What is on its way is finished first.")
                pool.shutdown(cancel_futures=True)
                raise

    def _collect(self, pool: ThreadPoolExecutor, files: Iterator[Path]) -> None:
        """Keep the pool busy without queueing a whole disk, and hear of each file as it is done."""
        waiting: set[Future[Outcome]] = set()
        rest = True
        while rest or waiting:
            while rest and len(waiting) < 2 * self.options.parallel:
                path = next(files, None)
                rest = path is not None
                if path is not None:
                    waiting.add(pool.submit(self._one, path))
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                with contextlib.suppress(Stopped):  # another file's failure ended it, and is told itself
                    self._tell(future.result())

    def _one(self, path: Path) -> Outcome:
        """Send one file, as soon as the desk has room. Raises what would befall every other file as well."""
        while not self.stop.is_set():
            try:
                outcome = self._tried(path)
            except CaptionDeskError as error:
                if error.status not in _BUSY or time.monotonic() - self._through > _PATIENCE:
                    self.stop.set()
                    raise
                self._say_busy(error)
                told = error.retry_after if isinstance(error, ApiError) else None
                self.stop.wait(_LOOK_AGAIN if told is None else told)
            else:
                self._through = time.monotonic()
                return outcome
        raise Stopped

    def _say_busy(self, error: CaptionDeskError) -> None:
        if not self._told_busy:
            self._told_busy = True
            self.screen.note(f"Waiting for the desk, which says: {error}")

    def _tried(self, path: Path) -> Outcome:
        try:
            return self._send(path)
        except (NotAuthenticated, NotAllowed, ConnectionFailed):
            raise
        except CaptionDeskError as error:
            if error.status in _BUSY | _AWAY:
                raise
            return Outcome(path, "failed", code=error.code, detail=str(error))
        except OSError as error:
            return Outcome(path, "failed", code="unreadable", detail=error.strerror or str(error))

    def _send(self, path: Path) -> Outcome:
        if path.suffix.lower() == ".zip":
            return self._open(path)
        digest = self.sent.digest(path)
        known = self.sent.image(digest)
        if known and not self.options.again:
            return Outcome(path, "already", known)
        if path.stat().st_size > LARGE_BYTES:
            image = self._in_pieces(path, digest)
        else:
            image = str(self.client.images.upload(path).id)
        self.sent.note_image(digest, image)
        return Outcome(path, "sent", image)

    def _in_pieces(self, path: Path, digest: str) -> str:
        file = self.client.uploads.send(
            path,
            fingerprint=digest,
            upload=None if self.options.again else self.sent.upload(digest),
            begun=lambda upload: self.sent.note_upload(digest, upload),
            progress=lambda sent, of: self._moved(path, sent, of),
        )
        if file.image is None:
            raise UploadRefused(
                "The desk has this file and has not checked it yet. Run this again later.", code="checking"
            )
        return str(file.image)

    def _open(self, path: Path) -> Outcome:
        digest = self.sent.digest(path)
        upload = None if self.options.again else self.sent.upload(digest)
        if upload and self._is_done(upload):
            return Outcome(path, "already")
        self.client.uploads.send(
            path,
            fingerprint=digest,
            upload=upload,
            begun=lambda begun: self.sent.note_upload(digest, begun),
            progress=lambda sent, of: self._moved(path, sent, of),
        )
        return Outcome(path, "opened")

    def _is_done(self, upload: str) -> bool:
        try:
            return self.client.uploads.get(upload).state == "done"
        except CaptionDeskError:
            return False

    # --- Telling ---

    def _moved(self, path: Path, sent: int, of: int) -> None:
        if self.stop.is_set():
            raise Stopped
        self.screen.status(f"{self._count()}  {path.name}: {sent / 1e6:.1f} of {of / 1e6:.1f} MB")

    def _count(self) -> str:
        return f"{len(self.outcomes)} of {self.files} files"

    def _tell(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if self.options.json:
            self.screen.object(outcome.told())
        elif outcome.state == "failed":
            self.screen.note(f"failed   {outcome.path}: {outcome.detail}")
        elif not self.screen.is_live:
            self.screen.line(f"{outcome.state:<8} {plain(outcome.path)}  {outcome.image or ''}".rstrip())
        self.screen.status(self._count())

    def _sum_up(self) -> None:
        states = [one.state for one in self.outcomes]
        words = [
            f"{states.count(state)} {said}"
            for state, said in (
                ("sent", "sent"),
                ("opened", "ZIP files opened"),
                ("already", "sent before"),
                ("failed", "failed"),
            )
            if states.count(state) or state == "sent"
        ]
        rest = self.files - len(states)
        self.screen.note(", ".join([*words, *([f"{rest} not done"] if rest else [])]) + ".")

    # --- Waiting ---

    def _wait_for(self, images: list[str]) -> int:
        """Show the caption of each picture when it is there; give how many have none in time."""
        end, late = time.monotonic() + (self.options.wait or 0), 0
        for image in images:
            shown = self.client.images.get(image)
            waiting = [job for job in shown.jobs if job.state in ("queued", "running")]
            if waiting:
                self.screen.status(f"waiting for {shown.filename}")
                try:
                    self.client.jobs.wait(waiting[0].id, seconds=max(0.0, end - time.monotonic()))
                except WaitedTooLong:
                    late += 1
                    continue
                shown = self.client.images.get(image)
            words = shown.caption.text if shown.caption else f"({shown.state})"
            if self.options.json:
                self.screen.object(
                    {"image": image, "state": shown.state, "caption": shown.caption and shown.caption.text}
                )
            else:
                self.screen.line(f"{plain(shown.filename or shown.id)}: {plain(words)}")
        if late:
            self.screen.note(f"{late} pictures have no caption yet; they get it all the same.")
        return late

"""The parent's side of the decoder: one warmed-up process a web process, started when it is first needed.

Safe to call from several threads, and in processes that fork: each process gets a decoder of its own. Nothing that a
child sends is trusted; its renditions are taken only when they are plain WebP pictures of the size that is due.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import uuid
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from captions.decoder import wire
from captions.decoder.contract import (
    FORMATS,
    MIB,
    REFUSALS,
    RENDITIONS,
    Decoded,
    DecodeRefused,
    DecoderUnavailable,
    Limits,
    Rendition,
)

PROJECT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-s", "-m", "captions.decoder.child")
START_SECONDS = 60
QUEUE_SECONDS = 60
GRACE_SECONDS = 5  # the child's own clock ends it first; this is for one that has stopped its clock
MOST_ANSWER_BYTES = 64 * MIB
PROFILES = ("applied", "ignored", "absent")


@dataclasses.dataclass(frozen=True)
class _Ended:
    """How the process of one picture ended: what it wrote, its wait status, what it cost."""

    data: bytes
    status: int
    cpu_seconds: float
    peak_bytes: int


class _Gone(Exception):
    """The warmed-up process went away (or was taken away by another picture's timeout)."""


class _TookTooLong(Exception):
    """The picture's process did not even heed its own clock."""


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()


class Pool:
    """Decodes pictures, at most `parallel` at a time.

    :param parallel: default: the number of processors, at least 2 and at most 4.
    :param command: the child's command line, to which a descriptor is added.
    """

    def __init__(self, *, parallel: int | None = None, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._parallel = parallel or min(4, max(2, os.cpu_count() or 1))
        self._places = threading.BoundedSemaphore(self._parallel)
        self._lock = threading.Lock()
        self._server: _Server | None = None
        _POOLS.add(self)

    def start(self) -> None:
        """Start the warmed-up process without waiting for it; the first picture then finds it ready."""
        self._current()

    def stop(self) -> None:
        """End the warmed-up process and whatever it is decoding. The pool starts another when it is asked again."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.stop()

    def sandbox_report(self) -> dict[str, str]:
        """A line for each fence around the decoder: ``on``, or ``off: reason``.

        :raises DecoderUnavailable: when no decoder can be started.
        """
        return dict(self._current().ready())

    def process_id(self) -> int:
        """Process id of the warmed-up process."""
        return self._current().process.pid

    def decode(self, source: Path, *, thumbnail: Path, medium: Path, screen: Path, limits: Limits) -> Decoded:
        """Read the picture at `source` and write its three renditions. See `captions.decoder.decode`."""
        with _opened(source, limits) as descriptor:
            if not self._places.acquire(timeout=QUEUE_SECONDS):
                raise DecoderUnavailable(f"no free place for {QUEUE_SECONDS} seconds")
            try:
                ended = self._twice(descriptor, limits)
            finally:
                self._places.release()
        facts, blobs = _checked_answer(ended, limits)
        written = _write_renditions({"thumbnail": thumbnail, "medium": medium, "screen": screen}, blobs, facts)
        return Decoded(
            **{name: facts[name] for name in _PLAIN_FACTS},
            thumbnail=written["thumbnail"],
            medium=written["medium"],
            screen=written["screen"],
            cpu_seconds=ended.cpu_seconds,
            peak_bytes=ended.peak_bytes,
        )

    def _twice(self, source: int, limits: Limits) -> _Ended:
        """Decode, and once more in a fresh process when the first one was killed: it may have been an accident."""
        last = "the decoder went away"
        for _attempt in (1, 2):
            os.lseek(source, 0, os.SEEK_SET)
            server = self._current()
            try:
                ended = server.ask(source, limits)
            except _Gone:
                self._discard(server)
                continue
            except _TookTooLong as error:
                self._discard(server)
                raise DecodeRefused("decoder_timeout", f"more than {limits.wall_seconds} seconds") from error
            _raise_for_status(ended, limits)
            if ended.status == 0:
                return ended
            last = _manner_of_death(ended.status)
        raise DecodeRefused("decoder_crashed", last)

    def _current(self) -> _Server:
        with self._lock:
            if self._server is None or self._server.process.poll() is not None:
                self._server = _Server(self._command)
            return self._server

    def _discard(self, server: _Server) -> None:
        with self._lock:
            if self._server is server:
                self._server = None
        server.stop()

    def forget(self) -> None:
        """In a forked process: locks and the warmed-up process belong to the one it was forked from."""
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(self._parallel)
        server, self._server = self._server, None
        if server is not None:
            server.forget()


class _Server:
    """The warmed-up process and the socket to it."""

    def __init__(self, command: Sequence[str]) -> None:
        self.control, theirs = socket.socketpair()
        try:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=_environment(),
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            self.control.close()
            raise DecoderUnavailable(f"the decoder cannot be started: {error}") from error
        finally:
            theirs.close()
        self._sending = threading.Lock()
        self._starting = threading.Lock()
        self._report: dict[str, str] | None = None

    def ready(self) -> dict[str, str]:
        """Wait until the process has warmed up; returns its report of fences."""
        with self._starting:
            if self._report is None:
                self._report = self._read_report()
            return self._report

    def _read_report(self) -> dict[str, str]:
        self.control.settimeout(START_SECONDS)
        data = b""
        try:
            while len(data) < wire.FRAME_BYTES and (part := self.control.recv(wire.FRAME_BYTES - len(data))):
                data += part
        except OSError as error:
            raise DecoderUnavailable(f"the decoder did not start: {error}") from error
        if len(data) < wire.FRAME_BYTES:
            raise DecoderUnavailable("the decoder ended while it started; its output says why")
        message = json.loads(data)
        if "ready" not in message:
            raise DecoderUnavailable(f"the decoder did not start: {message.get('failed')}")
        return {str(name): str(state) for name, state in message["ready"].items()}

    def ask(self, source: int, limits: Limits) -> _Ended:
        """Have one picture read.

        :raises _Gone: the warmed-up process went away.
        :raises _TookTooLong: there was no answer long after the picture's time was over.
        """
        self.ready()
        with contextlib.ExitStack() as ours:
            answer, answer_end = _pipe(ours)
            status, status_end = _pipe(ours)
            with contextlib.closing(_Descriptor(answer_end)), contextlib.closing(_Descriptor(status_end)):
                try:
                    with self._sending:
                        sent = socket.send_fds(
                            self.control, [wire.frame(dataclasses.asdict(limits))], [source, answer_end, status_end]
                        )
                    if sent != wire.FRAME_BYTES:
                        raise OSError("half a request was sent")
                except OSError as error:
                    raise _Gone from error
            return _collect(answer, status, time.monotonic() + limits.wall_seconds + GRACE_SECONDS)

    def stop(self) -> None:
        self.control.close()
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)  # its own session: the process and all it has forked
        self.process.wait()

    def forget(self) -> None:
        self.control.close()
        self.process.returncode = 0  # not our child: without this Popen would wait for it and complain


class _Descriptor:
    def __init__(self, number: int) -> None:
        self.number = number

    def close(self) -> None:
        os.close(self.number)


def _pipe(stack: contextlib.ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe()
    stack.callback(os.close, reader)
    os.set_blocking(reader, False)
    return reader, writer


def _environment() -> dict[str, str]:
    """All that the child gets to see of the environment: no secret, no setting."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return kept | {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(PROJECT),
        "PYTHONSAFEPATH": "1",
        "MALLOC_ARENA_MAX": "1",  # every further arena of the C library reserves 64 MiB of the memory limit
    }


def _collect(answer: int, status: int, deadline: float) -> _Ended:
    """Read the answer until its process has ended; both descriptors do not block."""
    data = bytearray()
    poller = select.poll()
    for descriptor in (answer, status):
        poller.register(descriptor, select.POLLIN)
    while True:
        left = deadline - time.monotonic()
        ready = {descriptor for descriptor, _ in poller.poll(max(0.0, left * 1000))}
        if not ready:
            raise _TookTooLong
        if answer in ready and not _drain(answer, data):
            poller.unregister(answer)
        if status in ready:
            packed = os.read(status, wire.STATUS.size)
            if len(packed) < wire.STATUS.size:
                raise _Gone
            _drain(answer, data)  # its writer is gone, so all that will ever come is in the pipe
            return _Ended(bytes(data), *wire.STATUS.unpack(packed))


def _drain(descriptor: int, data: bytearray) -> bool:
    """Read what there is. Returns False at the end of the stream."""
    while True:
        try:
            part = os.read(descriptor, 1 << 20)
        except BlockingIOError:
            return True
        if not part or len(data) > MOST_ANSWER_BYTES:
            return False
        data += part


@contextlib.contextmanager
def _opened(source: Path, limits: Limits) -> Iterator[int]:
    """A read-only descriptor of the regular file `source`, its size checked."""
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise DecodeRefused("unsupported_format", "not a regular file")
        if facts.st_size == 0:
            raise DecodeRefused("empty_file")
        if facts.st_size > limits.max_bytes:
            raise DecodeRefused("file_too_large", f"{facts.st_size} bytes, limit {limits.max_bytes}")
        yield descriptor
    finally:
        os.close(descriptor)


def _raise_for_status(ended: _Ended, limits: Limits) -> None:
    if ended.status == wire.COULD_NOT_FORK:
        raise DecoderUnavailable("the system allows no further process")
    if ended.status >= 0 and os.WIFSIGNALED(ended.status):
        number = os.WTERMSIG(ended.status)
        out_of_time = number == signal.SIGKILL and ended.cpu_seconds >= limits.cpu_seconds
        if number in (signal.SIGXCPU, signal.SIGALRM) or out_of_time:
            raise DecodeRefused("decoder_timeout", f"after {ended.cpu_seconds:.1f} s of processor time")
    elif os.waitstatus_to_exitcode(ended.status) == wire.EXIT_MEMORY:
        raise DecodeRefused("decoder_memory", f"limit {limits.memory_bytes} bytes")


def _manner_of_death(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}"


# --- nothing that a child says is believed ------------------------------------------------------------------------

_PLAIN_FACTS = (
    *("format", "width", "height", "frames", "is_animated", "had_alpha", "orientation", "mode", "profile"),
    "blurhash",
)
#: The letters of a BlurHash of at most 4 times 4 waves.
BLURHASH = re.compile(r"[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{6,36}")


def _checked_answer(ended: _Ended, limits: Limits) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The facts of an answer and the WebP blob of each rendition, each value checked.

    :raises DecodeRefused: with the child's refusal, or `decoder_crashed` when the answer makes no sense.
    """
    try:
        message, blobs = _parsed(ended.data)
        if "refused" in message:
            code, detail = message["refused"], str(message.get("detail", ""))
            _insist(code in REFUSALS)
        else:
            return _checked_facts(message["drawn"], blobs, limits), dict(zip(RENDITIONS, blobs, strict=True))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise DecodeRefused("decoder_crashed", "the decoder's answer makes no sense") from error
    raise DecodeRefused(code, detail)


def _parsed(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    _insist(wire.HEADER.size <= len(data) <= MOST_ANSWER_BYTES)
    start = wire.HEADER.size + wire.HEADER.unpack_from(data)[0]
    message = json.loads(data[wire.HEADER.size : start])
    _insist(isinstance(message, dict))
    blobs: list[bytes] = []
    for length in message["blobs"]:
        _insist(_is_whole(length) and 0 <= length <= len(data) - start)
        blobs.append(data[start : start + length])
        start += length
    return message, blobs


def _checked_facts(facts: dict[str, Any], blobs: list[bytes], limits: Limits) -> dict[str, Any]:
    _insist(facts["format"] in FORMATS and facts["profile"] in PROFILES)
    _insist(all(_is_whole(facts[name]) and facts[name] >= 1 for name in ("width", "height", "frames", "orientation")))
    _insist(facts["width"] * facts["height"] * facts["frames"] <= limits.max_pixels)
    _insist(facts["frames"] <= limits.max_frames and facts["orientation"] <= 8)
    _insist(isinstance(facts["is_animated"], bool) and isinstance(facts["had_alpha"], bool))
    _insist(isinstance(facts["mode"], str) and len(facts["mode"]) <= 8 and facts["mode"].isascii())
    _insist(isinstance(facts["blurhash"], str) and bool(BLURHASH.fullmatch(facts["blurhash"])))
    _insist(len(blobs) == len(RENDITIONS))
    for name, blob in zip(RENDITIONS, blobs, strict=True):
        size = plain_webp_size(blob)
        _insist(list(size) == facts[f"{name}_size"] and max(size) <= getattr(limits, f"{name}_edge"))
    return facts


def plain_webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of a WebP file that is one lossy picture and nothing else (RFC 9649, section 2.5).

    :raises ValueError: there are other chunks (metadata, alpha, animation), or a length or a mark is wrong.
    """
    _insist(len(data) >= 30 and data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8 ")
    _insist(int.from_bytes(data[4:8], "little") == len(data) - 8)
    chunk = int.from_bytes(data[16:20], "little")
    _insist(chunk + chunk % 2 == len(data) - 20)
    _insist(data[20] & 1 == 0 and data[23:26] == b"\x9d\x01\x2a")  # a key frame and its start code
    width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    _insist(width >= 1 and height >= 1)
    return width, height


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _insist(truth: bool) -> None:
    if not truth:
        raise ValueError("not as agreed")


# --- files --------------------------------------------------------------------------------------------------------


def _write_renditions(paths: dict[str, Path], blobs: dict[str, bytes], facts: dict[str, Any]) -> dict[str, Rendition]:
    """Write all files or none: each beside its place first, then moved there in one step."""
    drafts: dict[str, Path] = {}
    try:
        for name, path in paths.items():
            drafts[name] = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
            _write_through(drafts[name], blobs[name])
        for name, draft in drafts.items():
            draft.replace(paths[name])
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    return {name: _rendition(path, facts[f"{name}_size"], blobs[name]) for name, path in paths.items()}


def _rendition(path: Path, size: list[int], data: bytes) -> Rendition:
    return Rendition(path=path, width=size[0], height=size[1], bytes=len(data))


def _write_through(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # a power cut after the answer was sent must not leave an empty picture


# --- the pool of this process ---------------------------------------------------------------------------------------

_POOL = Pool()


def decode(source: Path, *, thumbnail: Path, medium: Path, screen: Path, limits: Limits) -> Decoded:
    """Read the picture at `source` and write its three renditions (WebP, upright, sRGB, no metadata).

    `source` is opened for reading only. The renditions are on disk when this returns; when it raises, none is
    there. Blocks for as long as the picture takes, so call it in a thread; several threads may call it at once.

    :param source: the uploaded file; its name is not looked at.
    :param thumbnail: where the small rendition goes; a file there is replaced.
    :param medium: where the rendition goes that most captioners read; a file there is replaced.
    :param screen: where the large rendition goes; a file there is replaced.
    :raises DecodeRefused: the picture cannot be taken; `code` is a key of `REFUSALS`.
    :raises DecoderUnavailable: the decoder cannot be started or is overloaded; try again later.
    :raises OSError: `source` cannot be opened, or a rendition cannot be written.
    """
    return _POOL.decode(source, thumbnail=thumbnail, medium=medium, screen=screen, limits=limits)


def sandbox_report() -> dict[str, str]:
    """A line for each fence around the decoder of this process: ``on``, or ``off: reason``.

    :raises DecoderUnavailable: when no decoder can be started.
    """
    return _POOL.sandbox_report()


def start() -> None:
    """Start this process's decoder without waiting for it, so that the first picture finds it warm."""
    _POOL.start()


def stop() -> None:
    """End this process's decoder; it starts again when it is needed."""
    _POOL.stop()


def _forget_all() -> None:
    for pool in list(_POOLS):
        pool.forget()


atexit.register(stop)
os.register_at_fork(after_in_child=_forget_all)

"""The decoder's own process: `python -m captions.decoder.child FD`.

It warms up, gives up its privileges, and then forks one process for each picture, so that bytes that take over a
decoding library find nothing of anybody else's picture and are gone with their process. It parses nothing itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

from captions.decoder import fences, pictures, wire
from captions.decoder.contract import RENDITIONS, DecodeRefused, Limits

LOOK_AROUND_SECONDS = 5


def main(arguments: list[str]) -> None:
    """Serve the parent on the socket with descriptor `arguments[0]` until it goes away."""
    control = socket.socket(fileno=int(arguments[0]))
    parent = os.getppid()
    try:
        report = prepare()
    except Exception:  # noqa: BLE001 - whatever it is, the parent has to be told why there is no decoder
        control.sendall(wire.frame({"failed": traceback.format_exc()[-2000:]}))
        return
    control.sendall(wire.frame({"ready": report}))
    Server(control, parent, system_calls=report["system_call_filter"] == fences.ON).serve()


def prepare() -> fences.Report:
    """Warm up, fence in this process and try the fences of a picture out; returns what is on and what is off."""
    pictures.warm_up()
    gc.collect()
    gc.freeze()  # a collection in a forked process would copy every page it touches
    _silence()
    report = fences.enclose_process()
    for system_calls in (True, False):  # a C library this list does not know must not stop all uploads
        tried = _try_fences(system_calls=system_calls)
        if tried is not None:
            return {"separate_process": fences.ON, **report, **tried}
    raise RuntimeError("the sample pictures cannot be read inside the fences")


def _silence() -> None:
    # Decoding libraries print warnings about broken files; they would end up in the middle of the server's log.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _try_fences(*, system_calls: bool) -> fences.Report | None:
    """Read the samples in a fenced process. Returns its report, or None when that process failed."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with _ends_here():
            limits = Limits()
            report = _enclose(limits, system_calls=system_calls)
            pictures.read_samples()
            _write_all(writer, json.dumps(report).encode("ascii"))
    os.close(writer)
    with open(reader, "rb") as answer:
        text = answer.read(wire.FRAME_BYTES)
    _, status = os.waitpid(pid, 0)
    return json.loads(text) if status == 0 and text else None


class Server:
    """Forks a process for each request and passes its exit status on."""

    def __init__(self, control: socket.socket, parent: int, *, system_calls: bool) -> None:
        self.control = control
        self.parent = parent
        self.system_calls = system_calls
        self.running: dict[int, int] = {}  # process id → descriptor for its exit status
        self.wake_reader, wake_writer = os.pipe()
        os.set_blocking(self.wake_reader, False)
        os.set_blocking(wake_writer, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)

    def serve(self) -> None:
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        poller.register(self.wake_reader, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poller.poll(LOOK_AROUND_SECONDS * 1000)}
            if self.wake_reader in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.wake_reader, 512)
            self.collect()
            # PR_SET_PDEATHSIG is of no use here: it fires when the thread that started this process ends, and web
            # servers end threads all the time. The end of the socket, or another parent, is the true sign.
            if os.getppid() != self.parent or (self.control.fileno() in ready and not self.accept()):
                self.leave()
                return

    def accept(self) -> bool:
        """Take one request and fork for it. Returns False when the parent is gone."""
        received = _receive(self.control)
        if received is None:
            return False
        request, (source, answer, status) = received
        try:
            pid = os.fork()
        except OSError:
            _write_all(status, wire.STATUS.pack(wire.COULD_NOT_FORK, 0.0, 0))
            os.close(status)
        else:
            if pid == 0:
                with _ends_here():
                    _serve_picture(request, source, answer, system_calls=self.system_calls)
            self.running[pid] = status
        os.close(source)
        os.close(answer)
        return True

    def collect(self) -> None:
        """Pass on the exit status of every process that has ended."""
        while self.running:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            descriptor = self.running.pop(pid)
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            with contextlib.suppress(OSError):  # the thread that asked may have given up
                _write_all(descriptor, wire.STATUS.pack(status, usage.ru_utime + usage.ru_stime, peak))
            os.close(descriptor)

    def leave(self) -> None:
        for pid in self.running:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def _ends_here() -> Any:
    """The body of a forked process: whatever happens, it never returns into the code of the process it came from."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        yield
        code = 0
    except MemoryError:
        code = wire.EXIT_MEMORY
    finally:
        os._exit(code)


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    data = bytearray()
    descriptors: list[int] = []
    while len(data) < wire.FRAME_BYTES:
        try:
            part, more, _, _ = socket.recv_fds(control, wire.FRAME_BYTES - len(data), 3)
        except ConnectionError:
            return None
        if not part:
            return None
        data += part
        descriptors += more
    return json.loads(bytes(data)), descriptors


def _serve_picture(request: dict[str, Any], source: int, answer: int, *, system_calls: bool) -> None:
    """Read the picture behind `source` inside the fences and write what came of it to `answer`."""
    for descriptor in range(3, 256):  # the other pictures' pipes and the control socket are none of its business
        if descriptor not in (source, answer):
            with contextlib.suppress(OSError):
                os.close(descriptor)
    limits = Limits(**request)
    _enclose(limits, system_calls=system_calls)
    data = _read_all(source, limits.max_bytes)
    os.close(source)
    _write_all(answer, _answer(data, limits))


def _enclose(limits: Limits, *, system_calls: bool) -> fences.Report:
    return fences.enclose_picture(
        memory_bytes=limits.memory_bytes,
        cpu_seconds=limits.cpu_seconds,
        wall_seconds=limits.wall_seconds,
        system_calls=system_calls,
    )


def _answer(data: bytes, limits: Limits) -> bytes:
    try:
        drawn = pictures.read_picture(data, limits)
    except DecodeRefused as refused:
        return wire.answer({"refused": refused.code, "detail": refused.detail})
    facts = {
        field.name: getattr(drawn, field.name) for field in dataclasses.fields(drawn) if field.name not in RENDITIONS
    }
    return wire.answer({"drawn": facts}, *(getattr(drawn, name) for name in RENDITIONS))


def _read_all(descriptor: int, most: int) -> bytes:
    """The whole file, or one byte more than `most` of it: enough to see that it is too large."""
    parts: list[bytes] = []
    left = most + 1
    while left and (part := os.read(descriptor, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    main(sys.argv[1:])

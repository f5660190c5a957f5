"""A decoder child that also answers questions from inside its fences: `python probe.py [without-filter] FD`.

It is the real child with one addition: a file that begins with `PROBE:` is not a picture but a Python expression,
evaluated where a picture would be decoded. Its value comes back as the detail of a refusal.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import socket
import sys
import threading
import time

from captions.decoder import child, fences, pictures, wire
from captions.decoder.contract import DecodeRefused, Limits

NAMES = {
    "ctypes": ctypes,
    "mmap": mmap,
    "os": os,
    "resource": resource,
    "signal": signal,
    "socket": socket,
    "sys": sys,
    "threading": threading,
    "time": time,
    "wire": wire,
}
PARENT = os.getppid()
read_picture = pictures.read_picture
make_answer = child._answer


def probe(data: bytes, limits: Limits) -> pictures.Drawn:
    if not data.startswith(b"PROBE:"):
        return read_picture(data, limits)
    try:
        value = eval(data[6:].decode(), NAMES | {"parent": PARENT, "libc": libc, "spin": spin, "held": held})
    except OSError as error:
        value = f"{type(error).__name__} {error.errno}"
    raise DecodeRefused("corrupt_image", str(value))


def answer(data: bytes, limits: Limits) -> bytes:
    """The answer of a child that has been taken over: any bytes at all."""
    if data.startswith(b"ANSWER:"):
        return data[7:]
    return make_answer(data, limits)


def libc(number: int, *arguments: int) -> str:
    """A system call by number; its result or the name of the error."""
    result = fences._LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments))
    return f"error {ctypes.get_errno()}" if result < 0 else f"result {result}"


def held() -> list[int]:
    """The descriptors that are open."""

    def is_open(number: int) -> bool:
        try:
            return os.fstat(number).st_mode > 0
        except OSError:
            return False

    return [number for number in range(256) if is_open(number)]


def spin() -> None:
    while True:
        pass


pictures.read_picture = probe
child._answer = answer
if "without-filter" in sys.argv:
    fences._filter_report = lambda: "off: for this test"
child.main(sys.argv[-1:])

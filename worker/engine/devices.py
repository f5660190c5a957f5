"""Where a model runs and how precisely: what may be asked for, and what this machine has."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch

from worker.engine.errors import DeviceUnavailable, ModelUnsupported

DTYPES: Final[Mapping[str, torch.dtype]] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "int8": torch.float32,  # of everything but the linear maps
}
PRECISIONS: Final = ("auto", *DTYPES)
DEVICES: Final = re.compile(r"cpu|cuda(:\d+)?")


def pick_device(wanted: str) -> str:
    """Turn `auto` into what this machine has. Raises DeviceUnavailable for what it has not."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not DEVICES.fullmatch(wanted):
        raise DeviceUnavailable(f"There is no device {wanted!r}. Choose auto, cpu or cuda.")
    if wanted != "cpu" and int(wanted.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise DeviceUnavailable(f"No NVIDIA GPU answers as {wanted} on this machine. Choose cpu or auto.")
    return wanted


def pick_precision(wanted: str, device: str) -> str:
    """Turn `auto` into fp32 on a CPU and fp16 on a GPU. Raises ModelUnsupported for what a device does not compute."""
    if wanted not in PRECISIONS:
        raise ModelUnsupported(f"There is no precision {wanted!r}. Choose one of {', '.join(PRECISIONS)}.")
    if wanted == "auto":
        return "fp32" if device == "cpu" else "fp16"
    if wanted == "fp16" and device == "cpu":
        raise ModelUnsupported("fp16 is for GPUs. On a CPU, choose fp32, bf16 or int8.")
    if wanted == "int8" and device != "cpu":
        raise ModelUnsupported("int8 is for CPUs. On a GPU, choose fp16 or bf16.")
    return wanted


def memory_in_use(device: str) -> int | None:
    """Give the bytes this process holds at this moment: on a GPU what torch has reserved there, else its resident set.

    None where the system does not tell (only Linux does).
    """
    if device != "cpu":
        return int(torch.cuda.memory_reserved(device))
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")

"""What was measured on: a figure says little without it."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any, Final

TURNS: Final = 5_000_000


def hardware() -> dict[str, Any]:
    """Give processor, cores, Python, and the milliseconds of a million turns of an empty loop, the best of three."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "loop_ms": round(min(_loop() for _ in range(3)), 1),
    }


def _loop() -> float:
    began = time.perf_counter()
    for _ in range(TURNS):
        pass
    return 1000 * (time.perf_counter() - began) / (TURNS / 1_000_000)

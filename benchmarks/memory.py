"""How much memory a process held at its peak."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_mib() -> int:
    """Give this process's peak of resident memory in MiB.

    On Linux from /proc: `getrusage` begins with what the process that started this one held, so that a small child of
    a large benchmark would look as large as its parent.
    """
    status = Path("/proc/self/status")
    if status.exists() and (line := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(line[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 * 1024 if sys.platform == "darwin" else 1024)

"""A desk for faults: its tables copied from a template, its workers scripted, its queue filled without a web server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.rows import Rows
from tests.faults.scripted import ORDERS
from tests.harness import ROOT, Child, Desk, until

QUICK = {
    "LEASE_SECONDS": "10",
    "POLL_SECONDS": "0.5",
    "CRASH_PAUSE_SECONDS": "1",
    "DRAIN_SECONDS": "10",
    "LOG_LEVEL": "INFO",
    "CAPTION_BATCH": "8",
}
WARM_UP = 0x808080  # the number that the warm-up's grey picture reads as


@dataclass
class Workshop(Desk):
    """A desk whose workers do what files in the folder `orders` say."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.orders = self.folder / "orders"
        self.orders.mkdir(exist_ok=True)
        self.env |= {ORDERS: str(self.orders), **{name: self.env.get(name, value) for name, value in QUICK.items()}}

    def close(self) -> None:
        """Kill every process at once: how they end when asked is tested where it is the question."""
        for child in self.children:
            child.signal(signal.SIGCONT)
            child.signal(signal.SIGKILL)
        super().close()

    @property
    def rows(self) -> Rows:
        """The desk's tables."""
        return Rows(self.env.get("DATABASE_URL") or f"{self.env['DATA_DIR']}/captions.sqlite3")

    def order(self, name: str, words: str = "") -> None:
        """Leave an order for the scripted captioner."""
        (self.orders / name).write_text(words)

    def fill(self, count: int, first: int = 1, model: str = "") -> None:
        """Add pictures with jobs."""
        command = [sys.executable, "-m", "tests.faults.fill", str(count), str(first), model]
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def ran(self) -> Counter[int]:
        """Count how often the scripted captioner captioned each picture."""
        path = self.orders / "ran"
        numbers = map(int, path.read_text().split()) if path.exists() else ()
        return Counter(number for number in numbers if number < WARM_UP)

    def check(self, *, captioned: int, failed: int = 0) -> None:
        """Assert that nothing was lost, doubled or mixed up, in a desk that has come to rest."""
        assert self.rows.states() == {k: n for k, n in (("done", captioned), ("failed", failed)) if n}, self.logs()
        assert self.rows.duplicates() == 0
        assert self.rows.mixed_up() == []
        assert self.rows.written_late(self.worker_logs()) == []
        assert self.run("invariants", check=False).stdout.strip() == "Everything agrees."

    def worker_logs(self) -> str:
        """Give all that the workers wrote."""
        return "".join(child.log.read_text(errors="replace") for child in self.children if child.name == "scripted")

    def start_scripted(self, **env: str) -> Child:
        """Start a supervised worker with the scripted captioner."""
        return self.spawn("scripted", sys.executable, "-m", "tests.faults.supervised", env=env)

    def until_ready(self, count: int = 1, seconds: float = 60) -> None:
        """Wait until so many workers serve their model."""
        self.until_true(lambda: self.rows.workers("ready") >= count, seconds, f"{count} workers are ready")

    def until_logged(self, child: Child, words: str, *, times: int = 1, seconds: float = 60) -> None:
        """Wait until a process has written some words so many times."""
        self.until_true(lambda: child.log.read_text().count(words) >= times, seconds, f"{times} times “{words}”")

    def until_done(self, count: int, seconds: float = 120) -> None:
        """Wait until so many jobs have ended with captions."""
        self.until_true(lambda: self.rows.done() >= count, seconds, f"{count} jobs are done")

    def until_at_rest(self, seconds: float = 120) -> None:
        """Wait until no job waits or runs."""
        self.until_true(lambda: self.rows.open_jobs() == 0, seconds, "nothing waits or runs")

    def until_true(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        try:
            until(condition, seconds=seconds, every=0.1, what=what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {dict(self.rows.states())}\n{self.logs()}") from None


def child_of(supervisor: Child) -> int | None:
    """Give the process id of the worker process that a supervisor runs now."""
    try:
        words = Path(f"/proc/{supervisor.process.pid}/task/{supervisor.process.pid}/children").read_text().split()
    except FileNotFoundError:
        return None
    return int(words[0]) if words else None


def name_of(supervisor: Child) -> str:
    """Give the name under which a supervisor's worker stands in the database, "" before it has told."""
    found = re.search(r"worker=(\S+)", supervisor.log.read_text())
    return found[1] if found else ""


def starts_of(supervisor: Child) -> int:
    """Count the worker processes that a supervisor has started."""
    return supervisor.log.read_text().count("worker process started")


def send(pid: int | None, number: int) -> bool:
    """Send a signal to one process; False when it is gone."""
    if pid is None:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def freeze(pid: int | None, seconds: float) -> bool:
    """Stop a process as a pause of its machine would, and let it go on after that time."""
    if not send(pid, signal.SIGSTOP):
        return False
    time.sleep(seconds)
    return send(pid, signal.SIGCONT)

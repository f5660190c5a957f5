"""`make chaos`: pictures are uploaded while workers are killed and stopped and the broker is emptied, and then counted.

python -m benchmarks.chaos --jobs 500 --kills 10 --stops 3 --flushes 1 [--redis-on | --redis-off]
    [--database sqlite|postgres] [--workers 2] [--model demo] [--seed 1]

Everything is real: uploads over HTTP to the web server, the broker, supervised worker processes with the model, the
database. Without --redis-on or --redis-off it runs once with the broker and once without any. Prints one table and ends
with status 1 when a picture was lost or captioned twice, an upload was refused, or a rule of the database is broken.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.faults.rows import Rows
from tests.faults.uploads import Uploads
from tests.faults.workshop import child_of, freeze, name_of, send
from tests.harness import Child, Desk, desk, until
from worker.demo.scenes import jpeg, make_scene

LEASE_SECONDS = 4.0
STOP_SECONDS = 2 * LEASE_SECONDS + 0.5
PATIENCE_SECONDS = 900.0
UPLOADERS = 4


@dataclass
class Count:
    """What one round came to. A stale result is one that a worker handed in after it had lost the lease."""

    title: str
    uploads: int
    refused: int = 0
    captioned: int = 0
    duplicates: int = 0
    kills: int = 0
    stops: int = 0
    flushes: int = 0
    stale: int = 0
    fenced: int = 0
    repeated: int = 0
    broken: str = ""
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """Pictures that were taken and have no caption."""
        return self.uploads - self.refused - self.captioned

    @property
    def missed(self) -> list[str]:
        """Name the bars that were missed."""
        bars = {
            "pictures were lost": self.lost != 0,
            "pictures were captioned twice": self.duplicates != 0,
            "uploads were refused": self.refused != 0,
            "stale results were written": self.stale != self.fenced,
            "no stale result was provoked": self.stops > 0 and self.stale == 0,
            "rules of the database are broken": self.broken != "",
        }
        return [words for words, is_missed in bars.items() if is_missed]


class Round:
    """One desk, its workers, and what is done to them."""

    def __init__(self, made: Desk, count: Count, options: argparse.Namespace) -> None:
        self.desk, self.count, self.options = made, count, options
        self.rows = Rows(made.env.get("DATABASE_URL") or f"{made.env['DATA_DIR']}/captions.sqlite3")
        self.chance = random.Random(f"{options.seed} {count.title}")
        self.workers: list[Child] = []
        self.every_worker: list[Child] = []

    def run(self, pictures: list[bytes]) -> None:
        """Upload, disturb, wait, count."""
        token = self.desk.person("chaos")
        self.desk.start_web()
        self.desk.start_scheduler()
        began = time.monotonic()
        uploads = Uploads(self.desk, token, at_once=UPLOADERS)
        uploads.begin(pictures)
        until(lambda: uploads.answers.total() > len(pictures) // 4, seconds=300, what="a quarter is uploaded")
        for _ in range(self.options.workers):
            self.start_worker()
        for threshold, disturb in self.plan():
            self.wait_for(threshold)
            disturb()
        uploads.end()
        until(lambda: self.rows.open_jobs() == 0, seconds=PATIENCE_SECONDS, every=0.5, what="nothing waits or runs")
        self.count.seconds = time.monotonic() - began
        self.count.refused = sum(uploads.refused.values())
        self.settle()

    def plan(self) -> list[tuple[int, Callable[[], None]]]:
        """Give what is done at which number of finished captions, mixed at random."""
        options = self.options
        steps: list[Callable[[], None]] = [self.kill] * options.kills + [self.stop] * options.stops
        steps += [self.flush] * options.flushes
        self.chance.shuffle(steps)
        last = int(options.jobs * 0.8)
        return list(
            zip(sorted(self.chance.sample(range(1, max(last, len(steps)) + 1), len(steps))), steps, strict=True)
        )

    def wait_for(self, captions: int) -> None:
        """Wait until so many captions have come in."""
        until(lambda: self.rows.done() >= captions, seconds=PATIENCE_SECONDS, what=f"{captions} captions are there")

    def start_worker(self) -> Child:
        """Start one more supervised worker."""
        worker = self.desk.start_worker()
        self.workers.append(worker)
        self.every_worker.append(worker)
        return worker

    def kill(self) -> None:
        """Kill a worker process or a supervisor at work; a killed supervisor is replaced, as an init system would."""
        victim = self.busy_worker()
        if self.chance.random() < 0.3:
            victim.process.kill()
            victim.process.wait()
            self.workers.remove(victim)
            self.start_worker()
        else:
            pid = until(lambda: child_of(victim), what="the worker process runs")
            send(pid, signal.SIGKILL)
        self.count.kills += 1

    def stop(self) -> None:
        """Stop a worker process for longer than its leases last."""
        freeze(child_of(self.busy_worker()), STOP_SECONDS)
        self.count.stops += 1

    def flush(self) -> None:
        """Empty the broker."""
        assert self.desk.redis
        if self.desk.redis.process:
            self.desk.redis.flush()
            self.count.flushes += 1

    def busy_worker(self) -> Child:
        """Give a worker that holds jobs now, or any when none does for a while."""

        def find() -> Child | None:
            holders = self.rows.holders()
            busy = [worker for worker in self.workers if holders[name_of(worker)]]
            return self.chance.choice(busy) if busy else None

        with contextlib.suppress(TimeoutError):
            found: Child = until(find, seconds=30, every=0.02)
            return found
        return self.chance.choice(self.workers)

    def settle(self) -> None:
        """Count, once the workers have written their rows for the last time."""
        for worker in self.workers:
            worker.stop()
        count, rows = self.count, self.rows
        count.captioned = int(rows.one("SELECT COUNT(DISTINCT image_id) FROM captions_caption"))
        count.duplicates = rows.duplicates()
        log = "".join(worker.log.read_text(errors="replace") for worker in self.every_worker)
        count.fenced = log.count("late result dropped")
        count.stale = count.fenced + len(rows.written_late(log))
        count.repeated = rows.claims() - int(rows.one("SELECT COUNT(*) FROM captions_captionjob"))
        checked = self.desk.run("invariants", check=False)
        count.broken = "" if checked.returncode == 0 else checked.stdout


def draw(number: int) -> bytes:
    """Draw one scene as JPEG."""
    return jpeg(make_scene(number))


def measure(title: str, pictures: list[bytes], options: argparse.Namespace, *, with_broker: bool) -> Count:
    """Run one round on a fresh desk."""
    count = Count(title, uploads=len(pictures))
    environment = {
        "CAPTION_MODEL": options.model,
        "LEASE_SECONDS": f"{LEASE_SECONDS:g}",
        "POLL_SECONDS": "1",
        "CRASH_PAUSE_SECONDS": "1",
        "LOG_LEVEL": "INFO",
    }
    with (
        tempfile.TemporaryDirectory(prefix="desk-chaos-") as folder,
        desk(Path(folder), database=options.database, environment=environment) as made,
    ):
        assert made.redis
        if not with_broker:
            made.redis.kill()
        try:
            Round(made, count, options).run(pictures)
        except TimeoutError as error:
            print(made.logs(), file=sys.stderr)
            count.broken = str(error)
    return count


def show(counts: list[Count]) -> None:
    """Print the table."""
    names = ("uploads", "refused", "captioned", "lost", "duplicates", "kills", "stops", "flushes", "stale", "fenced")
    print(f"{'round':<24}" + "".join(f"{name:>11}" for name in (*names, "repeated", "seconds")))
    for count in counts:
        cells = [getattr(count, name) for name in (*names, "repeated")]
        print(f"{count.title:<24}" + "".join(f"{cell:>11}" for cell in cells) + f"{count.seconds:>11.0f}")
    for count in counts:
        for words in count.missed:
            print(f"{count.title}: missed: {words} {count.broken}".rstrip())
    if not any(count.missed for count in counts):
        print("Nothing was lost, nothing was doubled, every stale result was dropped.")


def main(arguments: list[str] | None = None) -> int:
    """Run the rounds; 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos")
    parser.add_argument("--jobs", type=int, default=500, help="pictures to upload")
    parser.add_argument("--kills", type=int, default=10, help="workers to kill by SIGKILL")
    parser.add_argument("--stops", type=int, default=3, help="workers to stop for longer than their leases last")
    parser.add_argument("--flushes", type=int, default=1, help="times to empty the broker")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--model", default="demo", help="as CAPTION_MODEL")
    parser.add_argument("--seed", type=int, default=1)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--redis-on", action="store_true", help="only the round with the broker")
    which.add_argument("--redis-off", action="store_true", help="only the round without any broker")
    options = parser.parse_args(arguments)
    with ProcessPoolExecutor() as pool:
        first = 10_000_019 * options.seed
        pictures = list(pool.map(draw, range(first, first + options.jobs), chunksize=20))
    counts = []
    if not options.redis_off:
        counts.append(measure(f"{options.database}, with broker", pictures, options, with_broker=True))
    if not options.redis_on:
        counts.append(measure(f"{options.database}, without broker", pictures, options, with_broker=False))
    show(counts)
    return int(any(count.missed for count in counts))


if __name__ == "__main__":
    raise SystemExit(main())

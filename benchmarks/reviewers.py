"""Fifty reviewers at once over ten thousand drafts: is a picture decided twice, or lost?

    python -m benchmarks.reviewers [--drafts 10000] [--reviewers 50] [--hand 5] [--processes 4] [--lease 120]

Every reviewer is handed HAND pictures at a time and decides on each, most by approving, some by an edit or a rejection,
now and then by skipping or by taking the last decision back, until nothing is left. They are threads of PROCESSES
processes. It goes through the product's own functions into a real database: an SQLite file of its own, or a new
database on the PostgreSQL server of DATABASE_URL. With a short LEASE, leases run out while people look.

Prints one JSON object; exit status 1 unless every draft has exactly one decision that stands, by one person.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

AT_ONCE: Final = 500  # rows in one statement
CHANCES: Final = (("approve", 0.80), ("edit", 0.06), ("reject", 0.08), ("skip", 0.03), ("undo", 0.03))


def prepare(drafts: int, reviewers: int) -> None:
    """Make the tables, the people and the drafts; rows in bulk, as the services would leave them."""
    import hashlib

    from django.contrib.auth.models import Group, User
    from django.core.management import call_command

    from captions.models import Caption, CaptionJob, Image
    from captions.models.identifiers import uuid7

    call_command("migrate", verbosity=0)
    owner = User.objects.create(username="owner", password="!")
    group = Group.objects.get(name="reviewers")
    for number in range(reviewers):
        User.objects.create(username=f"reviewer{number}", password="!").groups.add(group)
    sizes = dict.fromkeys(("thumbnail_width", "thumbnail_height", "screen_width", "screen_height"), 40)
    for start in range(0, drafts, AT_ONCE):
        numbers = range(start, min(drafts, start + AT_ONCE))
        images = [
            Image(
                id=uuid7(), owner=owner, number=number + 1, sha256=hashlib.sha256(str(number).encode()).hexdigest(),
                format="JPEG", width=40, height=40, bytes=99, quality=None if number % 10 == 0 else number % 97 / 97,
                **sizes,
            )
            for number in numbers
        ]  # fmt: skip
        Image.objects.bulk_create(images)
        jobs = [CaptionJob(image=image, owner=owner, state="done", batch_key="x") for image in images]
        CaptionJob.objects.bulk_create(jobs)
        captions = [
            Caption(
                image=image,
                job=job,
                kind="generated",
                model="demo",
                revision="1",
                text=f"draft of {image.number}",
                rank=1,
                score=-0.5,
            )
            for image, job in zip(images, jobs, strict=True)
        ]
        Caption.objects.bulk_create(captions)
        for image, caption in zip(images, captions, strict=True):
            image.caption, image.state = caption, "draft"
        Image.objects.bulk_update(images, ["caption", "state"])


class Reviewer:
    """One person at the desk: takes, decides, and counts what they were told."""

    def __init__(self, name: str, hand: int) -> None:
        from django.contrib.auth.models import User

        self.user = User.objects.get(username=name)
        self.hand = hand
        self.chance = random.Random(name)
        self.told: Counter[str] = Counter()
        self.takes: list[float] = []
        self.decides: list[float] = []
        self.skipped: list[Any] = []

    def work(self) -> None:
        """Review until nothing is left."""
        from captions import review_queue

        misses = 0
        while misses < 5:  # what others hold may come back: skipped, taken back, run out
            began = time.perf_counter()
            turns = self._again(
                lambda: review_queue.take(reviewer=self.user, count=self.hand, last=self.skipped, mix=False)
            )
            self.takes.append(time.perf_counter() - began)
            misses = 0 if turns else misses + 1
            if not turns:
                time.sleep(0.2)
            for turn in turns:
                self._decide(turn)

    def _again(self, act: Callable[[], Any]) -> Any:
        """Try again when the database is busy, as the page does after a 503."""
        from django.db import OperationalError

        for _ in range(10):
            try:
                return act()
            except OperationalError:
                self.told["database_busy"] += 1
        return act()

    def _decide(self, turn: Any) -> None:
        from captions import review_queue
        from captions.errors import DeskError

        kind = self.chance.choices([name for name, _ in CHANCES], [share for _, share in CHANCES])[0]
        if kind == "skip" and turn.image.pk not in self.skipped:
            self._again(lambda: review_queue.give_back(reviewer=self.user, images=[turn.image.pk]))
            self.skipped.append(turn.image.pk)
            self.told["skipped"] += 1
            return
        decision = kind if kind in ("edit", "reject") else "approve"
        verdict = review_queue.Verdict(decision, turn.shown, text=f"{turn.shown.text}, mended", seen=turn.seen)
        began = time.perf_counter()
        try:
            made = self._again(lambda: review_queue.decide(image=turn.image, reviewer=self.user, verdict=verdict))
        except DeskError as error:
            self.told[error.code] += 1
            return
        self.decides.append(time.perf_counter() - began)
        self.told[decision] += 1
        if kind == "undo":
            self._again(lambda: review_queue.undo(reviewer=self.user, decision=made.pk))
            self.told["undone"] += 1


def crowd(names: list[str], hand: int, gate: Any, answers: Any) -> None:
    """Run some reviewers as threads of this process."""
    import django

    django.setup()
    from django.db import connections

    people = [Reviewer(name, hand) for name in names]
    broken: list[str] = []

    def run(person: Reviewer) -> None:
        try:
            person.work()
        except Exception as error:  # noqa: BLE001  # whatever it is belongs into the figures
            broken.append(f"{type(error).__name__}: {error}"[:300])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(person,)) for person in people]
    connections.close_all()
    gate.wait()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told: Counter[str] = sum((person.told for person in people), Counter())
    takes = [seconds for person in people for seconds in person.takes]
    decides = [seconds for person in people for seconds in person.decides]
    answers.put((dict(told), takes, decides, broken))


def verify(drafts: int) -> dict[str, Any]:
    """Count in the database what came of every draft."""
    from django.db.models import Count

    from captions import ledger
    from captions.models import Image, Review, ReviewLease

    standing = ledger.standing(Review.objects.all()).order_by().values("image").annotate(times=Count("pk"))
    times = Counter(standing.values_list("times", flat=True))
    return {
        "decided_once": times.get(1, 0),
        "decided_twice": sum(count for number, count in times.items() if number > 1),
        "lost": drafts - sum(times.values()),
        "still_drafts": Image.objects.filter(state="draft").count(),
        "leases_left": ReviewLease.objects.count(),
    }


def quantiles(seconds: list[float]) -> dict[str, float]:
    """Give median and 95th percentile in milliseconds."""
    if len(seconds) < 2:
        return {}
    return {
        "median_ms": round(statistics.median(seconds) * 1000, 2),
        "p95_ms": round(statistics.quantiles(seconds, n=20)[-1] * 1000, 2),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Let everybody review, and give the figures."""
    from django.db import connection, connections

    prepare(options.drafts, options.reviewers)
    database = connection.vendor
    if database == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    connections.close_all()
    names = [f"reviewer{number}" for number in range(options.reviewers)]
    context = multiprocessing.get_context("spawn")
    processes = min(options.processes, options.reviewers)
    gate, answers = context.Barrier(processes + 1), context.Queue()
    running = [
        context.Process(target=crowd, args=(names[part::processes], options.hand, gate, answers))
        for part in range(processes)
    ]
    for process in running:
        process.start()
    gate.wait(timeout=300)
    began = time.perf_counter()
    parts = [answers.get() for _ in running]
    seconds = time.perf_counter() - began
    for process in running:
        process.join()
    told: Counter[str] = sum((Counter(part[0]) for part in parts), Counter())
    return {
        "database": database,
        "drafts": options.drafts,
        "reviewers": options.reviewers,
        "seconds": round(seconds, 1),
        "decisions_per_second": round(options.drafts / seconds, 1),
        **verify(options.drafts),
        "take": quantiles([one for part in parts for one in part[1]]),
        "decide": quantiles([one for part in parts for one in part[2]]),
        "told": dict(sorted(told.items())),
        "broken": [words for part in parts for words in part[3]],
    }


def main() -> int:
    """Measure in a database of its own, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reviewers", description=__doc__.split("\n")[0])
    parser.add_argument("--drafts", type=int, default=10_000)
    parser.add_argument("--reviewers", type=int, default=50)
    parser.add_argument("--hand", type=int, default=5)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--lease", type=float, default=120)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DATA_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "captionsite.settings"
        os.environ["REDIS_URL"] = "redis://127.0.0.1:1/0"  # nothing listens there: pages are told nothing
        os.environ["SECRET_KEY"] = "benchmark-only-" + "k3y" * 20
        os.environ["REVIEW_LEASE_SECONDS"] = str(max(5.0, options.lease))
        os.environ["DATABASE_POOL"] = str(options.reviewers)
        if os.environ.get("DATABASE_URL"):
            from tests.services import new_postgres_database

            os.environ["DATABASE_URL"] = new_postgres_database(os.environ["DATABASE_URL"])
        import django

        django.setup()
        found = measure(options)
    print(json.dumps(found))
    whole = found["decided_once"] == options.drafts and not found["broken"] and not found["still_drafts"]
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())

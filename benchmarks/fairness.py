"""How long single requests wait while somebody imports ten thousand pictures.

    python -m benchmarks.fairness [--jobs 10000] [--seconds-per-picture 0.1] [--batch 8] [--seconds 300] [--singles 300]
                                  [--small 200] [--rush 400] [--seed 1]

One person has queued JOBS pictures. For SECONDS others, 30 in turn, ask for single captions at random moments; one
more adds SMALL pictures at once after a fifth of that time; and after three fifths RUSH requests of 40 further people
come in at the same moment. One worker takes batches of BATCH, the next one claimed while it works on the last, as the
drain does. It ends when everybody but the importer has all captions; the rest of the import is left.

Requests, claims and results go through the product's own functions into a real database: an SQLite file of its own, or
a new database on the PostgreSQL server of DATABASE_URL. The model is scripted and its time simulated: a picture takes
SECONDS_PER_PICTURE of a clock that only the script moves, so that the waits depend on the scheduler and the seed alone,
not on how busy this machine is. The waits last from the request to the caption. The time that the database took is
measured by the machine's clock, and is no part of them. Prints a small table and then one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from captions.models import CaptionJob, Image

PEOPLE: Final = 30
PEOPLE_IN_A_RUSH: Final = 40
AT_ONCE: Final = 500  # rows in one statement
NAME: Final = "scripted"


@dataclass
class Ask:
    """What somebody asks for at one moment: so many new pictures, in the lane given or the one the product chooses."""

    at: float
    who: str
    pictures: int
    lane: int | None


@dataclass
class Tally:
    """What came of it: waits in simulated seconds by kind of request, real seconds spent by the function."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    spent: dict[str, list[float]] = field(default_factory=dict)
    claims: int = 0
    imported: int = 0
    rush_claims: int = 0
    rush_bulk_claims: int = 0
    rush_pictures: int = 0
    rush_bulk_pictures: int = 0

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the real seconds of a block."""
        began = time.perf_counter()
        yield
        self.spent.setdefault(name, []).append(time.perf_counter() - began)


class Simulation:
    """One worker, and everybody who asks it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.chance = random.Random(options.seed)
        self.tally = Tally()
        self.clock = 0.0
        self._numbers = itertools.count(1)
        self._people: dict[str, User] = {}
        self._asked: dict[UUID, tuple[str, float]] = {}
        self._in_rush = 0

    def run(self) -> None:
        """Fill the queue, then work until everybody but the importer has all captions."""
        from captions import jobs
        from captions.queueing import LaneCycle

        jobs._cycle = LaneCycle(start=0)  # it starts at a random place
        self._import(self._person("importer"), self.options.jobs)
        coming = sorted(self._asks(), key=lambda ask: ask.at)
        claimed = self._claim()
        while self._asked or coming:
            if not claimed:
                self.clock = max(self.clock, coming[0].at)  # nothing to do until somebody comes
            running, claimed = claimed, self._claim() if claimed else []
            self.clock += len(running) * self.options.seconds_per_picture
            self._take_in(coming)
            for job in running:
                self._complete(job)
            claimed = claimed or self._claim()

    def _asks(self) -> list[Ask]:
        from captions.models import CaptionJob

        interactive = CaptionJob.Lane.INTERACTIVE
        end = self.options.seconds
        moments = [self.chance.uniform(0, end) for _ in range(self.options.singles)]
        singles = [Ask(at, f"single {turn % PEOPLE}", 1, interactive) for turn, at in enumerate(sorted(moments))]
        each, rest = divmod(self.options.rush, PEOPLE_IN_A_RUSH)
        counts = [each + (number < rest) for number in range(PEOPLE_IN_A_RUSH)]
        rush = [Ask(0.6 * end, f"rush {number}", count, interactive) for number, count in enumerate(counts)]
        return [*singles, Ask(end / 5, "small import", self.options.small, None), *rush]

    def _take_in(self, coming: list[Ask]) -> None:
        """Make the requests of everybody who has come by now; they came while the batch was running."""
        from captions import jobs

        while coming and coming[0].at <= self.clock:
            ask = coming.pop(0)
            person = self._person(ask.who)
            for _ in range(ask.pictures):
                image = self._picture(person)
                image.save(force_insert=True)
                chosen = {} if self.chance.random() < 0.5 else {"num_captions": 3}
                with self.tally.timed("request"):
                    job = jobs.request(image=image, chosen=chosen, lane=ask.lane).job
                kind = ask.who.rstrip(" 0123456789")
                self._in_rush += kind == "rush"
                self._asked[job.pk] = ("single in rush" if kind == "single" and self._in_rush else kind, ask.at)

    def _claim(self) -> list[CaptionJob]:
        from captions import jobs

        with self.tally.timed("claim"):
            claimed = jobs.claim(limit=self.options.batch, worker=NAME, models={NAME}, lease_seconds=3600)
        if claimed:
            self.tally.claims += 1
        if claimed and self._in_rush:
            bulk = [job.lane == job.Lane.BULK for job in claimed]
            self.tally.rush_claims += 1
            self.tally.rush_bulk_claims += bulk[0]
            self.tally.rush_pictures += len(bulk)
            self.tally.rush_bulk_pictures += sum(bulk)
        return claimed

    def _complete(self, job: CaptionJob) -> None:
        from captions import jobs
        from captions.drafts import Draft
        from captions.params import complete

        with self.tally.timed("complete"):
            is_kept = jobs.complete(
                job_id=job.pk,
                attempt=job.attempt,
                candidates=[Draft("a picture", -0.5, 3)],
                model=NAME,
                revision="1",
                params=complete(job.params),
                seed=None,
            )
        assert is_kept, "a job was handed out twice"
        if job.pk not in self._asked:
            self.tally.imported += 1
            return
        kind, at = self._asked.pop(job.pk)
        self._in_rush -= kind == "rush"
        self.tally.waits.setdefault(kind, []).append(self.clock - at)

    def _person(self, name: str) -> User:
        from django.contrib.auth.models import User

        if name not in self._people:
            self._people[name] = User.objects.create(username=name, password="!")
        return self._people[name]

    def _picture(self, owner: User) -> Image:
        from captions.models import Image

        number = next(self._numbers)
        sides = {
            f"{kind}{side}": 8 for kind in ("", "thumbnail_", "medium_", "screen_") for side in ("width", "height")
        }
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        return Image(owner=owner, number=number, sha256=digest, format="PNG", bytes=1, **sides)

    def _import(self, owner: User, count: int) -> None:
        """Queue many pictures as requests one by one do, in a fraction of the time: the turns of one owner in a row."""
        from captions import jobs
        from captions.models import CaptionJob, Image

        first = self._picture(owner)
        first.save(force_insert=True)
        template = jobs.request(image=first, chosen={}, lane=CaptionJob.Lane.BULK).job
        images = [self._picture(owner) for _ in range(count - 1)]
        for image in images:
            image.state = Image.State.QUEUED
        Image.objects.bulk_create(images, batch_size=AT_ONCE)
        made = (
            CaptionJob(
                image=image,
                owner=owner,
                lane=template.lane,
                params_digest=template.params_digest,
                batch_key=template.batch_key,
                turn=template.turn + turn,
            )
            for turn, image in enumerate(images, 1)
        )
        CaptionJob.objects.bulk_create(made, batch_size=AT_ONCE)


ROWS: Final = {
    "single": "single requests",
    "single_in_rush": "single requests during the rush",
    "small_import": "small import",
    "rush": "rush of requests by 40 people",
}


def figures(tally: Tally, options: argparse.Namespace) -> dict[str, Any]:
    """Give what is printed. Waits in simulated seconds; `claims_per_second` counts the database's own time."""
    return {
        "jobs": options.jobs,
        "seconds_per_picture": options.seconds_per_picture,
        "batch": options.batch,
        "single": _spread(tally.waits.get("single", [])),
        "single_in_rush": _spread(tally.waits.get("single in rush", [])),
        "small_import": _spread(tally.waits.get("small import", [])),
        "rush": _spread(tally.waits.get("rush", [])),
        "bulk_share_of_claims_in_rush": _share(tally.rush_bulk_claims, tally.rush_claims),
        "bulk_share_of_pictures_in_rush": _share(tally.rush_bulk_pictures, tally.rush_pictures),
        "imported": tally.imported,
        "claims": tally.claims,
        "claims_per_second": round(1 / statistics.fmean(tally.spent["claim"]), 1),
        "claim_p95_ms": round(1000 * _at(tally.spent["claim"], 0.95), 2),
        "results_per_second": round(1 / statistics.fmean(tally.spent["complete"]), 1),
    }


def _spread(waits: Sequence[float]) -> dict[str, float]:
    if not waits:
        return {"pictures": 0}
    return {
        "pictures": len(waits),
        "median_seconds": round(statistics.median(waits), 2),
        "p95_seconds": round(_at(waits, 0.95), 2),
        "largest_seconds": round(max(waits), 2),
    }


def _at(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _share(part: int, whole: int) -> float:
    return round(part / whole, 3) if whole else 0.0


def show(found: dict[str, Any]) -> None:
    """Print the table."""
    print(f"{'who waits (simulated seconds)':<34} {'pictures':>9} {'median':>8} {'p95':>8} {'largest':>8}")
    for name, words in ROWS.items():
        row = found[name]
        if row["pictures"]:
            figures = " ".join(f"{row[f'{kind}_seconds']:>8.2f}" for kind in ("median", "p95", "largest"))
            print(f"{words:<34} {row['pictures']:>9} {figures}")
    share = found["bulk_share_of_claims_in_rush"]
    print(
        f"bulk's share of claims in the rush {100 * share:.0f} %, {found['claims_per_second']:.0f} claims/s", end=", "
    )
    print(f"{found['results_per_second']:.0f} results/s")


@contextlib.contextmanager
def database() -> Iterator[str]:
    """Make tables of our own, and give the kind of database they are in. Django is set up by then."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "DATA_DIR": folder,
            "REDIS_URL": "redis://127.0.0.1:1/0",  # refused at once: rings are no part of this
            "QUEUE_LIMIT_PER_OWNER": "10000000",
            "LOG_LEVEL": "ERROR",
        }
        os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(64))
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "captionsite.settings")
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        if connection.vendor == "sqlite":
            call_command("migrate", verbosity=0)
            yield connection.vendor
            connection.close()
            return
        connection.settings_dict["TEST"]["NAME"] = f"fairness_{secrets.token_hex(6)}"
        before = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            yield connection.vendor
        finally:
            connection.creation.destroy_test_db(before, verbosity=0)


def main(arguments: list[str] | None = None) -> int:
    """Run the simulation and print its figures."""
    options = _parser().parse_args(arguments)
    began = time.perf_counter()
    with database() as kind:
        simulation = Simulation(options)
        simulation.run()
    found = {"database": kind, **figures(simulation.tally, options)}
    found["seconds"] = round(time.perf_counter() - began, 1)
    show(found)
    print(json.dumps(found))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000, help="pictures of the large import")
    parser.add_argument("--seconds-per-picture", type=float, default=0.1, help="of the simulated clock")
    parser.add_argument("--batch", type=int, default=8, help="most pictures in one claim")
    parser.add_argument("--seconds", type=float, default=300.0, help="for which others ask, of the simulated clock")
    parser.add_argument("--singles", type=int, default=300, help="single requests at random moments")
    parser.add_argument("--small", type=int, default=200, help="pictures of the small import")
    parser.add_argument("--rush", type=int, default=400, help="requests of 40 people at the same moment")
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    sys.exit(main())

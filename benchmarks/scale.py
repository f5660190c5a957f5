"""How long the desk's pages take with a million pictures, beside a thousand.

    python -m benchmarks.scale [--images 1000000] [--few 1000] [--runs 15] [--json FILE] [--only WORDS]

Makes FEW and then IMAGES pictures with about three captions each, straight in PostgreSQL, in a private cluster of its
own (TEST_DATABASE_URL names another server). Seven of ten belong to one person, the rest to nine others. Then it opens
pages as that person in this process, through Django's whole stack without a network: the time in the server. Prints a
table, and writes the figures with the plan of each page's slowest statement (EXPLAIN ANALYZE, BUFFERS) as JSON. Both
sizes are opened in turns, so that a busy machine disturbs both alike; "in the database" is what its statements took.

Exit status 1 when the median of one is more than 1.5 times that with FEW pictures, or its fastest run, which others on
this machine disturb least, took more than 100 ms. The words are drawn
from a small vocabulary and 8,000 names; ten pictures have the rare word, three in ten have the frequent one.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from benchmarks.hardware import hardware
from tests.services import new_postgres_database, postgres

RATIO: Final = 1.5
MOST_MS: Final = 100.0
PLANS_KEPT: Final = 1
STATIC: Final = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}

#: What is opened: a name, and the query of the search page, or the address of another page.
SEARCHES: Final = {
    "search, rare word": "xylophone",
    "search, frequent word": "water",
    "search, two words": "red boat",
    "search, phrase": '"red boat"',
    "search, prefix": "ligh",
    "search, prefix of two": "li",
    "search, without a word": "-water",
    "search, words and filters": "water state:draft quality:<0.5",
    "search, everybody's": "owner:* water",
    "filter, state": "state:draft",
    "filter, model": "model:second",
    "filter, score": "score:>0.8",
    "filter, quality": "quality:<0.2",
    "filter, width": "width:>3000",
    "filter, bytes": "bytes:>2mb",
    "filter, format": "format:avif",
    "filter, added": "added:2026-03",
    "filter, album": "album:spring",
    "filter, tag": "tag:coast",
    "filter, no caption": "no:caption",
    "filter, edited by people": "is:edited",
}


@dataclass
class Figure:
    """One page at one size: milliseconds of all runs, and the plans of its slowest statements."""

    name: str
    images: int
    milliseconds: list[float] = field(default_factory=list)
    in_database: list[float] = field(default_factory=list)
    statements: int = 0
    plans: list[dict[str, Any]] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle of all runs."""
        return statistics.median(self.milliseconds)


# --- The rows ------------------------------------------------------------------------------------------------------

# Rows that are right by the way they are made need no check one by one: foreign keys would take most of the time.
# An id is version 7 of RFC 9562 without chance: the time, then the kind of row, then its number.
ROWS: Final = """
SET session_replication_role = replica;
SET synchronous_commit = off;
SELECT setseed(0.5);
DROP INDEX words_vector, words_trigrams;

CREATE FUNCTION scale_id(kind int, n bigint, at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(kind), 3, '0')
        || '8' || lpad(to_hex(n), 15, '0'))::uuid $$;
CREATE FUNCTION scale_one(words text, chance float) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (string_to_array(words, ' '))[1 + floor(chance * array_length(string_to_array(words, ' '), 1))::int] $$;

INSERT INTO captions_account (user_id, last_number, has_first_password)
    SELECT id, 0, false FROM auth_user ON CONFLICT DO NOTHING;

CREATE UNLOGGED TABLE scale AS
SELECT n, at, owner, state, model, is_edited, n AS number,
    scale_id(1, n, at) AS image, scale_id(2, n, at) AS job,
    format('a %s %s %s the %s%s%s', scale_one(%(colours)s, random()), scale_one(%(subjects)s, random()),
        scale_one('on in by near under behind', random()), scale_one(%(places)s, random()),
        CASE WHEN random() < 0.3 THEN ' beside the water' ELSE '' END,
        CASE WHEN n %% (%(images)s / 10) = 7 THEN ' with a xylophone' ELSE '' END)
        || ' of ' || scale_one(%(syllables)s, random()) || scale_one(%(syllables)s, random())
        || scale_one(%(syllables)s, random()) AS words
FROM (
    SELECT n, now() - interval '2 years' * (1 - n::float / %(images)s) AS at,
        (SELECT min(id) FROM auth_user)
            + CASE WHEN random() < 0.7 THEN 0 ELSE 1 + floor(random() * 9)::int END AS owner,
        scale_one(
            'approved approved approved approved approved approved approved approved approved approved approved '
            'draft draft draft draft draft draft rejected failed empty', random()) AS state,
        CASE WHEN random() < 0.2 THEN 'org/second' ELSE 'demo' END AS model,
        random() < 0.2 AS is_edited
    FROM generate_series(1, %(images)s) n
) drawn;
UPDATE scale SET is_edited = false WHERE state <> 'approved';

INSERT INTO captions_image (id, owner_id, number, filename, title, sha256, format, width, height, frames, bytes,
    thumbnail_width, thumbnail_height, screen_width, screen_height, state, caption_id, published_caption_id,
    is_decorative, quality, blurhash, created_at)
SELECT image, owner, number, format('IMG_%%s.jpg', lpad(n::text, 7, '0')), '',
    encode(sha256(n::text::bytea), 'hex'), scale_one(
        'JPEG JPEG JPEG JPEG JPEG JPEG JPEG JPEG JPEG JPEG JPEG JPEG JPEG JPEG JPEG PNG PNG PNG WEBP AVIF', random()),
    640 + floor(random() * 5000)::int, 480 + floor(random() * 4000)::int, 1, 50000 + floor(random() * 6000000)::int,
    480, 360, 1600, 1200, state,
    CASE WHEN is_edited THEN scale_id(9, n, at)
        WHEN state IN ('approved', 'draft', 'rejected') THEN scale_id(3, n, at) END,
    CASE WHEN is_edited THEN scale_id(9, n, at) WHEN state = 'approved' THEN scale_id(3, n, at) END,
    false, CASE WHEN state = 'draft' THEN random() END, '', at
FROM scale ORDER BY n;

INSERT INTO captions_captionjob (id, image_id, owner_id, state, lane, model, is_trial, params, params_digest, batch_key,
    turn, attempt, failures, crashes, isolate, leased_by, error_code, error_detail, created_at, started_at, finished_at)
SELECT job, image, owner, CASE WHEN state = 'failed' THEN 'failed' ELSE 'done' END, 1, '', false, '{}', repeat('0', 64),
    repeat('0', 16), n, 1, 0, 0, false, '', CASE WHEN state = 'failed' THEN 'model_failed' ELSE '' END, '', at,
    at + interval '1 second', at + interval '2 seconds'
FROM scale WHERE state <> 'empty' ORDER BY n;

INSERT INTO captions_caption (id, image_id, text, kind, purpose, language, job_id, parent_id, author_id, score, rank,
    model, revision, params, seed, created_at)
SELECT scale_id(2 + rank, n, at), image, CASE WHEN rank = 1 THEN words ELSE words || ' at dusk' END, 'generated', 'alt',
    'en', job, NULL, NULL, -random(), rank, model, '1', '{}', 7, at + interval '2 seconds'
FROM scale, generate_series(1, 3 + (n %% 4 = 0)::int) rank
WHERE state IN ('approved', 'draft', 'rejected') ORDER BY n, rank;
INSERT INTO captions_caption (id, image_id, text, kind, purpose, language, parent_id, author_id, model, revision,
    params, created_at)
SELECT scale_id(9, n, at), image, words, 'edited', 'alt', 'en', scale_id(3, n, at), owner, '', '', '{}',
    at + interval '1 minute'
FROM scale WHERE is_edited ORDER BY n;

INSERT INTO captions_review (id, image_id, caption_id, reviewer_id, decision, reason, is_automatic, created_at)
SELECT scale_id(10, n, at), image, CASE WHEN is_edited THEN scale_id(9, n, at) ELSE scale_id(3, n, at) END, owner,
    CASE WHEN state = 'rejected' THEN 'reject' WHEN is_edited THEN 'edit' ELSE 'approve' END, '', false,
    at + interval '1 minute'
FROM scale WHERE state IN ('approved', 'rejected') ORDER BY n;

INSERT INTO captions_searchwords (image_id, owner_id, shown, title, words, tags, filename, plain)
SELECT image.id, image.owner_id, image.caption_id, '', shown, '', file, btrim(shown || ' ' || file)
FROM captions_image image JOIN scale ON scale.image = image.id,
    LATERAL (SELECT CASE WHEN caption_id IS NULL THEN '' ELSE words END AS shown,
        format('img %%s jpg', lpad(n::text, 7, '0')) AS file) parts
ORDER BY n;

INSERT INTO captions_album (id, owner_id, name, created_at)
SELECT scale_id(11, 1, now()), min(id), 'spring', now() FROM auth_user;
INSERT INTO captions_albumimage (album_id, image_id, added_at)
SELECT scale_id(11, 1, now()), image, at FROM scale WHERE n %% 20 = 0 AND owner = (SELECT min(id) FROM auth_user);
INSERT INTO captions_tag (id, owner_id, name, created_at)
SELECT scale_id(12, 1, now()), min(id), 'coast', now() FROM auth_user;
INSERT INTO captions_imagetag (tag_id, image_id, added_at)
SELECT scale_id(12, 1, now()), image, at FROM scale WHERE n %% 20 = 1 AND owner = (SELECT min(id) FROM auth_user);
UPDATE captions_account SET last_number = %(images)s;

CREATE INDEX words_vector ON captions_searchwords USING gin (vector);
CREATE INDEX words_trigrams ON captions_searchwords USING gin (plain gin_trgm_ops);
DROP TABLE scale;
DROP FUNCTION scale_id, scale_one;
SET session_replication_role = DEFAULT;
"""
VOCABULARY: Final = {
    "subjects": "boat boat boat boat lighthouse dog house bridge train horse garden market child tower harbour mill",
    "colours": "red red red red blue green white yellow black grey brown small large old new wooden broken bright",
    "places": "beach street field forest mountain river lawn table road hill island square pier roof valley",
    "syllables": "ba ko ri ma lo ne ti su da ve no ga pi ra se tu mo la ke do",
}


def fill(images: int) -> dict[str, int]:
    """Make the people and that many pictures; give how many rows the largest tables have."""
    from django.contrib.auth.models import Group, User
    from django.db import connection

    people = [User.objects.create(username=f"person{number}", password="!") for number in range(10)]
    people[0].groups.add(Group.objects.get(name="reviewers"))
    _worker()
    raw = ROWS
    with connection.cursor() as cursor:
        for name, words in VOCABULARY.items():
            raw = raw.replace(f"%({name})s", f"'{words}'")
        cursor.execute(raw.replace("%(images)s", str(images)).replace("%%", "%"))
        counts = {}
        for table in ("image", "caption", "captionjob", "review", "searchwords"):
            cursor.execute(f"SELECT count(*) FROM captions_{table}")
            counts[table] = cursor.fetchone()[0]
    connection.close()  # the next one is not a replica's
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return counts


def _worker() -> None:
    from captions.models import Worker
    from captions.models.clock import DatabaseTime

    ready = {"state": "ready", "device": "cpu", "precision": "fp32", "revision": "1", "seconds_per_image": 0.5}
    Worker.objects.create(name="one", model="demo", names=["demo"], seen_at=DatabaseTime(after=86400), **ready)
    Worker.objects.create(name="two", model="org/second", names=["org/second"], seen_at=DatabaseTime(after=0), **ready)


# --- The pages -----------------------------------------------------------------------------------------------------


@dataclass
class Size:
    """One of the two databases, and what is timed in it: each opens one page as the person with most pictures."""

    database: str
    images: int
    rows: dict[str, int] = field(default_factory=dict)
    pages: dict[str, Callable[[], Any]] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)

    def enter(self) -> None:
        """Make this the database that Django uses."""
        from django.db import connection

        if connection.settings_dict["NAME"] != self.database:
            connection.close()
            connection.settings_dict["NAME"] = self.database

    def run(self, name: str) -> None:
        """Open a page twice; the first time is not counted."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        self.enter()
        figure = self.figures.setdefault(name, Figure(name, self.images))
        with CaptureQueriesContext(connection) as caught:
            self.pages[name]()
        figure.in_database.append(1000 * sum(float(one["time"]) for one in caught.captured_queries))
        began = time.perf_counter()
        self.pages[name]()
        figure.milliseconds.append(round(1000 * (time.perf_counter() - began), 2))


def measures() -> dict[str, Callable[[], Any]]:
    """Give what is timed in the database that Django uses now."""
    from django.contrib.auth.models import User
    from django.test import Client

    from captions import selectors
    from captions.web.paging import mark_of

    person = User.objects.get(username="person0")
    browser = Client()
    browser.force_login(person)
    middle = selectors.images(person).order_by("-created_at")[400]

    def opens(path: str) -> Callable[[], Any]:
        def once() -> None:
            answer = browser.get(path)
            assert answer.status_code == 200, (path, answer.status_code, answer.content[-500:])

        return once

    def next_to_review() -> None:
        assert list(selectors.to_review(person).order_by("quality", "id")[:2])

    return {
        "gallery": opens("/"),
        "gallery, drafts": opens("/?show=draft"),
        "gallery, a later page": opens(f"/?after={mark_of(middle)}"),
        "review, next picture": next_to_review,
        **{name: opens(f"/search/?{urlencode({'q': query})}") for name, query in SEARCHES.items()},
    }


def measure(sizes: list[Size], runs: int, only: str) -> None:
    """Open every page in both databases in turns, then look at its statements once more."""
    for name in [name for name in sizes[0].pages if only in name]:
        for _ in range(runs):
            for size in sizes:
                size.run(name)
        for size in sizes:
            size.enter()
            _explain(size.figures[name], size.pages[name])
        print("  ", name, *(f"{size.figures[name].median:.1f} ms" for size in sizes), flush=True)


def _explain(figure: Figure, once: Callable[[], Any]) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as caught:
        once()
    figure.statements = len(caught.captured_queries)
    selects = [one["sql"] for one in caught.captured_queries if one["sql"].startswith("SELECT")]
    plans = []
    with connection.cursor() as cursor:
        for sql in selects:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}".replace("%", "%%"), [])
            (plan,) = cursor.fetchone()
            plan = plan[0] if not isinstance(plan, str) else json.loads(plan)[0]
            plans.append({"milliseconds": plan["Execution Time"], "statement": sql, "plan": plan["Plan"]})
    figure.plans = sorted(plans, key=lambda one: -one["milliseconds"])[:PLANS_KEPT]


# --- The program ---------------------------------------------------------------------------------------------------


def prepare(url: str, folder: str) -> None:
    """Set Django up for this cluster."""
    os.environ |= {
        "DATA_DIR": folder,
        "DATABASE_URL": url,
        "REDIS_URL": "redis://127.0.0.1:1/0",  # refused at once: rings are no part of this
        "LOG_LEVEL": "ERROR",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "DJANGO_SETTINGS_MODULE": "captionsite.settings",
    }
    import django
    from django.conf import settings

    settings.STORAGES = {**settings.STORAGES, "staticfiles": STATIC}
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.DATABASES["default"]["OPTIONS"].pop("pool", None)  # one connection, to one database after the other
    django.setup()


def of_size(cluster: str, images: int) -> Size:
    """Make a database with that many pictures."""
    from django.core.management import call_command

    size = Size(new_postgres_database(cluster).rpartition("/")[2], images)
    size.enter()
    call_command("migrate", verbosity=0)
    call_command("createcachetable")
    began = time.perf_counter()
    size.rows = fill(images)
    print(f"{images:,} pictures made in {time.perf_counter() - began:.0f} s: {size.rows}", flush=True)
    size.pages = measures()
    return size


def show(few: Size, many: Size) -> int:
    """Print the table, and give how many measures miss the bar."""
    print(f"\n{'':<28} {'milliseconds in the server':^37} {'in the database':^22}")
    sizes = f"{few.images:>10,} {many.images:>10,}"
    print(f"{'':<28} {sizes} {'times':>6} {'fastest':>8} {sizes}")
    missed = 0
    for name, small in few.figures.items():
        large = many.figures[name]
        ratio = large.median / small.median
        fastest = min(large.milliseconds)
        misses = ratio > RATIO or fastest > MOST_MS
        missed += misses
        line = f"{name:<28} {small.median:>10.1f} {large.median:>10.1f} {ratio:>6.2f} {fastest:>8.1f}"
        inside = [statistics.median(one.in_database) for one in (small, large)]
        print(f"{line} {inside[0]:>10.1f} {inside[1]:>10.1f}{'  MISSED' if misses else ''}")
    return missed


def main(arguments: list[str] | None = None) -> int:
    """Measure at both sizes."""
    options = _parser().parse_args(arguments)
    folder = tempfile.mkdtemp(prefix="desk-scale-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # first in, last out: the cluster stops before
    cluster = postgres(Path(folder) / "postgres")
    prepare(cluster, folder)
    few, many = of_size(cluster, options.few), of_size(cluster, options.images)
    measure([few, many], options.runs, options.only)
    missed = show(few, many)
    if options.json:
        figures = [{**asdict(one), "median": one.median} for size in (few, many) for one in size.figures.values()]
        record = {
            "at": datetime.now(UTC).isoformat(),
            "hardware": hardware(),
            "load": os.getloadavg(),
            "rows": [few.rows, many.rows],
        }
        # A plan is hundreds of short lines; one line a figure keeps the file in a size that people keep.
        lines = ",\n".join(json.dumps(one, separators=(",", ":"), default=str) for one in figures)
        head = json.dumps(record, indent=1).removesuffix("\n}")
        Path(options.json).write_text(f'{head},\n "figures": [\n{lines}\n]}}\n')
    return int(missed > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", default="", help="where the figures and plans are written")
    parser.add_argument("--only", default="", help="measure only what has these words in its name")
    return parser


if __name__ == "__main__":
    sys.exit(main())

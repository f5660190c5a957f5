"""SQLite with several worker processes that are killed all the time, while people upload."""

from __future__ import annotations

import io
import random
import signal
import sqlite3

from PIL import Image

from tests.faults.conftest import MakeWorkshop
from tests.faults.scripted import colour_of
from tests.faults.uploads import Uploads
from tests.faults.workshop import Workshop, child_of, send
from tests.harness import until

FILLED, UPLOADED, WORKERS, KILLS = 160, 40, 4, 20


def drawing(number: int) -> bytes:
    """Draw a picture that the captioner can read a number from, large enough to go through the decoder as others do."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), colour_of(number)).save(buffer, "PNG")
    return buffer.getvalue()


def test_it_never_says_that_the_database_is_locked(workshop: MakeWorkshop) -> None:
    desk = workshop("sqlite", LEASE_SECONDS="5")
    desk.run("createcachetable")
    token = desk.person("paula")
    desk.start_web()
    desk.order("seconds", "0.04")
    desk.fill(FILLED)
    uploads = Uploads(desk, token, at_once=8)
    uploads.begin([drawing(0x400000 + 0x3000 * number) for number in range(UPLOADED)])
    workers = [desk.start_scripted() for _ in range(WORKERS)]
    kill_at_random(desk, workers)
    uploads.end()
    desk.until_at_rest()
    assert uploads.refused == {}
    assert uploads.answers["201"] == UPLOADED
    assert desk.rows.states() == {"done": FILLED + UPLOADED}, desk.logs()
    assert desk.rows.duplicates() == 0
    assert desk.run("invariants", check=False).stdout.strip() == "Everything agrees."
    with sqlite3.connect(f"{desk.env['DATA_DIR']}/captions.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    print(f"{KILLS} kills, slowest upload {uploads.longest_seconds:.1f} s, claims {desk.rows.claims()}")


def kill_at_random(desk: Workshop, workers: list) -> None:
    """Kill worker processes, one for every few captions that come in."""
    chance = random.Random(17)
    for place in range(KILLS):
        desk.until_done(FILLED * place // (KILLS + 5))
        victim = until(lambda: child_of(chance.choice(workers)), what="a worker process runs")
        assert send(victim, signal.SIGKILL)

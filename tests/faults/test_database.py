"""PostgreSQL is restarted the hard way while batches are in hand."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.faults.conftest import MakeWorkshop
from tests.faults.workshop import starts_of
from tests.harness import migrated_postgres_database
from tests.services import ordinary_user, postgres, postgres_program


@pytest.fixture
def own_cluster(monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """A PostgreSQL server that nobody else uses: its URL and its folder."""
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    # Not in pytest's folder: every new run closes that to other users, and PostgreSQL runs as one.
    folder = Path(tempfile.mkdtemp(prefix="desk-pg-"))
    return postgres(folder), folder


def restart_immediately(folder: Path) -> None:
    """Have the server drop everything and start again, as after a crash."""
    command = [postgres_program("pg_ctl"), "-D", str(folder / "cluster"), "-m", "immediate", "-w", "restart"]
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **ordinary_user(folder)
    )
    assert done.returncode == 0, (folder / "log").read_text()[-2000:]


def test_it_keeps_results_in_hand_while_postgresql_restarts(
    workshop: MakeWorkshop, own_cluster: tuple[str, Path]
) -> None:
    url, folder = own_cluster
    desk = workshop(DATABASE_URL=migrated_postgres_database(url))
    desk.order("seconds", "0.05")
    desk.fill(120)
    worker = desk.start_scripted()
    for threshold in (30, 60):
        desk.until_done(threshold)
        restart_immediately(folder)
    desk.until_at_rest()
    desk.check(captioned=120)
    assert starts_of(worker) == 1, worker.log.read_text()[-3000:]
    assert max(desk.ran().values()) == 1  # nothing was done twice: results waited for the database
    failures = "SELECT COALESCE(SUM(failures + crashes), 0) FROM captions_captionjob"
    assert desk.rows.one(failures) == 0

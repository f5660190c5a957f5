"""What stands in a desk's database, read from outside."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.faults.scripted import words_for


@dataclass(frozen=True)
class Rows:
    """Reads one desk's tables. `where` is the path of an SQLite file or the URL of a PostgreSQL database."""

    where: str

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one query by a connection of its own, as an operator would."""
        if self.where.startswith("postgres"):
            with psycopg.connect(self.where, autocommit=True) as connection:
                return connection.execute(sql).fetchall()
        with sqlite3.connect(f"file:{self.where}?mode=ro", uri=True, timeout=20) as database:
            return database.execute(sql).fetchall()

    def one(self, sql: str) -> Any:
        """Give the only value of the only row."""
        ((value,),) = self.ask(sql)
        return value

    def states(self) -> Counter[str]:
        """Count jobs by state."""
        return Counter(dict(self.ask("SELECT state, COUNT(*) FROM captions_captionjob GROUP BY state")))

    def open_jobs(self) -> int:
        """Count jobs that still may end as captions."""
        states = self.states()
        return states["queued"] + states["running"]

    def done(self) -> int:
        """Count jobs that ended with captions."""
        return self.states()["done"]

    def claims(self) -> int:
        """Count claims of jobs."""
        return int(self.one("SELECT COUNT(*) FROM captions_jobevent WHERE after = 'running'"))

    def fenced(self) -> int:
        """Count late results that were dropped."""
        return int(self.one("SELECT COALESCE(SUM(fenced), 0) FROM captions_worker"))

    def holders(self) -> Counter[str]:
        """Count running jobs by the supervisor whose process holds them."""
        leased = self.ask("SELECT leased_by FROM captions_captionjob WHERE state = 'running'")
        return Counter(name.rpartition("/")[0] for (name,) in leased)

    def isolated(self) -> int:
        """Count open jobs that are to run alone."""
        return int(
            self.one("SELECT COUNT(*) FROM captions_captionjob WHERE isolate AND state IN ('queued', 'running')")
        )

    def failures(self) -> list[tuple[int, str]]:
        """Give the pictures whose jobs failed, each with the code."""
        return self.ask(
            "SELECT i.number, j.error_code FROM captions_captionjob j JOIN captions_image i ON i.id = j.image_id "
            "WHERE j.state = 'failed' ORDER BY i.number"
        )

    def notes(self, number: int) -> list[str]:
        """Give what the history of a picture's job says."""
        return [
            note
            for (note,) in self.ask(
                "SELECT e.note FROM captions_jobevent e JOIN captions_captionjob j ON j.id = e.job_id "
                f"JOIN captions_image i ON i.id = j.image_id WHERE i.number = {number} ORDER BY e.id"
            )
            if note
        ]

    def workers(self, state: str) -> int:
        """Count workers in a state."""
        return int(self.one(f"SELECT COUNT(*) FROM captions_worker WHERE state = '{state}'"))

    def duplicates(self) -> int:
        """Count captions beyond one for a job and rank, and jobs that ended more than once."""
        twice = self.one(
            "SELECT COALESCE(SUM(n - 1), 0) FROM (SELECT COUNT(*) AS n FROM captions_caption WHERE rank = 1 "
            "GROUP BY image_id HAVING COUNT(*) > 1) AS many"
        )
        ended = self.one(
            "SELECT COUNT(*) FROM (SELECT job_id FROM captions_jobevent WHERE after = 'done' GROUP BY job_id "
            "HAVING COUNT(*) > 1) AS many"
        )
        return int(twice) + int(ended)

    def written_late(self, log: str) -> list[str]:
        """Give jobs whose captions came from an attempt that no longer held the lease.

        `log` is what the workers wrote: they name the attempt they worked for, and the history names the one that held
        the lease when the job ended. Were a late result not dropped, the two would differ.
        """
        sql = "SELECT CAST(job_id AS TEXT), attempt FROM captions_jobevent WHERE after = 'done'"
        ended = {job.replace("-", ""): attempt for job, attempt in self.ask(sql)}
        told = re.findall(r"captioned +\[worker.drain\] attempt=(\d+) .*job=([0-9a-f-]{36})", log)
        assert told or not ended, "the workers' logs say nothing"
        return [job for attempt, job in told if ended[job.replace("-", "")] != int(attempt)]

    def mixed_up(self) -> list[tuple[int, str]]:
        """Give pictures that carry another picture's words; for desks of the scripted captioner."""
        sql = (
            "SELECT i.number, c.text FROM captions_caption c JOIN captions_image i ON i.id = c.image_id "
            "WHERE c.rank = 1"
        )
        return [(number, text) for number, text in self.ask(sql) if text != words_for(number)]

"""The database's clock: the only one that decides about leases, delays and what comes first.

Machines disagree about the time, and a machine's clock may jump; the database has one clock for all of them. Django's
own `Now()` gives whole seconds on SQLite, which is too coarse for leases and for the order of events.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Func
from django.utils.dateparse import parse_datetime


class DatabaseTime(Func):
    """The database's time plus `after` seconds (may be negative): milliseconds on SQLite, microseconds on PostgreSQL.

    It is the time at which the statement began; within one statement it never changes, so that an index can answer a
    comparison with it.
    """

    output_field = models.DateTimeField()

    def __init__(self, *, after: float = 0.0) -> None:
        self.after = float(after)
        super().__init__()

    def __repr__(self) -> str:
        return f"DatabaseTime(after={self.after:g})"

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any) -> tuple[str, tuple[str]]:
        """Give the text that Django itself stores for a time; texts of this shape sort by time."""
        return "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s)", (f"{self.after:+.3f} seconds",)

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any) -> tuple[str, tuple[float]]:
        """CLOCK_TIMESTAMP would be newer by the statement's own duration, but no index could be used with it."""
        return "(STATEMENT_TIMESTAMP() + MAKE_INTERVAL(secs => %s))", (self.after,)


def database_now() -> datetime:
    """Ask the database for its time."""
    time = DatabaseTime()
    sql, params = (time.as_sqlite if connection.vendor == "sqlite" else time.as_postgresql)(None, connection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql}", params)
        (value,) = cursor.fetchone()
    if isinstance(value, datetime):
        return value
    parsed = parse_datetime(value)
    assert parsed is not None, value
    return parsed.replace(tzinfo=UTC)

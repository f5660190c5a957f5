"""Desks on both kinds of database. Their tables are made once and copied: migrating takes longer than most tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.workshop import Workshop
from tests.harness import migrated_postgres_database, postgres_url

MakeWorkshop = Callable[..., Workshop]


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[MakeWorkshop]:
    """Make desks for faults: `workshop(kind, **environment)`. They are closed after the test."""
    made: list[Workshop] = []

    def make(kind: str = "sqlite", **environment: str) -> Workshop:
        folder = tmp_path / f"desk-{len(made)}"
        if kind == "postgres":
            environment["DATABASE_URL"] = migrated_postgres_database(postgres_url())
        made.append(Workshop(folder, environment=environment))
        if "DATABASE_URL" not in environment:
            made[-1].make_tables()
        return made[-1]

    yield make
    for one in made:
        one.close()

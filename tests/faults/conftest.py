"""Desks on both kinds of database. Their tables are made once and copied: migrating takes longer than most tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.faults.workshop import Workshop
from tests.harness import postgres_url
from tests.services import new_postgres_database

MakeWorkshop = Callable[..., Workshop]


@pytest.fixture(scope="session")
def postgres_template(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a PostgreSQL database with all tables and no rows, on this process's server."""
    made = Workshop(tmp_path_factory.mktemp("postgres-template"), database="postgres")
    try:
        made.run("migrate", "-v0")
    finally:
        made.close()
    return made.env["DATABASE_URL"].rsplit("/", 1)[1]


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture
def workshop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeWorkshop]:
    """Make desks for faults: `workshop(kind, **environment)`. They are closed after the test."""
    made: list[Workshop] = []

    def make(kind: str = "sqlite", **environment: str) -> Workshop:
        folder = tmp_path / f"desk-{len(made)}"
        if kind == "postgres":
            environment["DATABASE_URL"] = copied_database(request.getfixturevalue("postgres_template"))
        made.append(Workshop(folder, environment=environment))
        if "DATABASE_URL" not in environment:
            made[-1].make_tables()
        return made[-1]

    yield make
    for one in made:
        one.close()


def migrated_copy(server: str) -> str:
    """Make a database with all tables on another server and give its URL."""
    url = new_postgres_database(server)
    with tempfile.TemporaryDirectory() as folder:
        made = Workshop(Path(folder), environment={"DATABASE_URL": url})
        try:
            made.run("migrate", "-v0")
        finally:
            made.close()
    return url


def copied_database(template: str) -> str:
    """Make a database with the template's tables and give its URL."""
    base = postgres_url(Path()).rsplit("/", 1)[0]
    name = f"desk_{os.urandom(6).hex()}"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return f"{base}/{name}"

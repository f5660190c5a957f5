"""A desk with a web server and a program that talks to it, for tests of the API over a line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import httpx2
import pytest

from tests import factories
from tests.harness import Child, Desk, desk

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with a web server alone; a pool of four connections, so that a wait that holds one is noticed."""
    database = "postgres" if os.environ.get("DESK_TEST_DATABASE") == "postgres" else "sqlite"
    variables = {"DATABASE_POOL": "4", "THROTTLE_PERSON": "100000/min", "THROTTLE_ADDRESS": "100000/min"}
    with desk(tmp_path_factory.mktemp("desk"), database=database, environment=variables) as made:
        made.start_web()
        yield made


@pytest.fixture(scope="module")
def secret(running: Desk) -> str:
    return running.person("olga")


@pytest.fixture
def client(running: Desk, secret: str) -> Iterator[httpx2.Client]:
    with running.client(secret) as made:
        yield made


@pytest.fixture
def stand_in(running: Desk) -> Iterator[Child]:
    """A worker without a model."""
    child = running.spawn("stand-in", sys.executable, "-m", "tests.api.stand_in")
    yield child
    child.stop()
    running.children.remove(child)


def upload(client: httpx2.Client, query: str = "", data: bytes | None = None) -> httpx2.Response:
    return client.post(f"/api/v1/images/{query}", content=data or factories.picture(), headers=JPEG)

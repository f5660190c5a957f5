"""A pool of few connections to PostgreSQL: who waits, listens or hangs up holds none of them."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.factories import picture
from tests.harness import Desk, desk

POOL = 3
MANY = 3 * POOL


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("desk")
    with desk(folder, database="postgres", environment={"DATABASE_POOL": str(POOL)}) as made:
        made.start_web()
        yield made


@pytest.fixture(scope="module")
def token(running: Desk) -> str:
    return running.person("olga")


@pytest.fixture(scope="module")
def visitor(running: Desk, token: str) -> Iterator[httpx2.Client]:
    cookies = {"sessionid": running.log_in("olga")}
    limits = httpx2.Limits(max_connections=None)
    with httpx2.Client(base_url=running.url, cookies=cookies, timeout=30, trust_env=False, limits=limits) as made:
        yield made


def answers(visitor: httpx2.Client) -> bool:
    """Whether pages are still answered; without a connection left one fails after ten seconds."""
    return visitor.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/events/", "/api/v1/events/"])
def test_it_holds_none_for_whoever_listens(visitor: httpx2.Client, path: str) -> None:
    with contextlib.ExitStack() as open_pages:
        for _ in range(MANY):
            heard = open_pages.enter_context(visitor.stream("GET", path))
            assert heard.status_code == 200
            assert next(heard.iter_lines()).startswith("retry")
        assert answers(visitor)
    assert answers(visitor)


def test_it_holds_none_for_whoever_waits_or_hangs_up(running: Desk, visitor: httpx2.Client, token: str) -> None:
    with running.client(token) as client:
        image = client.post("/api/v1/images/", files={"file": ("a.jpg", picture())}).json()["id"]
        (job,) = client.get(f"/api/v1/images/{image}/jobs/").json()["results"]
    place = ("127.0.0.1", int(running.url.rsplit(":", 1)[1]))
    cookie = f"Host: 127.0.0.1\r\nCookie: sessionid={visitor.cookies['sessionid']}\r\n\r\n"
    for path in ("/", f"/api/v1/jobs/{job['id']}/?wait=20", "/export/?format=zip"):
        for number in range(MANY):
            with socket.create_connection(place) as line:
                line.sendall(f"GET {path} HTTP/1.1\r\n{cookie}".encode())
                time.sleep(0.02 * (number % 6))  # at every stage of the answer
        assert answers(visitor), path

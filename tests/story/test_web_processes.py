"""A web server of several processes: what one of them takes, the others know."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests import factories
from tests.harness import Child, Desk, desk, until


@pytest.fixture(params=["sqlite", "postgres"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path, database=request.param, environment={"WEB_CONCURRENCY": "2"}) as made:
        made.start_web()
        yield made


def children_of(process: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
        return []


def serving(web: Child) -> list[int]:
    """Give the processes that serve: each has a decoder of its own below it."""
    return [child for child in children_of(web.process.pid) if children_of(child)]


def test_it_takes_each_picture_once_whichever_process_is_asked(running: Desk) -> None:
    (web,) = (child for child in running.children if child.name == "web")
    until(lambda: len(serving(web)) == 2, what="both processes serve")
    secret = running.person("olga")
    files = [factories.picture() for _ in range(12)]
    statuses: list[int] = []

    def send() -> None:
        with running.client(secret) as client:  # a connection of its own, so that both are asked
            for number, data in enumerate(files):
                key = {"Content-Type": "image/jpeg", "Idempotency-Key": f"picture-{number}"}
                statuses.append(client.post("/api/v1/images/", content=data, headers=key).status_code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 72  # an answer that was given is given again
    with running.client(secret) as client:
        assert client.get("/api/v1/me/").json()["images"]["queued"] == 12


def test_it_ends_all_of_them_and_starts_one_again_that_died(running: Desk) -> None:
    (web,) = (child for child in running.children if child.name == "web")
    until(lambda: len(serving(web)) == 2, what="both processes serve")
    lost, other = serving(web)
    os.kill(lost, 9)
    until(lambda: len(serving(web)) == 2 and lost not in serving(web), what="a process is started in its place")
    assert other in serving(web)
    until(lambda: httpx2.get(f"{running.url}/healthz", trust_env=False).status_code == 200, what="they answer")
    everybody = [web.process.pid, *serving(web)]
    began = time.monotonic()
    web.stop()
    assert time.monotonic() - began < 15
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everybody[1:]), what="all have ended")

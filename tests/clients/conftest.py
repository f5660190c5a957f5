"""A real desk, with a worker that answers by the demo model, and people on it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

from captiondesk import Client
from tests.harness import Desk, desk, until
from tests.services import free_port, s3_server
from worker.demo.scenes import jpeg, make_scene

T = TypeVar("T")

_MAKE_PEOPLE = """
from django.contrib.auth.models import User
from captions import tokens
for number in range(1, 61):
    user = User.objects.create_user(f"person{number}", f"person{number}@example.org")
    print(user.username, tokens.mint(user=user, name="tests")[1])
"""


@pytest.fixture(scope="session", autouse=True)
def _asks_no_proxy() -> Iterator[None]:
    """Reach servers of this machine directly, whatever proxy the environment names; forget a desk that it names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("no_proxy", "127.0.0.1")
        patch.delenv("CAPTIONDESK_URL", raising=False)
        patch.delenv("CAPTIONDESK_TOKEN", raising=False)
        yield


@pytest.fixture(scope="session")
def elsewhere() -> int:
    """The one port of this machine that the desk may ask."""
    return free_port()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, elsewhere: int) -> Iterator[Desk]:
    """A desk with a web server, a worker and a scheduler, for all tests of this process."""
    outbound = {"OUTBOUND_ALLOW": "127.0.0.0/8", "OUTBOUND_PORTS": str(elsewhere)}
    storage = s3_server()
    storage.make_bucket("desk-uploads")
    bucket = {
        "S3_UPLOAD_BUCKET": "desk-uploads",
        "S3_ENDPOINT_URL": storage.url,
        "S3_REGION": storage.region,
        "S3_ADDRESSING": "path",
        "S3_ACCESS_KEY_ID": storage.access_key,
        "S3_SECRET_ACCESS_KEY": storage.secret_key,
    }
    with desk(tmp_path_factory.mktemp("desk"), environment={**outbound, **bucket}) as made:
        made.start_web()
        made.start_worker()
        made.start_scheduler()
        ready = lambda: httpx2.get(f"{made.url}/readyz", trust_env=False).status_code == 200  # noqa: E731  # one use
        try:
            until(ready, seconds=120, what="the desk is ready")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{made.logs()}") from None
        yield made


@pytest.fixture(scope="session")
def people(running: Desk) -> Iterator[tuple[str, str]]:
    """People nobody has been yet, with their tokens; made at once, because each command of the desk takes seconds, and
    without passwords, because each of those does, too."""
    lines = running.run("shell", "-v0", "-c", _MAKE_PEOPLE).stdout.splitlines()
    pairs = [line.split() for line in lines if line.startswith("person")]
    return iter([(name, token) for name, token in pairs])


@pytest.fixture
def token(people: Iterator[tuple[str, str]]) -> str:
    """The token of somebody new."""
    return next(people)[1]


@pytest.fixture
def client(running: Desk, token: str) -> Iterator[Client]:
    """A client of somebody new."""
    with Client(running.url, token) as made:
        yield made


@pytest.fixture
def scene() -> Callable[[], tuple[bytes, str]]:
    """Draw another scene at each call: its JPEG, and its one right caption.

    Every test begins with the same ones: the demo model is wrong about three scenes in a hundred, and drawn anew each
    time, one of those would fail a test now and then. It is right about the first 44 from this seed on.
    """
    seeds = itertools.count(70_000)

    def draw() -> tuple[bytes, str]:
        drawn = make_scene(next(seeds))
        return jpeg(drawn), drawn.caption

    return draw


@pytest.fixture
def folder(tmp_path: Path, scene: Callable[[], tuple[bytes, str]]) -> Path:
    """A folder with six drawn pictures, two of them in a folder within."""
    made = tmp_path / "pictures"
    (made / "inner").mkdir(parents=True)
    for number in range(6):
        (made / ("inner" if number > 3 else "") / f"scene-{number}.jpg").write_bytes(scene()[0])
    return made


def in_a_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, in a thread: where browser tests ran before, this one has an event loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()

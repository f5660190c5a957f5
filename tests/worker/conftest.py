"""A drain in this process: real rows and files, the scripted captioner of the fault tests in the model's place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from captions import jobs
from captions.models import CaptionJob
from tests.faults.fill import picture
from tests.faults.scripted import Scripted, number_in
from worker.drain import Drain
from worker.engine import Candidate
from worker.engine.contract import Picture
from worker.heartbeat import Held, Tally


class Watched(Scripted):
    """Remembers its batches, and does what a test asks in the middle of one."""

    def __init__(self, orders: Path) -> None:
        super().__init__(orders)
        self.batches: list[list[int]] = []
        self.seeds: list[int | None] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def caption(self, images: Sequence[Picture], params: Any) -> list[list[Candidate]]:
        self.batches.append([number_in(image) for image in images])
        self.seeds += [one.seed for one in (params if isinstance(params, list) else [params])]
        self.meanwhile()
        return super().caption(images, params)


@pytest.fixture
def captioner(tmp_path: Path) -> Watched:
    """The captioner of `drain`; orders for it are files in `captioner.orders`."""
    orders = tmp_path / "orders"
    orders.mkdir()
    return Watched(orders)


@pytest.fixture
def drain(transactional_db: None, captioner: Watched) -> Iterator[Drain]:
    """A drain that takes batches of four."""
    made = Drain(
        captioner,
        lease_name="w/1",
        models={"demo"},
        held=Held(),
        tally=Tally(),
        batch=4,
        lease_seconds=60,
        poll_seconds=60,
    )
    yield made
    made.ask_to_stop()
    made.close()


@pytest.fixture
def ask(transactional_db: None) -> Callable[..., list[CaptionJob]]:
    """Add pictures numbered from `first`, each with a job: `ask(count, first=1, **chosen)`."""
    from django.contrib.auth.models import User

    owner = User.objects.create(username="olga", password="!")

    def add(count: int, first: int = 1, **chosen: Any) -> list[CaptionJob]:
        pictures = [picture(owner, number) for number in range(first, first + count)]
        return [jobs.request(image=image, chosen=chosen).job for image in pictures]

    return add

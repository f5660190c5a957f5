"""Requests that last: how many of them one person may have open at once."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from captions import idempotency
from captions.api import waiting
from captions.api.views import streams
from captions.errors import DeskError
from captions.places import Places
from tests import factories
from tests.api.conftest import codes


def test_it_gives_each_person_so_many_places_and_takes_them_back():
    places = Places(2)
    with places.one(1) as first, places.one(1) as second, places.one(1) as third, places.one(2) as other:
        assert (first, second, third, other) == (True, True, False, True)
        assert (places.are_full(1), places.are_full(2)) == (True, False)
    assert not places.are_full(1)
    with pytest.raises(ZeroDivisionError), places.one(1):
        1 / 0  # noqa: B018  # raises
    assert not places._taken


@pytest.mark.parametrize("path", ["events/", "jobs/{job}/events/"])
def test_it_refuses_one_stream_too_many(api, owner, monkeypatch, path):
    job = factories.make_job(factories.make_image(owner))
    monkeypatch.setattr(streams, "_listening", Places(0))
    answer = api.look(path.format(job=job.pk))
    assert (answer.status_code, codes(answer)) == (429, [("too_many_requests", None)])
    assert int(answer["Retry-After"]) > 0


def test_it_ends_a_stream_that_slipped_in(monkeypatch):
    monkeypatch.setattr(streams, "_listening", Places(0))

    heard = streams._Heard(streams._Job(1, uuid4()), User(pk=1), None)

    async def read() -> list[str]:
        return [line async for line in streams._stream(heard)]

    assert asyncio.run(read()) == ["retry: 1000\n\n"]


def test_it_answers_at_once_when_many_of_a_person_wait(monkeypatch):
    monkeypatch.setattr(waiting, "_waiting", Places(0))
    monkeypatch.setattr(waiting, "_ended", lambda asked: [])
    began = time.monotonic()
    assert asyncio.run(waiting._all_ended(waiting.Wait(uuid4(), 30.0, lambda: None), 1)) is False
    assert time.monotonic() - began < 10


def test_it_lets_only_so_many_wait_for_an_answer_with_a_key(owner, monkeypatch):
    assert isinstance(idempotency.begin(user=owner, key="k", fingerprint="f"), idempotency.Slot)
    monkeypatch.setattr(idempotency, "_waiting", Places(0))
    began = time.monotonic()
    with pytest.raises(DeskError, match="idempotency_in_progress"):
        idempotency.begin(user=owner, key="k", fingerprint="f", wait_seconds=30.0)
    assert time.monotonic() - began < 10

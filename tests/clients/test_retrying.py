"""When requests are sent again: against a real server that refuses, is away, or cuts the line."""

from __future__ import annotations

import contextlib
import uuid
from datetime import UTC, datetime

import httpx2
import pytest

import captiondesk
from captiondesk import AsyncClient, Client, Retries, retrying
from captiondesk.wire import Answer, Pause, Request
from tests.clients.conftest import in_a_loop
from tests.clients.scripted import CUT, Said, refusal, serving
from tests.services import free_port

QUICK = Retries(first=0.01, longest=0.05)
ALBUM = {
    "id": str(uuid.uuid4()),
    "name": "Harbour",
    "pictures": 0,
    "owner": "olga",
    "role": "own",
    "created_at": "2026-11-01T10:00:00Z",
}


@pytest.mark.parametrize("trouble", [refusal(429, "throttled"), refusal(503, "queue_full"), Said(502, b"<html>"), CUT])
def test_it_sends_a_post_again_with_the_same_key(trouble):
    with serving(trouble, trouble, Said(201, ALBUM)) as server, Client(server.url, "t", retries=QUICK) as client:
        assert client.albums.make("Harbour").name == "Harbour"
        keys = server.keys()
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert uuid.UUID(keys[0])


def test_it_sends_an_upload_again_whole():
    me = refusal(503, "queue_full")
    with serving(me, CUT, refusal(400, "not_a_picture")) as server:
        client = Client(server.url, "t", retries=QUICK)
        with pytest.raises(captiondesk.InvalidRequest):
            client.images.upload(b"bytes of a picture", filename="a.jpg", num_beams=3)
    assert [b"bytes of a picture" in one.body and b"num_beams" in one.body for one in server.asked] == [True] * 3
    assert len(set(server.keys())) == 1


def test_it_draws_another_key_for_another_request():
    with serving(Said(201, ALBUM)) as server, Client(server.url, "t") as client:
        client.albums.make("Harbour")
        client.albums.make("Harbour")
        client.albums.rename(ALBUM["id"], "Harbour")
    first, second, third = server.keys()
    assert first != second
    assert third is None  # a PATCH says the same when it comes twice


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 500, 507])
def test_it_sends_nothing_again_that_would_be_refused_again(status):
    with (
        serving(refusal(status, "no")) as server,
        Client(server.url, "t", retries=QUICK) as client,
        pytest.raises(captiondesk.ApiError) as caught,
    ):
        client.albums.make("Harbour")
    assert len(server.asked) == 1
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (status, "no", "request-7")


def test_it_asks_again_while_the_desk_works_on_this_very_request():
    busy = refusal(409, "idempotency_in_progress")
    with serving(busy, Said(201, ALBUM)) as server, Client(server.url, "t", retries=QUICK) as client:
        assert client.albums.make("Harbour").name == "Harbour"
    assert len(set(server.keys())) == 1


def test_it_takes_a_lost_delete_for_done():
    with serving(CUT, refusal(404, "not_found")) as server, Client(server.url, "t", retries=QUICK) as client:
        client.images.delete(uuid.uuid4())
    assert len(server.asked) == 2
    with (
        serving(refusal(404, "not_found")) as server,
        Client(server.url, "t", retries=QUICK) as client,
        pytest.raises(captiondesk.NotFound),
    ):
        client.images.delete(uuid.uuid4())


def test_it_gives_up_after_so_many_tries_and_says_why():
    with (
        serving(CUT) as server,
        Client(server.url, "t", retries=Retries(most=3, first=0.01)) as client,
        pytest.raises(captiondesk.ConnectionFailed, match="No answer came") as caught,
    ):
        client.me()
    assert len(server.asked) == 3
    assert isinstance(caught.value.__cause__, httpx2.TransportError)


def test_it_says_that_nobody_is_there():
    with (
        Client(f"http://127.0.0.1:{free_port()}", "t", retries=Retries(most=2, first=0.01)) as client,
        pytest.raises(captiondesk.ConnectionFailed),
    ):
        client.me()


def test_it_does_not_wait_longer_than_it_may():
    with (
        serving(refusal(429, "throttled", Retry_After="3600")) as server,
        Client(server.url, "t") as client,
        pytest.raises(captiondesk.Throttled) as caught,
    ):
        client.me()
    assert len(server.asked) == 1
    assert caught.value.retry_after == 3600


def test_it_retries_for_programs_with_an_event_loop_as_well():
    async def work(url: str) -> str:
        async with AsyncClient(url, "t", retries=QUICK) as client:
            return (await client.albums.make("Harbour")).name

    with serving(CUT, refusal(503, "queue_full"), Said(201, ALBUM)) as server:
        assert in_a_loop(work(server.url)) == "Harbour"
    assert len(set(server.keys())) == 1


def pauses(retries: Retries, *answers: Answer) -> list[float]:
    """Give the pauses between scripted answers, without waiting for them."""
    steps, script, waited = retrying.answered(Request("get_me"), retries), list(answers), []
    command = next(steps)
    with contextlib.suppress(StopIteration, captiondesk.CaptionDeskError):
        while True:
            if isinstance(command, Pause):
                waited.append(command.seconds)
                command = steps.send(None)
            else:
                command = steps.send(script.pop(0))
    return waited


def busy(**headers: str) -> Answer:
    return Answer(503, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


def test_it_doubles_its_pauses_and_draws_each_from_its_upper_half():
    most, least = Retries(most=9, draw=lambda: 1.0), Retries(most=9, draw=lambda: 0.0)
    assert pauses(most, *[busy()] * 9) == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert pauses(least, *[busy()] * 9) == [0.25, 0.5, 1, 2, 4, 8, 10, 10]


def test_it_never_comes_back_before_it_was_told_to():
    (waited,) = pauses(Retries(), busy(retry_after="7"), Answer(200, {}, b"{}"))
    assert 7 < waited < 7.1


def test_it_ends_within_its_time():
    now = [0.0]

    def clock() -> float:
        now[0] += 30
        return now[0]

    assert len(pauses(Retries(most=99, clock=clock), *[busy()] * 99)) == 3


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        ("5", 5.0),
        ("Sat, 28 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_it_reads_retry_after_as_seconds_or_as_a_date(raw, seconds):
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert retrying.retry_after({"retry-after": raw}, lambda: now) == seconds

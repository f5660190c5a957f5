"""Streams over lines that end and break: what is heard, and what is asked for anew."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from contextlib import aclosing

import pytest

import captiondesk
from captiondesk import AsyncClient, Client, Event, Retries
from captiondesk.streams import Heard, Lines
from tests.clients.conftest import in_a_loop
from tests.clients.scripted import CUT, Said, refusal, serving

QUICK = Retries(most=4, first=0.01, longest=0.02)
IDS = [f"f199f3b1-2d4{number}-7e6f-8f2a-3d1b5c9e7a10" for number in range(6)]
BEGUN = {"Date": "Thu, 01 Jan 1970 00:00:01 GMT"}


def told(*numbers: int, torn: bool = False, **headers: str) -> Said:
    """Give an answer that tells these events, each of another picture."""
    lines = ["retry: 10\n\n", ": beat\n\n"]
    for number in numbers:
        image = str(uuid.UUID(int=number))
        event = {"type": "image.deleted", "timestamp": "2026-03-02T09:41:30+00:00", "data": {"image": image}}
        lines.append(f"id: {IDS[number]}\nevent: image.deleted\ndata: {json.dumps(event)}\n\n")
    return stream("".join(lines), torn=torn, **headers)


def stream(text: str, *, torn: bool = False, **headers: str) -> Said:
    return Said(200, text.encode(), {"Content-Type": "text/event-stream; charset=utf-8", **headers}, is_torn=torn)


def job(state: str) -> str:
    body = {
        "id": str(uuid.UUID(int=7)), "image": str(uuid.UUID(int=1)), "state": state, "chosen": {}, "params": {},
        "model": "", "attempt": 1, "captions": [], "error": None, "notice": None, "timings": None, "worker": "",
        "created_at": "2026-03-02T09:41:30+00:00", "started_at": None, "finished_at": None,
    }  # fmt: skip
    return json.dumps(body)


def first(number: int, events: Iterator[Event]) -> list[int]:
    """Hear so many events; give which."""
    with contextlib.closing(events) as heard:  # type: ignore[type-var]  # a generator, which has `close`
        return [IDS.index(next(heard).id) for _ in range(number)]


def test_it_goes_on_where_a_stream_ended_or_broke_and_tells_nothing_twice():
    script = [told(1, 2), told(1, 2, 3, torn=True), CUT, refusal(503, "unavailable"), told(2, 3, 4), told(5)]
    with serving(*script) as server, Client(server.url, "t", retries=QUICK) as client:
        assert first(5, client.events()) == [1, 2, 3, 4, 5]
    asked = [one.headers.get("last-event-id") for one in server.asked]
    assert asked == [None, IDS[2], IDS[3], IDS[3], IDS[3], IDS[4]]
    assert {one.headers["accept"] for one in server.asked} == {"text/event-stream"}


def test_it_does_the_same_without_blocking_an_event_loop():
    async def work(url: str) -> list[int]:
        async with AsyncClient(url, "t", retries=QUICK) as client, aclosing(client.events()) as events:
            return [IDS.index((await anext(events)).id) for _ in range(4)]

    with serving(told(1, torn=True), CUT, refusal(503, "unavailable"), told(1, 2), told(3, 4)) as server:
        assert in_a_loop(work(server.url)) == [1, 2, 3, 4]


def test_it_begins_after_an_event_that_a_program_kept():
    with serving(told(3)) as server, Client(server.url, "t") as client:
        assert first(1, client.events(after=IDS[2])) == [3]
    assert server.asked[0].headers["last-event-id"] == IDS[2]


def test_it_misses_nothing_when_a_line_ends_before_its_first_event():
    old = "00000000-0200-7e6f-8f2a-3d1b5c9e7a10"  # 512 ms after 1970 began: before the first connection
    event = json.dumps({"type": "image.deleted", "timestamp": "2026-03-02T09:41:30+00:00", "data": {}})
    before = stream(f"id: {old}\ndata: {event}\n\n" + told(1).body.decode())
    with serving(told(**BEGUN), before) as server, Client(server.url, "t", retries=QUICK) as client:
        assert first(1, client.events()) == [1]
    assert server.asked[1].headers["last-event-id"] == str(uuid.UUID(int=1000 << 80))


def test_it_tells_each_state_of_a_job_once_and_ends_with_it():
    def said(*states: str) -> Said:
        return stream("retry: 10\n\n" + "".join(f"id: 1-{one}\nevent: job\ndata: {job(one)}\n\n" for one in states))

    with (
        serving(
            said("queued", "running"), said("running"), said("running", "queued"), said("queued", "done")
        ) as server,
        Client(server.url, "t", retries=QUICK) as client,
    ):
        assert [one.state for one in client.jobs.events(uuid.UUID(int=7))] == ["queued", "running", "queued", "done"]
    assert len(server.asked) == 4


def test_it_gives_up_when_the_desk_stays_away_and_counts_anew_after_it_was_there():
    with serving(CUT, CUT, told(1), CUT) as server, Client(server.url, "t", retries=QUICK) as client:
        events = client.events()
        assert IDS.index(next(events).id) == 1
        with pytest.raises(captiondesk.ConnectionFailed):
            next(events)
    assert len(server.asked) == 7


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (refusal(401, "authentication_failed"), captiondesk.NotAuthenticated),
        (refusal(404, "not_found"), captiondesk.NotFound),
        (Said(200, {"a": "b"}, {"Content-Type": "application/json"}), captiondesk.UnexpectedAnswer),
        (stream("id: 1\ndata: no JSON\n\n"), captiondesk.UnexpectedAnswer),
        (stream("id: 1\ndata: [1]\n\n"), captiondesk.UnexpectedAnswer),
    ],
)
def test_it_does_not_come_back_for_what_will_not_change(said, kind):
    with serving(said) as server, Client(server.url, "t", retries=QUICK) as client, pytest.raises(kind):
        next(client.events())
    assert len(server.asked) == 1


def test_it_puts_events_together_however_their_bytes_come():
    text = ": hello\r\n\r\nid: 1\r\nevent: a\r\ndata: one\r\ndata: zwölf\r\n\r\n"
    text += "data:three\nretry: 250\n\nid: 9\ndata: half"
    whole = [Heard("1", "a", "one\nzwölf"), Heard("1", "message", "three")]
    for length in (1, 2, 3, 1000):
        lines, data, heard = Lines(), text.encode(), []
        for begin in range(0, len(data), length):
            heard += lines.feed(data[begin : begin + length])
        assert (heard, lines.pause) == (whole, 0.25)

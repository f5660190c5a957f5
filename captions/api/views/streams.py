"""Server-sent events for programs: what happens to a person's pictures, and how one job goes.

A stream ends after STREAM_SECONDS; whoever comes back says by Last-Event-ID what they have, and gets what they missed.
Before anything is told it is asked whether they may still hear it. Waiting costs a stream no thread and no database
connection.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from captions import events, outbox, selectors, tokens
from captions.api.base import DeskView, refuse_empty, refuse_unknown
from captions.api.serializers import JobSerializer
from captions.api.views.jobs import shown
from captions.connections import let_go
from captions.errors import DeskError
from captions.models import AccountEvent, CaptionJob
from captions.places import Places
from captions.streaming import KIND, event_stream, in_a_place

STREAM_SECONDS: Final = 300.0
#: How often rows are read although nothing was heard: the broker may be off, and it never says all.
LOOK_EVERY_SECONDS: Final = 2.0
RETRY_MS: Final = 1000
_SEEN_AT_MOST: Final = 2000
#: Streams of one person in this process; each asks the database every two seconds.
_listening: Final = Places(50)
_LAST_ID: Final = OpenApiParameter(
    "Last-Event-ID",
    str,
    OpenApiParameter.HEADER,
    description="The `id` of the last event that you have: the stream begins after it.",
)


class StreamView(DeskView):
    """Base: failures are JSON whatever Accept says; the stream takes the answer's place once the view has let it."""

    pagination_class = None
    is_marked = False

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Never refuse by Accept: clients of streams ask for text/event-stream alone."""
        return super().perform_content_negotiation(request, force=True)

    def check_stream(self, request: Request) -> None:
        """Refuse query parameters, of which there are none, and one stream too many. DeskError, ValidationError."""
        refuse_unknown(request, set())
        refuse_empty(request)
        if _listening.are_full(self.person.pk):
            raise DeskError("too_many_requests")

    def stream(self, source: _Account | _Job) -> Response:
        """Answer with a stream, once the view is done."""
        heard = _Heard(source, self.person, self.token.pk if self.token else None)
        answer = Response()
        answer.heard = heard  # type: ignore[attr-defined]  # taken out again by `streams`
        return answer


#: One event of a stream: before OpenAPI 3.2 a schema cannot tell of the stream and of what is in it.
_EVENT: Final = inline_serializer(
    "StreamedEvent",
    {
        "id": serializers.CharField(help_text="For Last-Event-ID."),
        "event": serializers.CharField(help_text="What it tells of."),
        "data": serializers.CharField(help_text="JSON."),
    },
)


def _described(what: str, example: dict[str, str]) -> OpenApiResponse:
    return OpenApiResponse(_EVENT, what, [OpenApiExample("an event", example, media_type=KIND)])


class Events(StreamView):
    """What happens to the person's own pictures."""

    queryset = AccountEvent.objects.none()
    serializer_class = None
    refuses = {"GET": [400]}

    @extend_schema(
        operation_id="stream_events",
        summary="Hear what happens to your pictures, as it happens",
        tags=["events"],
        parameters=[_LAST_ID],
        responses={
            (200, KIND): _described(
                "Server-sent events, named as those of webhooks, with the same data.",
                {
                    "id": "0199f3b1-2d40-7e6f-8f2a-3d1b5c9e7a10",
                    "event": "image.deleted",
                    "data": '{"type":"image.deleted"}',
                },
            )
        },
    )
    def get(self, request: Request) -> Response:
        """Begins now, or after `Last-Event-ID`. An event may come twice; its id stays the same. Kept for three days."""
        self.check_stream(request)
        raw = request.headers.get("Last-Event-ID")
        try:
            after = UUID(raw) if raw else outbox.newest(self.person.pk)
        except ValueError:
            raise ValidationError({"Last-Event-ID": _("This is no id of an event.")}) from None
        # Whoever begins now has missed nothing: what reading goes back for is known to be old.
        old = [] if raw else outbox.happened(owner_id=self.person.pk, after=after)
        return self.stream(_Account(self.person.pk, after, dict.fromkeys(event.pk for event in old)))


class EventsOfJob(StreamView):
    """How one job goes."""

    queryset = CaptionJob.objects.none()
    serializer_class = JobSerializer

    @extend_schema(
        operation_id="stream_job",
        summary="Hear how a job goes, until it ends",
        tags=["jobs"],
        responses={
            (200, KIND): _described(
                "One event `job` now and at each change of state, with the job as its data; ends with the job.",
                {"id": "1-running", "event": "job", "data": '{"id":"0199f3a5-...","state":"running", ...}'},
            )
        },
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """Whoever comes back gets the state that it is in now."""
        self.check_stream(request)
        job = selectors.job(self.person, job_id)
        return self.stream(_Job(job.owner_id, job.pk))


@dataclass
class _Heard:
    """What somebody hears, and who they are."""

    source: _Account | _Job
    listener: User
    token_id: UUID | None

    def news(self) -> tuple[list[str], bool]:
        """Give the lines of what is new, and whether the stream ends; it does for whoever would be let in no more."""
        if not self._may_hear():
            return [], True
        return self.source.news(self.listener)

    def _may_hear(self) -> bool:
        if self.token_id is not None:
            return tokens.is_live(self.token_id)
        return User.objects.filter(pk=self.listener.pk, is_active=True).exists()


@dataclass
class _Account:
    """One account's events from a point on."""

    owner_id: int
    after: UUID
    seen: dict[UUID, None]  # in the order in which they were told

    def news(self, listener: User) -> tuple[list[str], bool]:
        """Give the lines of what is new, and whether that is all for ever."""
        lines = []
        for event in outbox.happened(owner_id=self.owner_id, after=self.after, seen=self.seen):
            self.seen[event.pk] = None
            self.after = max(self.after, event.pk)
            told = {"type": event.type, "timestamp": event.created_at.isoformat(), "data": event.data}
            lines.append(_lines(str(event.pk), event.type, told))
        for old in list(self.seen)[:-_SEEN_AT_MOST]:
            del self.seen[old]
        return lines, False


@dataclass
class _Job:
    """One job until its end."""

    owner_id: int
    job_id: UUID
    shown: str = ""

    def news(self, listener: User) -> tuple[list[str], bool]:
        """Give the line of a change, and whether the job has ended. One that is gone, or no longer shown them, has."""
        try:
            job = selectors.job(listener, self.job_id)
        except DeskError:
            return [], True
        mark, ended = f"{job.attempt}-{job.state}", job.state not in CaptionJob.OPEN
        if mark == self.shown:
            return [], ended
        self.shown = mark
        return [_lines(mark, "job", JSONRenderer().render(shown(self.job_id)).decode())], ended


def _lines(id: str, event: str, data: Any) -> str:
    words = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return f"id: {id}\nevent: {event}\ndata: {words}\n\n"


def streams(view: Callable[..., HttpResponseBase]) -> Callable[..., Coroutine[Any, Any, HttpResponseBase]]:
    """Make a view of DRF asynchronous, and put the stream that it allows in its answer's place."""

    @functools.wraps(view)
    async def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = await sync_to_async(view)(request, *args, **kwargs)
        heard: _Heard | None = getattr(response, "heard", None)
        if heard is None:
            return response
        stream = event_stream(_stream(heard))
        for name, value in response.headers.items():
            if name.lower() not in {"content-type", "content-length", "cache-control"}:
                stream.headers[name] = value
        return stream

    return answer


def _stream(heard: _Heard) -> AsyncIterator[str]:
    return in_a_place(_told(heard), places=_listening, person_id=heard.listener.pk or 0, retry_ms=RETRY_MS)


async def _told(heard: _Heard) -> AsyncGenerator[str, None]:
    end = asyncio.get_running_loop().time() + STREAM_SECONDS
    async with aclosing(events.subscribe(heard.source.owner_id, beat_seconds=LOOK_EVERY_SECONDS)) as woken:
        lines, ended = await _read(heard)
        quiet = 0.0
        while True:
            for line in lines:
                yield line
            if ended or asyncio.get_running_loop().time() > end:
                return
            event = await anext(woken)
            quiet = quiet + LOOK_EVERY_SECONDS if event["kind"] == "beat" else 0.0
            lines, ended = await _read(heard)
            if not lines and quiet >= events.BEAT_SECONDS:
                quiet, lines = 0.0, [": beat\n\n"]  # noticed by proxies and by a reader that has gone


async def _read(heard: _Heard) -> tuple[list[str], bool]:
    return await sync_to_async(_read_and_let_go, thread_sensitive=False)(heard)


def _read_and_let_go(heard: _Heard) -> tuple[list[str], bool]:
    try:
        return heard.news()
    finally:
        let_go()

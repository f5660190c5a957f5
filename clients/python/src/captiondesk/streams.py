"""Server-sent events: what a stream tells, read from its lines, over as many connections as it takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict

from captiondesk import errors
from captiondesk.retrying import Retries, failure, passes
from captiondesk.told import Told
from captiondesk.wire import Answer, Broken, Emit, Open, Pause, Read, Request

T = TypeVar("T")
KIND: Final = "text/event-stream"
#: What a stream does: it opens lines, reads, waits, and hands on what it heard.
Following: TypeAlias = Generator[Open | Read | Pause | Emit, Any, None]
_REMEMBERED: Final = 2000  # ids of events: more than happen within what the desk tells again
_FIRST_PAUSE: Final = 1.0
_BEAT_SECONDS: Final = 20.0  # the desk gives a sign of life every 15: silence that is no failure


class Words(Told):
    """A caption, as events tell of it."""

    model_config = ConfigDict(extra="allow")
    id: UUID
    text: str
    kind: str
    language: str
    score: float | None = None
    rank: int | None = None


class EventError(Told):
    """Why a job failed."""

    model_config = ConfigDict(extra="allow")
    code: str
    detail: str


class EventData(Told):
    """What an event is about. Which fields it has beside `image` is said by its type; the others are None."""

    model_config = ConfigDict(extra="allow")
    image: UUID | None = None
    filename: str | None = None
    sha256: str | None = None
    job: UUID | None = None
    captions: list[Words] | None = None
    review: UUID | None = None
    decision: str | None = None
    caption: Words | None = None
    published_caption: UUID | None = None
    is_automatic: bool | None = None
    reason: str | None = None
    error: EventError | None = None


class Event(Told):
    """Something that happened to a picture, told by a stream or by a webhook. Its `id` is the same when it comes twice.

    Streams and webhooks number it differently.
    """

    model_config = ConfigDict(extra="allow")
    id: str
    type: (
        Literal[
            "image.created",
            "image.deleted",
            "image.recovered",
            "caption.created",
            "caption.approved",
            "caption.rejected",
            "review.undone",
            "job.failed",
            "webhook.test",
        ]
        | str
    )
    timestamp: AwareDatetime
    data: EventData


@dataclass(frozen=True, slots=True)
class Heard:
    """One event, as a stream wrote it."""

    id: str
    event: str
    data: str


def event_of(heard: Heard) -> Event:
    """Read what happened. Raises ValueError."""
    return Event.model_validate({**json.loads(heard.data), "id": heard.id})


@dataclass
class Lines:
    """Takes the bytes of a stream as they come, and gives its events when each is whole."""

    pause: float = _FIRST_PAUSE  #: seconds that the desk asks for before its next connection
    _rest: bytes = b""
    _fields: dict[str, list[str]] = field(default_factory=dict)
    _id: str = ""

    def feed(self, data: bytes) -> Iterator[Heard]:
        """Take some bytes, and give what they complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.removesuffix(b"\r").decode(errors="replace")
            if text:
                self._take(text)
                continue
            fields, self._fields = self._fields, {}
            self._id = fields.get("id", [self._id])[-1]
            if "data" in fields:
                yield Heard(self._id, fields.get("event", ["message"])[-1], "\n".join(fields["data"]))

    def _take(self, text: str) -> None:
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "retry" and value.isascii() and value.isdigit():
            self.pause = int(value) / 1000
        elif name:  # a line that begins with a colon is a sign of life
            self._fields.setdefault(name, []).append(value)


@dataclass
class Stream(Generic[T]):
    """One stream of the API, and how far it was heard: `after` is the id of the last event.

    What comes again, as one of the last `remembers` ids, is passed over. `is_numbered` is for streams whose ids tell
    when an event happened.
    """

    request: Request
    read: Callable[[Heard], T]
    after: str = ""
    is_last: Callable[[T], bool] = lambda _: False
    remembers: int = _REMEMBERED
    is_numbered: bool = False
    is_over: bool = False
    pause: float = _FIRST_PAUSE
    _begun: str = ""
    _seen: dict[str, None] = field(default_factory=dict)

    def asked(self) -> Request:
        """Give the request of the next connection."""
        after = self.after or self._begun
        headers = {"Accept": KIND, **({"Last-Event-ID": after} if after else {})}
        return replace(self.request, headers=headers, patience=_BEAT_SECONDS)

    def opened(self, came: Answer) -> None:
        """Look at the beginning of an answer. Raises UnexpectedAnswer when it is no stream."""
        if came.headers.get("content-type", "").partition(";")[0].strip() != KIND:
            raise errors.UnexpectedAnswer("The answer is none of a Caption Desk's: it is no stream. Check the address.")
        if self.is_numbered:
            self._begun = self._begun or _id_of(came.headers.get("date", ""))

    def take(self, heard: Heard) -> T | None:
        """Read an event; None for one that is known. Raises UnexpectedAnswer."""
        known = heard.id in self._seen or (not self.after and heard.id < self._begun)
        if known:
            return None
        try:
            told = self.read(heard)
        except (ValueError, TypeError) as error:
            raise errors.UnexpectedAnswer(f"The stream is none of a Caption Desk's: {error}") from error
        self.after = heard.id
        self._seen[heard.id] = None
        if len(self._seen) > self.remembers:
            del self._seen[next(iter(self._seen))]
        self.is_over = self.is_last(told)
        return told


def _id_of(date: str) -> str:
    """Give the id that an event of this moment has at least: its first 48 bits are milliseconds.

    A line that ends before its first event would else lose what happens until the next one is open.
    """
    try:
        when: datetime = parsedate_to_datetime(date)
    except ValueError:
        return ""
    return str(UUID(int=int(when.timestamp() * 1000) << 80))


def followed(stream: Stream[T], retries: Retries) -> Following:
    """Give what a stream tells, opening it again whenever it ends. Raises CaptionDeskError.

    Failures in a row are counted, and timed, as the tries of one request are.
    """
    failures, heard_at = 0, retries.clock()
    while True:
        wrong, has_spoken = yield from _heard(stream)
        if stream.is_over:
            return
        if has_spoken:
            failures, heard_at = 0, retries.clock()
        if wrong is not None:
            failures += 1
            if not passes(wrong) or failures >= retries.most:
                raise wrong
        wait = retries.pause_after(max(failures, 1), getattr(wrong, "retry_after", None) or stream.pause)
        if wrong is not None and retries.clock() - heard_at + wait > retries.seconds:
            raise wrong
        yield Pause(wait)


def _heard(stream: Stream[T]) -> Generator[Open | Read | Emit, Any, tuple[errors.CaptionDeskError | None, bool]]:
    """Hear one connection to its end; give what ended it, and whether anything came at all."""
    came: Answer | Broken | bytes = yield Open(stream.asked())
    assert not isinstance(came, bytes)
    wrong = failure(came)
    if wrong is not None:
        return wrong, False
    assert isinstance(came, Answer)
    stream.opened(came)
    lines, has_spoken = Lines(), False
    while True:
        came = yield Read()
        if isinstance(came, Broken):
            return failure(came), has_spoken
        assert isinstance(came, bytes)
        if not came:
            return None, has_spoken
        has_spoken = True
        for heard in lines.feed(came):
            told = stream.take(heard)
            if told is not None:
                yield Emit(told)
            if stream.is_over:
                return None, True
        stream.pause = lines.pause

"""When a request is sent again, after how long, and when it is given up."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from captiondesk import errors
from captiondesk.wire import Answer, Broken, Request, Steps, pause, send

KEY: Final = "Idempotency-Key"
#: Answers that may be another one in a moment.
PASSING: Final = frozenset({429, 502, 503, 504})
#: The desk still works on this very request, which came with the same key before: its answer is yet to come.
IN_PROGRESS: Final = "idempotency_in_progress"


@dataclass(frozen=True, slots=True)
class Retries:
    """How patient a client is: `most` tries of one request at most, within `seconds` in all.

    The pause before the second try is about `first` seconds and doubles up to `longest`; each is drawn from its upper
    half, so that many clients that failed together do not come back together. Where the desk says `Retry-After`, the
    pause is never shorter than that; when that is longer than the rest of `seconds`, the request is given up at once.
    """

    most: int = 6
    seconds: float = 120
    first: float = 0.5
    longest: float = 20
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    draw: Callable[[], float] = field(default=random.random, repr=False)

    def pause_after(self, tries: int, retry_after: float | None = None) -> float:
        """Give the seconds to wait after so many tries."""
        length = min(self.longest, self.first * float(2 ** (tries - 1)))
        drawn = length * (0.5 + self.draw() / 2)
        return drawn if retry_after is None else max(drawn, retry_after + drawn / 10)


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Read Retry-After, which is a number of seconds or a date; None when it is absent or neither."""
    raw = headers.get("retry-after", "").strip()
    if raw.isascii() and raw.isdigit():
        return float(raw)
    try:
        when = parsedate_to_datetime(raw)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - now()).total_seconds())


def keyed(request: Request) -> Request:
    """Give a POST a key of its own, by which the desk knows it again; the same for all its tries."""
    if request.method != "POST" or KEY in request.headers:
        return request
    return replace(request, headers={**request.headers, KEY: str(uuid.uuid4())})


def failure(came: Answer | Broken) -> errors.CaptionDeskError | None:
    """Give the exception for what came; None when it is an answer to go on with."""
    if isinstance(came, Broken):
        made = errors.ConnectionFailed(f"No answer came from the desk: {came.error or type(came.error).__name__}")
        made.__cause__ = came.error
        return made
    if came.status < 300:
        return None
    return errors.refusal(
        came.status, came.body, request_id=came.headers.get("x-request-id"), retry_after=retry_after(came.headers)
    )


def passes(wrong: errors.CaptionDeskError) -> bool:
    """Whether the same request may succeed in a moment."""
    if isinstance(wrong, errors.ConnectionFailed):
        return True
    return wrong.status in PASSING or wrong.code == IN_PROGRESS


def answered(request: Request, retries: Retries) -> Steps[Answer]:
    """Send a request until an answer comes that counts. Raises CaptionDeskError."""
    request = keyed(request)
    began, tries, unsure = retries.clock(), 0, False
    while True:
        came = yield from send(request)
        tries += 1
        wrong = failure(came)
        if wrong is None:
            assert isinstance(came, Answer)
            return came
        if unsure and request.method == "DELETE" and isinstance(wrong, errors.NotFound):
            return Answer(204, {}, b"")  # an earlier try, whose answer got lost, has deleted it
        if unsure and isinstance(wrong, errors.ChangedMeanwhile):
            raise errors.ConnectionFailed(
                "An answer got lost, and what you wanted to change has changed since then, perhaps by this very"
                " request. Look at it again."
            ) from wrong
        unsure = unsure or isinstance(wrong, errors.ConnectionFailed) or wrong.status in {502, 504}
        if not (request.repeats and passes(wrong)) or tries >= retries.most:
            raise wrong
        wait = retries.pause_after(tries, getattr(wrong, "retry_after", None))
        if retries.clock() - began + wait > retries.seconds:
            raise wrong
        yield from pause(wait)

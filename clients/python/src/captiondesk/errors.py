"""What can go wrong, and what the desk said about it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is wrong: a stable code for programs, words for people, the field or parameter it is about."""

    code: str
    detail: str
    attr: str | None = None


class CaptionDeskError(Exception):
    """Anything that this package raises by itself. `code` is stable, `detail` is for people."""

    code: str = "error"
    detail: str = ""
    attr: str | None = None
    request_id: str | None = None
    status: int | None = None

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class ConnectionFailed(CaptionDeskError):
    """No answer came, however often it was tried. The cause is the last failure of the line."""

    code = "connection_failed"


class UnexpectedAnswer(CaptionDeskError):
    """An answer came that is none of a desk's: some other server, or a proxy's page."""

    code = "unexpected_answer"


class WaitedTooLong(CaptionDeskError):
    """What was waited for did not come in time; nothing is lost, and asking again later is fine."""

    code = "waited_too_long"


class UploadRefused(CaptionDeskError):
    """A file arrived whole and is no picture that the desk takes; `code` and `detail` are the desk's."""


class WebhookRefused(CaptionDeskError):
    """A message that claims to come from the desk does not, is too old, or was changed on its way."""

    code = "webhook_refused"


class ApiError(CaptionDeskError):
    """The desk refused a request. `entries` has all that is wrong; `code`, `detail` and `attr` are the first one's."""

    def __init__(
        self, status: int, entries: tuple[Entry, ...], *, request_id: str | None, retry_after: float | None
    ) -> None:
        first = entries[0]
        super().__init__(first.detail, code=first.code)
        self.entries = entries
        self.attr = first.attr
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Give all that is wrong, in the desk's words, each with what it is about."""
        return " ".join(f"{one.attr}: {one.detail}" if one.attr else one.detail for one in self.entries)


class InvalidRequest(ApiError):
    """Something in the request is wrong: a field, a parameter, the file (400, 411 to 422)."""


class NotAuthenticated(ApiError):
    """No token came, or one that is unknown, expired or revoked (401)."""


class NotAllowed(ApiError):
    """The token or the person may not do this (403)."""


class NotFound(ApiError):
    """It is not there, or it is somebody else's (404, 410)."""


class Conflict(ApiError):
    """It cannot be done now, or somebody else was first (409, 423)."""


class ChangedMeanwhile(Conflict):
    """Somebody has changed it since you looked (412): nothing was done. Look again, then decide."""


class Throttled(ApiError):
    """Too many requests in a short time (429); `retry_after` says how many seconds to wait."""


class ServerFailed(ApiError):
    """The desk cannot do it at the moment, or has a fault (5xx). Quote `request_id` when you report it."""


CHANGED: Final = "changed_meanwhile"
_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    423: Conflict,
    429: Throttled,
}


def refusal(
    status: int, body: bytes, *, request_id: str | None = None, retry_after: float | None = None
) -> CaptionDeskError:
    """Make the exception for an answer that is a refusal."""
    entries, told_id = _read(body)
    if not entries:
        if status < 500 and status != 429:
            return UnexpectedAnswer(f"The answer with status {status} is none of a Caption Desk's. Check the address.")
        entries = (Entry("unavailable", f"The desk cannot be reached behind its address (status {status})."),)
    kind = _BY_STATUS.get(status, ServerFailed if status >= 500 else InvalidRequest)
    if entries[0].code == CHANGED:
        kind = ChangedMeanwhile
    return kind(status, entries, request_id=told_id or request_id, retry_after=retry_after)


def _read(body: bytes) -> tuple[tuple[Entry, ...], str | None]:
    try:
        told: Any = json.loads(body)
        entries = tuple(Entry(str(one["code"]), str(one["detail"]), one.get("attr")) for one in told["errors"])
        return entries, told.get("request_id")
    except (ValueError, KeyError, TypeError, AttributeError):
        return (), None

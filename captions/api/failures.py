"""One shape for every failure of the API: {"type", "errors": [{"code", "detail", "attr"}], "request_id"}.

Built on drf-standardized-errors; this module teaches it the product's own failures and the request's number.
"""

from __future__ import annotations

import errno
import uuid
from typing import Any, Final, Literal

import structlog
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import gettext, gettext_noop
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import VALIDATION_ERROR, Error
from rest_framework import exceptions
from rest_framework.response import Response

from captions.errors import FAILURES, DeskError, Failure, problem_words
from captions.params import ParamsInvalid

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS: Final = {429: 30, 503: 5, 507: 300}
_DISK_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
#: Problems that one answer tells: a list of ten thousand wrong ids has as many.
MOST_ERRORS: Final = 100

# DRF's own failures in the product's words: what is so, then what to do.
_WORDS: Final = {
    "not_authenticated": gettext_noop("This needs an API token. Send the header “Authorization: Bearer TOKEN”."),
    "not_found": FAILURES["not_found"].english,
    "parse_error": gettext_noop(
        "The request's body cannot be read. Check that it is whole and of the type that it says."
    ),
    "throttled": gettext_noop("Too many requests came in a short time. Wait as long as the header Retry-After says."),
}


class Refused(exceptions.APIException):
    """A failure of captions.errors on its way into an answer."""

    def __init__(self, failure: Failure, *, detail: str = "", attr: str | None = None) -> None:
        self.status_code = failure.status
        self.code, self.words, self.attr = failure.code, detail or failure.words, attr
        # drf-standardized-errors turns `wait` into the header Retry-After.
        self.wait = RETRY_AFTER_SECONDS.get(failure.status) if failure.retryable else None
        super().__init__(self.words, self.code)


class ParamsRefused(exceptions.ValidationError):
    """Generation parameters out of range: one error per parameter."""

    def __init__(self, error: ParamsInvalid) -> None:
        super().__init__({name: problem_words(words) for name, words in error.problems.items()}, "invalid_parameter")


def request_number() -> str:
    """Give the number under which this request's log lines are found; also in the header X-Request-ID of the answer."""
    number = structlog.contextvars.get_contextvars().get("request_id")
    if number is None:  # no middleware has numbered it: views called directly
        number = str(uuid.uuid4())
        structlog.contextvars.bind_contextvars(request_id=number)
    return str(number)


def handle(error: Exception, context: Any) -> Response | None:
    """Answer for any exception raised in a view of the API; DRF's EXCEPTION_HANDLER."""
    return DeskHandler(error, context).run()


class DeskHandler(ExceptionHandler):
    """Turns whatever was raised into an answer. Unknown failures are logged whole and shown as their number only."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """Give the exception as one of DRF's; what is not known stays as it is."""
        if isinstance(exc, DeskError):
            return Refused(exc.failure, detail=exc.detail, attr=exc.attr)
        if isinstance(exc, ParamsInvalid):
            return ParamsRefused(exc)
        return _of_django(exc) or exc

    def should_not_handle(self, exc: Exception) -> bool:
        """Handle everything, with DEBUG on too: programs need one shape, and the log has the traceback."""
        return False

    def convert_unhandled_exceptions(self, exc: Exception) -> exceptions.APIException:
        """Give a failure that says nothing of the inside."""
        return exc if isinstance(exc, exceptions.APIException) else Refused(FAILURES["unknown"])

    def format_exception(self, exc: exceptions.APIException) -> dict[str, Any]:
        """Build the body."""
        return {**DeskFormatter(exc, self.context, self.exc).run(), "request_id": request_number()}

    def report_exception(self, exc: exceptions.APIException, response: Response) -> None:
        """Log failures of ours with their cause. A full disk or queue is reported by its code, without a traceback."""
        if response.status_code == FAILURES["unknown"].status:
            super().report_exception(exc, response)
        elif response.status_code > FAILURES["unknown"].status:
            log.error("api_refused", status=response.status_code, code=str(exc.get_codes()), cause=repr(self.exc)[:300])


class DeskFormatter(ExceptionFormatter):
    """Puts the product's words and attributes into the body."""

    def get_error_type(self) -> Literal["validation_error", "client_error", "server_error"]:
        """A wrong field of the request is a validation error, whoever found it."""
        if isinstance(self.exc, Refused) and self.exc.attr and self.exc.status_code == 400:
            return VALIDATION_ERROR
        return super().get_error_type()

    def get_errors(self) -> list[Error]:
        """Give one entry per problem."""
        if isinstance(self.exc, Refused):
            return [Error(self.exc.code, self.exc.words, self.exc.attr)]
        errors: list[Error] = super().get_errors()[:MOST_ERRORS]
        for error in errors:
            if error.attr is None and error.code in _WORDS:
                error.detail = gettext(_WORDS[error.code])
        return errors


def _of_django(exc: Exception) -> exceptions.APIException | None:
    """Give DRF's counterpart of what Django, the database and the operating system raise."""
    if isinstance(exc, Http404):
        return exceptions.NotFound()
    if isinstance(exc, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exc, UnreadablePostError):
        return Refused(FAILURES["upload_interrupted"])
    if isinstance(exc, RequestDataTooBig):
        return Refused(FAILURES["body_too_large"])
    if isinstance(exc, SuspiciousOperation | BadRequest | MultiPartParserError | RecursionError):
        return exceptions.ParseError()  # broken multipart, too many fields or files, JSON nested without end
    if isinstance(exc, OperationalError | InterfaceError):
        return Refused(FAILURES["database_busy"])
    if isinstance(exc, OSError) and exc.errno in _DISK_FULL:
        return Refused(FAILURES["disk_full"])
    return None

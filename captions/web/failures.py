"""Pages for what went wrong, in the words of captions.errors, with the code and the request's number.

Django renders these outside the request's own thread, so nothing here may ask the database: a connection opened there
would never be given back.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy

from captions.errors import FAILURES, DeskError
from captions.web.context import theme_of

_TITLES = {
    400: gettext_lazy("This request cannot be read"),
    403: gettext_lazy("This is not open to you"),
    404: gettext_lazy("Nothing is here"),
    410: gettext_lazy("This has ended"),
    409: gettext_lazy("Something changed in the meantime"),
    413: gettext_lazy("This is too large"),
    429: gettext_lazy("That is more than one person may ask for"),
    503: gettext_lazy("The desk is busy"),
    507: gettext_lazy("The disk is nearly full"),
}


def explain(request: HttpRequest, error: DeskError) -> HttpResponse:
    """Answer a known failure with its own words and status."""
    return answer(request, code=error.code, words=error.detail, status=error.failure.status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer what Django could not read."""
    return known(request, "bad_request")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer somebody who may not do this."""
    return known(request, "forbidden")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that did not come from a page of this site, or from one that is too old."""
    return known(request, "page_too_old")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer for an address that leads nowhere."""
    return known(request, "not_found")


def too_many(request: HttpRequest) -> HttpResponse:
    """Answer somebody who asks more often than a limit lets them."""
    return known(request, "too_many_requests")


def broken(request: HttpRequest) -> HttpResponse:
    """Answer an unknown failure: its number, and nothing of the inside."""
    return known(request, "unknown")


def known(request: HttpRequest, code: str) -> HttpResponse:
    """Answer with the words and status of a failure from the table."""
    failure = FAILURES[code]
    return answer(request, code=code, words=failure.words, status=failure.status)


def answer(request: HttpRequest, *, code: str, words: str, status: int) -> HttpResponse:
    """Give a whole page, or for htmx the line in the film strip."""
    context: dict[str, Any] = {
        "title": _TITLES.get(status, gettext_lazy("The page did not load")),
        "words": words,
        "code": code,
        "status": status,
        "request_id": request_id(),
        "theme": theme_of(request),
    }
    is_fragment = request.headers.get("HX-Request") == "true"
    template = "parts/trouble.html" if is_fragment else "failure.html"
    response = HttpResponse(render_to_string(template, context), status=status)
    patch_vary_headers(response, ["Cookie"])  # theme and language stand in cookies; no session has said so here
    return response


def request_id() -> str:
    """Give the number under which the logs know this request."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))

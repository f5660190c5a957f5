"""Answers that a caller has already, changes to what it has seen, and fewer fields.

ETag, If-None-Match and If-Match of RFC 9110, and the parameter `fields`.

The ETag of an answer is a hash of all that it tells, whichever fields were asked for, so that one that came with few
fields guards a change as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from django.http import HttpResponse
from django.utils.http import parse_etags, quote_etag
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from captions.errors import DeskError

PARAMETER: Final = "fields"
#: May be kept by the caller alone, and is asked for again each time: the answer is then 304 without a body.
KEPT_BY_CALLER: Final = "private, no-cache"


def mark(data: Any) -> str:
    """Give the ETag of what an answer tells."""
    return quote_etag(hashlib.sha256(JSONRenderer().render(data)).hexdigest()[:40])


def is_known(request: Request, etag: str) -> bool:
    """Whether the caller has this answer; weak comparison, as RFC 9110 13.1.2 wants it."""
    asked = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in asked or etag in {one.removeprefix("W/") for one in asked}


def not_modified(response: Response) -> HttpResponse:
    """Give the answer without its body."""
    bare = HttpResponse(status=304)
    del bare.headers["Content-Type"]
    for name, value in response.headers.items():
        if name.lower() not in {"content-type", "content-length"}:
            bare.headers[name] = value
    return bare


def require_match(request: Request, etag: str) -> None:
    """Raise DeskError `changed_meanwhile` unless If-Match names this ETag; strong comparison, RFC 9110 13.1.1."""
    asked = parse_etags(request.headers.get("If-Match", ""))
    if "*" not in asked and etag not in asked:
        raise DeskError("changed_meanwhile")


def wanted(request: Request, field_names: Callable[[], list[str]]) -> set[str] | None:
    """Read `?fields=a,b`; None when all are wanted. Raises ValidationError for names that no answer here has."""
    raw = request.query_params.get(PARAMETER)
    if raw is None:
        return None
    known, names = field_names(), {name.strip() for name in raw.split(",")}
    if unknown := sorted(names - set(known)):
        words = _("There is no field “%(name)s”. There are %(names)s.")
        told = words % {"name": unknown[0][:40], "names": ", ".join(known)}
        raise ValidationError({PARAMETER: told}, code="invalid_choice")
    return names


def only(data: Any, names: set[str]) -> Any:
    """Leave out of an answer, or of each row of a page, what was not asked for."""
    if isinstance(data, dict) and isinstance(data.get("results"), list):
        return {**data, "results": [_fewer(row, names) for row in data["results"]]}
    return _fewer(data, names)


def _fewer(row: Any, names: set[str]) -> Any:
    return {name: value for name, value in row.items() if name in names} if isinstance(row, dict) else row

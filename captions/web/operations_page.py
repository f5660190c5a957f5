"""The operators' page: the queue, the workers, the last day, and what can be done about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from captions import operations, selectors
from captions.errors import DeskError
from captions.permissions import is_operator
from captions.web import wording
from captions.web.context import serving_of
from captions.web.doors import PersonRequest, person_only

BAR_WIDTH: Final = 18
CHART_HEIGHT: Final = 96


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour of a chart: where its bar stands and how high it is, in the chart's own units, and what it says."""

    x: int
    y: int
    height: int
    value: int
    label: str


@person_only
@require_GET
def page(request: PersonRequest) -> HttpResponse:
    """Show everything."""
    return render(request, "operations/page.html", _context(request))


@person_only
@require_GET
def now(request: PersonRequest) -> HttpResponse:
    """Give the parts that change by themselves."""
    return render(request, "operations/parts.html", {**_context(request), "oob": True})


@person_only
@require_POST
def act(request: PersonRequest) -> HttpResponseBase:
    """Do what a button of the page says, and come back to it."""
    deed = _DEEDS.get(request.POST.get("act", ""))
    if deed is None:
        raise DeskError("bad_request")
    try:
        messages.success(request, deed(request))
    except DeskError as refused:
        if refused.code == "not_found":
            raise
        messages.warning(request, refused.detail, extra_tags=refused.code)
    return redirect("operations")


def _pause(request: PersonRequest) -> str:
    operations.pause(by=request.user)
    return _("The queue is paused. What was being drafted is finished.")


def _resume(request: PersonRequest) -> str:
    operations.resume(by=request.user)
    return _("The queue goes on.")


def _set_hours(request: PersonRequest) -> str:
    opens, closes = (_time(request.POST.get(name, "")) for name in ("opens_at", "closes_at"))
    operations.set_hours(by=request.user, opens_at=opens, closes_at=closes)
    if opens is None:
        return _("Imports are captioned at any hour.")
    return _("Imports are captioned from %(opens)s to %(closes)s.") % {
        "opens": f"{opens:%H:%M}",
        "closes": f"{closes:%H:%M}",
    }


def _drain(request: PersonRequest) -> str:
    operations.drain(by=request.user, worker=request.POST.get("worker", ""))
    return _("The worker finishes what it holds and takes nothing more.")


def _take_up(request: PersonRequest) -> str:
    operations.drain(by=request.user, worker=request.POST.get("worker", ""), draining=False)
    return _("The worker takes pictures again.")


def _retry(request: PersonRequest) -> str:
    found = operations.retry_failed(by=request.user)
    words = ngettext(
        "%(count)d picture went into the queue again.", "%(count)d pictures went into the queue again.", found.queued
    ) % {"count": found.queued}
    if not found.left:
        return words
    left = ngettext("%(count)d stayed as it was.", "%(count)d stayed as they were.", found.left) % {"count": found.left}
    return f"{words} {left}"


_DEEDS: Final[dict[str, Callable[[PersonRequest], str]]] = {
    "pause": _pause,
    "resume": _resume,
    "hours": _set_hours,
    "drain": _drain,
    "take_up": _take_up,
    "retry": _retry,
}


def _time(words: str) -> time | None:
    try:
        return time.fromisoformat(words) if words else None
    except ValueError:
        raise DeskError("bad_request") from None


def _context(request: PersonRequest) -> dict[str, Any]:
    if not is_operator(request.user):
        raise DeskError("not_found")
    queue, day = selectors.queue_now(), selectors.last_day()
    return {
        "queue": queue,
        "oldest_words": wording.duration(queue.oldest_seconds) if queue.waiting else "",
        "workers": selectors.workers_seen(),
        "control": serving_of(request).control,
        "retryable": operations.failed().count(),
        "captioned_total": sum(hour.captioned for hour in day),
        "failed_total": sum(hour.failed for hour in day),
        "charts": [
            {"name": "captioned", "title": _("Pictures captioned, by hour"), "bars": _bars(day, "captioned")},
            {"name": "failed", "title": _("Pictures failed, by hour"), "bars": _bars(day, "failed")},
        ],
        "chart_width": BAR_WIDTH * len(day),
        "chart_height": CHART_HEIGHT,
        "hours": day,
    }


def _bars(day: list[selectors.Hour], name: str) -> list[Bar]:
    most = max((getattr(hour, name) for hour in day), default=0) or 1
    bars = []
    for place, hour in enumerate(day):
        value = getattr(hour, name)
        # A single picture beside thousands is still to be seen.
        height = max(2, round(value / most * (CHART_HEIGHT - 4))) if value else 0
        bars.append(Bar(place * BAR_WIDTH, CHART_HEIGHT - height, height, value, f"{hour.at:%H:%M}: {value}"))
    return bars

"""The quality page: how far the score can be trusted, and the rule that approves by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from captions import auto_approve, calibration
from captions.errors import DeskError
from captions.models import AutoApproveRun, Calibration
from captions.permissions import is_operator, is_reviewer
from captions.web import wording
from captions.web.doors import PersonRequest, person_only

RUNS_SHOWN: Final = 5
_SIDE: Final = 300  # of the diagram's square, in its own units
_SMALLEST_DOT, _LARGEST_DOT = 4.0, 12.0


@dataclass(frozen=True)
class Dot:
    """One bin of the reliability diagram, in the units of its square: y grows downwards, as SVG has it."""

    x: float
    y: float
    top: float
    bottom: float
    radius: float
    low: float
    high: float
    bin: dict[str, float]


@person_only
@require_GET
def page(request: PersonRequest) -> HttpResponse:
    """Show what the score was learned from, how right it is, and the rule. Raises DeskError `forbidden`."""
    _check_reviewer(request)
    known = calibration.newest()
    return render(request, "quality/page.html", {**_learned(known), **_rule(request, known)})


@person_only
@require_POST
def switch_on(request: PersonRequest) -> HttpResponseBase:
    """Switch the rule on, from the threshold that was chosen; what is wrong with it stands on the page afterwards."""
    try:
        run = auto_approve.switch_on(
            by=request.user,
            threshold=_number(request.POST.get("threshold", "")),
            calibration_id=request.POST.get("calibration", ""),
            is_confirmed=request.POST.get("confirmed") == "yes",
        )
    except DeskError as refused:
        if refused.code == "forbidden":
            raise
        messages.error(request, refused.detail, extra_tags=refused.code)
    else:
        words = _("Drafts that score %(score)s or more are approved by your rule from now on.")
        messages.success(request, words % {"score": f"{run.threshold:g}"})
    return redirect("quality")


@person_only
@require_POST
def switch_off(request: PersonRequest) -> HttpResponseBase:
    """Switch the rule off."""
    auto_approve.switch_off(by=request.user)
    messages.success(request, _("The rule is off. Every draft waits for a person again."))
    return redirect("quality")


@person_only
@require_GET
def run(request: PersonRequest, run_id: UUID) -> HttpResponse:
    """Count what taking a run back would do, before anything is done."""
    _check_operator(request)
    return render(request, "quality/run.html", {"run": (found := _run(run_id)), "tally": auto_approve.tally(found)})


@person_only
@require_POST
def take_back(request: PersonRequest, run_id: UUID) -> HttpResponseBase:
    """Take back what a run approved and nobody has touched since."""
    _check_operator(request)
    found = _run(run_id)
    done = auto_approve.take_back(run=found, by=request.user)
    left = auto_approve.tally(found).untouched
    words = ngettext("%(done)s approval is taken back.", "%(done)s approvals are taken back.", done) % {"done": done}
    if left:
        more = _("%(left)s more follow within a few minutes.") % {"left": left}
        words = f"{words} {more}"
    messages.success(request, words)
    return redirect("quality")


# --- What the page shows -------------------------------------------------------------------------------------------


def _learned(known: Calibration | None) -> dict[str, Any]:
    if known is None:
        decided = calibration.outcomes()
        approved = sum(decided.values())
        return {
            "decided": len(decided),
            "approved": approved,
            "refused": len(decided) - approved,
            "enough": calibration.ENOUGH,
            "enough_of_each": calibration.ENOUGH_OF_EACH,
        }
    share = known.approved / known.decisions
    return {
        "known": known,
        "dots": _dots(known.bins),
        "share": share,
        "brier": f"{known.brier:.3f}",
        "brier_of_guessing": f"{share * (1 - share):.3f}",
        "models": [{**row, "share": row["approved"] / row["decisions"]} for row in known.by_model],
    }


def _dots(bins: Sequence[dict[str, float]]) -> list[Dot]:
    most = max((one["decisions"] for one in bins), default=1)
    return [
        Dot(
            x=round(one["mean"] * _SIDE, 1),
            y=round((1 - one["share"]) * _SIDE, 1),
            top=round((1 - one["high"]) * _SIDE, 1),
            bottom=round((1 - one["low"]) * _SIDE, 1),
            # By area, as eyes compare discs.
            radius=round(max(_SMALLEST_DOT, _LARGEST_DOT * (one["decisions"] / most) ** 0.5), 1),
            low=one["low"],
            high=one["high"],
            bin=one,
        )
        for one in bins
    ]


def _rule(request: PersonRequest, known: Calibration | None) -> dict[str, Any]:
    runs = list(AutoApproveRun.objects.select_related("started_by", "ended_by", "take_back_by")[:RUNS_SHOWN])
    current = next((one for one in runs if one.ended_at is None), None)
    return {
        "is_operator": is_operator(request.user),
        "forecasts": auto_approve.forecasts(known),
        "current": current,
        "current_author": wording.person(current.started_by, viewer=request.user) if current else "",
        "is_resting": current is not None and not is_operator(current.started_by),
        "runs": [
            {"run": one, "by": wording.person(one.started_by, viewer=request.user), "tally": auto_approve.tally(one)}
            for one in runs
        ],
    }


def _run(run_id: UUID) -> AutoApproveRun:
    found = AutoApproveRun.objects.filter(pk=run_id).select_related("started_by").first()
    if found is None:
        raise DeskError("not_found")
    return found


def _check_reviewer(request: PersonRequest) -> None:
    if not is_reviewer(request.user):
        raise DeskError("forbidden")


def _check_operator(request: PersonRequest) -> None:
    if not is_operator(request.user):
        raise DeskError("forbidden")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")  # which is no threshold of the table

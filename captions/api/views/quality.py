"""How far quality scores can be trusted."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from captions import auto_approve, calibration
from captions.api import examples
from captions.api.base import DeskView, refuse_unknown
from captions.api.serializers import QualitySerializer
from captions.auto_approve import Forecast
from captions.models import Calibration


class Quality(DeskView):
    """The calibration in force; it tells of decisions in sum and of nobody's pictures, so everybody may read it."""

    queryset: QuerySet[Any, Any] = Calibration.objects.none()
    serializer_class = QualitySerializer
    refuses = {"GET": [400]}

    @extend_schema(
        operation_id="get_quality",
        summary="Look at how the quality score was learned",
        tags=["quality"],
        responses={200: QualitySerializer},
        examples=examples.QUALITY,
    )
    def get(self, request: Request) -> Response:
        """Until enough was decided `method` is `prior`, a fixed formula, and there is nothing to show about it."""
        refuse_unknown(request, set())
        return Response(QualitySerializer(_answer(calibration.newest())).data)


def _answer(known: Calibration | None) -> dict[str, Any]:
    run = auto_approve.current_run()
    return {
        "method": known.method if known else "prior",
        "decisions": known.decisions if known else 0,
        "approved": known.approved if known else 0,
        "brier": known.brier if known else None,
        "fitted_at": known.fitted_at if known else None,
        "bins": [_bin(one) for one in known.bins] if known else [],
        "by_model": known.by_model if known else [],
        "thresholds": [_threshold(one) for one in auto_approve.forecasts(known)],
        "auto_approve_from": run.threshold if run else None,
    }


def _bin(kept: dict[str, Any]) -> dict[str, Any]:
    return {**kept, "at_least": kept["from"], "below": kept["to"]}


def _threshold(one: Forecast) -> dict[str, Any]:
    return {
        "threshold": one.threshold,
        "passed": one.passed,
        "right": one.right,
        "low": one.correct.low,
        "high": one.correct.high,
    }

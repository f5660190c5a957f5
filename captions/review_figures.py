"""Figures about reviewing: how far somebody has come, how quickly, and how much two people agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate, TruncMinute

from captions import ledger
from captions.models import Review, SecondReview
from captions.models.clock import database_now
from captions.permissions import is_reviewer

#: Whoever decides nothing for so long has begun anew.
PAUSE: Final = timedelta(minutes=30)
#: The pace is that of so many last decisions.
RECENT: Final = 20
_LONGEST: Final = 2_000
#: The spans that the summary can be asked for, in days.
SPANS: Final = (1, 7, 30)


@dataclass(frozen=True)
class Sitting:
    """What a person decided since they sat down: how many, and the times of the last ones, oldest first."""

    decided: int
    times: Sequence[datetime]

    @property
    def pace(self) -> float | None:
        """Decisions a minute, over the last ones; None before the second."""
        if len(self.times) < 2:
            return None
        minutes = (self.times[-1] - self.times[0]).total_seconds() / 60
        return (len(self.times) - 1) / max(minutes, 1 / 60)


def sitting(user: User) -> Sitting:
    """Read a person's sitting from their decisions: it ends, and ended, with a pause of half an hour."""
    now = database_now()
    since = now - timedelta(hours=12)
    mine = ledger.standing(Review.objects.filter(reviewer=user, is_automatic=False, created_at__gte=since))
    first = mine.order_by("-created_at", "-id").values_list("created_at", flat=True)[:_LONGEST]
    again = SecondReview.objects.filter(reviewer=user, decided_at__gte=since).order_by("-decided_at")
    second = [at for at in again.values_list("decided_at", flat=True)[:_LONGEST] if at is not None]
    times = list(_without_pause(sorted([*first, *second], reverse=True), now))
    return Sitting(len(times), times[:RECENT][::-1])


def _without_pause(times: Iterable[datetime], end: datetime) -> Iterable[datetime]:
    for time in times:
        if end - time > PAUSE:
            return
        end = time
        yield time


@dataclass(frozen=True)
class DayOfReviewer:
    """What one person decided on one day. `pace` counts only minutes in which they decided something."""

    day: date
    reviewer: str
    approved: int
    edited: int
    rejected: int
    pace: float

    @property
    def decided(self) -> int:
        """All decisions of that day."""
        return self.approved + self.edited + self.rejected


@dataclass(frozen=True)
class Agreement:
    """How often a second person would have published the same; `reviewer` decided first, "" stands for everybody."""

    reviewer: str
    agreed: int
    compared: int

    @property
    def share(self) -> float | None:
        """The share from 0 to 1; None before anything was compared."""
        return self.agreed / self.compared if self.compared else None


@dataclass(frozen=True)
class Summary:
    """The figures of the last days. `reasons` counts rejections by reason, most first."""

    days: Sequence[DayOfReviewer]
    agreement: Agreement
    agreements: Sequence[Agreement]
    reasons: Sequence[tuple[str, int]]
    decided: int
    taken_back: int


def summary(user: User, *, days: int) -> Summary:
    """Sum up the last days: everybody's for reviewers and operators, their own for everybody else.

    Decisions that were taken back, and those of the rule for automatic approval, are no part of it.
    """
    since = database_now() - timedelta(days=days)
    made = Review.objects.filter(id__gte=_first_id(since), created_at__gte=since, is_automatic=False)
    compared = SecondReview.objects.filter(decided_at__gte=since, first__undone_by__isnull=True).exclude(decision="")
    if not is_reviewer(user):
        made, compared = made.filter(reviewer=user), compared.filter(first__reviewer=user)
    stand = ledger.standing(made).order_by()
    rows = _days(stand)
    each = _agreements(compared)
    return Summary(
        days=rows,
        agreement=Agreement("", sum(one.agreed for one in each), sum(one.compared for one in each)),
        agreements=each,
        reasons=_reasons(stand),
        decided=sum(row.decided for row in rows),
        taken_back=made.filter(decision=Review.Decision.UNDO).count(),
    )


def _first_id(since: datetime) -> UUID:
    """Give the lowest id that could be made at that time: ids rise with time, so their index cuts the past off.

    A minute earlier, because machines' clocks differ.
    """
    return UUID(int=int((since.timestamp() - 60) * 1000) << 80)


def _days(stand: QuerySet[Review]) -> list[DayOfReviewer]:
    counted = stand.annotate(day=TruncDate("created_at")).values("day", "reviewer__username")
    rows = counted.annotate(
        approved=Count("pk", filter=Q(decision=Review.Decision.APPROVE)),
        edited=Count("pk", filter=Q(decision=Review.Decision.EDIT)),
        rejected=Count("pk", filter=Q(decision=Review.Decision.REJECT)),
        minutes=Count(TruncMinute("created_at"), distinct=True),
    ).order_by("-day", "reviewer__username")
    return [
        DayOfReviewer(
            day=row["day"],
            reviewer=row["reviewer__username"],
            approved=row["approved"],
            edited=row["edited"],
            rejected=row["rejected"],
            pace=(row["approved"] + row["edited"] + row["rejected"]) / row["minutes"],
        )
        for row in rows
    ]


def _agreements(compared: QuerySet[SecondReview]) -> list[Agreement]:
    rows = compared.order_by().values("first__reviewer__username")
    counted = rows.annotate(agreed=Count("pk", filter=Q(agrees=True)), compared=Count("pk"))
    return [
        Agreement(row["first__reviewer__username"], row["agreed"], row["compared"])
        for row in counted.order_by("first__reviewer__username")
    ]


def _reasons(stand: QuerySet[Review]) -> list[tuple[str, int]]:
    """Count rejections by reason; words of one's own count as something else."""
    counts: dict[str, int] = {}
    rejected = stand.filter(decision=Review.Decision.REJECT).values_list("reason").annotate(count=Count("pk"))
    for reason, count in rejected:
        known = reason if reason in Review.Reason.values or not reason else Review.Reason.OTHER.value
        counts[known] = counts.get(known, 0) + count
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))

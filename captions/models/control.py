"""QueueControl: what operators told the queue to do."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class QueueControl(models.Model):
    """The one row by which operators pause the queue or bind it to hours of the day.

    While `paused_at` is set no worker claims a job. `opens_at` and `closes_at` (both or none, in the desk's time zone)
    say when jobs of the bulk lane are claimed; a window may run over midnight. Interactive jobs are claimed always.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    opens_at = models.TimeField(null=True, blank=True)
    closes_at = models.TimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="queue_control_is_one_row"),
            models.CheckConstraint(
                condition=Q(opens_at__isnull=True, closes_at__isnull=True)
                | Q(opens_at__isnull=False, closes_at__isnull=False),
                name="queue_control_window_has_two_ends",
            ),
        ]

    def __str__(self) -> str:
        return "queue control"

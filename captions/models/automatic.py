"""What a rule approved without a person's eyes, and by whose order."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from captions.models.desk import Calibration
from captions.models.identifiers import uuid7
from captions.models.review import Review


class AutoApproveRun(models.Model):
    """One stretch of time in which an operator's rule approved drafts, and the numbers that they confirmed for it.

    Of `decisions` reviewed drafts, held out from the fit, `passed` scored `threshold` or more, and `right` of those
    were approved unchanged. The run goes on until `ended_at`. From `take_back_at` on, what nobody has touched since is
    taken back.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    threshold = models.FloatField()
    calibration = models.ForeignKey(Calibration, on_delete=models.PROTECT, related_name="runs")
    decisions = models.PositiveIntegerField()
    passed = models.PositiveIntegerField()
    right = models.PositiveIntegerField()
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(auto_now_add=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    take_back_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    take_back_at = models.DateTimeField(null=True, blank=True)
    taken_back_at = models.DateTimeField(null=True, blank=True, help_text="When nothing was left to take back.")

    class Meta:
        ordering = ["-started_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(threshold__gt=0, threshold__lte=1), name="run_threshold_is_a_share"),
            models.CheckConstraint(
                condition=Q(take_back_at__isnull=True) | Q(ended_at__isnull=False), name="run_taken_back_has_ended"
            ),
        ]

    def __str__(self) -> str:
        return f"run from {self.threshold:.2f}"


class AutoApproval(models.Model):
    """That a review was made by a run, and the quality score that the draft had then."""

    review = models.OneToOneField(Review, on_delete=models.CASCADE, primary_key=True, related_name="by_rule")
    run = models.ForeignKey(AutoApproveRun, on_delete=models.PROTECT, related_name="approvals")
    quality = models.FloatField()

    class Meta:
        indexes = [models.Index(fields=["run", "review"], name="approval_of_run")]

    def __str__(self) -> str:
        return f"{self.review_id} by rule"

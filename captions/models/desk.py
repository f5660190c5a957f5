"""What the review desk remembers: who looks at which picture, what is looked at twice, and what may pass by itself."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from captions.models.identifiers import uuid7
from captions.models.image import Image
from captions.models.review import Review


class ReviewLease(models.Model):
    """A picture that is in front of a reviewer; nobody else is handed it before `until` (database time)."""

    image = models.OneToOneField(Image, on_delete=models.CASCADE, primary_key=True, related_name="review_lease")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="review_leases")
    until = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["reviewer", "until"], name="lease_of_reviewer"),
            models.Index(fields=["until"], name="lease_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id} until {self.until}"


class SecondReview(models.Model):
    """A decision that another person makes once more without seeing the first one. It changes nothing: it measures.

    `agrees` says whether both would publish the same words, or both nothing; empty until it is decided.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    first = models.OneToOneField(Review, on_delete=models.CASCADE, related_name="second_review")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="second_reviews")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="second_reviews"
    )
    decision = models.CharField(max_length=8, choices=Review.Decision.choices, blank=True)
    text = models.CharField(max_length=2000, blank=True, help_text="The words they would publish, for an edit.")
    agrees = models.BooleanField(null=True, blank=True)
    asked_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-asked_at", "-id"]
        indexes = [models.Index(fields=["asked_at", "id"], name="second_review_waiting", condition=Q(decision=""))]

    def __str__(self) -> str:
        return f"second review of {self.image_id}"


class ReviewPolicy(models.Model):
    """The one row of rules that operators set. `auto_approve_from` empty: nothing passes without a person.

    `second_review_share` is the share of decisions, from 0 to 1, that another person makes once more.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    auto_approve_from = models.FloatField(null=True, blank=True)
    auto_approve_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    auto_approve_since = models.DateTimeField(null=True, blank=True)
    second_review_share = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="review_policy_is_one_row"),
            models.CheckConstraint(
                condition=Q(auto_approve_from__isnull=True)
                | Q(auto_approve_from__gte=0, auto_approve_from__lte=1, auto_approve_by__isnull=False),
                name="review_policy_has_an_author",
            ),
            models.CheckConstraint(
                condition=Q(second_review_share__gte=0, second_review_share__lte=1), name="review_policy_share"
            ),
        ]

    def __str__(self) -> str:
        return "review policy"


class Calibration(models.Model):
    """How a draft's features became the chance that a reviewer approves it unchanged, learned from decisions.

    The newest row counts. `fitted` holds what is needed to compute a score; `bins` the reliability diagram: for each
    bin the mean score, the share that was approved unchanged, and the number of decisions. `thresholds` says for each
    threshold how many decisions scored as much or more, and how many of those were approvals; `by_model` holds
    decisions, approvals, mean score and Brier score of each model. All of them are of scores held out from the fit.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    method = models.CharField(max_length=20)
    decisions = models.PositiveIntegerField()
    approved = models.PositiveIntegerField()
    fitted = models.JSONField(default=dict)
    bins = models.JSONField(default=list)
    thresholds = models.JSONField(default=list)
    by_model = models.JSONField(default=list)
    brier = models.FloatField(help_text="Mean squared difference of score and outcome, on decisions held out.")
    fitted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-fitted_at", "-id"]

    def __str__(self) -> str:
        return f"calibration on {self.decisions} decisions"

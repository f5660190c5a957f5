"""Review: one decision of one person on one image's caption."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from captions.models.caption import Caption
from captions.models.identifiers import uuid7
from captions.models.image import Image


class Review(models.Model):
    """Append-only, like captions. Undo is a row too and names the decision it takes back.

    For `edit`, `caption` is the corrected one and its parent what the reviewer saw. `published_before` is what was
    published when the decision fell, so that undo can put it back.
    """

    class Decision(models.TextChoices):
        APPROVE = "approve", _("Approved")
        EDIT = "edit", _("Edited and approved")
        REJECT = "reject", _("Rejected")
        UNDO = "undo", _("Taken back")

    class Reason(models.TextChoices):
        WRONG = "wrong", _("Wrong about the picture")
        COUNT = "count", _("Wrong count")
        VAGUE = "vague", _("Too vague")
        LANGUAGE = "language", _("Badly worded")
        OTHER = "other", _("Something else")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="reviews")
    caption = models.ForeignKey(Caption, on_delete=models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    decision = models.CharField(max_length=8, choices=Decision.choices)
    reason = models.CharField(max_length=200, blank=True)
    undoes = models.OneToOneField("self", on_delete=models.CASCADE, null=True, blank=True, related_name="undone_by")
    published_before = models.ForeignKey(Caption, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    is_automatic = models.BooleanField(
        default=False, db_default=False, help_text="By the rule that `reviewer` switched on, not by their own eyes."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(decision__in=["approve", "edit", "reject", "undo"]), name="review_decision_known"
            ),
            models.CheckConstraint(
                condition=Q(decision="undo", undoes__isnull=False) | (~Q(decision="undo") & Q(undoes__isnull=True)),
                name="review_undo_names_its_decision",
            ),
        ]
        indexes = [
            models.Index(fields=["image", "-created_at", "-id"], name="review_of_image"),
            models.Index(fields=["reviewer", "-created_at", "-id"], name="review_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.decision} {self.image_id}"

"""ImageChange: what people said about a picture beside its captions, and what it said before."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from captions.models.identifiers import uuid7
from captions.models.image import Image


class ImageChange(models.Model):
    """One change of what is said about a picture beside its captions; append-only, like captions and reviews.

    title        `before` and `after` are its words
    decorative   `before` and `after` are "yes" or ""
    long         a long description was taken away: `before` is its caption's id, `after` is ""
    """

    class Subject(models.TextChoices):
        TITLE = "title", _("Title")
        DECORATIVE = "decorative", _("Decorative")
        LONG = "long", _("Long description")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="changes")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="image_changes")
    subject = models.CharField(max_length=10, choices=Subject.choices)
    before = models.CharField(max_length=200, blank=True)
    after = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(subject__in=["title", "decorative", "long"]), name="image_change_subject_known"
            )
        ]
        indexes = [models.Index(fields=["image", "-created_at", "-id"], name="change_of_image")]

    def __str__(self) -> str:
        return f"{self.subject} of {self.image_id}"

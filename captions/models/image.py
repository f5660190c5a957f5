"""Image: one uploaded picture of one owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from captions.models.identifiers import uuid7

if TYPE_CHECKING:
    from captions.models.caption import Caption


class Image(models.Model):
    """The untouched original, what the decoder found in it, and its renditions.

    `width` and `height` are those of the upright picture, in pixels. `bytes` is the size of the original. Files are
    named by the id alone; `filename` is what the uploader called it and is never part of a path.

    `state` is a summary kept by `captions.ledger.settle`, in the transaction of whatever changed it:

        approved   a person's words are published (also while another job runs: people's words stay),
                   or a person said that the picture is decorative
        queued     a job waits            drafting   a worker holds the job
        draft      drafts wait for a decision
        rejected   the last decision was a rejection and nothing came after it
        failed     the last job failed    cancelled  the last job was cancelled
        empty      nobody asked for a caption yet
    """

    class State(models.TextChoices):
        EMPTY = "empty", _("No caption")
        QUEUED = "queued", _("In the queue")
        DRAFTING = "drafting", _("Drafting")
        DRAFT = "draft", _("Draft")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    class Format(models.TextChoices):
        JPEG = "JPEG"
        PNG = "PNG"
        WEBP = "WEBP", "WebP"
        GIF = "GIF"
        TIFF = "TIFF"
        BMP = "BMP"
        HEIF = "HEIF"
        AVIF = "AVIF"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="images")
    number = models.PositiveIntegerField(help_text="Counts the owner's pictures from 1; shown to people.")
    filename = models.CharField(max_length=255, blank=True)
    title = models.CharField(max_length=200, blank=True, db_default="")
    sha256 = models.CharField(max_length=64)
    format = models.CharField(max_length=8, choices=Format.choices)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    frames = models.PositiveIntegerField(default=1)
    bytes = models.PositiveBigIntegerField()
    thumbnail_width = models.PositiveIntegerField()
    thumbnail_height = models.PositiveIntegerField()
    medium_width = models.PositiveIntegerField(default=0, db_default=0, help_text="0: added before there was one.")
    medium_height = models.PositiveIntegerField(default=0, db_default=0)
    screen_width = models.PositiveIntegerField()
    screen_height = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.EMPTY)
    caption: models.ForeignKey[Caption | None, Caption | None] = models.ForeignKey(
        "captions.Caption",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="What a card shows: the published caption, else the newest words.",
    )
    published_caption: models.ForeignKey[Caption | None, Caption | None] = models.ForeignKey(
        "captions.Caption",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The approved one: alt text, exports and the API's public answer.",
    )
    is_decorative = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Says nothing that the text around it does not: its alt text is empty.",
    )
    quality = models.FloatField(
        null=True, blank=True, help_text="How likely a reviewer approves the draft on show unchanged, from 0 to 1."
    )
    blurhash = models.CharField(max_length=40, blank=True, db_default="")
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="In the trash since; swept away after a time.")

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "number"], name="image_number_once_per_owner"),
            models.UniqueConstraint(fields=["owner", "sha256"], name="image_bytes_once_per_owner"),
            models.CheckConstraint(
                condition=Q(
                    state__in=["empty", "queued", "drafting", "draft", "approved", "rejected", "failed", "cancelled"]
                ),
                name="image_state_known",
            ),
            models.CheckConstraint(
                condition=Q(format__in=["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIF", "AVIF"]),
                name="image_format_known",
            ),
            models.CheckConstraint(condition=Q(width__gt=0, height__gt=0, bytes__gt=0), name="image_has_a_size"),
            models.CheckConstraint(
                condition=~Q(state="approved") | Q(published_caption__isnull=False) | Q(is_decorative=True),
                name="image_approved_has_words",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="image_gallery"),
            models.Index(fields=["owner", "state", "-created_at", "-id"], name="image_gallery_by_state"),
            models.Index(fields=["state", "-created_at", "-id"], name="image_review_queue"),
            models.Index(
                fields=["quality", "id"], name="image_least_sure", condition=Q(state="draft", deleted_at__isnull=True)
            ),
            models.Index(
                fields=["created_at", "id"],
                name="image_oldest_draft",
                condition=Q(state="draft", deleted_at__isnull=True),
            ),
            # Small enough to count by, without a look at the rows.
            models.Index(fields=["owner", "state"], name="image_counted", condition=Q(deleted_at__isnull=True)),
            models.Index(fields=["deleted_at"], name="image_trash", condition=Q(deleted_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"picture {self.number}"

    @property
    def is_animated(self) -> bool:
        """Whether the original holds more than one frame; captions are about the first."""
        return self.frames > 1

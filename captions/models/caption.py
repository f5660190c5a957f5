"""Caption: one immutable text for one image."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from captions.models.identifiers import uuid7
from captions.models.image import Image
from captions.models.job import CaptionJob


class CaptionImmutable(Exception):
    """Somebody tried to change or delete a caption. Words are only ever added."""


class CaptionQuerySet(models.QuerySet["Caption"]):
    """Refuses what would change rows; a database trigger refuses the same for whoever gets round this."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise CaptionImmutable("Captions are never changed. Add another one.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise CaptionImmutable("Captions are never changed. Add another one.")

    def delete(self) -> NoReturn:
        raise CaptionImmutable("Captions are never deleted while their image lives.")


class Caption(models.Model):
    """Words for an image, and where they came from: model and revision, or a person.

    `score` is the mean token log-probability (natural logarithm, at most 0) under the model's untouched distribution.
    `rank` counts the candidates of one job from 1, best first. `params` are all ten parameters that were in force.
    Only words of purpose `alt` are reviewed and published; a long description stands beside them, and words tried in
    the lab wait there until somebody takes them over.
    """

    class Kind(models.TextChoices):
        GENERATED = "generated", _("Generated")
        EDITED = "edited", _("Edited")
        WRITTEN = "written", _("Written by hand")
        IMPORTED = "imported", _("Imported")
        RESTORED = "restored", _("Restored")

    class Purpose(models.TextChoices):
        ALT = "alt", _("Caption")
        LONG = "long", _("Long description")
        TRIAL = "trial", _("Tried in the lab")

    MAX_LENGTH = 2000

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="captions")
    text = models.CharField(max_length=MAX_LENGTH)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    purpose = models.CharField(max_length=5, choices=Purpose.choices, default=Purpose.ALT, db_default=Purpose.ALT)
    language = models.CharField(max_length=35, default="en", db_default="en", help_text="BCP 47, as in HTML's lang.")
    job = models.ForeignKey(CaptionJob, on_delete=models.RESTRICT, null=True, blank=True, related_name="captions")
    parent = models.ForeignKey("self", on_delete=models.RESTRICT, null=True, blank=True, related_name="children")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="captions"
    )
    score = models.FloatField(null=True, blank=True)
    rank = models.PositiveSmallIntegerField(null=True, blank=True)
    model = models.CharField(max_length=200, blank=True)
    revision = models.CharField(max_length=80, blank=True)
    params = models.JSONField(default=dict, blank=True)
    seed = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CaptionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["generated", "edited", "written", "imported", "restored"]),
                name="caption_kind_known",
            ),
            models.CheckConstraint(
                condition=(Q(kind="generated") & Q(job__isnull=False, rank__isnull=False) & ~Q(model=""))
                | (~Q(kind="generated") & Q(author__isnull=False, job__isnull=True)),
                name="caption_says_where_it_came_from",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["edited", "restored"]) | Q(parent__isnull=False),
                name="caption_edited_has_a_parent",
            ),
            models.CheckConstraint(condition=~Q(text=""), name="caption_has_words"),
            models.CheckConstraint(condition=Q(purpose__in=["alt", "long", "trial"]), name="caption_purpose_known"),
            models.UniqueConstraint(fields=["job", "rank"], name="caption_once_per_job_and_rank"),
        ]
        indexes = [
            models.Index(fields=["image", "-created_at", "-id"], name="caption_of_image"),
            models.Index(fields=["kind", "-created_at", "-id"], name="caption_by_kind"),
            models.Index(fields=["model", "score"], name="caption_by_score"),
        ]

    def __str__(self) -> str:
        return self.text[:80]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the row. Raises CaptionImmutable when it exists already."""
        if not self._state.adding:
            raise CaptionImmutable("Captions are never changed. Add another one.")
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: words go only together with their image, through `captions.trash`."""
        raise CaptionImmutable("Captions are never deleted while their image lives.")

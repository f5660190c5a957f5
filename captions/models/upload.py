"""Import and Upload: files that come in pieces, and what became of each."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from captions.models.album import Album
from captions.models.identifiers import uuid7
from captions.models.image import Image


class Import(models.Model):
    """Files that a person added together. It can be gone on with after the page was closed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="imports")
    album = models.ForeignKey(Album, on_delete=models.SET_NULL, null=True, blank=True, related_name="imports")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["owner", "-created_at", "-id"], name="import_of_owner")]

    def __str__(self) -> str:
        return f"import {self.id}"


class Upload(models.Model):
    """One file on its way, by the tus protocol: `offset` of `length` bytes are here.

        open ──last byte──► checking ──► done | refused          open ──expires──► gone

    A ZIP file becomes an upload for each picture in it, with the ZIP's own as `parent`.
    """

    class State(models.TextChoices):
        OPEN = "open", "Arriving"
        CHECKING = "checking", "Being checked"
        DONE = "done", "Added"
        KNOWN = "known", "Was here already"
        REFUSED = "refused", "Refused"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    batch = models.ForeignKey(Import, on_delete=models.CASCADE, null=True, blank=True, related_name="uploads")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="parts")
    filename = models.CharField(max_length=255, blank=True)
    fingerprint = models.CharField(max_length=200, blank=True, help_text="By which a browser finds it again.")
    length = models.PositiveBigIntegerField()
    offset = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    image = models.ForeignKey(Image, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["open", "checking", "done", "known", "refused"]), name="upload_state_known"
            ),
            models.CheckConstraint(condition=Q(offset__lte=models.F("length")), name="upload_within_its_length"),
            models.CheckConstraint(condition=~Q(state="refused") | ~Q(error_code=""), name="upload_refused_says_why"),
        ]
        indexes = [
            models.Index(fields=["batch", "created_at", "id"], name="upload_of_import"),
            models.Index(fields=["expires_at"], name="upload_by_end", condition=Q(state__in=["open", "checking"])),
        ]

    def __str__(self) -> str:
        return self.filename or f"upload {self.id}"

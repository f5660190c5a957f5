"""Import and Upload: files that come in pieces, and what became of each."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

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

        open ──last byte──► checking ──► done | known | refused          open ──expires──► gone
                               ▲                          │
                               └───again (a person)───────┘  while its bytes are kept (`may_try_again`)

    A ZIP file becomes an upload for each picture in it, with the ZIP's own as `parent`; their bytes stay in the ZIP
    file until they are read, `place` says where in its directory. `folder` is what the sender called the folder: words
    to show and to name an album by, never part of a path. `changed_at` is when bytes came last, or its state changed.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Arriving")
        CHECKING = "checking", _("Being checked")
        DONE = "done", _("Added")
        KNOWN = "known", _("Was here already")
        REFUSED = "refused", _("Refused")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    batch = models.ForeignKey(Import, on_delete=models.CASCADE, null=True, blank=True, related_name="uploads")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="parts")
    filename = models.CharField(max_length=255, blank=True)
    fingerprint = models.CharField(max_length=200, blank=True, help_text="By which a browser finds it again.")
    folder = models.CharField(max_length=500, blank=True, db_default="")
    is_archive = models.BooleanField(default=False, db_default=False)
    place = models.PositiveIntegerField(null=True, blank=True)
    length = models.PositiveBigIntegerField()
    offset = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    image = models.ForeignKey(Image, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=500, blank=True)
    may_try_again = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(default=timezone.now, db_default=Now())
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
            models.Index(fields=["state", "changed_at"], name="upload_to_check", condition=Q(state="checking")),
            models.Index(fields=["owner", "fingerprint"], name="upload_to_go_on_with", condition=Q(state="open")),
            models.Index(fields=["batch", "state", "created_at", "id"], name="upload_of_import_by_state"),
        ]

    def __str__(self) -> str:
        return self.filename or f"upload {self.id}"

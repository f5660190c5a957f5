"""BulkJob: one thing asked for many pictures at once."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from captions.models.identifiers import uuid7


class BulkJob(models.Model):
    """What is done to up to a thousand pictures, one after the other, by the timetable's worker.

    `position` counts the pictures that are dealt with. It moves in the transaction that deals with one, so that each is
    dealt with once, whichever process comes to it. `failures` holds, per picture that was not done, why.

    QUEUED ──first picture──► RUNNING ──last picture──► DONE;  QUEUED | RUNNING ──cancel──► CANCELLED
    """

    class Action(models.TextChoices):
        CAPTION = "caption", _("Ask for captions")
        APPROVE = "approve", _("Approve")
        REJECT = "reject", _("Reject")
        TAG = "tag", _("Tag")
        DELETE = "delete", _("Put into the trash")

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Under way")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")

    OPEN = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    action = models.CharField(max_length=8, choices=Action.choices)
    asked = models.JSONField(help_text="What the action takes: parameters, a reason, names of tags.")
    images = models.JSONField(help_text="Ids, in the order in which they are dealt with.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.QUEUED)
    position = models.PositiveIntegerField(default=0)
    failures = models.JSONField(default=list)
    due_at = models.DateTimeField(null=True, help_text="Not before, when something was full.")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="bulk_of_owner"),
            models.Index(fields=["created_at"], condition=Q(state__in=["queued", "running"]), name="bulk_open"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.position}/{len(self.images)}"

"""AccountEvent, Webhook, WebhookDelivery, WebhookAttempt: what happened, and whom we tell of it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from captions.models.identifiers import uuid7
from captions.models.image import Image


class EventType(models.TextChoices):
    """What can happen to a person's pictures, in the words of webhooks and of the event stream."""

    IMAGE_CREATED = "image.created", _("A picture came in")
    IMAGE_DELETED = "image.deleted", _("A picture went into the trash")
    IMAGE_RECOVERED = "image.recovered", _("A picture came back from the trash")
    CAPTION_CREATED = "caption.created", _("A model drafted captions")
    CAPTION_APPROVED = "caption.approved", _("A caption was approved")
    CAPTION_REJECTED = "caption.rejected", _("A caption was rejected")
    REVIEW_UNDONE = "review.undone", _("A decision was taken back")
    JOB_FAILED = "job.failed", _("A job failed for good")


class AccountEvent(models.Model):
    """One thing that happened, written in the transaction in which it happened; kept for a few days.

    `data` is what receivers are told; it is never changed, so that a message sent twice is the same message.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")  # erased with its words
    type = models.CharField(max_length=32, choices=EventType.choices)
    data = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["owner", "id"], name="event_of_owner"),
            models.Index(fields=["created_at"], name="event_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.image_id}"


class Webhook(models.Model):
    """An address that is told of its owner's events. Secrets are sealed with the desk's SECRET_KEY.

    After a rotation `old_secret` still signs until `old_secret_until`, so that a receiver may change over in its time.
    `failing_since` is when the first of an unbroken row of failures happened.
    """

    class Off(models.TextChoices):
        BY_PERSON = "person", _("Switched off here")
        FAILING = "failing", _("Switched off because nothing had arrived for five days")
        GONE = "gone", _("Switched off because the address answered that it is gone (410)")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks")
    name = models.CharField(max_length=80)
    url = models.CharField(max_length=2048)
    events = models.JSONField(help_text="Types of EventType.")
    secret = models.TextField()
    old_secret = models.TextField(blank=True, default="")
    old_secret_until = models.DateTimeField(null=True, blank=True)
    off = models.CharField(max_length=8, choices=Off.choices, blank=True, default="")
    failing_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["owner", "off"], name="webhook_of_owner")]

    def __str__(self) -> str:
        return f"{self.name} ({self.url})"

    @property
    def is_on(self) -> bool:
        """Whether it is told of events."""
        return not self.off


class WebhookDelivery(models.Model):
    """One event on its way to one address. `due_at` is also the lease of whoever is sending it.

    PENDING ──2xx──► DELIVERED;  ──last try failed, or the webhook went off──► FAILED ──replay──► PENDING
    """

    class State(models.TextChoices):
        PENDING = "pending", _("On its way")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Given up")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(AccountEvent, on_delete=models.CASCADE, related_name="deliveries", null=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["webhook", "event"], name="delivery_once")]
        indexes = [
            models.Index(fields=["webhook", "-created_at", "-id"], name="delivery_of_webhook"),
            models.Index(fields=["due_at"], condition=Q(state="pending"), name="delivery_due"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.webhook_id}: {self.state}"


class WebhookAttempt(models.Model):
    """One try to deliver: what the address answered, or the code of why nothing came."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="attempts")
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=64, blank=True, default="")
    answer = models.TextField(blank=True, default="")
    seconds = models.FloatField(default=0.0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.status or self.error}"

"""KeptAnswer: what was answered to a request that a program may send again."""

from django.conf import settings
from django.db import models

from captions.models.identifiers import uuid7


class KeptAnswer(models.Model):
    """One Idempotency-Key of one person. `status` is empty while its request is being worked on by `holder`.

    `fingerprint` is the SHA-256 of the request; the same key with another one is refused. A request that has not come
    to an end by `held_until` died with its process, and the next one with this key takes its place.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    holder = models.UUIDField(default=uuid7)
    held_until = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=bytes)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="kept_answer_key")]
        indexes = [models.Index(fields=["created_at"], name="kept_answer_age")]

    def __str__(self) -> str:
        return f"{self.key} ({self.status or 'open'})"

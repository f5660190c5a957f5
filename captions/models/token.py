"""ApiToken: lets a program act for a person."""

from django.conf import settings
from django.db import models

from captions.models.identifiers import uuid7


def everything() -> list[str]:
    """Give the scopes of a token for which nobody chose any."""
    return ["admin"]


class ApiToken(models.Model):
    """Only the SHA-256 of the secret is kept, so a stolen database opens nothing. `hint` is its first characters."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=12)
    scopes = models.JSONField(default=everything, help_text="Names of captions.scopes.Scope.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="token_of_user")]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

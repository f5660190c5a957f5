"""Album and Tag: how people put pictures together, and with whom they share an album."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from captions.models.identifiers import uuid7
from captions.models.image import Image


class Album(models.Model):
    """A named collection of its owner's pictures; a picture may lie in several. Deleting it leaves the pictures."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="albums")
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="album_name_once_per_owner"),
            models.CheckConstraint(condition=~Q(name=""), name="album_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class AlbumImage(models.Model):
    """One picture in one album."""

    id = models.BigAutoField(primary_key=True)
    album = models.ForeignKey(Album, on_delete=models.CASCADE, related_name="places")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="places")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["album", "image"], name="album_holds_a_picture_once")]

    def __str__(self) -> str:
        return f"{self.image_id} in {self.album_id}"


class AlbumShare(models.Model):
    """What another person may do with an album's pictures. Each role includes those before it.

    view      see the pictures and their captions
    caption   ask for captions and write words
    review    approve, edit and reject
    """

    class Role(models.TextChoices):
        VIEW = "view", _("May look")
        CAPTION = "caption", _("May caption")
        REVIEW = "review", _("May review")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    album = models.ForeignKey(Album, on_delete=models.CASCADE, related_name="shares")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="album_shares")
    role = models.CharField(max_length=8, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["album", "user"], name="album_shared_once_with_a_person"),
            models.CheckConstraint(condition=Q(role__in=["view", "caption", "review"]), name="album_share_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.album_id}"


class AlbumLink(models.Model):
    """An address that shows an album to whoever has it, until it expires. Only the digest of its secret is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    album = models.ForeignKey(Album, on_delete=models.CASCADE, related_name="links")
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="album_links")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"link to {self.album_id}"


class Tag(models.Model):
    """A word that its owner's pictures are found by; kept in lower case."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="tags")
    name = models.CharField(max_length=60)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="tag_name_once_per_owner"),
            models.CheckConstraint(condition=~Q(name=""), name="tag_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class ImageTag(models.Model):
    """One tag on one picture."""

    id = models.BigAutoField(primary_key=True)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="marks")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="marks")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tag", "image"], name="tag_once_per_picture")]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.image_id}"


class SavedSearch(models.Model):
    """A search that its owner comes back to: the words of the search field, with all filters in them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_searches")
    name = models.CharField(max_length=120)
    query = models.CharField(max_length=1000)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="saved_search_once_per_name")]

    def __str__(self) -> str:
        return self.name

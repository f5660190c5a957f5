"""SearchWords: what one picture is found by."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from captions.models.image import Image


class SearchWords(models.Model):
    """The current words of one living image, as `captions.searching.tokens` cuts them; kept by `captions.wordindex`.

    Migration 0011_search hangs the database's own index on this table: on PostgreSQL the generated column `vector` with
    a GIN index, and a trigram index on `plain`; on SQLite two FTS5 tables that triggers keep. `id` rises in the order
    in which images came in, so that the newest matches are found without sorting. An image in the trash has no row.
    """

    id = models.BigAutoField(primary_key=True)
    image = models.OneToOneField(Image, on_delete=models.CASCADE, related_name="search_words")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    shown = models.UUIDField(null=True, help_text="The caption whose words these are; none while the image has none.")
    title = models.TextField(blank=True)
    words = models.TextField(blank=True)
    tags = models.TextField(blank=True)
    filename = models.TextField(blank=True)
    plain = models.TextField(blank=True, help_text="All of them, one after the other.")

    class Meta:
        indexes = [models.Index(fields=["owner", "id"], name="words_of_owner")]

    def __str__(self) -> str:
        return self.plain[:80]

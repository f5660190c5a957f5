"""manage.py index_words: write down anew what every picture is found by."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from captions import wordindex


class Command(BaseCommand):
    """Rebuild the index of words in batches; the desk may run beside it, and it may be stopped and started again."""

    help = "Rebuilds what pictures are found by: titles, captions, tags and file names."

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through all pictures, telling how far it has come."""
        done = 0
        for done in wordindex.rebuild():
            if done % (20 * wordindex.AT_ONCE) == 0:
                self.stdout.write(f"{done} pictures ...")
        self.stdout.write(f"{done} pictures are found by their words.")

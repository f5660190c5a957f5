"""manage.py invariants: check what must always hold in the database and the storage."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from captions.invariants import violations


class Command(BaseCommand):
    """Print one line for each broken rule; exit status 1 when there is any."""

    help = "Checks that jobs, captions, pictures and files agree with each other. Changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run all checks."""
        found = violations()
        for violation in found:
            self.stdout.write(str(violation))
        if found:
            raise CommandError(f"{len(found)} broken. Nothing was changed.")
        self.stdout.write("Everything agrees.")

"""manage.py errors: every failure's code, status and words, as the table of docs/errors.md."""

from typing import Any

from django.core.management.base import BaseCommand

from captions.errors import FAILURES


class Command(BaseCommand):
    """Print the error codes as a Markdown table."""

    help = "Print every error code with its HTTP status and its words."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the table, sorted by code."""
        self.stdout.write("| code | status | what people read |\n|---|---|---|")
        for code, failure in sorted(FAILURES.items()):
            self.stdout.write(f"| `{code}` | {failure.status} | {failure.words} |")

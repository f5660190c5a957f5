"""manage.py contract: write docs/openapi.json anew, or say what would break clients."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

FILE = Path("docs") / "openapi.json"


class Command(BaseCommand):
    """Keep the API's contract."""

    help = "Write the OpenAPI document to docs/openapi.json, unless that would break clients."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--file", type=Path, default=settings.BASE_DIR / FILE, help="where the contract is kept")
        parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is out of date")
        parser.add_argument("--break", action="store_true", help="write it although it breaks clients")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, then write or refuse. Raises CommandError."""
        from rest_framework.utils.encoders import JSONEncoder

        from captions.api.contract import breaking_changes
        from captions.api.views.documents import document

        kept: Path = options["file"]
        now = json.loads(json.dumps(document(), cls=JSONEncoder))
        before = json.loads(kept.read_text()) if kept.exists() else None
        breaks = breaking_changes(before, now) if before else []
        for sentence in breaks:
            self.stderr.write(sentence)
        if options["check"]:
            if before != now:
                raise CommandError(f"{kept} is out of date. Run: python manage.py contract")
            return
        if breaks and not options["break"]:
            raise CommandError("This would break clients, so nothing was written. Keep the old way beside the new one.")
        kept.write_text(json.dumps(now, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
        self.stdout.write(f"{kept} is up to date.")

"""manage.py import_captions FILE --owner NAME: bring words in from Label Studio's or CVAT's export."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from captions import caption_imports, labels, languages
from captions.errors import DeskError

MOST_BYTES: Final = 2 * 1024**3
_SHOWN: Final = 50


class Command(BaseCommand):
    """Add a file's texts to a person's pictures. Doing it again adds nothing twice."""

    help = "Brings captions in from Label Studio's JSON export or CVAT's XML 1.1 (docs/labelling.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file, the person, and whether the words are approved."""
        parser.add_argument("file", metavar="FILE", type=Path, help="a JSON, XML or ZIP file")
        parser.add_argument("--owner", required=True, metavar="NAME", help="whose words and pictures these are")
        parser.add_argument("--approve", action="store_true", help="publish the words as this person's decision")
        parser.add_argument("--language", default=languages.DEFAULT, help="BCP 47 (default: %(default)s)")

    def handle(self, *args: Any, file: Path, owner: str, approve: bool, language: str, **options: Any) -> None:
        """Bring in and count. Raises CommandError when the file cannot be read or there is no such active person."""
        person = User.objects.filter(username=owner, is_active=True).first()
        if person is None:
            raise CommandError(f"There is no active account called “{owner}”.")
        try:
            with file.open("rb") as opened:
                found = labels.read(opened, most_bytes=MOST_BYTES)
            outcome = caption_imports.bring_in(by=person, labels=found, approve=approve, language=language)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        except DeskError as error:
            raise CommandError(f"{error.detail} ({error.code})") from None
        for left in outcome.left[:_SHOWN]:
            self.stderr.write(f"{left.picture}: {left.detail} ({left.code})")
        self.stdout.write(
            f"{outcome.written} written, {outcome.known} known already, {outcome.approved} approved, "
            f"{outcome.drafts} drafts passed over, {len(outcome.left)} not taken."
        )

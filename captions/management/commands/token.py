"""manage.py token USERNAME: print a new API token."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from captions import tokens
from captions.scopes import Scope


class Command(BaseCommand):
    """Mint a token for a person. The secret is the last line of standard output and is never shown again."""

    help = "Make an API token for a person and print it, alone on the last line. It is shown only this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the person, a name for the token, and how long it lives."""
        parser.add_argument("username", metavar="USERNAME", help="the person for whom programs will act")
        parser.add_argument("--name", default="made by manage.py token", help="what the token is for, in your words")
        parser.add_argument("--days", type=int, help="days until it expires (default: never)")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            dest="scopes",
            help="what the token opens; once per scope (default: admin, which is everything)",
        )

    def handle(self, *args: Any, username: str, name: str, days: int | None, **options: Any) -> None:
        """Mint and print. Raises CommandError when there is no such active person, or a value makes no sense."""
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no account called “{username}”.")
        if not user.is_active:
            raise CommandError(f"The account “{username}” is switched off, so a token for it would open nothing.")
        try:
            token, secret = tokens.mint(user=user, name=name, days=days, scopes=options["scopes"] or [Scope.ADMIN])
        except ValueError as error:
            raise CommandError(str(error)) from None
        opens = ", ".join(token.scopes)
        until = f"until {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else "until it is revoked"
        self.stdout.write(
            f"API token “{token.name}” for {username}, opens {opens}, good {until}. It is shown only this once:"
        )
        self.stdout.write(secret)

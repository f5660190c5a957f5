"""manage.py forget_second_factor USERNAME: let somebody in again who lost phone, passkeys and recovery codes."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from captions import second_factor


class Command(BaseCommand):
    """Take away a person's authenticator app, passkeys and recovery codes."""

    help = "Take away a person's second factors and recovery codes. Their password alone logs them in from then on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the person."""
        parser.add_argument("username", metavar="USERNAME", help="the person who lost them")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        """Take them away. Raises CommandError when there is no such person."""
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no account called “{username}”.")
        number = second_factor.forget(user=user)
        self.stdout.write(f"{number} taken away. {username} logs in with the password alone now.")

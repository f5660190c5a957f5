"""manage.py service_account NAME: make an account for a program."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from captions import service_accounts
from captions.errors import DeskError
from captions.permissions import OPERATORS, REVIEWERS


class Command(BaseCommand):
    """Make an account that acts by API tokens and cannot log in."""

    help = "Make an account for a program. It cannot log in; manage.py token NAME makes its API tokens."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the name, and what the program may do with other people's pictures."""
        parser.add_argument("name", metavar="NAME", help="what the account is called")
        roles = parser.add_mutually_exclusive_group()
        roles.add_argument("--reviewer", action="store_const", dest="role", const=REVIEWERS, help="may review all")
        roles.add_argument("--operator", action="store_const", dest="role", const=OPERATORS, help="may do everything")

    def handle(self, *args: Any, name: str, role: str | None, **options: Any) -> None:
        """Make it. Raises CommandError when the name is taken or cannot be one."""
        try:
            made = service_accounts.make(name=name, role=role or "")
        except DeskError as error:
            raise CommandError(error.detail) from None
        self.stdout.write(f"The account “{made.username}” is made. Its tokens: manage.py token {made.username}")

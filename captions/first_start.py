"""The first start of an empty desk: one owner account, and example pictures so that the gallery is never empty."""

from __future__ import annotations

import secrets
from pathlib import Path

import structlog
from django.contrib.auth.models import Group, User
from django.db import transaction

from captions import ingest
from captions.errors import DeskError
from captions.models import Account

log = structlog.get_logger(__name__)

OWNER = "owner"
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"  # no letter that looks like another


def make_owner() -> tuple[User, str] | None:
    """Make the first account on a desk without any; give it and its password, or None on every later start."""
    if User.objects.exists():
        return None
    password = "-".join("".join(secrets.choice(_READABLE) for _ in range(5)) for _ in range(4))
    with transaction.atomic():
        owner = User.objects.create_superuser(OWNER, password=password)
        owner.groups.set(Group.objects.filter(name__in=["reviewers", "operators"]))
        Account.objects.update_or_create(user=owner, defaults={"has_first_password": True})
    return owner, password


def take_in(*, owner: User, examples: Path) -> int:
    """Take in the pictures of the folder `examples`; give how many. One that cannot be taken is logged and left out."""
    taken = 0
    for path in sorted(examples.glob("*.*")):
        try:
            with path.open("rb") as file:
                ingest.receive(owner=owner, file=file, filename=path.name, chosen={})
            taken += 1
        except DeskError as error:
            log.warning("example not taken in", file=path.name, code=error.code)
    return taken

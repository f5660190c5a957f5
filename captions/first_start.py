"""The first start of an empty desk: one owner account, and example pictures so that the gallery is never empty."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.contrib.auth.models import Group, User
from django.db import transaction

from captions import ingest
from captions.models import Account

OWNER = "owner"
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"  # no letter that looks like another


def first_start(*, examples: Path) -> str:
    """Make the owner and take in the pictures of the folder `examples`, once. Gives the password, or "" ever after."""
    if User.objects.exists():
        return ""
    password = "-".join("".join(secrets.choice(_READABLE) for _ in range(5)) for _ in range(4))
    owner = _make_owner(password)
    for path in sorted(examples.glob("*.*")):
        with path.open("rb") as file:
            ingest.receive(owner=owner, file=file, filename=path.name, chosen={})
    return password


@transaction.atomic
def _make_owner(password: str) -> User:
    owner = User.objects.create_superuser(OWNER, password=password)
    owner.groups.set(Group.objects.filter(name__in=["reviewers", "operators"]))
    Account.objects.update_or_create(user=owner, defaults={"has_first_password": True})
    return owner

"""Accounts for programs: they own pictures as people do, act by API tokens alone, and never log in.

What makes an account one for a program is the group `services`. It is set when the account is made and never later, so
that no person's account can be turned into one.
"""

from __future__ import annotations

from typing import Final

import structlog
from django.contrib.auth.models import Group, User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet

from captions.errors import DeskError
from captions.permissions import OPERATORS, REVIEWERS, SERVICES

log = structlog.get_logger(__name__)

#: What a program may do with other people's pictures: nothing, decide on them, or look after the desk.
ROLES: Final = ("", REVIEWERS, OPERATORS)


def make(*, name: str, role: str = "", by: User | None = None) -> User:
    """Make an account for a program. Raises DeskError: service_name_wrong, service_name_taken, service_role_unknown."""
    name = User.normalize_username(name.strip())
    if role not in ROLES:
        raise DeskError("service_role_unknown", attr="role")
    _check_name(name)
    try:
        with transaction.atomic():
            made = User.objects.create_user(name)  # without a password: one that nothing fits
            made.groups.set([_group(group) for group in (SERVICES, role) if group])
    except IntegrityError:
        raise DeskError("service_name_taken", attr="name") from None
    log.info("service_account_made", user_id=made.pk, role=role, by=by and by.pk)
    return made


def switch(*, account: User, on: bool, by: User) -> None:
    """Switch an account on or off; its tokens open nothing while it is off."""
    User.objects.filter(pk=account.pk).update(is_active=on)
    log.info("service_account_switched", user_id=account.pk, on=on, by=by.pk)


def is_service(user: User) -> bool:
    """Whether an account is a program's."""
    return user.groups.filter(name=SERVICES).exists()


def every() -> QuerySet[User]:
    """Give all accounts for programs by name, with the number of their tokens that are not revoked as `live_tokens`.

    Superusers are left out: operators are handed these accounts' tokens, and would get more rights than their own.
    """
    live = Count("api_tokens", filter=Q(api_tokens__revoked_at=None), distinct=True)
    found = User.objects.filter(groups__name=SERVICES, is_superuser=False).prefetch_related("groups")
    return found.annotate(live_tokens=live).order_by("username")


def _check_name(name: str) -> None:
    longest = User._meta.get_field("username").max_length or 0
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        raise DeskError("service_name_wrong", attr="name") from None
    if len(name) > longest:
        raise DeskError("service_name_wrong", attr="name")
    # Log-in names do not heed case, so neither may names that are to be told apart.
    if User.objects.filter(username__iexact=name).exists():
        raise DeskError("service_name_taken", attr="name")


def _group(name: str) -> Group:
    return Group.objects.get_or_create(name=name)[0]

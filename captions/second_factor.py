"""Second factors: who has one, who must have one, and taking them away from somebody who lost theirs.

A second factor is an authenticator app or a passkey. Recovery codes only stand in for one.
"""

from __future__ import annotations

from typing import Final

import structlog
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import User

from captions.permissions import is_operator

log = structlog.get_logger(__name__)

_FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_one(user: User) -> bool:
    """Whether logging in asks this person for more than a password."""
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=_FACTORS).exists())


def must_have_one(user: User) -> bool:
    """Whether REQUIRE_SECOND_FACTOR is about this person."""
    wanted = settings.REQUIRE_SECOND_FACTOR
    return wanted == "everybody" or (wanted == "operators" and is_operator(user))


def is_missing(user: User) -> bool:
    """Whether this person has to set one up before anything else."""
    return must_have_one(user) and not has_one(user)


def forget(*, user: User) -> int:
    """Take all of a person's factors and recovery codes away, and give how many there were.

    For people who lost their phone and their codes; the password alone lets them in from then on.
    """
    found, _kinds = Authenticator.objects.filter(user_id=user.pk).delete()
    log.warning("second_factors_forgotten", user_id=user.pk, number=found)
    return int(found)

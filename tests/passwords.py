"""How tests hash passwords: as the product does, but in one round instead of a million."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class OneRound(PBKDF2PasswordHasher):
    """Django's own hasher. A guess is made slow by its rounds, and most tests only need somebody to exist."""

    iterations = 1

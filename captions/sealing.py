"""Secrets that the desk must be able to read again, such as those that sign webhooks, sealed before they are stored.

Whoever steals the database alone cannot read them. The key is made from SECRET_KEY; after a change of SECRET_KEY the
former one in SECRET_KEY_FALLBACKS still opens what it sealed.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes


def seal(words: str) -> str:
    """Give `words` as text that only this desk can open."""
    return _keys().encrypt(words.encode()).decode()


def unseal(sealed: str) -> str:
    """Give what was sealed. Raises ValueError when it was sealed with a SECRET_KEY that is no longer known."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise ValueError("Sealed with another SECRET_KEY: name the former one in SECRET_KEY_FALLBACKS.") from None


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(_key(secret)) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _key(secret: str | bytes) -> bytes:
    # The purpose goes into the key, so that no other use of SECRET_KEY ever shares it.
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"caption desk sealing").derive(force_bytes(secret))
    return base64.urlsafe_b64encode(derived)

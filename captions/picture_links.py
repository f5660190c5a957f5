"""Addresses that show a picture to a program without an account: a labelling tool, which asks with no token.

An address holds who gave it out and a signature with the time. It opens the clean screen rendition alone, for
LABEL_LINK_DAYS, and only while that person may see the picture: an account that is switched off, a share that ends and
the trash close it at once. So does revoking the token by which it was asked for: whoever stole that has its addresses,
too. A new SECRET_KEY closes all.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.urls import reverse

from captions import selectors, tokens
from captions.errors import DeskError
from captions.models import ApiToken, Image


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt="captions.picture_links", sep=".")  # a colon in an address would be escaped


def address(image: Image, *, site: str, person: User, token: ApiToken | None = None) -> str:
    """Give the address of a picture on this `site` (https://captions.example.org), for as long as it may be opened.

    `token` is the one by which the person's program asks for it. With LABEL_LINK_DAYS 0 the address is that of the API,
    which takes a token.
    """
    if not settings.LABEL_LINK_DAYS:
        return site + reverse("api-image-screen", args=[image.pk])
    asked_by = [token.pk.hex] if token else []
    signed = _signer().sign_object([person.pk, image.pk.hex, *asked_by])
    return site + reverse("labelled_picture", args=[signed])


def follow(signed: str) -> Image:
    """Give the picture that such an address shows. Raises DeskError `not_found` for every other and an old one."""
    try:
        person_id, image_id, *asked_by = _signer().unsign_object(
            signed, max_age=timedelta(days=settings.LABEL_LINK_DAYS)
        )
    except signing.BadSignature:
        raise DeskError("not_found") from None
    person = User.objects.filter(pk=person_id, is_active=True).first()
    if person is None or any(tokens.is_revoked(UUID(token_id)) for token_id in asked_by):
        raise DeskError("not_found")
    return selectors.image(person, UUID(image_id))

"""Finding what an address names, for the person who asks."""

from __future__ import annotations

from uuid import UUID

from captions import selectors
from captions.errors import DeskError
from captions.models import Caption, Image
from captions.web.doors import PersonRequest


def trashed(request: PersonRequest, image_id: UUID) -> Image | None:
    """Give the image when it lies in the person's own trash."""
    return selectors.trash(request.user).filter(pk=image_id).first()


def caption_of(image: Image, raw: str) -> Caption | None:
    """Give the caption of `image` that a form names; None when it names none.

    Raises DeskError `caption_of_another_image` when it names one that is not this image's.
    """
    if not raw:
        return None
    try:
        found = Caption.objects.filter(image=image, pk=UUID(raw)).first()
    except ValueError:
        found = None
    if found is None:
        raise DeskError("caption_of_another_image", attr="caption")
    return found

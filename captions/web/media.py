"""The pictures themselves, after a permission check."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponseBase
from django.views.decorators.http import require_safe

from captions import media, selectors
from captions.web.doors import PersonRequest, person_only
from captions.web.reading import trashed


@person_only
@require_safe
def thumbnail(request: PersonRequest, image_id: UUID) -> HttpResponseBase:
    """Send the small rendition, also of what lies in the person's trash."""
    image = trashed(request, image_id) or selectors.image(request.user, image_id)
    return media.serve(request, image, media.Kind.THUMBNAIL)


@person_only
@require_safe
def medium(request: PersonRequest, image_id: UUID) -> HttpResponseBase:
    """Send the medium rendition."""
    return media.serve(request, selectors.image(request.user, image_id), media.Kind.MEDIUM)


@person_only
@require_safe
def screen(request: PersonRequest, image_id: UUID) -> HttpResponseBase:
    """Send the large rendition."""
    return media.serve(request, selectors.image(request.user, image_id), media.Kind.SCREEN)


@person_only
@require_safe
def original(request: PersonRequest, image_id: UUID) -> HttpResponseBase:
    """Send the untouched original as a download, to its owner only."""
    return media.serve(request, selectors.own_image(request.user, image_id), media.Kind.ORIGINAL)

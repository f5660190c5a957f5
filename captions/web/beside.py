"""What the page of a picture shows beside its caption: title, decorative, long description, tags, albums."""

from __future__ import annotations

from typing import Any

from captions import selectors
from captions.models import Image
from captions.web import wording
from captions.web.doors import PersonRequest


def context_of(request: PersonRequest, image: Image) -> dict[str, Any]:
    """Give what the section beside the caption needs; tags and albums to add to are the owner's alone."""
    person = request.user
    lying = list(selectors.albums_of(person, image))
    is_owner = image.owner_id == person.pk
    inside = {album.pk for album in lying}
    others = [album for album in selectors.album_names(person) if album.pk not in inside] if is_owner else []
    said = next((one for one in selectors.changes(image) if one.subject == one.Subject.DECORATIVE), None)
    return {
        "long": selectors.long_description(image),
        "tags": list(selectors.tags_of(person, image)),
        "albums": lying,
        "other_albums": others,
        "known_tags": selectors.tag_names(person) if is_owner else [],
        "decorative_by": wording.person(said.by, viewer=person) if said and image.is_decorative else "",
    }

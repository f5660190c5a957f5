"""Exports: pictures and their words as a download, of what was selected, an album, a search or the whole gallery."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.views.decorators.http import require_http_methods

from captions import selectors
from captions.errors import DeskError
from captions.exports import sending
from captions.models import Image
from captions.web import gallery
from captions.web.doors import PersonRequest, person_only


@person_only
@require_http_methods(["GET", "POST"])
def export(request: PersonRequest) -> HttpResponseBase:
    """Send pictures in one of the formats; the form's `image` fields name them, or `album`, `q` or `show` does."""
    asked = request.POST if request.method == "POST" else request.GET
    return sending.send(request, request.user, _images(request, asked), asked.get("format", ""))


def _images(request: PersonRequest, asked: Any) -> QuerySet[Image]:
    """Give the pictures that a request names; only what the person may see is among them."""
    named = asked.getlist("image")
    if len(named) > sending.MOST:
        raise DeskError("too_many_to_export")
    if named or request.method == "POST":
        return selectors.visible(request.user).filter(pk__in=gallery.ids_of(named, most=sending.MOST))
    if "album" in asked:
        return selectors.images_of(selectors.album(request.user, asked["album"]))
    if "q" in asked:
        return selectors.search(request.user, asked["q"]).rows
    chip = gallery.chip_of(request.get_full_path())
    images = selectors.images(request.user)
    return images.filter(state__in=chip.states) if chip.states else images

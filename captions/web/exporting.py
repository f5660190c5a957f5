"""Exports: pictures and their words as a download, of what was selected, an album, a search or the whole gallery."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods

from captions import media, selectors
from captions.connections import let_go
from captions.errors import DeskError
from captions.exports import FORMATS
from captions.models import Image
from captions.web import gallery
from captions.web.doors import PersonRequest, person_only

MOST = 1000  #: pictures that can be selected; an album, a search or the gallery is exported whole


@person_only
@require_http_methods(["GET", "POST"])
def export(request: PersonRequest) -> HttpResponseBase:
    """Send pictures in one of the formats; the form's `image` fields name them, or `album`, `q` or `show` does."""
    asked = request.POST if request.method == "POST" else request.GET
    wanted = FORMATS.get(asked.get("format", ""))
    if wanted is None:
        raise DeskError("export_format_unknown")
    images = _images(request, asked)
    if not images.exists():
        raise DeskError("nothing_to_export")
    pieces = wanted.write(request.user, images)
    # The async server would read a plain iterator to its end before it sends the first byte.
    streamed: Any = _in_turn(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(streamed, content_type=wanted.content_type)
    name = f"captions-{timezone.localdate():%Y-%m-%d}.{wanted.suffix}"
    response["Content-Disposition"] = str(content_disposition_header(True, name))
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # a proxy that collects the answer would hold an archive of gigabytes
    for header, value in media.SAFETY.items():
        response[header] = value
    return response


def _images(request: PersonRequest, asked: Any) -> QuerySet[Image]:
    """Give the pictures that a request names; only what the person may see is among them."""
    named = asked.getlist("image")
    if len(named) > MOST:
        raise DeskError("too_many_to_export")
    if named or request.method == "POST":
        return selectors.visible(request.user).filter(pk__in=gallery.ids_of(named, most=MOST))
    if "album" in asked:
        return selectors.images_of(selectors.album(request.user, asked["album"]))
    if "q" in asked:
        return selectors.search(request.user, asked["q"]).rows
    chip = gallery.chip_of(request.get_full_path())
    images = selectors.images(request.user)
    return images.filter(state__in=chip.states) if chip.states else images


async def _in_turn(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Make each piece when it is wanted, in the request's own thread: its connection to the database is there."""

    def following() -> bytes | None:
        try:
            return next(pieces, None)
        finally:
            let_go()  # a slow reader would else hold a connection for as long as the download takes

    while (piece := await sync_to_async(following)()) is not None:
        yield piece

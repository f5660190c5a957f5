"""An export on its way to whoever asked for it, from a page or by a program."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header

from captions import media, picture_links
from captions.connections import let_go
from captions.errors import DeskError
from captions.exports import FORMATS
from captions.models import ApiToken, Image

MOST: Final = 1000  #: pictures that can be named one by one; an album, a search or the gallery is exported whole


def send(
    request: HttpRequest, user: User, images: QuerySet[Image], format: str, *, token: ApiToken | None = None
) -> StreamingHttpResponse:
    """Answer with pictures in one of the formats, made while it is sent; `token` is the one by which a program asks.

    Raises DeskError `export_format_unknown`, `nothing_to_export`.
    """
    wanted = FORMATS.get(format)
    if wanted is None:
        raise DeskError("export_format_unknown", attr="format")
    if not images.exists():
        raise DeskError("nothing_to_export")
    site = settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"
    pieces = wanted.write(user, images, address=partial(picture_links.address, site=site, person=user, token=token))
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


async def _in_turn(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Make each piece when it is wanted, in the request's own thread: its connection to the database is there."""

    def following() -> bytes | None:
        try:
            return next(pieces, None)
        finally:
            let_go()  # a slow reader would else hold a connection for as long as the download takes

    while (piece := await sync_to_async(following)()) is not None:
        yield piece

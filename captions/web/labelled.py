"""A picture for a labelling tool, whose pages lie on another site and send no token."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase

from captions import media, picture_links
from captions.web.shared import outsiders


@outsiders
def picture(request: HttpRequest, signed: str) -> HttpResponseBase:
    """Send the screen rendition to whoever has the signed address; scripts of any site may read it, too."""
    response = media.serve(request, picture_links.follow(signed), media.Kind.SCREEN)
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    response["Access-Control-Allow-Origin"] = "*"
    # Long enough for one look, short enough that an address which is closed shows nothing for long.
    response["Cache-Control"] = "private, max-age=300"
    return response

"""An album for people without an account: whoever has the link looks, and can do nothing else.

Only words that a person approved are shown. The secret is in the address, so the pages say that no address is passed
on to other sites, no search engine keeps them and no cache does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from captions import albums, media, selectors
from captions.errors import DeskError
from captions.models import Caption, Image
from captions.web import failures
from captions.web.paging import page_of

PAGE = 48
HEADERS = {
    "X-Robots-Tag": "noindex, nofollow, noarchive, noimageindex",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Shown:
    """One picture as outsiders see it: approved words or none."""

    image: Image
    alt: str
    long: Caption | None

    @property
    def words(self) -> Caption | None:
        """The approved caption."""
        return None if self.image.is_decorative else self.image.published_caption


def outsiders(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let anybody in who has a link, at a bearable pace, and tell failures in our words."""

    def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        try:
            _keep_pace(request)
            response = require_safe(view)(request, *arguments, **named)
        except DeskError as error:
            response = failures.explain(request, error)
        for header, value in HEADERS.items():
            response[header] = value
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return update_wrapper(guarded, view)


@outsiders
def page(request: HttpRequest, secret: str) -> HttpResponse:
    """Show the album that a link opens."""
    album = albums.follow_link(secret)
    after = request.GET.get("after", "")
    found = page_of(selectors.images_of(album), after=after, size=PAGE)
    described = selectors.long_descriptions([image.pk for image in found.rows])
    shown = [Shown(image, _alt(image), described.get(image.pk)) for image in found.rows]
    context = {"album": album, "shown": shown, "secret": secret, "after": after, "next_after": found.after}
    return render(request, "albums/shared.html", {**context, "first_page": reverse("shared", args=[secret])})


@outsiders
def picture(request: HttpRequest, secret: str, image_id: UUID, kind: str) -> HttpResponseBase:
    """Send a rendition of a picture that lies in the album; never the original."""
    image = selectors.images_of(albums.follow_link(secret)).filter(pk=image_id).first()
    if image is None:
        raise DeskError("not_found")
    response = media.serve(request, image, kind)
    # Long enough for one look, short enough that an ended link shows nothing for long.
    response["Cache-Control"] = "private, max-age=300"
    return response


def _alt(image: Image) -> str:
    if image.is_decorative:
        return ""
    if image.published_caption is not None:
        return image.published_caption.text
    return _("Picture %(number)s, no approved caption yet") % {
        "number": image.number
    }  # the file's name is the owner's business


def _keep_pace(request: HttpRequest) -> None:
    """Count requests of one network address by the minute, in this process. Raises DeskError `too_many_requests`."""
    if not settings.SHARED_LINKS_PER_MINUTE:
        return
    key = f"shared:{_address(request)}:{int(time.time() // 60)}"
    cache = caches["throttle"]
    cache.add(key, 0, timeout=120)
    try:
        count = cache.incr(key)
    except ValueError:  # culled between the two lines, because very many addresses asked
        count = 1
    if count > settings.SHARED_LINKS_PER_MINUTE:
        raise DeskError("too_many_requests")


def _address(request: HttpRequest) -> str:
    """Give the address that asks; behind our proxy the one that it set, else a claim nobody need believe."""
    if settings.BEHIND_PROXY and (claimed := request.headers.get("X-Forwarded-For", "")):
        return claimed.rsplit(",", 1)[-1].strip()[:64]
    return str(request.META.get("REMOTE_ADDR", ""))

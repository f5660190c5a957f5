"""Acts of the picture page beside its caption: title, decorative, long description, tags and albums."""

from __future__ import annotations

from django.utils.translation import gettext as _

from captions import about, albums, selectors, tags
from captions.errors import DeskError
from captions.models import Image
from captions.web.decisions import decision
from captions.web.doors import PersonRequest


@decision
def entitle(request: PersonRequest, image: Image) -> str:
    """Give the picture a title, or take it away."""
    kept = about.entitle(image=image, by=request.user, title=request.POST.get("title", ""))
    words = _("Picture %(number)s has a new title.") if kept.title else _("Picture %(number)s has no title.")
    return words % {"number": image.number}


@decision
def decorate(request: PersonRequest, image: Image) -> str:
    """Say that the picture is decorative, or that it is not."""
    is_decorative = request.POST.get("decorative") == "yes"
    about.set_decorative(image=image, by=request.user, is_decorative=is_decorative)
    if is_decorative:
        return _("Picture %(number)s is decorative: its alt text is empty.") % {"number": image.number}
    return _("Picture %(number)s needs words again.") % {"number": image.number}


@decision
def describe(request: PersonRequest, image: Image) -> str:
    """Write the long description anew, or take it away."""
    language = request.POST.get("language") or None
    kept = about.describe(image=image, by=request.user, text=request.POST.get("text", ""), language=language)
    words = _("Saved the long description of picture %(number)s.")
    return (words if kept else _("Picture %(number)s has no long description.")) % {"number": image.number}


@decision
def tag(request: PersonRequest, image: Image) -> str:
    """Put tags on the picture; several with commas between."""
    _own(request, image)
    names = tags.split(request.POST.get("tags", ""))
    if not names:
        raise DeskError("tag_empty", attr="tags")
    tags.mark(owner=request.user, images=[image.pk], names=names)
    return _("Tagged picture %(number)s.") % {"number": image.number}


@decision
def untag(request: PersonRequest, image: Image) -> str:
    """Take one tag off the picture."""
    _own(request, image)
    name = request.POST.get("tag", "")
    tags.unmark(owner=request.user, images=[image.pk], names=[name])
    return _("Took the tag “%(tag)s” off picture %(number)s.") % {"tag": name, "number": image.number}


@decision
def place(request: PersonRequest, image: Image) -> str:
    """Put the picture into an album: the chosen one, or a new one when a name came."""
    _own(request, image)
    name = request.POST.get("name", "").strip()
    owner = request.user
    if name:
        album = albums.make_or_find(owner=owner, name=name)
    else:
        album = selectors.own_album(owner, request.POST.get("album", ""))
    albums.add(album=album, images=[image.pk])
    return _("Picture %(number)s lies in “%(album)s”.") % {"number": image.number, "album": album.name}


@decision
def displace(request: PersonRequest, image: Image) -> str:
    """Take the picture out of an album."""
    album = selectors.own_album(request.user, request.POST.get("album", ""))
    albums.remove(album=album, images=[image.pk])
    return _("Took picture %(number)s out of “%(album)s”.") % {"number": image.number, "album": album.name}


def _own(request: PersonRequest, image: Image) -> None:
    if image.owner_id != request.user.pk:
        raise DeskError("not_found")

"""Albums: the list, one album's pictures, sharing, and acts on the pictures selected in a gallery."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from captions import albums, selectors, tags
from captions.errors import DeskError
from captions.models import Album, AlbumShare
from captions.web.cards import cards_of
from captions.web.doors import PersonRequest, go_back, person_only
from captions.web.paging import page_of

PAGE = 24
LIVES = (1, 7, 30, 90, 365)


@person_only
@require_GET
def index(request: PersonRequest) -> HttpResponse:
    """List the person's albums, and those that others share with them."""
    mine, shared = list(selectors.albums(request.user)), list(selectors.shared_albums(request.user))
    covers = selectors.covers([*mine, *shared])
    context = {
        "mine": [{"album": album, "cover": covers.get(album.pk)} for album in mine],
        "shared": [
            {"album": album, "cover": covers.get(album.pk), "role": role_words(getattr(album, "role", ""))}
            for album in shared
        ],
    }
    return render(request, "albums/index.html", context)


@person_only
@require_POST
def make(request: PersonRequest) -> HttpResponseBase:
    """Make an album and open it."""
    try:
        album = albums.make(owner=request.user, name=request.POST.get("name", ""))
    except DeskError as error:
        return _told(request, error, "albums")
    return redirect("album", album.pk)


@person_only
@require_GET
def page(request: PersonRequest, album_id: UUID) -> HttpResponse:
    """Show one album's pictures, or for htmx only the next cards."""
    album = selectors.album(request.user, album_id)
    return render_album(request, album)


def render_album(request: PersonRequest, album: Album, **more: Any) -> HttpResponse:
    """Render an album's page; `more` is what an act just before has to show, such as a link's secret."""
    address = reverse("album", args=[album.pk])
    after = request.GET.get("after", "")
    found = page_of(selectors.images_of(album), after=after, size=PAGE)
    context: dict[str, Any] = {
        "album": album,
        "cards": cards_of(found.rows, viewer=request.user),
        "next_page": f"{address}?{urlencode({'after': found.after})}" if found.after else "",
        "here": address,
        "export_of": urlencode({"album": album.pk}),
        "after": after,
    }
    if request.htmx:
        return render(request, "gallery/cards.html", context)
    return render(request, "albums/page.html", {**context, **_sharing(request, album), **more})


def _sharing(request: PersonRequest, album: Album) -> dict[str, Any]:
    is_mine = album.owner_id == request.user.pk
    if not is_mine:
        mine = AlbumShare.objects.filter(album=album, user=request.user).first()
        return {"is_mine": False, "my_share": mine, "my_role": role_words(mine.role) if mine else ""}
    return {
        "is_mine": True,
        "shares": selectors.shares(album),
        "links": selectors.links(album).select_related("created_by"),
        "roles": [(role.value, role_words(role.value)) for role in AlbumShare.Role],
        "lives": [(days, ngettext("%(n)s day", "%(n)s days", days) % {"n": days}) for days in LIVES],
        "own_albums": [one for one in selectors.album_names(request.user) if one.pk != album.pk],
        "own_tags": selectors.tag_names(request.user),
    }


def role_words(role: str) -> str:
    """Say what a role lets a person do."""
    return {
        "view": _("May look"),
        "caption": _("May look and write captions"),
        "review": _("May look, write and decide"),
    }.get(role, "")


@person_only
@require_POST
def rename(request: PersonRequest, album_id: UUID) -> HttpResponseBase:
    """Call an album something else."""
    album = selectors.own_album(request.user, album_id)
    try:
        albums.rename(album=album, name=request.POST.get("name", ""))
    except DeskError as error:
        return _told(request, error, "album", album_id)
    messages.success(request, _("The album is called “%(name)s” now.") % {"name": album.name})
    return redirect("album", album.pk)


@person_only
@require_POST
def delete(request: PersonRequest, album_id: UUID) -> HttpResponseBase:
    """Delete an album; its pictures stay."""
    album = selectors.own_album(request.user, album_id)
    albums.delete(album=album)
    messages.success(request, _("The album “%(name)s” is gone. Its pictures stay.") % {"name": album.name})
    return redirect("albums")


@person_only
@require_POST
def share(request: PersonRequest, album_id: UUID) -> HttpResponseBase:
    """Share an album with a person."""
    album = selectors.own_album(request.user, album_id)
    try:
        shared = albums.share(
            album=album, with_whom=request.POST.get("user", ""), role=request.POST.get("role", AlbumShare.Role.VIEW)
        )
    except DeskError as error:
        return _told(request, error, "album", album_id)
    messages.success(request, _("%(name)s sees this album now.") % {"name": shared.user.get_username()})
    return _to_sharing(album_id)


@person_only
@require_POST
def share_change(request: PersonRequest, album_id: UUID, share_id: UUID) -> HttpResponseBase:
    """Change what a person may do with an album, or with `act` = end stop sharing it."""
    album = selectors.own_album(request.user, album_id)
    shared = selectors.shares(album).filter(pk=share_id).first()
    if shared is None:
        raise DeskError("not_found")
    name = shared.user.get_username()
    if request.POST.get("act") == "end":
        albums.end_share(share=shared)
        messages.success(request, _("%(name)s no longer sees this album.") % {"name": name})
        return _to_sharing(album_id)
    try:
        albums.change_role(share=shared, role=request.POST.get("role", ""))
    except DeskError as error:
        return _told(request, error, "album", album_id)
    messages.success(request, _("Changed what %(name)s may do.") % {"name": name})
    return _to_sharing(album_id)


@person_only
@require_POST
def leave(request: PersonRequest, album_id: UUID) -> HttpResponseBase:
    """Give an album back that somebody shared with the person."""
    mine = AlbumShare.objects.filter(album_id=album_id, user=request.user).first()
    if mine is None:
        raise DeskError("not_found")
    albums.end_share(share=mine)
    messages.success(request, _("The album is no longer shared with you."))
    return redirect("albums")


@person_only
@require_POST
def link(request: PersonRequest, album_id: UUID) -> HttpResponseBase:
    """Make a link to an album, and show its address this once."""
    album = selectors.album(request.user, selectors.own_album(request.user, album_id).pk)
    days = request.POST.get("days", "")
    try:
        number = int(days) if days.isascii() and days.isdigit() and len(days) < 5 else 0
        made, secret = albums.make_link(album=album, by=request.user, days=number)
    except DeskError as error:
        return _told(request, error, "album", album_id)
    address = request.build_absolute_uri(reverse("shared", args=[secret]))
    response = render_album(request, album, new_link=made, new_address=address)
    response["Cache-Control"] = "no-store"  # the secret must not come back with the browser's "back"
    return response


@person_only
@require_POST
def link_revoke(request: PersonRequest, album_id: UUID, link_id: UUID) -> HttpResponseBase:
    """End a link at once."""
    album = selectors.own_album(request.user, album_id)
    found = selectors.links(album).filter(pk=link_id).first()
    if found is None:
        raise DeskError("not_found")
    albums.revoke_link(link=found)
    messages.success(request, _("The link is ended. Whoever has it sees nothing from now on."))
    return _to_sharing(album_id)


# --- Acts on selected pictures -------------------------------------------------------------------------------------


@person_only
@require_POST
def add_several(request: PersonRequest) -> HttpResponseBase:
    """Put the selected pictures into an album: the chosen one, or a new one when a name came."""
    back = go_back(request)
    try:
        ids = _selected(request)
        name = request.POST.get("name", "").strip()
        if name:
            album = albums.make_or_find(owner=request.user, name=name)
        else:
            album = selectors.own_album(request.user, request.POST.get("album", ""))
        added = albums.add(album=album, images=ids)
    except DeskError as error:
        messages.error(request, error.detail, extra_tags=error.code)
        return redirect(back)
    words = ngettext(
        "%(n)s picture is new in “%(album)s”.", "%(n)s pictures are new in “%(album)s”.", added
    )  # those that were there already are no news
    messages.success(request, words % {"n": added, "album": album.name})
    return redirect(back)


@person_only
@require_POST
def remove_several(request: PersonRequest, album_id: UUID) -> HttpResponseBase:
    """Take the selected pictures out of this album."""
    album = selectors.own_album(request.user, album_id)
    try:
        taken = albums.remove(album=album, images=_selected(request))
    except DeskError as error:
        return _told(request, error, "album", album_id)
    words = ngettext(
        "Took %(n)s picture out of this album. It stays among your pictures.",
        "Took %(n)s pictures out of this album. They stay among your pictures.",
        taken,
    )
    messages.success(request, words % {"n": taken})
    return redirect("album", album_id)


@person_only
@require_POST
def tag_several(request: PersonRequest) -> HttpResponseBase:
    """Put tags on the selected pictures; several with commas between."""
    try:
        names = tags.split(request.POST.get("tags", ""))
        if not names:
            raise DeskError("tag_empty", attr="tags")
        marked = tags.mark(owner=request.user, images=_selected(request), names=names)
    except DeskError as error:
        messages.error(request, error.detail, extra_tags=error.code)
        return redirect(go_back(request))
    words = ngettext("Tagged %(n)s picture.", "Tagged %(n)s pictures.", marked)
    messages.success(request, words % {"n": marked})
    return redirect(go_back(request))


def _selected(request: PersonRequest) -> list[UUID]:
    """Read the selected pictures; what is no id is passed over. Raises DeskError `too_many_pictures`, `bad_request`."""
    raw = request.POST.getlist("image")
    if len(raw) > albums.MOST_PICTURES:
        raise DeskError("too_many_pictures")
    found = []
    for word in raw:
        try:
            found.append(UUID(word))
        except ValueError:
            continue
    if not found:
        raise DeskError("bad_request", detail=_("Select pictures first, then choose what to do with them."))
    return found


# --- Tags ----------------------------------------------------------------------------------------------------------


@person_only
@require_GET
def tag_list(request: PersonRequest) -> HttpResponse:
    """List the person's tags."""
    return render(request, "albums/tags.html", {"tags": selectors.tags(request.user)})


@person_only
@require_POST
def tag_change(request: PersonRequest, tag_id: UUID) -> HttpResponseBase:
    """Rename a tag on all pictures, or with `act` = delete take it off all of them."""
    tag = selectors.tag(request.user, tag_id)
    was = tag.name
    if request.POST.get("act") == "delete":
        tags.delete(tag=tag)
        messages.success(request, _("The tag “%(tag)s” is gone.") % {"tag": was})
        return redirect("tags")
    try:
        tags.rename(tag=tag, name=request.POST.get("name", ""))
    except DeskError as error:
        return _told(request, error, "tags")
    messages.success(request, _("The tag “%(was)s” is called “%(tag)s” now.") % {"was": was, "tag": tag.name})
    return redirect("tags")


def _told(request: PersonRequest, error: DeskError, where: str, *arguments: Any) -> HttpResponseBase:
    messages.error(request, error.detail, extra_tags=error.code)
    return redirect(where, *arguments)


def _to_sharing(album_id: UUID) -> HttpResponseBase:
    return redirect(f"{reverse('album', args=[album_id])}#sharing")

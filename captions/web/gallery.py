"""The gallery: pictures newest first, adding more, and acts on several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views.decorators.http import require_GET, require_POST

from captions import counts, jobs, review, selectors, trash
from captions.errors import DeskError
from captions.models import Image
from captions.web import adding_form, wording
from captions.web.cards import cards_of
from captions.web.context import serving_of, view_of
from captions.web.doors import PersonRequest, go_back, person_only
from captions.web.paging import page_of

PAGE = 24
BULK_LIMIT = 200
UNDO_LIMIT = 100  # an address with the ids of more is longer than proxies let through
State = Image.State


@dataclass(frozen=True)
class Chip:
    """One filter of the gallery: the states it shows, and what an empty page says."""

    name: str
    label: str | Promise
    mark: str
    states: Sequence[str]
    empty_title: str | Promise = ""
    empty_words: str | Promise = ""
    always: bool = True


CHIPS = (
    Chip("all", gettext_lazy("All"), "", (), gettext_lazy("Nothing here yet")),
    Chip(
        "draft",
        gettext_lazy("Draft"),
        "draft",
        (State.DRAFT,),
        gettext_lazy("Every draft has a decision"),
        gettext_lazy("New drafts show up here as soon as a model has written them."),
    ),
    Chip(
        "approved",
        gettext_lazy("Approved"),
        "ok",
        (State.APPROVED,),
        gettext_lazy("No approved caption yet"),
        gettext_lazy("Approve a draft, and its picture shows up here."),
    ),
    Chip(
        "rejected",
        gettext_lazy("Rejected"),
        "no",
        (State.REJECTED,),
        gettext_lazy("No rejected draft"),
        gettext_lazy("Drafts you reject are kept here with your reason."),
    ),
    Chip(
        "open",
        gettext_lazy("In work"),
        "run",
        (State.QUEUED, State.DRAFTING),
        gettext_lazy("Nothing is being drafted"),
        gettext_lazy("Pictures show up here while they wait for a caption."),
    ),
    Chip(
        "failed",
        gettext_lazy("Failed"),
        "bad",
        (State.FAILED,),
        gettext_lazy("Nothing has failed"),
        gettext_lazy("Pictures that could not be captioned would show up here, with what to do."),
    ),
    Chip(
        "without",
        gettext_lazy("Without caption"),
        "",
        (State.EMPTY, State.CANCELLED),
        gettext_lazy("Every picture was asked for a caption"),
        gettext_lazy("Pictures whose drafting you cancelled would show up here."),
        always=False,
    ),
)
_CHIP = {chip.name: chip for chip in CHIPS}


@person_only
@require_GET
def gallery(request: PersonRequest) -> HttpResponse:
    """Show one page of the person's pictures, or for htmx only its cards."""
    chip = chip_of(request.get_full_path())
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    rows = selectors.images(request.user)
    if chip.states:
        rows = rows.filter(state__in=chip.states)
    page = page_of(rows, after=after, before=before, size=PAGE)
    context: dict[str, Any] = {
        "cards": cards_of(page.rows, viewer=request.user, serving=serving_of(request)),
        # A part of the page that is fetched by itself goes on in its own direction only: its other end is there.
        "next_page": _address(chip, after=page.after) if page.after and not (request.htmx and before) else "",
        "newer_page": _address(chip, before=page.before) if page.before and not (request.htmx and after) else "",
        "here": _address(chip, after=after, before=before),
    }
    if request.htmx:
        return render(request, "gallery/cards.html", context)
    context |= {
        **frame(request, chip),
        "after": after or before,
        "view": view_of(request),
        "export_of": urlencode({"show": chip.name}),
        "adding": adding_form.frame(),
        "own_albums": selectors.album_names(request.user),
        "own_tags": selectors.tag_names(request.user),
    }
    return render(request, "gallery/page.html", context)


def frame(request: PersonRequest, chip: Chip) -> dict[str, Any]:
    """Give what stands above the cards: chips with their counts, and how the workers are."""
    counted = counts.by_state(request.user)
    on_chips = {one.name: counts.total(counted[state] for state in one.states) for one in CHIPS}
    on_chips["all"] = counts.total(counted.values())
    shown = [one for one in CHIPS if one.always or on_chips[one.name] or one is chip]
    return {
        "chip": chip.name,
        "chips": [
            {"name": one.name, "label": one.label, "mark": one.mark, "count": on_chips[one.name], "url": _address(one)}
            for one in shown
        ],
        "counts": on_chips,
        "empty_title": chip.empty_title,
        "empty_words": chip.empty_words,
        "first_page": _address(chip),
        "workers_words": workers_words(serving_of(request)),
    }


def around(request: PersonRequest, address: str) -> dict[str, Any]:
    """Give what stands around the cards at an address; an album's page has neither chips nor sums of its own."""
    return {"bare": True} if album_address(address) else frame(request, chip_of(address))


def album_address(address: str) -> str:
    """Give the address of the album's page that `address` is or is part of; "" for any other page."""
    path = urlsplit(address).path
    try:
        match = resolve(path)
    except Resolver404:
        return ""
    return path if match.url_name == "album" else ""


def workers_words(serving: selectors.Serving) -> str:
    """Say how many workers are ready and how fast they are."""
    if not serving.ready:
        return ""  # the note above the page says so
    count = serving.workers
    words = ngettext("%(number)s worker ready", "%(number)s workers ready", count) % {"number": count}
    if serving.seconds_per_image is None:
        return words
    pace = _("%(seconds)s s a picture") % {"seconds": wording.decimal(serving.seconds_per_image, 1)}
    return f"{words}, {pace}"


@person_only
@require_GET
def cards(request: PersonRequest) -> HttpResponse:
    """Give the parts of the named cards as they are now, for pages that are open."""
    ids = ids_of(request.GET.getlist("id"))
    rows = selectors.visible(request.user).filter(pk__in=ids)
    chip = chip_of(request.get_full_path())
    album = album_address(request.htmx.current_url_abs_path or "")
    context = {
        "cards": cards_of(list(rows), viewer=request.user, serving=serving_of(request)),
        "live": request.GET.get("force") != "1",
        "here": album or _address(chip),
        "oob": True,
    }
    return render(request, "gallery/live.html", {**context, **around(request, album or _address(chip))})


@person_only
@require_POST
def bulk(request: PersonRequest) -> HttpResponseBase:
    """Do one thing to every selected picture; those it does not fit are left as they are, and counted."""
    name = request.POST.get("act", "") or request.GET.get("act", "")
    act = _ACTS.get(name)
    named = request.POST.getlist("image") or request.GET.getlist("image")
    ids = ids_of(named)
    if name == "try" and ids:
        return redirect(f"{reverse('trial_new')}?{urlencode({'image': ids[:UNDO_LIMIT]}, doseq=True)}")
    back = redirect(go_back(request))
    if act is None or not ids:
        messages.warning(request, _("Select pictures first, then choose what to do with them."))
        return back
    does, done_words = act
    done = 0
    for image in _reachable(request, name).filter(pk__in=ids):
        try:
            done += does(request, image)
        except DeskError:
            continue
    left = len(named) - done
    said = [done_words % {"number": done}]
    if left:
        words = ngettext("%(number)s picture stayed as it was.", "%(number)s pictures stayed as they were.", left)
        said.append(words % {"number": left})
    undo_url = ""
    if name == "discard" and len(ids) <= UNDO_LIMIT:
        undo_url = f"{reverse('bulk')}?{urlencode({'act': 'recover', 'image': ids}, doseq=True)}"
    messages.success(request, " ".join(said), extra_tags=undo_url)
    return back


def _reachable(request: PersonRequest, act: str) -> QuerySet[Image]:
    reach = {"recover": selectors.trash, "approve": selectors.reviewable, "again": selectors.captionable}
    return reach.get(act, selectors.images)(request.user)


def _approve(request: PersonRequest, image: Image) -> int:
    if image.state != State.DRAFT:
        return 0
    review.approve(image=image, reviewer=request.user)
    return 1


def _reject(request: PersonRequest, image: Image) -> int:
    if image.state != State.DRAFT:
        return 0
    review.reject(image=image, reviewer=request.user)
    return 1


def _again(request: PersonRequest, image: Image) -> int:
    return int(jobs.request(image=image, chosen={}, lane=None).created)


def _discard(request: PersonRequest, image: Image) -> int:
    trash.discard(image=image, by=request.user)
    return 1


def _recover(request: PersonRequest, image: Image) -> int:
    trash.recover(image=image, by=request.user)
    return 1


_ACTS: dict[str, tuple[Callable[[PersonRequest, Image], int], Any]] = {
    "approve": (
        _approve,
        ngettext_lazy(
            "Approved the drafts of %(number)s picture.", "Approved the drafts of %(number)s pictures.", "number"
        ),
    ),
    "reject": (
        _reject,
        ngettext_lazy(
            "Rejected the drafts of %(number)s picture.", "Rejected the drafts of %(number)s pictures.", "number"
        ),
    ),
    "again": (
        _again,
        ngettext_lazy("%(number)s picture went into the queue.", "%(number)s pictures went into the queue.", "number"),
    ),
    "discard": (
        _discard,
        ngettext_lazy("%(number)s picture went into the trash.", "%(number)s pictures went into the trash.", "number"),
    ),
    "recover": (_recover, ngettext_lazy("%(number)s picture came back.", "%(number)s pictures came back.", "number")),
}


def ids_of(raw: Iterable[str], *, most: int = BULK_LIMIT) -> list[UUID]:
    """Read the ids that a form names; what is none is left out, and so is all beyond `most`."""
    found = []
    for word in list(raw)[:most]:
        try:
            found.append(UUID(word))
        except ValueError:
            continue
    return found


def _address(chip: Chip, *, after: str = "", before: str = "") -> str:
    parts = {"show": chip.name if chip.states else "", "after": after, "before": before}
    query = {key: value for key, value in parts.items() if value}
    return reverse("gallery") + (f"?{urlencode(query)}" if query else "")


def chip_of(address: str) -> Chip:
    """Give the filter that an address of the gallery asks for."""
    asked = parse_qs(urlsplit(address).query).get("show", ["all"])[0]
    return _CHIP.get(asked, CHIPS[0])

"""The search page: results as the gallery's cards, filters as chips and as a form, saved searches."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from captions import saved_searches, selectors
from captions.counts import Counted
from captions.errors import DeskError
from captions.finding import Found
from captions.models import Album, Tag
from captions.permissions import is_reviewer
from captions.searching import FIELDS, FORMATS, STATES, Filter, Group, Query, parse
from captions.web.cards import MARKS, Look, cards_of
from captions.web.doors import PersonRequest, person_only
from captions.web.gallery import PAGE
from captions.web.paging import page_of
from captions.web.sought import Sought

#: Filters of the form whose values are chosen with boxes, from lists, and typed.
BOXES: Final = {"state": STATES, "format": FORMATS, "is": ("captioned", "edited", "decorative"), "no": ("caption",)}
TYPED: Final = ("score", "quality", "width", "height", "megapixels", "bytes", "lang")
TIMES: Final = ("24h", "7d", "4w", "52w")
_LISTED: Final = 200


@person_only
@require_GET
def page(request: PersonRequest) -> HttpResponseBase:
    """Show the results of a search, or for htmx only further cards. The form of filters is written into the search."""
    text = request.GET.get("q", "")
    if "filters" in request.GET:
        return redirect(_address(str(written(request, parse(text))) or text))
    context = {"q": text, "saved": list(selectors.saved_searches(request.user)[:_LISTED])}
    try:
        found = selectors.search(request.user, text)
    except DeskError as error:
        if error.code == "page_unknown" or request.htmx:
            raise
        shown = {**context, "problem": error, **_form(request, parse(text))}
        return render(request, "search/page.html", shown, status=error.failure.status)
    results = _results(request, found, request.GET.get("after", "")) if found.query else {}
    if request.htmx:
        return render(request, "gallery/cards.html", results)
    return render(
        request, "search/page.html", {**context, **results, **_chips(found.query), **_form(request, found.query)}
    )


def _results(request: PersonRequest, found: Found, after: str) -> dict[str, Any]:
    query = str(found.query)
    is_near, counted = False, None
    if found.is_ranked:
        ranked = found.page(after=after, size=PAGE)
        rows, next_mark, is_near = ranked.rows, ranked.after, ranked.is_near
        counted = None if after else Counted(ranked.total, ranked.is_more)
    else:
        newest = page_of(found.rows, after=after, size=PAGE)
        rows, next_mark = newest.rows, newest.after
        counted = None if after or next_mark else Counted(len(rows))
    return {
        "cards": cards_of(rows, viewer=request.user),
        "sought": Sought(found.query, is_near=is_near),
        "next_page": _address(query, next_mark) if next_mark else "",
        "here": _address(query, after),
        "after": after,
        "first_page": _address(query),
        "export_of": urlencode({"q": query}),
        "is_near": is_near,
        "is_ranked": found.is_ranked,
        "counted": counted,
    }


def _chips(query: Query) -> dict[str, Any]:
    """Give each part of the search with the address of the search without it."""
    parts = [
        {"text": str(group), "url": _address(str(query.without(place))), "is_filter": not group.is_of_words}
        for place, group in enumerate(query.groups)
    ]
    return {"parts": parts}


# --- The form of filters -------------------------------------------------------------------------------------------


def written(request: PersonRequest, query: Query) -> Query:
    """Give the search with the filters of the form in place of those that the form can show."""
    kept = [group for group in query.groups if not _is_on_the_form(group)]
    for name in (*BOXES, "added", "model", "album", "tag", "owner", *TYPED):
        values = [value.strip() for value in request.GET.getlist(name) if value.strip()]
        if name in BOXES:
            values = [",".join(values)] if values else []
        kept += [Group((Filter(name, value, value),)) for value in values]
    return Query(tuple(kept))


def _is_on_the_form(group: Group) -> bool:
    (first, *others) = group.terms
    return isinstance(first, Filter) and not others and not first.negated


def _form(request: PersonRequest, query: Query) -> dict[str, Any]:
    """Give the form of filters as the search fills it in."""
    chosen: dict[str, list[str]] = {}
    for group in query.filters:
        first = group.terms[0]
        if _is_on_the_form(group) and isinstance(first, Filter):
            chosen.setdefault(first.field, []).extend(first.value.split(",") if first.field in BOXES else [first.value])
    states = {look.value: MARKS[look] for look in Look} | {"queued": MARKS[Look.QUEUE], "drafting": MARKS[Look.RUN]}
    names = {"edited": _("Words by people"), "decorative": _("Decorative"), "captioned": _("With a caption")}
    return {
        "boxes": [
            {
                "name": "state",
                "label": _("State"),
                "options": [(one, states[one][1], one in chosen.get("state", ())) for one in STATES],
            },
            {
                "name": "format",
                "label": _("Format"),
                "options": [(one, one.upper(), one in chosen.get("format", ())) for one in FORMATS],
            },
            {
                "name": "is",
                "label": _("Words"),
                "options": [(one, names[one], one in chosen.get("is", ())) for one in BOXES["is"]],
            },
        ],
        "without_caption": "no" in chosen,
        "lists": _lists(request, chosen),
        "typed": [_typed(name, chosen) for name in (*TYPED, *(["owner"] if is_reviewer(request.user) else []))],
        "has_filters": bool(chosen),
        "language": [{"name": name, "example": one.example, "help": one.help} for name, one in FIELDS.items()],
    }


def _typed(name: str, chosen: dict[str, list[str]]) -> dict[str, str]:
    labels = {
        "score": _("Score"),
        "quality": _("Quality"),
        "width": _("Width in pixels"),
        "height": _("Height in pixels"),
        "megapixels": _("Megapixels"),
        "bytes": _("Size of the file"),
        "lang": _("Language"),
        "owner": _("Owner"),
    }
    example = FIELDS[name].example.partition(":")[2]
    return {"name": name, "label": labels[name], "value": " ".join(chosen.get(name, ())[:1]), "example": example}


def _lists(request: PersonRequest, chosen: dict[str, list[str]]) -> list[dict[str, Any]]:
    person = request.user
    times = dict(zip(TIMES, (_("Last day"), _("Last week"), _("Last four weeks"), _("Last year")), strict=True))
    models = [model.name for model in selectors.serving().served]
    albums = list(Album.objects.filter(owner_id=person.pk).values_list("name", flat=True)[:_LISTED])
    tags = list(Tag.objects.filter(owner_id=person.pk).values_list("name", flat=True)[:_LISTED])
    lists = (
        ("added", _("Added"), [(one, times[one]) for one in TIMES]),
        ("model", _("Model"), [(one, one) for one in models]),
        ("album", _("Album"), [(one, one) for one in albums]),
        ("tag", _("Tag"), [(one, one) for one in tags]),
    )
    shown = []
    for name, label, options in lists:
        value = next(iter(chosen.get(name, ())), "")
        known = {one.casefold() for one, _words in options}
        also = [(value, value)] if value and value.casefold() not in known else []
        if options or also:
            marked = [(one, words, one.casefold() == value.casefold()) for one, words in (*also, *options)]
            shown.append({"name": name, "label": label, "options": marked})
    return shown


# --- Saved searches ------------------------------------------------------------------------------------------------


@person_only
@require_POST
def save(request: PersonRequest) -> HttpResponseBase:
    """Keep a search under a name; also what the undo of a deletion posts to."""
    name, query = (request.POST.get(part) or request.GET.get(part, "") for part in ("name", "q"))
    try:
        kept = saved_searches.save(owner=request.user, name=name or "", query=query or "")
    except DeskError as error:
        messages.error(request, error.detail, extra_tags=error.code)
        return redirect(_address(query or ""))
    messages.success(request, _("Saved the search “%(name)s”.") % {"name": kept.name})
    return redirect(_address(kept.query))


@person_only
@require_POST
def rename(request: PersonRequest, search_id: UUID) -> HttpResponseBase:
    """Give a saved search another name."""
    search = selectors.saved_search(request.user, search_id)
    try:
        saved_searches.change(search=search, name=request.POST.get("name", ""))
        messages.success(request, _("The search is called “%(name)s” now.") % {"name": search.name})
    except DeskError as error:
        messages.error(request, error.detail, extra_tags=error.code)
    return redirect(_address(request.POST.get("q", "")))


@person_only
@require_POST
def delete(request: PersonRequest, search_id: UUID) -> HttpResponseBase:
    """Forget a saved search; the toast can bring it back."""
    search = selectors.saved_search(request.user, search_id)
    back = f"{reverse('save_search')}?{urlencode({'name': search.name, 'q': search.query})}"
    saved_searches.delete(search=search)
    messages.success(request, _("Deleted the search “%(name)s”.") % {"name": search.name}, extra_tags=back)
    return redirect(_address(request.POST.get("q", "")))


def _address(query: str, after: str = "") -> str:
    asked = {key: value for key, value in (("q", query), ("after", after)) if value}
    return reverse("search") + (f"?{urlencode(asked)}" if asked else "")

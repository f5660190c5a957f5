"""The page of one picture: its words now, other drafts, the parameter panel, every version, the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from captions import languages, ledger, permissions, review, selectors
from captions.errors import DeskError, problem_words
from captions.models import Caption, CaptionJob, Image, Review
from captions.params import ParamsInvalid
from captions.permissions import may_discard
from captions.web import beside, cards, panel, side_by_side, wording
from captions.web.context import serving_of
from captions.web.doors import PersonRequest, person_only
from captions.web.history import history
from captions.web.reading import caption_of, trashed

ALTERNATIVES = 5
_DOING = ("edit", "write", "reject")


@dataclass(frozen=True)
class Alternative:
    """A draft that can be approved instead of what is shown."""

    caption: Caption
    score: str
    is_first: bool


@person_only
@require_GET
def page(request: PersonRequest, image_id: UUID) -> HttpResponse:
    """Show one picture."""
    in_trash = trashed(request, image_id)
    if in_trash is not None:
        return render(request, "trash/one.html", {"image": in_trash})
    image = selectors.image(request.user, image_id)
    context = context_of(request, image, do=_doing(request))
    return render(request, "picture/page.html", {**context, **_neighbours(request, image)})


@person_only
@require_GET
def live(request: PersonRequest, image_id: UUID) -> HttpResponse:
    """Give the parts of the page that change by themselves."""
    image = selectors.image(request.user, image_id)
    is_live = request.GET.get("force") != "1"
    return render(request, "picture/parts.html", {**context_of(request, image), "oob": True, "live": is_live})


@person_only
@require_GET
def editor(request: PersonRequest, image_id: UUID) -> HttpResponse:
    """Give the editor of the words on show, or an empty one to write by hand."""
    image = selectors.image(request.user, image_id)
    return render(request, "parts/editor.html", _editing(request, image, by_hand=request.GET.get("write") == "1"))


@person_only
@require_GET
def reasons(request: PersonRequest, image_id: UUID) -> HttpResponse:
    """Give the reasons for which the words on show can be rejected."""
    image = selectors.image(request.user, image_id)
    if image.caption is None:
        raise DeskError("nothing_to_review")
    context = {"image": image, "reasons": Review.Reason.choices, "seen_mark": review.last_seen(image)}
    return render(request, "parts/reasons.html", {**context, **_place(request, image)})


@person_only
@require_GET
def settings(request: PersonRequest, image_id: UUID) -> HttpResponse:
    """Give the panel for another model: its usual values, and on top of them what the person had moved already."""
    image = selectors.captionable_image(request.user, image_id)
    serving = serving_of(request)
    try:
        moved = panel.read(request.GET.dict(), defaults=serving.defaults_for(request.GET.get("shown_for", "")))
    except ParamsInvalid:
        moved = {}
    context = _panel_context(serving, model=request.GET.get("model", ""), chosen=moved)
    return render(request, "picture/panel_form.html", {**context, "image": image})


def panel_refused(request: PersonRequest, image: Image, refused: ParamsInvalid) -> HttpResponseBase:
    """Show the panel again as it was filled in, with a sentence above each setting that cannot be used."""
    words = {name: problem_words(problem) for name, problem in refused.problems.items()}
    context = context_of(request, image, given=request.POST.dict(), problems=words)
    if request.htmx:
        return render(request, "picture/panel_form.html", {**context, "oob": True}, status=400)
    return render(request, "picture/page.html", {**context, **_neighbours(request, image)}, status=400)


def context_of(
    request: PersonRequest,
    image: Image,
    *,
    do: str = "",
    problem: DeskError | None = None,
    given: dict[str, str] | None = None,
    problems: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Give everything that the parts of the page show."""
    serving = serving_of(request)
    card = cards.card_of(image, viewer=request.user, problem=problem, serving=serving)
    captions = list(selectors.captions(request.user, image))
    reviews = list(selectors.reviews(image))
    jobs = list(CaptionJob.objects.filter(image=image, is_trial=False))
    shown = image.published_caption or image.caption
    doing = _editing(request, image, by_hand=do == "write") if do else {}
    return {
        **doing,
        "image": image,
        "card": card,
        "do": do,
        "reasons": Review.Reason.choices,
        "seen_mark": card.seen,
        "shown": shown,
        "card_words_from": _words_from(card, shown, request),
        "alternatives": _alternatives(image, captions),
        "columns": side_by_side.columns(image, captions=captions, jobs=jobs, serving=serving),
        "can_take_back": _can_take_back(image, request),
        "entries": history(
            image,
            captions=captions,
            reviews=reviews,
            jobs=jobs,
            changes=selectors.changes(image),
            viewer=request.user,
        ),
        "panel_open": True,
        **_panel_of(request, image, serving, given, problems),
        "is_mine": image.owner_id == request.user.pk,
        "rights": card.rights,
        **beside.context_of(request, image),
        "may_discard": may_discard(request.user, image),
        "format_words": "WebP" if image.format == Image.Format.WEBP else image.format,
        "size_words": wording.file_size(image.bytes),
        "owner_words": wording.person(image.owner, viewer=request.user),
        "here": reverse("image", args=[image.pk]),
        "place": "page",
    }


def _words_from(card: cards.Card, shown: Caption | None, request: PersonRequest) -> cards.Provenance | None:
    if shown is None:
        return None
    if card.look in (cards.Look.APPROVED, cards.Look.REJECTED):
        return card.provenance
    return cards.origin(shown, viewer=request.user)


def _alternatives(image: Image, captions: list[Caption]) -> list[Alternative]:
    """Give the drafts of the newest run, while there is something to choose."""
    generated = [
        caption
        for caption in captions
        if caption.kind == Caption.Kind.GENERATED and caption.job_id and caption.purpose == Caption.Purpose.ALT
    ]
    if not generated:
        return []
    newest = max(generated, key=lambda caption: caption.id).job_id
    run = sorted((one for one in generated if one.job_id == newest), key=lambda one: one.rank or 0)[:ALTERNATIVES]
    published = image.published_caption_id
    choices = [one for one in run if one.id != published]
    if published is None and len(choices) < 2:
        return []
    offered = [one.id for one in choices]
    first = image.caption_id if image.caption_id in offered else next(iter(offered), None)
    return [Alternative(one, wording.score(one.score), one.id == first) for one in choices]


def _can_take_back(image: Image, request: PersonRequest) -> bool:
    last = ledger.standing(Review.objects.filter(image=image)).order_by("-id").first()
    return last is not None and (last.reviewer_id == request.user.pk or last.is_automatic)


def _panel_of(
    request: PersonRequest,
    image: Image,
    serving: selectors.Serving,
    given: dict[str, str] | None,
    problems: dict[str, str] | None,
) -> dict[str, Any]:
    """Start the panel from what was just sent, or from the values of an earlier draft."""
    if given is not None:
        sent: dict[str, Any] = {name: value for name, value in given.items() if name in panel.NAMES}
        sent["do_sample"] = "do_sample" in given
        model, shown_for = given.get("model", ""), given.get("shown_for", "")
        return _panel_context(serving, model=model, chosen=sent, problems=problems, shown_for=shown_for)
    try:
        earlier = caption_of(image, request.GET.get("like", ""))
    except DeskError:
        earlier = None
    if earlier is None:
        return _panel_context(serving)
    known = {name: value for name, value in earlier.params.items() if name in panel.NAMES}
    return _panel_context(serving, model=earlier.model, chosen={**known, "seed": earlier.seed})


def _panel_context(
    serving: selectors.Serving,
    *,
    model: str = "",
    chosen: Mapping[str, Any] | None = None,
    problems: dict[str, str] | None = None,
    shown_for: str | None = None,
) -> dict[str, Any]:
    model = panel.choice_of(serving, model)
    return {
        "panel": panel.panel_of(
            defaults=serving.defaults_for(model if shown_for is None else shown_for),
            chosen=chosen,
            problems=problems,
            models=panel.choices(serving, may_each=True),
            model=model,
            shown_for=shown_for,
        ),
        "again_words": _again_words(serving, model),
    }


def _again_words(serving: selectors.Serving, model: str) -> str:
    answers = [serving.find(one) for one in panel.asked_for(serving, model)]
    if None in answers:
        return _("No worker is ready: the picture waits in the queue.")
    longest = max((one.seconds_per_image or 0 for one in answers if one), default=0)
    return _("About %(duration)s.") % {"duration": wording.duration(longest)} if longest else ""


def _doing(request: PersonRequest) -> str:
    do = request.GET.get("do", "")
    return do if do in _DOING else ""


def _editing(request: PersonRequest, image: Image, *, by_hand: bool) -> dict[str, Any]:
    seen = None if by_hand else image.published_caption or image.caption
    rights = permissions.rights_on(request.user, image)
    return {
        "image": image,
        "text": seen.text if seen else "",
        "language": seen.language if seen else languages.DEFAULT,
        "may_review": rights.may_review,
        "may_caption": rights.may_caption,
        "seen": seen.pk if seen else "",
        "seen_mark": review.last_seen(image),
        "save_url": reverse("edit" if seen else "write", args=[image.pk]),
        **_place(request, image),
    }


def _place(request: PersonRequest, image: Image) -> dict[str, str]:
    if request.GET.get("place") == "page" or request.GET.get("do"):
        return {"place": "page", "here": reverse("image", args=[image.pk])}
    return {"place": "", "here": reverse("gallery")}


def _neighbours(request: PersonRequest, image: Image) -> dict[str, Image | None]:
    """Give the pictures before and after this one in the gallery's order."""
    mine = selectors.images(request.user)
    older = Q(created_at__lt=image.created_at) | Q(created_at=image.created_at, id__lt=image.id)
    newer = Q(created_at__gt=image.created_at) | Q(created_at=image.created_at, id__gt=image.id)
    return {
        "previous": mine.filter(newer).order_by("created_at", "id").first(),
        "next": mine.filter(older).order_by("-created_at", "-id").first(),
    }

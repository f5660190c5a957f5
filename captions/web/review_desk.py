"""The review desk: one draft after the other, decided by single keys.

The first picture is written by the server, and every act is a form that leads to the next one. With script the next
pictures are fetched ahead; a decision then shows the next one at once and is sent behind it, as JSON both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from captions import review_figures, review_queue, second_review, selectors
from captions.errors import DeskError
from captions.models import Album, Caption, Image, Review, SecondReview
from captions.permissions import is_operator
from captions.review_queue import Order, Turn, Verdict
from captions.web import wording
from captions.web.doors import PersonRequest, person_only
from captions.web.reading import caption_of

#: How many decided pictures the film strip shows.
DECIDED_SHOWN: Final = 5
#: The form that one page can send at most; far more than it ever holds.
_IDS: Final = 500
_SKIPPED: Final = "review_skipped"
_GOOD_LENGTH: Final = 150
_DOING: Final = (Review.Decision.EDIT, Review.Decision.REJECT)
_ORDER_LABELS: Final = {
    Order.LEAST_SURE: gettext_lazy("Least sure first"),
    Order.OLDEST: gettext_lazy("Oldest first"),
    Order.ALBUM: gettext_lazy("Album by album"),
}
_REASON_LABELS: Final = {
    Review.Reason.WRONG: gettext_lazy("Wrong about the picture"),
    Review.Reason.COUNT: gettext_lazy("Wrong count"),
    Review.Reason.VAGUE: gettext_lazy("Too vague"),
    Review.Reason.LANGUAGE: gettext_lazy("Badly worded"),
    Review.Reason.OTHER: gettext_lazy("Something else"),
}

View = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class Choice:
    """What the person reviews: in which order, and which album only."""

    order: str
    album: Album | None

    @property
    def query(self) -> str:
        """The same as the end of an address, "" for what is usual."""
        parts = {"order": self.order if self.order != Order.LEAST_SURE else ""}
        parts["album"] = str(self.album.pk) if self.album else ""
        chosen = {name: value for name, value in parts.items() if value}
        return f"?{urlencode(chosen)}" if chosen else ""

    @property
    def label(self) -> str:
        """What the person chose, in words."""
        return self.album.name if self.album else str(_ORDER_LABELS[Order(self.order)])


@dataclass(frozen=True)
class Draft:
    """One caption that can be chosen."""

    caption: Caption
    score: str
    provenance: str
    revision: str
    settings: str
    is_chosen: bool

    @property
    def length_words(self) -> str:
        """What its length means, after the number."""
        return length_words(len(self.caption.text))


@dataclass(frozen=True)
class Shown:
    """One picture as the desk shows it. `doing` is "edit" or "reject" while that is open; `text` the words in it."""

    turn: Turn
    drafts: Sequence[Draft]
    doing: str = ""
    text: str = ""
    problem: DeskError | None = None

    @property
    def image(self) -> Image:
        """The picture."""
        return self.turn.image

    @property
    def chosen(self) -> Draft:
        """The draft that is chosen when the picture appears."""
        return next(draft for draft in self.drafts if draft.is_chosen)


# --- Pages ---------------------------------------------------------------------------------------------------------


@person_only
@require_GET
def page(request: PersonRequest) -> HttpResponse:
    """Show the next picture to decide on; `?do=edit` and `?do=reject` open the editor and the reasons."""
    choice = _choice(request, request.GET)
    turns = _take(request, choice, 1)
    doing = request.GET.get("do", "")
    shown = _shown(turns[0], request, doing=doing if doing in _DOING else "") if turns else None
    return _page(request, choice, shown)


@person_only
@require_http_methods(["GET", "POST"])
def summary(request: PersonRequest) -> HttpResponseBase:
    """Show who decided how much, how quickly, and how much two agree; operators set the share that is made twice."""
    problem = None
    if request.method == "POST":
        try:
            second_review.set_share(to=_share(request.POST.get("share", "")), by=request.user)
        except DeskError as error:
            if error.code == "forbidden":
                raise
            problem = error
        else:
            messages.success(request, _("The share of decisions that are made twice is changed."))
            return redirect("review_summary")
    days = int(request.GET.get("days", "")) if request.GET.get("days", "") in map(str, review_figures.SPANS) else 7
    figures = review_figures.summary(request.user, days=days)
    context = {
        "figures": figures,
        "spans": [(span, span == days) for span in review_figures.SPANS],
        "reasons": [(_reason_label(reason), count) for reason, count in figures.reasons],
        "most": max((count for _, count in figures.reasons), default=1),
        "may_set": is_operator(request.user),
        "share": f"{second_review.share() * 100:g}",
        "typed": request.POST.get("share"),
        "problem": problem,
    }
    return render(request, "review/summary.html", context, status=problem.failure.status if problem else 200)


def _reason_label(reason: str) -> str:
    return str(_REASON_LABELS[Review.Reason(reason)]) if reason else _("Without a reason")


def _share(typed: str) -> float:
    try:
        return float(typed.strip().rstrip("%").replace(",", ".")) / 100
    except ValueError:
        return float("nan")


def _page(request: PersonRequest, choice: Choice, shown: Shown | None, status: int = 200) -> HttpResponse:
    figures = review_figures.sitting(request.user)
    left = review_queue.waiting(request.user, album=choice.album)
    last = review_queue.last_decision(request.user)
    context = {
        "choice": choice,
        "shown": shown,
        "reasons": _reasons(),
        "orders": [(order.value, _ORDER_LABELS[order], choice.order == order.value) for order in Order],
        "albums": review_queue.albums(request.user)[: review_queue.AT_MOST],
        "decided": review_queue.decided(request.user, DECIDED_SHOWN),
        "done": figures.decided,
        "all": figures.decided + left,
        "left": left,
        "is_counted": left < selectors.COUNTED,
        "times": ",".join(str(round(time.timestamp() * 1000)) for time in figures.times),
        "pace": figures.pace,
        "last": last,
        "last_words": _undo_words(last) if last else "",
        "ahead": review_queue.AT_MOST // 2,
    }
    return render(request, "review/page.html", context, status=status)


# --- Acts ----------------------------------------------------------------------------------------------------------


def act(view: View) -> View:
    """Let a person do one thing by POST; to script a refusal is JSON with its words and code."""

    def guarded(request: PersonRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except DeskError as error:
            if not _is_script(request):
                raise
            return JsonResponse({"code": error.code, "words": error.detail}, status=error.failure.status)

    return person_only(require_POST(update_wrapper(guarded, view)))


@act
def ahead(request: PersonRequest) -> HttpResponseBase:
    """Give script the next pictures, and keep those that it has: `keep`, of which `lost` belong to others now."""
    choice = _choice(request, request.POST)
    keep = _ids(request.POST.getlist("keep"))
    kept = review_queue.renew(reviewer=request.user, images=keep) if keep else set()
    besides = [*keep, *_ids(request.POST.getlist("besides"))]
    turns = _take(request, choice, _number(request.POST.get("n", "")), besides=besides)
    return JsonResponse(
        {
            "turns": [_for_script(request, choice, _shown(turn, request)) for turn in turns],
            "lost": [str(one) for one in keep if one not in kept],
            "left": review_queue.waiting(request.user, album=choice.album),
        }
    )


@act
def decide(request: PersonRequest, image_id: UUID) -> HttpResponseBase:
    """Approve, edit or reject, and go on to the next picture."""
    image: Image | None = None
    second: SecondReview | None = None
    try:
        image = selectors.image(request.user, image_id)
        second = _second(request, image)
        verdict = Verdict(
            decision=_decision(request),
            caption=caption_of(image, request.POST.get("caption", "")),
            text=request.POST.get("text", ""),
            reason=request.POST.get("reason", ""),
            seen=request.POST.get("seen"),
        )
        made = review_queue.decide(image=image, reviewer=request.user, verdict=verdict, second=second)
    except DeskError as error:
        if _is_script(request):
            raise
        return _refused(request, image, second, error)
    if _is_script(request):
        return JsonResponse({"decision": str(made.pk), "words": _undo_words(made)})
    messages.success(request, _decided_words(made), extra_tags=reverse("review_undo"))
    return redirect(reverse("review") + _choice(request, request.POST).query)


@act
def skip(request: PersonRequest, image_id: UUID) -> HttpResponseBase:
    """Give a picture back; to this person it comes again when nothing else is left."""
    image = selectors.image(request.user, image_id)
    review_queue.give_back(reviewer=request.user, images=[image.pk])
    skipped = [one for one in request.session.get(_SKIPPED, []) if one != str(image.pk)]
    request.session[_SKIPPED] = [*skipped, str(image.pk)][-_IDS:]
    if _is_script(request):
        return JsonResponse({})
    messages.success(request, _("Skipped picture %(number)s. It comes again at the end.") % {"number": image.number})
    return redirect(reverse("review") + _choice(request, request.POST).query)


@act
def undo(request: PersonRequest) -> HttpResponseBase:
    """Take back the decision that is named, or the last one, and show its picture again."""
    last = review_queue.last_decision(request.user)
    named = request.POST.get("decision", "") or (str(last.pk) if last else "")
    choice = _choice(request, request.POST)
    try:
        image = review_queue.undo(reviewer=request.user, decision=named)
    except DeskError as error:
        if _is_script(request):
            raise
        messages.error(request, error.detail, extra_tags=error.code)
        return redirect(reverse("review") + choice.query)
    second = SecondReview.objects.select_related("first__caption__parent").filter(pk=UUID(named)).first()
    turn = review_queue.turn(reviewer=request.user, image=image, second=second)
    if _is_script(request):
        # Old drafts beside new ones: the picture may not wait for a decision now, and is left to the gallery then.
        return JsonResponse({"turn": _for_script(request, choice, _shown(turn, request)) if turn else None})
    messages.success(request, _("The decision on picture %(number)s is taken back.") % {"number": image.number})
    return _page(request, choice, _shown(turn, request)) if turn else redirect(reverse("review") + choice.query)


@act
def leave(request: PersonRequest) -> HttpResponseBase:
    """Give back what the page still had; the browser sends this by itself when the page is closed."""
    review_queue.give_back(reviewer=request.user, images=_ids(request.POST.getlist("keep")))
    return HttpResponse(status=204)


def _refused(
    request: PersonRequest, image: Image | None, second: SecondReview | None, error: DeskError
) -> HttpResponseBase:
    """Show the picture again with the reason and whatever was typed."""
    choice = _choice(request, request.POST)
    text = request.POST.get("text", "") if _decision(request) == Review.Decision.EDIT else ""
    turn = review_queue.turn(reviewer=request.user, image=image, second=second) if image else None
    if turn is not None:
        shown = _shown(turn, request, doing=Review.Decision.EDIT if text else "", text=text, problem=error)
        return _page(request, choice, shown, error.failure.status)
    if text:  # there is nothing left to decide, but words are never thrown away
        context = {"image": image, "text": text, "problem": error, "choice": choice}
        return render(request, "review/kept.html", context, status=error.failure.status)
    if image is None:  # it is gone, or was never this person's
        raise error
    messages.error(request, error.detail, extra_tags=error.code)
    return redirect(reverse("review") + choice.query)


# --- What is shown -------------------------------------------------------------------------------------------------


def length_words(length: int) -> str:
    """Say what a caption's length means for those who listen to it."""
    return _("a good length for alt text.") if length <= _GOOD_LENGTH else _("long for alt text.")


def _shown(
    turn: Turn, request: PersonRequest, *, doing: str = "", text: str = "", problem: DeskError | None = None
) -> Shown:
    drafts = [_draft(caption, turn, request) for caption in turn.drafts]
    return Shown(turn, drafts, doing=doing, text=text or turn.shown.text, problem=problem)


def _draft(caption: Caption, turn: Turn, request: PersonRequest) -> Draft:
    if caption.kind == Caption.Kind.GENERATED:
        provenance = wording.captioner(caption.model, first=True)
    else:
        who = wording.person(caption.author, viewer=request.user)
        provenance = _("%(deed)s by %(who)s") % {"deed": caption.get_kind_display(), "who": who}
    return Draft(
        caption=caption,
        score=wording.score(caption.score),
        provenance=provenance,
        revision=caption.revision.removeprefix("local:")[:7],
        settings=_settings(caption),
        is_chosen=caption.pk == turn.shown.pk,
    )


def _settings(caption: Caption) -> str:
    """Say how a draft was searched for; "" for people's words."""
    params = caption.params
    parts = []
    if params.get("do_sample"):
        parts.append(_("by chance, boldness %(temperature)s") % {"temperature": params.get("temperature", 1)})
    elif "num_beams" in params:
        parts.append(_("search width %(width)s") % {"width": params["num_beams"]})
    if caption.seed is not None:
        parts.append(_("seed %(seed)s") % {"seed": caption.seed})
    return ", ".join(parts)


def _for_script(request: PersonRequest, choice: Choice, shown: Shown) -> dict[str, str]:
    context = {"shown": shown, "choice": choice, "reasons": _reasons()}
    return {
        "id": str(shown.image.pk),
        "turn": render_to_string("review/turn.html", context, request),
        "film": render_to_string("review/film_one.html", {"image": shown.image, "mark": "draft"}, request),
    }


def _reasons() -> list[tuple[str, Any]]:
    return [(reason.value, label) for reason, label in _REASON_LABELS.items()]


def _undo_words(made: Review | SecondReview) -> str:
    """Say what Z takes back."""
    number = {"number": made.image.number}
    if made.decision == Review.Decision.REJECT:
        return _("undo the rejection of %(number)s") % number
    if made.decision == Review.Decision.EDIT:
        return _("undo the edit of %(number)s") % number
    return _("undo the approval of %(number)s") % number


def _decided_words(made: Review | SecondReview) -> str:
    number = {"number": made.image.number}
    if made.decision == Review.Decision.REJECT:
        return _("Rejected the draft of picture %(number)s.") % number
    if made.decision == Review.Decision.EDIT:
        return _("Edited and approved picture %(number)s.") % number
    return _("Approved picture %(number)s.") % number


# --- What is asked -------------------------------------------------------------------------------------------------


def _choice(request: PersonRequest, given: Any) -> Choice:
    order = given.get("order", "")
    album = given.get("album", "")
    return Choice(
        order=order if order in Order.values else Order.LEAST_SURE.value,
        album=review_queue.find_album(request.user, album) if album else None,
    )


def _take(request: PersonRequest, choice: Choice, count: int, *, besides: Sequence[UUID] = ()) -> list[Turn]:
    return review_queue.take(
        reviewer=request.user,
        count=count,
        order=choice.order,
        album=choice.album.pk if choice.album else None,
        besides=besides,
        last=_ids(request.session.get(_SKIPPED, [])),
    )


def _second(request: PersonRequest, image: Image) -> SecondReview | None:
    named = request.POST.get("second", "")
    if not named:
        return None
    row = second_review.find(request.user, named)
    if row.image_id != image.pk:
        raise DeskError("not_found")
    return row


def _decision(request: PersonRequest) -> str:
    """Read the decision; a reason's button names it in its address, because a button sends one value only."""
    return request.POST.get("decision", "") or request.GET.get("decision", "")


def _ids(given: Sequence[str]) -> list[UUID]:
    """Read ids that a page sent. Raises DeskError `bad_request` for anything else."""
    try:
        return [UUID(one) for one in given[:_IDS]]
    except ValueError:
        raise DeskError("bad_request") from None


def _number(given: str) -> int:
    return min(int(given), review_queue.AT_MOST) if given.isascii() and given.isdigit() and len(given) < 6 else 0


def _is_script(request: PersonRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")

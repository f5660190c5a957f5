"""Acts on one picture. Each is a form that posts here; with script only the picture's own parts come back."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from captions import jobs, languages, ledger, review, selectors, trash
from captions.errors import DeskError
from captions.models import CaptionJob, Image
from captions.params import ParamsInvalid
from captions.permissions import may_caption
from captions.web import gallery, panel, picture
from captions.web.cards import card_of
from captions.web.context import serving_of
from captions.web.doors import PersonRequest, go_back, person_only
from captions.web.reading import caption_of, trashed

Act = Callable[[PersonRequest, Image], str]
View = Callable[..., HttpResponseBase]


def decision(act: Act) -> View:
    """Make a view of an act: it does one thing to one image and gives the sentence for the film strip."""

    def view(request: PersonRequest, image_id: UUID) -> HttpResponseBase:
        image = selectors.image(request.user, image_id)
        try:
            words = act(request, image)
        except DeskError as error:
            return _refused(request, image_id, error)
        return _done(request, image_id, words, act.__name__)

    view.__name__ = act.__name__
    view.__doc__ = act.__doc__
    return person_only(require_POST(view))


@decision
def approve(request: PersonRequest, image: Image) -> str:
    """Approve the caption that the person saw."""
    chosen = caption_of(image, request.POST.get("caption", ""))
    review.approve(image=image, reviewer=request.user, caption=chosen, seen=_seen(request))
    return _("Approved picture %(number)s.") % {"number": image.number}


@decision
def edit(request: PersonRequest, image: Image) -> str:
    """Keep corrected words; approve them too unless the person only wanted to save."""
    seen = caption_of(image, request.POST.get("caption", "")) or image.caption
    text = request.POST.get("text", "")
    if seen is None:
        return _write(request, image, text)
    if request.POST.get("approve") == "no":
        _captioner(request, image)
        ledger.edit(caption=seen, author=request.user, text=text, language=_language(request))
        return _("Saved the words of picture %(number)s. They wait for a decision.") % {"number": image.number}
    review.edit(
        image=image, reviewer=request.user, text=text, caption=seen, seen=_seen(request), language=_language(request)
    )
    return _("Edited and approved picture %(number)s.") % {"number": image.number}


@decision
def write(request: PersonRequest, image: Image) -> str:
    """Keep words written by hand; approve them too unless the person only wanted to save."""
    return _write(request, image, request.POST.get("text", ""))


def _write(request: PersonRequest, image: Image, text: str) -> str:
    _captioner(request, image)
    with transaction.atomic():
        language = _language(request) or languages.DEFAULT
        written = ledger.write(image=image, author=request.user, text=text, language=language)
        if request.POST.get("approve") == "no":
            return _("Saved your words for picture %(number)s. They wait for a decision.") % {"number": image.number}
        review.approve(image=image, reviewer=request.user, caption=written)
    return _("Your words for picture %(number)s are approved.") % {"number": image.number}


@decision
def reject(request: PersonRequest, image: Image) -> str:
    """Reject the caption that the person saw, with a reason."""
    seen = caption_of(image, request.POST.get("caption", ""))
    reason = request.POST.get("reason", "")
    review.reject(image=image, reviewer=request.user, caption=seen, reason=reason, seen=_seen(request))
    return _("Rejected the draft of picture %(number)s.") % {"number": image.number}


@decision
def undo(request: PersonRequest, image: Image) -> str:
    """Take back the person's last decision on this image."""
    review.undo(image=image, reviewer=request.user)
    return _("The decision on picture %(number)s is taken back.") % {"number": image.number}


@decision
def restore(request: PersonRequest, image: Image) -> str:
    """Make earlier words the newest again; nothing is lost, another version is added."""
    _captioner(request, image)
    chosen = caption_of(image, request.POST.get("caption", ""))
    if chosen is None:
        raise DeskError("not_found")
    ledger.restore(caption=chosen, author=request.user)
    return _("The earlier words of picture %(number)s are the newest again. They wait for a decision.") % {
        "number": image.number
    }


@decision
def cancel(request: PersonRequest, image: Image) -> str:
    """Stop every open job of this image."""
    _captioner(request, image)
    open_jobs = list(CaptionJob.objects.filter(image=image, is_trial=False, state__in=CaptionJob.OPEN))
    if not open_jobs:
        raise DeskError("job_not_open")
    for job in open_jobs:
        jobs.cancel(job=job, by=request.user)
    return _("Stopped drafting for picture %(number)s.") % {"number": image.number}


@decision
def retry(request: PersonRequest, image: Image) -> str:
    """Put the last failed job of this image back into the queue."""
    _captioner(request, image)
    ended = CaptionJob.objects.filter(image=image, is_trial=False, state=CaptionJob.State.FAILED).order_by(
        "-finished_at", "-id"
    )
    job = ended.first()
    if job is None:
        raise DeskError("job_not_failed")
    jobs.retry(job=job, by=request.user)
    return _("Picture %(number)s is back in the queue.") % {"number": image.number}


@person_only
@require_POST
def again(request: PersonRequest, image_id: UUID) -> HttpResponseBase:
    """Ask for captions of this image once more, with the panel's parameters when they came with the form."""
    image = selectors.image(request.user, image_id)
    form = request.POST.dict() if "panel" in request.POST else {}
    model = form.get("model", "")[:200]
    serving = serving_of(request)
    defaults = serving.defaults_for(form.get("shown_for", ""))
    try:
        _captioner(request, image)
        chosen = panel.read(form, defaults=defaults) if form else {}
        _stop_open_jobs(request, image)
        with transaction.atomic():  # all the models asked for, or none: half a comparison helps nobody
            made = [
                jobs.request(image=image, chosen=chosen, model=one).created for one in panel.asked_for(serving, model)
            ]
    except ParamsInvalid as refused:
        return picture.panel_refused(request, image, refused)
    except DeskError as error:
        return _refused(request, image_id, error)
    if any(made):
        words = _("Picture %(number)s went into the queue.")
    else:
        words = _("Picture %(number)s waits in the queue already, with these settings.")
    return _done(request, image_id, words % {"number": image.number}, "again")


def _stop_open_jobs(request: PersonRequest, image: Image) -> None:
    """Where the person asked for another model instead of the one that does not come, give up the old request."""
    if request.GET.get("instead") == "1":
        for job in CaptionJob.objects.filter(image=image, is_trial=False, state__in=CaptionJob.OPEN):
            jobs.cancel(job=job, by=request.user)


@person_only
@require_POST
def discard(request: PersonRequest, image_id: UUID) -> HttpResponseBase:
    """Put the image into the trash, and show the gallery, where it can be undone."""
    image = selectors.image(request.user, image_id)
    trash.discard(image=image, by=request.user)
    messages.success(
        request,
        _("Picture %(number)s is in the trash.") % {"number": image.number},
        extra_tags=reverse("recover", args=[image_id]),
    )
    return redirect("gallery")


@person_only
@require_POST
def recover(request: PersonRequest, image_id: UUID) -> HttpResponseBase:
    """Take the image out of the trash."""
    image = trashed(request, image_id) or selectors.image(request.user, image_id)
    trash.recover(image=image, by=request.user)
    messages.success(request, _("Picture %(number)s is back.") % {"number": image.number})
    return redirect(go_back(request, default="trash"))


def _captioner(request: PersonRequest, image: Image) -> None:
    """Let whoever may caption go on; reviewers of everybody's pictures decide on words and do nothing else."""
    if not may_caption(request.user, image):
        raise DeskError("not_found")


def _language(request: PersonRequest) -> str | None:
    """Give the language that the editor names; None keeps that of the words before."""
    return request.POST.get("language") or None


def _seen(request: PersonRequest) -> str | None:
    """Give the mark of the decisions that the page showed, so that nobody overrules another unawares."""
    return request.POST.get("seen")


_UNDONE_BY_REVIEW = {"approve", "edit", "write", "reject"}


def _done(request: PersonRequest, image_id: UUID, words: str, act: str) -> HttpResponseBase:
    decided = act in _UNDONE_BY_REVIEW and request.POST.get("approve") != "no"
    undo_url = reverse("undo", args=[image_id]) if decided else ""
    if not request.htmx:
        messages.success(request, words, extra_tags=undo_url)
        return redirect(go_back(request))
    response = _parts(request, image_id, words=words, undo_url=undo_url)
    return trigger_client_event(response, "desk:done", {"image": str(image_id), "act": act})


def _refused(request: PersonRequest, image_id: UUID, error: DeskError) -> HttpResponseBase:
    if not request.htmx:
        messages.error(request, error.detail, extra_tags=error.code)
        return redirect(go_back(request))
    response = _parts(request, image_id, problem=error)
    response.status_code = error.failure.status
    return response


def _parts(
    request: PersonRequest, image_id: UUID, *, words: str = "", undo_url: str = "", problem: DeskError | None = None
) -> HttpResponse:
    image = selectors.image(request.user, image_id)
    place = request.POST.get("place", "")
    common = {"oob": True, "toast_words": words, "undo_url": undo_url, "place": place, "next": go_back(request)}
    if place == "page":
        return render(request, "picture/parts.html", {**picture.context_of(request, image, problem=problem), **common})
    card = card_of(image, viewer=request.user, problem=problem, serving=serving_of(request))
    context = {"card": card, "here": go_back(request), **gallery.around(request, go_back(request)), **common}
    return render(request, "gallery/parts.html", context)

"""Adding pictures: one file a request with script, many without."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from captions import ingest
from captions.errors import DeskError
from captions.web import failures, gallery, wording
from captions.web.cards import card_of
from captions.web.doors import PersonRequest, go_back, person_only


@person_only
@require_POST
def add(request: PersonRequest) -> HttpResponseBase:
    """Take in the pictures of a form; with script one, and 201 with its card, 200 when it is known, else why not."""
    files = request.FILES.getlist("file")
    if request.htmx:
        return _one(request, files)
    if not files:
        messages.warning(request, "Choose files first, then add them.")
    _many(request, files)
    return redirect(go_back(request))


def _one(request: PersonRequest, files: Sequence[UploadedFile[bytes]]) -> HttpResponse:
    try:
        if not files:
            raise DeskError("no_file")
        received = _receive(request, files[0])
    except DeskError as error:
        context = {"problem": error, "request_id": failures.request_id()}
        return render(request, "gallery/not_added.html", context, status=error.failure.status)
    if not received.created:
        return render(request, "gallery/known.html", {"image": received.image})
    chip = gallery.chip_of(go_back(request))
    context = {
        "card": card_of(received.image, viewer=request.user),
        "here": go_back(request),
        "oob_frame": True,
        **gallery.frame(request, chip),
    }
    return render(request, "gallery/added.html", context, status=201)


def _many(request: PersonRequest, files: Sequence[UploadedFile[bytes]]) -> None:
    """Take in file by file: one that cannot be read stops none of the others."""
    added = 0
    for file in files:
        try:
            received = _receive(request, file)
        except DeskError as error:
            messages.error(request, f"{file.name}: {error.detail}", extra_tags=error.code)
            continue
        if received.created:
            added += 1
        else:
            known = f"{file.name}: you already have this picture. It is number {received.image.number}."
            messages.warning(request, known)
    if added:
        messages.success(request, f"{wording.counted(added, 'picture')} added.")


def _receive(request: PersonRequest, file: UploadedFile[bytes]) -> ingest.Received:
    return ingest.receive(owner=request.user, file=file, filename=file.name or "", chosen={})

"""Adding pictures: in pieces with script (the tus protocol, `captions.api.views.uploads`), by one form without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from captions import checking, imports, ingest, uploads
from captions.errors import DeskError, told
from captions.models import Upload
from captions.uploads import Announced
from captions.web import failures, gallery
from captions.web.cards import card_of
from captions.web.doors import PersonRequest, go_back, person_only

_LONGEST_NUMBER: Final = 1 << 53  # what a browser can count to


@person_only
@require_POST
def add(request: PersonRequest) -> HttpResponseBase:
    """Take in the pictures of a form; with htmx one, and 201 with its card, 200 when it is known, else why not."""
    files = request.FILES.getlist("file")
    if request.htmx:
        return _one(request, files)
    if not files:
        messages.warning(request, _("Choose files first, then add them."))
    _many(request, files)
    return redirect(go_back(request))


@person_only
@require_POST
def announce(request: PersonRequest) -> HttpResponseBase:
    """Note the files that a page is going to send, and say of each how much of it is here."""
    try:
        announced, batch_id = _announced(request)
        batch = imports.one(request.user, batch_id) if batch_id else None
        batch, given = uploads.announce(owner=request.user, announced=announced, batch=batch)
    except DeskError as error:
        return JsonResponse({"code": error.code, "detail": error.detail}, status=error.failure.status)
    return JsonResponse(
        {
            "import": batch.pk,
            "address": reverse("import", args=[batch.pk]),
            "files": [one and _told(one) for one in given],
        }
    )


@person_only
@require_GET
def outcome(request: PersonRequest, upload_id: UUID) -> HttpResponse:
    """Say what became of a file that a page has sent: its card, or words."""
    upload = imports.upload(request.user, upload_id)
    here = request.GET.get("here", "/")
    if upload.state == Upload.State.DONE and upload.image is not None and upload.image.deleted_at is None:
        image = imports.shown_image(upload.image)
        chip = gallery.chip_of(here)
        context = {"card": card_of(image, viewer=request.user), "here": here, "oob_frame": True}
        return render(request, "gallery/added.html", {**context, **gallery.frame(request, chip)})
    if upload.state == Upload.State.KNOWN and upload.image is not None:
        return render(request, "gallery/known.html", {"image": upload.image})
    problem = {"code": upload.error_code, "detail": told(upload.error_code, upload.error_detail)}
    return render(request, "gallery/not_added.html", {"problem": problem, "upload": upload})


# --- What a page announces -----------------------------------------------------------------------------------------


def _told(upload: Upload) -> dict[str, Any]:
    offset = uploads.offset_of(upload)
    return {"id": upload.pk, "import": upload.batch_id, "offset": offset, "state": upload.state}


def _announced(request: PersonRequest) -> tuple[list[Announced], str]:
    """Read `{"import": id?, "files": [[name, folder, size, fingerprint], ...]}`. Raises DeskError `bad_request`."""
    try:
        told = json.loads(request.body)
        files = [_file(*one) for one in told["files"]]
        batch_id = told.get("import") or ""
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise DeskError("bad_request") from None
    return files, str(batch_id)


def _file(name: object, folder: object, size: object, fingerprint: object) -> Announced:
    if not (isinstance(name, str) and isinstance(folder, str) and isinstance(fingerprint, str)):
        raise TypeError
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < _LONGEST_NUMBER:
        raise ValueError
    return Announced(filename=name, folder=folder, length=size, fingerprint=fingerprint[:200])


# --- One form ------------------------------------------------------------------------------------------------------


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
            if (file.name or "").lower().endswith(".zip"):
                _open(request, file)
                continue
            received = _receive(request, file)
        except DeskError as error:
            messages.error(request, f"{file.name}: {error.detail}", extra_tags=error.code)
            continue
        if received.created:
            added += 1
        else:
            known = _("%(file)s: you already have this picture. It is number %(number)s.")
            messages.warning(request, known % {"file": file.name, "number": received.image.number})
    if added:
        words = ngettext("%(added)s picture added.", "%(added)s pictures added.", added)
        messages.success(request, words % {"added": added})


def _open(request: PersonRequest, file: UploadedFile[bytes]) -> None:
    """Take a ZIP file, whose pictures are added one by one while its sender looks on."""
    announced = Announced(file.name or "", file.size or 0)
    batch, _none = uploads.announce(owner=request.user, announced=[])
    upload = uploads.create(owner=request.user, announced=announced, batch=batch)
    if upload.length:
        upload = uploads.append(upload=upload, offset=0, data=file, size=upload.length)
    checking.start(upload=upload)
    messages.success(request, _("%(file)s is being opened. Imports show how far it is.") % {"file": file.name})


def _receive(request: PersonRequest, file: UploadedFile[bytes]) -> ingest.Received:
    return ingest.receive(owner=request.user, file=file, filename=file.name or "", chosen={})

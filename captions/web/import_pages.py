"""Imports: what became of every file, what is missing, and albums made of folders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from captions import checking, imports, uploads
from captions.errors import told
from captions.models import Import, Upload
from captions.web import adding_form, wording
from captions.web.doors import PersonRequest, person_only
from captions.web.paging import page_of

PAGE: Final = 60
_AT_ONCE: Final = 60
State = Upload.State
#: Part of an import: its words and its mark.
_PARTS: Final = {
    "all": (gettext_lazy("All"), ""),
    "missing": (gettext_lazy("Not here yet"), "wait"),
    "checking": (gettext_lazy("Being checked"), "run"),
    "done": (gettext_lazy("Added"), "ok"),
    "known": (gettext_lazy("Were here already"), "queue"),
    "refused": (gettext_lazy("Not added"), "bad"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One file as a page shows it."""

    upload: Upload
    mark: str
    label: str
    size: str
    percent: int | None
    words: str

    @property
    def is_open(self) -> bool:
        """Whether it may change by itself."""
        return self.upload.state in (State.OPEN, State.CHECKING)


@person_only
@require_GET
def overview(request: PersonRequest) -> HttpResponse:
    """Show a person's imports, newest first."""
    found = page_of(imports.imports(request.user), after=request.GET.get("after", ""), size=24)
    sums = imports.sums(found.rows)
    rows = [{"batch": batch, "sums": sums[batch.pk]} for batch in found.rows]
    return render(request, "imports/overview.html", {"rows": rows, "after": found.after, "adding": adding_form.frame()})


@person_only
@require_GET
def page(request: PersonRequest, import_id: UUID) -> HttpResponse:
    """Show one import, or for htmx the next files of its list."""
    batch = imports.one(request.user, import_id)
    part = _part(request.GET.get("show", ""))
    found = page_of(imports.files(request.user, batch, part=part), after=request.GET.get("after", ""), size=PAGE)
    context = {
        "batch": batch,
        "rows": [row_of(upload) for upload in found.rows],
        "next_page": _address(batch, part, found.after) if found.after else "",
    }
    if request.htmx:
        return render(request, "imports/rows.html", context)
    folders = imports.folders(batch)
    more = {"adding": adding_form.frame(), "folders": folders[:12], "folder_count": len(folders)}
    return render(request, "imports/page.html", {**context, **more, **_summary(batch, part)})


@person_only
@require_GET
def live(request: PersonRequest, import_id: UUID) -> HttpResponse:
    """Give the sums and the named files as they are now, for a page that is open."""
    batch = imports.one(request.user, import_id)
    ids = list(_ids(request.GET.getlist("id")))
    found = imports.uploads(request.user).filter(batch=batch, pk__in=ids) if ids else []
    context = {"batch": batch, "rows": [row_of(upload) for upload in found], "oob": True}
    return render(request, "imports/live.html", {**context, **_summary(batch, _part(request.GET.get("show", "")))})


@person_only
@require_POST
def again(request: PersonRequest, upload_id: UUID) -> HttpResponseBase:
    """Check a refused file once more."""
    upload = checking.again(upload=imports.upload(request.user, upload_id))
    if request.htmx:
        return render(request, "imports/row.html", {"row": row_of(upload)})
    return redirect("import", upload.batch_id) if upload.batch_id else redirect("imports")


@person_only
@require_POST
def albums(request: PersonRequest, import_id: UUID) -> HttpResponseBase:
    """Make an album of each folder."""
    made = imports.make_albums(batch=imports.one(request.user, import_id), by=request.user)
    words = ngettext(
        "The pictures of %(made)s folder are in an album of its name.",
        "The pictures of %(made)s folders are in albums of their names.",
        made,
    )
    messages.success(request, words % {"made": made})
    return redirect("import", import_id)


@person_only
@require_POST
def give_up(request: PersonRequest, import_id: UUID) -> HttpResponseBase:
    """Forget the files that have not arrived."""
    gone = uploads.give_up(batch=imports.one(request.user, import_id))
    words = ngettext("%(gone)s file is no longer awaited.", "%(gone)s files are no longer awaited.", gone)
    messages.success(request, words % {"gone": gone})
    return redirect("import", import_id)


def row_of(upload: Upload) -> Row:
    """Say how one file is."""
    mark, label = _look(upload)
    percent = None
    if upload.state == State.OPEN and upload.length:
        percent = 100 * uploads.offset_of(upload) // upload.length
    size = wording.file_size(upload.length)
    return Row(upload, mark, label, size, percent, _words(upload))


def _look(upload: Upload) -> tuple[str, str]:
    if upload.state == State.OPEN:
        return "wait", _("Not here yet") if not upload.offset else _("Part of it is here")
    if upload.state == State.CHECKING:
        return ("wait", _("Waits")) if upload.error_code else ("run", _("Being checked"))
    if upload.state == State.DONE:
        return "ok", _("Opened") if upload.is_archive else _("Added")
    if upload.state == State.KNOWN:
        return "queue", _("Was here already")
    return "bad", _("Not added")


def _words(upload: Upload) -> str:
    if upload.state == State.CHECKING and upload.error_code == "queue_full":
        return _("Your queue is full. The file is safe and goes on by itself when captions are done.")
    if upload.state == State.CHECKING and upload.error_code:
        return _("The file is safe and is tried again by itself.")
    return told(upload.error_code, upload.error_detail)


def _summary(batch: Import, part: str) -> dict[str, object]:
    sums = imports.sums([batch])[batch.pk]
    counts = {name: getattr(sums, name) for name in _PARTS}
    return {
        "sums": sums,
        "arrived": wording.file_size(sums.arrived),
        "length": wording.file_size(sums.length),
        "percent": 100 * sums.settled // sums.all if sums.all else 0,
        "part": part,
        "chips": [
            {"name": name, "label": label, "mark": mark, "count": counts[name], "url": _address(batch, name)}
            for name, (label, mark) in _PARTS.items()
            if counts[name] or name in ("all", part)
        ],
    }


def _part(raw: str) -> str:
    return raw if raw in _PARTS else "all"


def _address(batch: Import, part: str, after: str = "") -> str:
    query = {key: value for key, value in (("show", part if part != "all" else ""), ("after", after)) if value}
    return reverse("import", args=[batch.pk]) + (f"?{urlencode(query)}" if query else "")


def _ids(raw: Iterable[str]) -> Iterable[UUID]:
    for word in list(raw)[:_AT_ONCE]:
        try:
            yield UUID(word)
        except ValueError:
            continue

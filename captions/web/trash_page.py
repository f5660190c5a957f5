"""The trash: pictures that can still be brought back."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from captions import selectors
from captions.web.doors import PersonRequest, person_only
from captions.web.paging import page_of

PAGE = 24


@person_only
@require_GET
def page(request: PersonRequest) -> HttpResponse:
    """Show what is in the trash, last deleted first."""
    found = page_of(selectors.trash(request.user), after=request.GET.get("after", ""), size=PAGE, by="deleted_at")
    days = settings.TRASH_DAYS
    lives = [
        {"image": image, "until": image.deleted_at + timedelta(days=days) if image.deleted_at else None}
        for image in found.rows
    ]
    return render(request, "trash/page.html", {"lives": lives, "after": found.after, "days": days})

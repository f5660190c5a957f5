"""The door to every page: who is there, and what they are told when something fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from captions.errors import DeskError
from captions.web import failures

P = ParamSpec("P")


class PersonRequest(HttpRequest):
    """A request of somebody who is logged in."""

    user: User
    htmx: HtmxDetails


View = Callable[Concatenate[PersonRequest, P], HttpResponseBase]


def person_only(view: View[P]) -> Callable[Concatenate[Any, P], HttpResponseBase]:
    """Let in who is logged in; send everybody else to the login page. A DeskError becomes a page with its words."""

    def guarded(request: Any, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _to_login(request)
        try:
            return view(request, *args, **kwargs)
        except DeskError as error:
            return failures.explain(request, error)

    return update_wrapper(guarded, view)


def go_back(request: HttpRequest, *, default: str = "gallery") -> str:
    """Give the address that a form wants to come back to, when it is one of ours."""
    wanted = request.POST.get("next", "")
    # Only whole paths: "redirect" would take a bare word for the name of an address, and fall over an unknown one.
    if wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return wanted
    return resolve_url(default)


def _to_login(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request") == "true":
        # A fragment cannot become a login page: the whole window goes there, and comes back to where it was.
        return HttpResponseClientRedirect(resolve_url(settings.LOGIN_URL))
    return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")

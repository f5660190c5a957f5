"""The operators' page of accounts for programs: make, switch on and off, and their API tokens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from captions import service_accounts, tokens
from captions.errors import DeskError
from captions.models import ApiToken
from captions.permissions import OPERATORS, REVIEWERS, is_operator
from captions.web.account import TokenForm
from captions.web.doors import PersonRequest, person_only


class ServiceForm(forms.Form):
    """What a new account is called and may do."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=150,
        help_text=gettext_lazy("Letters, digits and @ . + - _. The program's pictures and words carry it."),
    )
    role = forms.ChoiceField(
        label=gettext_lazy("With other people's pictures it may"),
        required=False,
        choices=(
            ("", gettext_lazy("do nothing: only its own pictures are its business")),
            (REVIEWERS, gettext_lazy("decide on captions, as a reviewer")),
            (OPERATORS, gettext_lazy("do everything, as an operator")),
        ),
    )


@person_only
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def page(request: PersonRequest) -> HttpResponseBase:
    """List the accounts; POST makes one."""
    _operators_only(request)
    form = ServiceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = service_accounts.make(**form.cleaned_data, by=request.user)
        except DeskError as refused:
            form.add_error(refused.attr, refused.detail)
        else:
            messages.success(request, _("The account “%(name)s” is made. Make it a token now.") % {"name": made})
            return redirect("service_tokens", made.pk)
    return render(request, "operations/services.html", {"form": form, "accounts": service_accounts.every()})


@person_only
@require_POST
@reauthentication_required()
def switch(request: PersonRequest, user_id: int) -> HttpResponseBase:
    """Switch an account on or off."""
    account = _find(request, user_id)
    on = request.POST.get("on") == "yes"
    service_accounts.switch(account=account, on=on, by=request.user)
    words = _("“%(name)s” is switched on.") if on else _("“%(name)s” is switched off. Its tokens open nothing.")
    messages.success(request, words % {"name": account})
    return redirect("services")


@person_only
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def token_make(request: PersonRequest, user_id: int) -> HttpResponse:
    """List the tokens of an account; POST makes one and shows its secret, this once."""
    account = _find(request, user_id)
    context: dict[str, Any] = {"account": account, "form": TokenForm(request.POST or None)}
    if request.method == "POST" and context["form"].is_valid():
        context["made"], context["secret"] = context["form"].mint(account)
        context["form"] = TokenForm()
    context["rows"] = ApiToken.objects.filter(user=account)
    response = render(request, "operations/service.html", context)
    response["Cache-Control"] = "no-store"  # the secret must not come back with the browser's "back"
    return response


@person_only
@require_POST
def token_revoke(request: PersonRequest, user_id: int, token_id: UUID) -> HttpResponseBase:
    """End one token of an account at once."""
    token = ApiToken.objects.filter(user=_find(request, user_id), pk=token_id).first()
    if token is None:
        raise DeskError("not_found")
    tokens.revoke(token=token)
    words = _("The token “%(name)s” is revoked. Programs that use it are refused from now on.")
    messages.success(request, words % {"name": token.name})
    return redirect("service_tokens", user_id)


def _find(request: PersonRequest, user_id: int) -> User:
    _operators_only(request)
    account = service_accounts.every().filter(pk=user_id).first()
    if account is None:
        raise DeskError("not_found")
    return account


def _operators_only(request: PersonRequest) -> None:
    if not is_operator(request.user):
        raise DeskError("not_found")

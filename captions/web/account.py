"""The account page, API tokens, and what the browser remembers: theme, language, keys and layout."""

from __future__ import annotations

from uuid import UUID

from allauth.account.decorators import reauthentication_required
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from captions import selectors, tokens, webhooks
from captions.errors import DeskError
from captions.models import ApiToken
from captions.scopes import Scope
from captions.web.context import THEMES, VIEWS
from captions.web.doors import PersonRequest, go_back, person_only

_PREFERENCES = {
    "theme": THEMES,
    "keys": ("on", "off"),
    "view": VIEWS,
    settings.LANGUAGE_COOKIE_NAME: [code for code, _name in settings.LANGUAGES],
}
YEAR = 365 * 24 * 3600
_LIVES = (
    ("30", gettext_lazy("30 days")),
    ("90", gettext_lazy("90 days")),
    ("365", gettext_lazy("One year")),
    ("", gettext_lazy("Until it is revoked")),
)


class TokenForm(forms.Form):
    """What a new token is called and how long it lives."""

    name = forms.CharField(
        label=gettext_lazy("What is it for?"),
        max_length=80,
        help_text=gettext_lazy("The program or machine that will use it, so that you know later which one to revoke."),
    )
    days = forms.ChoiceField(
        label=gettext_lazy("How long may it be used?"), choices=_LIVES, required=False, initial="90"
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What may it do?"),
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        initial=[scope.value for scope in Scope if scope is not Scope.ADMIN],
        error_messages={"required": gettext_lazy("Choose at least one thing that the token may do.")},
    )

    def mint(self, user: User) -> tuple[ApiToken, str]:
        """Make what was asked for, and give it with its secret."""
        asked = self.cleaned_data
        days = int(asked["days"]) if asked["days"] else None
        return tokens.mint(user=user, name=asked["name"], days=days, scopes=asked["scopes"])


@person_only
@require_GET
def overview(request: PersonRequest) -> HttpResponse:
    """Show who the person is here, and the ways to change it."""
    groups = [group.name for group in request.user.groups.order_by("name")]
    live = ApiToken.objects.filter(user=request.user, revoked_at=None).count()
    context = {
        "groups": groups,
        "live": live,
        "hooks": webhooks.of(request.user).count(),
        "pictures": sum(selectors.tally(request.user).values()),
        "factors": _factors(request.user),
    }
    return render(request, "account_pages/overview.html", {**context, **_languages(request)})


def _factors(user: User) -> dict[str, int]:
    """Count the person's second factors by kind, and the recovery codes that are left."""
    found = list(Authenticator.objects.filter(user_id=user.pk))
    kinds = [one.type for one in found]
    codes = [one.wrap().get_unused_codes() for one in found if one.type == Authenticator.Type.RECOVERY_CODES]
    return {
        "apps": kinds.count(Authenticator.Type.TOTP),
        "passkeys": kinds.count(Authenticator.Type.WEBAUTHN),
        "codes": sum(map(len, codes)),
    }


def _languages(request: HttpRequest) -> dict[str, object]:
    chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    return {"languages": settings.LANGUAGES, "language": chosen if chosen in dict(settings.LANGUAGES) else ""}


@person_only
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def token_list(request: PersonRequest) -> HttpResponse:
    """List the person's tokens; POST makes one and shows its secret, this once."""
    secret = made = None
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made, secret = form.mint(request.user)
        form = TokenForm()
    rows = ApiToken.objects.filter(user=request.user)
    response = render(
        request, "account_pages/tokens.html", {"form": form, "rows": rows, "secret": secret, "made": made}
    )
    response["Cache-Control"] = "no-store"  # the secret must not come back with the browser's "back"
    return response


@person_only
@require_POST
def token_revoke(request: PersonRequest, token_id: UUID) -> HttpResponseBase:
    """End one token at once."""
    token = ApiToken.objects.filter(user=request.user, pk=token_id).first()
    if token is None:
        raise DeskError("not_found")
    tokens.revoke(token=token)
    words = _("The token “%(name)s” is revoked. Programs that use it are refused from now on.")
    messages.success(request, words % {"name": token.name})
    return redirect("tokens")


@person_only
@require_POST
def session_end(request: PersonRequest, session_id: int) -> HttpResponseBase:
    """Log one other browser of the person out."""
    session = UserSession.objects.filter(user=request.user, pk=session_id).first()
    if session is None:
        raise DeskError("not_found")
    session.end()
    messages.success(request, _("That browser is logged out."))
    return redirect("usersessions_list")


@require_POST
def preferences(request: HttpRequest) -> HttpResponseBase:
    """Remember theme, language, keys and layout in cookies, so that the server writes them into every page."""
    response = HttpResponse(status=204) if request.headers.get("HX-Request") == "true" else redirect(go_back(request))
    for name, known in _PREFERENCES.items():
        value = request.POST.get(name, "")
        if value in known:
            response.set_cookie(name, value, max_age=YEAR, samesite="Lax", secure=request.is_secure())
    if request.POST.get(settings.LANGUAGE_COOKIE_NAME) == "":  # as the browser asks
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")
    return response

"""What every page's frame shows: the person, the model in use, how many drafts wait, theme and keys."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from captions import counts, second_factor, selectors
from captions.counts import Counted
from captions.models import Account, Image
from captions.permissions import is_operator, is_reviewer
from captions.web.passkeys import may_use_passkeys
from captions.web.script_words import script_words

THEMES = ("light", "dark")
VIEWS = ("cards", "rows")


class Frame:
    """The values of the page frame. Each one is read when a template asks for it, so fragments pay for nothing."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def theme(self) -> str:
        """The chosen theme, or "" to follow the system's."""
        return theme_of(self._request)

    @property
    def keys_off(self) -> bool:
        """Whether the person turned single-letter keys off."""
        return self._request.COOKIES.get("keys") == "off"

    @property
    def script_words(self) -> dict[str, str]:
        """What scripts say by themselves."""
        return script_words()

    @property
    def at(self) -> str:
        """The name of the address that is being shown."""
        match = self._request.resolver_match
        return (match.url_name or "") if match else ""

    @cached_property
    def person(self) -> str:
        """The name of whoever is logged in, or ""."""
        user = getattr(self._request, "user", None)
        return user.get_username() if user is not None and user.is_authenticated else ""

    @property
    def serving(self) -> selectors.Serving:
        """Which model answers at this moment."""
        return serving_of(self._request)

    @cached_property
    def drafts_waiting(self) -> Counted:
        """How many of the person's own drafts wait for a decision: those that the gallery shows."""
        return counts.by_state(self._request.user, Image.State.DRAFT)[Image.State.DRAFT]

    @cached_property
    def to_review(self) -> str:
        """How many drafts the person may decide on, others' included for reviewers; "" for none."""
        count = selectors.drafts_waiting(self._request.user)
        return f"{count}+" if count >= selectors.COUNTED else str(count or "")

    @cached_property
    def has_first_password(self) -> bool:
        """Whether the person still uses the password that was printed at the first start."""
        account = Account.objects.filter(user__username=self.person, has_first_password=True)
        return bool(self.person) and account.exists()

    @cached_property
    def is_reviewer(self) -> bool:
        """Whether the person decides on everybody's captions."""
        return is_reviewer(self._request.user)

    @property
    def may_use_passkeys(self) -> bool:
        """Whether browsers make passkeys at this address."""
        return may_use_passkeys(self._request)

    @cached_property
    def needs_second_factor(self) -> bool:
        """Whether the person has to set up a second factor before anything else."""
        return bool(self.person) and second_factor.is_missing(self._request.user)  # type: ignore[arg-type]  # logged in

    @property
    def single_sign_on(self) -> str:
        """The name of the site whose word lets people in, or ""."""
        return str(settings.OIDC_NAME) if settings.OIDC_ISSUER else ""

    @property
    def may_sign_up(self) -> bool:
        """Whether strangers may make an account."""
        return bool(settings.ALLOW_SIGNUP)

    @property
    def docs_url(self) -> str:
        """Where the API is documented, or "" when this site has no such page."""
        try:
            return reverse("docs")
        except NoReverseMatch:
            return ""

    @cached_property
    def is_operator(self) -> bool:
        """Whether the person looks after the queue and the workers."""
        return bool(self.person) and is_operator(self._request.user)

    @property
    def admin_url(self) -> str:
        """Where operators and reviewers work, or "" for everybody else."""
        return reverse("admin:index") if getattr(self._request.user, "is_staff", False) else ""


def serving_of(request: HttpRequest) -> selectors.Serving:
    """Look at the workers once a request: its view, its cards and its frame all tell the same."""
    known: selectors.Serving | None = getattr(request, "_serving", None)
    if known is None:
        known = selectors.serving()
        request._serving = known  # type: ignore[attr-defined]  # lives and dies with the request
    return known


def view_of(request: HttpRequest) -> str:
    """Read how the gallery is laid out: cards with words and acts, or rows of pictures alone."""
    view = request.COOKIES.get("view", "")
    return view if view in VIEWS else VIEWS[0]


def theme_of(request: HttpRequest) -> str:
    """Read the theme cookie; anything but a known theme counts as none."""
    theme = request.COOKIES.get("theme", "")
    return theme if theme in THEMES else ""


def desk(request: HttpRequest) -> dict[str, Any]:
    """Give the values that the page frame shows."""
    return {"desk": Frame(request)}

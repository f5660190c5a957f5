"""Webhooks' pages: add one, change it, see what it was told and how it answered, and send a message again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from captions import delivering, outbound, selectors, webhooks
from captions.errors import FAILURES, DeskError
from captions.models import Webhook, WebhookAttempt, WebhookDelivery
from captions.models.clock import database_now
from captions.models.webhook import EventType
from captions.web.doors import PersonRequest, person_only
from captions.web.paging import page_of

PAGE: Final = 20
#: How many tries of one message are shown: one that is sent again and again would else fill the page.
TRIES: Final = 10
State = WebhookDelivery.State
_MARKS: Final = {State.PENDING: "wait", State.DELIVERED: "ok", State.FAILED: "bad"}
_FIELDS: Final = {
    "webhook_name": "name",
    "webhook_events": "events",
    "address_wrong": "url",
    "address_refused": "url",
}


def _words_of(code: str) -> Any:
    """Give a failure's words in the language of whoever will be served."""
    return gettext_lazy(FAILURES[code].english)


class WebhookForm(forms.Form):
    """What a webhook is called, where it is, and what it is told. The services judge once more."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        error_messages={name: _words_of("webhook_name") for name in ("required", "max_length")},
    )
    url = forms.CharField(
        label=gettext_lazy("Address"),
        help_text=gettext_lazy("Messages are posted there. It must be a public web address."),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocapitalize": "off", "spellcheck": "false"}),
        error_messages={"required": _words_of("address_wrong")},
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("What is it told?"),
        choices=EventType.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={name: _words_of("webhook_events") for name in ("required", "invalid_choice", "invalid_list")},
    )

    def clean_url(self) -> str:
        """Judge the address here, so that all that is wrong is said at once."""
        url: str = self.cleaned_data["url"]
        try:
            outbound.check(url)
        except DeskError as refused:
            raise forms.ValidationError(refused.detail, code=refused.code) from None
        return url


@dataclass(frozen=True, slots=True)
class Try:
    """One try to deliver a message, in words."""

    attempt: WebhookAttempt
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One message of the log. `tries` are the newest first."""

    delivery: WebhookDelivery
    mark: str
    type: str
    label: str
    message: str
    body: str
    tries: Sequence[Try]
    count: int

    @property
    def is_waiting(self) -> bool:
        """Whether it is on its way."""
        return self.delivery.state == State.PENDING


# --- All of one person's ---------------------------------------------------------------------------------------------


@person_only
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def index(request: PersonRequest) -> HttpResponse:
    """List the person's webhooks; POST adds one and shows its secret, this once."""
    if request.method == "GET":
        return _index(request, WebhookForm())
    form = WebhookForm(request.POST)
    if form.is_valid():
        asked = form.cleaned_data
        try:
            made, secret = webhooks.make(
                owner=request.user, name=asked["name"], url=asked["url"], events=asked["events"]
            )
        except DeskError as refused:
            return _index(request, form, status=_refuse(request, form, refused))
        return _index(request, WebhookForm(), made=made, secret=secret)
    return _index(request, form, status=400)


def _index(request: PersonRequest, form: WebhookForm, *, status: int = 200, **more: Any) -> HttpResponse:
    arrived = WebhookDelivery.objects.filter(webhook=OuterRef("pk"), state=State.DELIVERED)
    rows = webhooks.of(request.user).annotate(has_arrived=Exists(arrived))
    context = {"form": form, "rows": rows, "kinds": _labels(), **more}
    response = render(request, "webhooks/index.html", context, status=status)
    response["Cache-Control"] = "no-store"  # the secret must not come back with the browser's "back"
    return response


# --- One webhook -----------------------------------------------------------------------------------------------------


@person_only
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def page(request: PersonRequest, webhook_id: UUID) -> HttpResponseBase:
    """Show one webhook and its log; POST changes what it is called, where it is and what it is told."""
    hook = selectors.webhook(request.user, webhook_id)
    if request.method == "GET":
        return _page(request, webhook_id)
    form = WebhookForm(request.POST)
    if not form.is_valid():
        return _page(request, webhook_id, form=form, status=400)
    asked = form.cleaned_data
    try:
        webhooks.change(webhook=hook, name=asked["name"], url=asked["url"], events=asked["events"])
    except DeskError as refused:
        return _page(request, webhook_id, form=form, status=_refuse(request, form, refused))
    messages.success(request, _("Saved."))
    return redirect("webhook", webhook_id)


@person_only
@require_GET
def live(request: PersonRequest, webhook_id: UUID) -> HttpResponse:
    """Give those messages that have changed since the page showed them as on their way: `seen` is ID.TRIES each."""
    hook = selectors.webhook(request.user, webhook_id)
    seen = _seen(request.GET.getlist("seen")[:PAGE])
    found = list(_log(hook).filter(pk__in=seen))
    rows = _rows(one for one in found if one.state != State.PENDING or one.tries != seen[one.pk])
    context = {
        "hook": hook,
        "rows": rows,
        "ended": [row for row in rows if not row.is_waiting],
        # Without a message left to ask about the page must ask no more: htmx calls that an error.
        "waiting": any(one.state == State.PENDING for one in found),
        "oob": True,
    }
    return render(request, "webhooks/live.html", context)


@person_only
@require_POST
def switch(request: PersonRequest, webhook_id: UUID) -> HttpResponseBase:
    """Switch it on or off."""
    is_on = request.POST.get("on") == "1"
    webhooks.change(webhook=selectors.webhook(request.user, webhook_id), is_on=is_on)
    said = _("It is told of events from now on.") if is_on else _("It is told nothing more.")
    messages.success(request, said)
    return redirect("webhook", webhook_id)


@person_only
@require_POST
@reauthentication_required()
def secret(request: PersonRequest, webhook_id: UUID) -> HttpResponse:
    """Give it a new secret and show that, this once."""
    made = webhooks.rotate(webhook=selectors.webhook(request.user, webhook_id))
    response = _page(request, webhook_id, secret=made)
    response["Cache-Control"] = "no-store"  # the secret must not come back with the browser's "back"
    return response


@person_only
@require_POST
def test(request: PersonRequest, webhook_id: UUID) -> HttpResponseBase:
    """Send a test message."""
    hook = selectors.webhook(request.user, webhook_id)
    try:
        webhooks.send_test(webhook=hook)
    except DeskError as refused:
        return _say_no(request, refused, webhook_id)
    messages.success(request, _("A test message is on its way."))
    return _to_log(webhook_id)


@person_only
@require_POST
def again(request: PersonRequest, webhook_id: UUID, delivery_id: UUID) -> HttpResponseBase:
    """Send one message once more."""
    found = _log(selectors.webhook(request.user, webhook_id)).filter(pk=delivery_id).first()
    if found is None:
        raise DeskError("not_found")
    try:
        webhooks.replay(delivery=found)
    except DeskError as refused:
        return _say_no(request, refused, webhook_id)
    messages.success(request, _("The message is on its way again."))
    return _to_log(webhook_id)


@person_only
@require_http_methods(["GET", "POST"])
def delete(request: PersonRequest, webhook_id: UUID) -> HttpResponseBase:
    """Ask once, because its secret and its log cannot come back; POST deletes it."""
    hook = selectors.webhook(request.user, webhook_id)
    if request.method == "GET":
        return render(request, "webhooks/delete.html", {"hook": hook})
    webhooks.delete(webhook=hook)
    messages.success(request, _("The webhook “%(name)s” is deleted.") % {"name": hook.name})
    return redirect("webhooks")


def _page(
    request: PersonRequest, webhook_id: UUID, *, form: WebhookForm | None = None, secret: str = "", status: int = 200
) -> HttpResponse:
    # Read again: a change that was refused half way has left what was typed in the object, not in the database.
    hook = selectors.webhook(request.user, webhook_id)
    found = page_of(_log(hook), after=request.GET.get("after", ""), before=request.GET.get("before", ""), size=PAGE)
    rows = _rows(found.rows)
    here = reverse("webhook", args=[hook.pk])
    is_overlap = hook.old_secret_until is not None and hook.old_secret_until > database_now()
    context = {
        "hook": hook,
        "form": form or WebhookForm(initial={"name": hook.name, "url": hook.url, "events": hook.events}),
        "secret": secret,
        "old_until": hook.old_secret_until if is_overlap else None,
        "has_arrived": hook.deliveries.filter(state=State.DELIVERED).exists(),
        "rows": rows,
        "waiting": any(row.is_waiting for row in rows),
        "older": f"{here}?{urlencode({'after': found.after})}#log-h" if found.after else "",
        "newer": f"{here}?{urlencode({'before': found.before})}#log-h" if found.before else "",
    }
    return render(request, "webhooks/page.html", context, status=status)


def _to_log(webhook_id: UUID) -> HttpResponseBase:
    return redirect(reverse("webhook", args=[webhook_id]) + "#log-h")


def _say_no(request: PersonRequest, refused: DeskError, webhook_id: UUID) -> HttpResponseBase:
    messages.warning(request, refused.detail, extra_tags=refused.code)
    return redirect("webhook", webhook_id)


def _refuse(request: PersonRequest, form: WebhookForm, refused: DeskError) -> int:
    """Say a service's refusal at the field that it is about, else above the form; gives the status."""
    field = _FIELDS.get(refused.code)
    if field:
        form.add_error(field, refused.detail)
    else:
        messages.warning(request, refused.detail, extra_tags=refused.code)
    return refused.failure.status


# --- The log ---------------------------------------------------------------------------------------------------------


def _log(hook: Webhook) -> QuerySet[WebhookDelivery]:
    return hook.deliveries.select_related("event", "webhook").prefetch_related("attempts")


def _seen(words: Iterable[str]) -> dict[UUID, int]:
    found = {}
    for word in words:
        key, _dot, tries = word.partition(".")
        try:
            found[UUID(key)] = int(tries)
        except ValueError:
            continue
    return found


def _labels() -> list[tuple[str, Any]]:
    return [(kind.value, kind.label) for kind in EventType]


def _rows(deliveries: Iterable[WebhookDelivery]) -> list[Row]:
    return [_row(delivery) for delivery in deliveries]


def _row(delivery: WebhookDelivery) -> Row:
    attempts = list(delivery.attempts.all())
    return Row(
        delivery=delivery,
        mark=_MARKS[State(delivery.state)],
        type=delivery.event.type if delivery.event else delivering.TEST,
        label=delivery.event.get_type_display() if delivery.event else _("Test message"),
        message=delivering.message_id(delivery),
        body=json.dumps(delivering.body(delivery), ensure_ascii=False, indent=2),
        tries=[Try(attempt, _outcome(attempt)) for attempt in attempts[: -TRIES - 1 : -1]],
        count=len(attempts),
    )


def _outcome(attempt: WebhookAttempt) -> str:
    """Say how one try ended. Codes that a former version wrote are shown as they are."""
    if attempt.status is not None:
        return _("It answered %(status)d.") % {"status": attempt.status}
    return FAILURES[attempt.error].words if attempt.error in FAILURES else attempt.error

"""Sending what waits for webhooks: some at a time, each with a lease, none longer than a few seconds.

Receivers that are slow or gone must cost the timetable's worker little: at most AT_ONCE messages are under way,
PER_HOOK of them to one address, each for SECONDS, and a round ends after BUDGET_SECONDS. A message that is not taken
is tried again with growing pauses for a day. It may arrive twice (a process can die between the answer and its note),
but its id stays the same.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Min, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from captions import outbound, webhooks
from captions.errors import DeskError
from captions.models import Webhook, WebhookAttempt, WebhookDelivery
from captions.models.clock import DatabaseTime, database_now

log = structlog.get_logger(__name__)

#: Seconds from one try to the next: eight tries within 24 hours.
PAUSES: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 28800.0, 28800.0)
SECONDS: Final = 5.0
BUDGET_SECONDS: Final = 5.0
AT_ONCE: Final = 8
PER_HOOK: Final = 2
LEASE_SECONDS: Final = 60.0
FAILING_FOR: Final = timedelta(days=5)
TEST: Final = "webhook.test"
State = WebhookDelivery.State


@dataclass(frozen=True, slots=True)
class Taken:
    """How a message was taken: a status, or the code of why there is none."""

    status: int | None
    error: str
    answer: str
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def deliver(*, budget_seconds: float = BUDGET_SECONDS) -> int:
    """Send what is due until nothing is, or for `budget_seconds`; gives how many messages arrived."""
    end, arrived = time.monotonic() + budget_seconds, 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhooks") as pool:
        while time.monotonic() < end and (chosen := _claim()):
            messages = [_message(delivery) for delivery in chosen]
            for delivery, taken in zip(chosen, pool.map(_send, messages), strict=True):
                _write_down(delivery, taken)
                arrived += taken.is_good
    return arrived


def _claim() -> list[WebhookDelivery]:
    """Take some due messages for LEASE_SECONDS, of every address a few, so that none waits behind a dead one's heap."""
    due = WebhookDelivery.objects.filter(state=State.PENDING, due_at__lte=DatabaseTime(), webhook__off="")
    chosen: list[WebhookDelivery] = []
    for hook in _in_turn(due):
        rows = due.filter(webhook_id=hook).select_related("webhook", "event").order_by("due_at", "id")
        chosen += rows[:PER_HOOK]
        if len(chosen) >= AT_ONCE:
            break
    mine = []
    for delivery in chosen[:AT_ONCE]:
        still_due = WebhookDelivery.objects.filter(pk=delivery.pk, state=State.PENDING, due_at__lte=DatabaseTime())
        if still_due.update(due_at=DatabaseTime(after=LEASE_SECONDS)):  # 0 rows: another process has taken it
            mine.append(delivery)
    return mine


def _in_turn(due: QuerySet[WebhookDelivery]) -> list[UUID]:
    """Give the webhooks that have something due: of every person one before anybody's second, and people by chance.

    By age alone, somebody with a few slow addresses and a heap of messages would be first for hours.
    """
    ranked = []
    ranks: Counter[int] = Counter()
    hooks = due.values("webhook_id", "webhook__owner_id").annotate(first=Min("due_at")).order_by("first")
    for hook in hooks:
        ranked.append((ranks[hook["webhook__owner_id"]], random.random(), hook["webhook_id"]))  # noqa: S311  # spreads turns; nothing secret
        ranks[hook["webhook__owner_id"]] += 1
    return [hook for _rank, _chance, hook in sorted(ranked)]


def message_id(delivery: WebhookDelivery) -> str:
    """Give what receivers recognise a message by; the same over all tries."""
    return f"msg_{(delivery.event_id or delivery.pk).hex}"


def body(delivery: WebhookDelivery) -> dict[str, Any]:
    """Give what is sent."""
    event = delivery.event
    if event is None:
        return {"type": TEST, "timestamp": delivery.created_at.isoformat(), "data": {}}
    return {"type": event.type, "timestamp": event.created_at.isoformat(), "data": event.data}


@dataclass(frozen=True, slots=True)
class _Message:
    url: str
    keys: list[bytes]
    id: str
    body: bytes


def _message(delivery: WebhookDelivery) -> _Message | None:
    try:
        keys = webhooks.keys(delivery.webhook)
    except ValueError:
        return None
    told = json.dumps(body(delivery), ensure_ascii=False, separators=(",", ":")).encode()
    return _Message(delivery.webhook.url, keys, message_id(delivery), told)


def _send(message: _Message | None) -> Taken:
    """Send one message; runs in a thread of its own and asks the database for nothing."""
    if message is None:
        return Taken(None, "webhook_secret_unknown", "", 0.0)
    headers = webhooks.sign(message.keys, message.id, int(time.time()), message.body)
    began = time.monotonic()
    try:
        posted = outbound.post(message.url, message.body, headers=headers, seconds=SECONDS)
    except DeskError as refusal:
        return Taken(None, refusal.code, "", time.monotonic() - began)
    return Taken(posted.status, "", posted.head, posted.seconds)


def _write_down(delivery: WebhookDelivery, taken: Taken) -> None:
    tries = delivery.tries + 1
    ended = State.DELIVERED if taken.is_good else State.FAILED if tries > len(PAUSES) else State.PENDING
    after = None if ended != State.PENDING else DatabaseTime(after=PAUSES[tries - 1] * random.uniform(1.0, 1.1))  # noqa: S311  # spreads tries; nothing secret
    with transaction.atomic():
        if not Webhook.objects.filter(pk=delivery.webhook_id).exists():  # deleted meanwhile, with its log
            return
        WebhookAttempt.objects.create(
            delivery=delivery,
            status=taken.status,
            error=taken.error,
            answer=taken.answer.replace("\x00", "")[: outbound.HEAD_BYTES],
            seconds=taken.seconds,
        )
        WebhookDelivery.objects.filter(pk=delivery.pk).update(state=ended, tries=tries, due_at=after)
        _judge(delivery.webhook, taken)


def _judge(webhook: Webhook, taken: Taken) -> None:
    """Note whether an address works, and switch off one that is gone or has failed for FAILING_FOR."""
    same = Webhook.objects.filter(pk=webhook.pk)
    if taken.is_good:
        same.filter(failing_since__isnull=False).update(failing_since=None)
        return
    same.filter(failing_since=None).update(failing_since=DatabaseTime())
    since = same.values_list("failing_since", flat=True).get()
    if taken.status == 410:
        _switch_off(webhook, Webhook.Off.GONE)
    elif since is not None and since < database_now() - FAILING_FOR:
        _switch_off(webhook, Webhook.Off.FAILING)


def _switch_off(webhook: Webhook, why: str) -> None:
    if not Webhook.objects.filter(pk=webhook.pk, off="").update(off=why):
        return
    webhooks.give_up(webhook)
    log.warning("webhook_switched_off", webhook=str(webhook.pk), user_id=webhook.owner_id, why=why)
    transaction.on_commit(lambda: _tell_owner(webhook, Webhook.Off(why)), robust=True)


def _tell_owner(webhook: Webhook, why: Webhook.Off) -> None:
    if not webhook.owner.email:
        return
    with translation.override("en"):
        send_mail(
            subject=_("The webhook “%(name)s” was switched off") % {"name": webhook.name},
            message=_(
                "%(why)s.\n\nAddress: %(url)s\nSince: %(now)s\n\nSwitch it on again under Account, Webhooks, when it"
                " works; what was given up can be sent again there."
            )
            % {"why": why.label, "url": webhook.url, "now": f"{timezone.now():%Y-%m-%d %H:%M} UTC"},
            from_email=None,
            recipient_list=[webhook.owner.email],
            fail_silently=True,
        )

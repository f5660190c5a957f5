"""Webhooks: addresses of programs that are told what happens to their owner's pictures.

Messages are those of the Standard Webhooks specification (https://www.standardwebhooks.com): an id that stays the same
over all tries, the time of the try, and an HMAC-SHA256 over both and the body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from captions import accounts, outbound, sealing
from captions.errors import DeskError
from captions.models import Webhook, WebhookDelivery
from captions.models.clock import DatabaseTime, database_now
from captions.models.webhook import EventType
from captions.plain import one_line

log = structlog.get_logger(__name__)

MOST: Final = 20
PREFIX: Final = "whsec_"
OVERLAP: Final = timedelta(hours=24)
_SECRET_BYTES: Final = 32
State = WebhookDelivery.State


def make(*, owner: User, name: str, url: str, events: Iterable[str]) -> tuple[Webhook, str]:
    """Add a webhook and give it with its secret, which nobody is shown again.

    Raises DeskError `webhook_name`, `webhook_events`, `webhook_limit`, `address_wrong`, `address_refused`.
    """
    named, wanted = _name(name), _events(events)
    outbound.check(url)
    secret = _new_secret()
    with transaction.atomic():
        accounts.hold(owner)
        if Webhook.objects.filter(owner=owner).count() >= MOST:
            raise DeskError("webhook_limit")
        made = Webhook.objects.create(owner=owner, name=named, url=url, events=wanted, secret=sealing.seal(secret))
    log.info("webhook_made", webhook=str(made.pk), user_id=owner.pk, events=wanted)
    return made, secret


def change(
    *,
    webhook: Webhook,
    name: str | None = None,
    url: str | None = None,
    events: Iterable[str] | None = None,
    is_on: bool | None = None,
) -> Webhook:
    """Change what is given. Switching it on again forgets its failures. Raises the DeskErrors of `make`."""
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = _name(name)
    if url is not None:
        outbound.check(url)
        changes["url"] = url
    if events is not None:
        changes["events"] = _events(events)
    with transaction.atomic():
        # Held: it may be switched off for its failures at this very moment.
        held = Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
        if held is None:
            raise DeskError("not_found")
        if is_on is True and held.off:
            changes |= {"off": "", "failing_since": None}
        elif is_on is False and not held.off:
            changes["off"] = Webhook.Off.BY_PERSON
        if changes:
            Webhook.objects.filter(pk=held.pk).update(**changes)
        if changes.get("off"):
            give_up(held)
    webhook.refresh_from_db()
    return webhook


def rotate(*, webhook: Webhook) -> str:
    """Give a new secret; the former one signs beside it for OVERLAP, so that the receiver may change over meanwhile."""
    secret = _new_secret()
    with transaction.atomic():
        held = _hold(webhook)  # of two changes at once the second must know what the first has given out
        held.old_secret, held.old_secret_until = held.secret, database_now() + OVERLAP
        held.secret = sealing.seal(secret)
        held.save(update_fields=["old_secret", "old_secret_until", "secret"])
    log.info("webhook_secret_rotated", webhook=str(webhook.pk), user_id=webhook.owner_id)
    return secret


def delete(*, webhook: Webhook) -> None:
    """Forget a webhook and its log."""
    webhook.delete()


def send_test(*, webhook: Webhook) -> WebhookDelivery:
    """Send a message of type `webhook.test`. Raises DeskError `webhook_off`, `webhook_on_its_way` while one is."""
    with transaction.atomic():
        held = _hold(webhook)  # of two that ask at once only one may find none on its way
        _require_on(held)
        if held.deliveries.filter(event=None, state=State.PENDING).exists():
            raise DeskError("webhook_on_its_way")
        return WebhookDelivery.objects.create(webhook=held, event=None, due_at=database_now())


def replay(*, delivery: WebhookDelivery) -> WebhookDelivery:
    """Send a message once more, with its former id. Raises DeskError `webhook_off`, and `webhook_on_its_way`."""
    _require_on(delivery.webhook)
    ended = WebhookDelivery.objects.filter(pk=delivery.pk).exclude(state=State.PENDING)
    if not ended.update(state=State.PENDING, tries=0, due_at=DatabaseTime()):
        raise DeskError("webhook_on_its_way")
    delivery.refresh_from_db()
    return delivery


def give_up(webhook: Webhook) -> None:
    """End what is on its way to an address that is told nothing more; each can be replayed."""
    webhook.deliveries.filter(state=State.PENDING).update(state=State.FAILED, due_at=None)


def of(user: User) -> QuerySet[Webhook]:
    """Give a person's webhooks, newest first."""
    return Webhook.objects.filter(owner=user)


def keys(webhook: Webhook) -> list[bytes]:
    """Give the keys that sign now, the newest first."""
    sealed = [webhook.secret]
    if webhook.old_secret_until is not None and webhook.old_secret_until > database_now():
        sealed.append(webhook.old_secret)
    return [base64.b64decode(sealing.unseal(one).removeprefix(PREFIX)) for one in sealed]


def sign(keys: Iterable[bytes], message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Give the three headers of the Standard Webhooks specification for `body`."""
    signed = b".".join((message.encode(), str(timestamp).encode(), body))
    marks = (base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _name(name: str) -> str:
    clean = one_line(name)
    if not 0 < len(clean) <= (Webhook._meta.get_field("name").max_length or 0):
        raise DeskError("webhook_name", attr="name")
    return clean


def _events(events: Iterable[str]) -> list[str]:
    asked = set(events)
    if not asked or not asked <= set(EventType.values):
        raise DeskError("webhook_events", attr="events")
    return [kind.value for kind in EventType if kind.value in asked]


def _hold(webhook: Webhook) -> Webhook:
    """Lock a webhook for the rest of the transaction, and give it as it is now. Raises DeskError `not_found`."""
    held = Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
    if held is None:
        raise DeskError("not_found")
    return held


def _require_on(webhook: Webhook) -> None:
    if webhook.off:
        raise DeskError("webhook_off")

"""Writing down what happens to a person's pictures, and reading it again from any point.

An event is a row of the transaction in which it happened: it is there exactly when the change is. Event streams read
the rows; each webhook gets a delivery of its own with them. Nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from captions.models import AccountEvent, Caption, Webhook, WebhookDelivery
from captions.models.clock import DatabaseTime
from captions.models.identifiers import uuid7
from captions.models.webhook import EventType

KEPT_FOR: Final = timedelta(days=3)
#: Events are numbered when they happen and seen when their transaction is committed: reading goes back this far, so
#: that one whose transaction took long is not passed over. What comes twice has the same id.
OVERLAP_SECONDS: Final = 10.0
MOST_AT_ONCE: Final = 500


def note(*, type: EventType, owner_id: int, image_id: UUID, data: Mapping[str, Any]) -> AccountEvent:
    """Write down one event, and a delivery for each of the owner's webhooks that wants it.

    Call it in the transaction in which it happens.
    """
    told = {"image": str(image_id), **data}
    event = AccountEvent.objects.create(owner_id=owner_id, image_id=image_id, type=type, data=told)
    hooks = [hook for hook in Webhook.objects.filter(owner_id=owner_id, off="") if type in hook.events]
    if hooks:
        WebhookDelivery.objects.bulk_create(
            WebhookDelivery(webhook=hook, event=event, due_at=DatabaseTime()) for hook in hooks
        )
    return event


def words(caption: Caption) -> dict[str, Any]:
    """Give what an event tells of a caption."""
    return {"id": str(caption.pk), "text": caption.text, "kind": caption.kind, "language": caption.language}


def drafts(captions: Sequence[Caption]) -> list[dict[str, Any]]:
    """Give what an event tells of a job's drafts, best first."""
    return [{**words(caption), "score": caption.score, "rank": caption.rank} for caption in captions]


def happened(*, owner_id: int, after: UUID | None, seen: Collection[UUID] = ()) -> list[AccountEvent]:
    """Give an owner's events after the one with the id `after`, oldest first, at most MOST_AT_ONCE.

    Goes back OVERLAP_SECONDS before it and leaves out what is in `seen`.
    """
    rows = AccountEvent.objects.filter(owner_id=owner_id)
    if after is not None:
        rows = rows.filter(pk__gt=before(after))
    return list(rows.exclude(pk__in=[*seen, *([after] if after else [])]).order_by("id")[:MOST_AT_ONCE])


def before(event_id: UUID) -> UUID:
    """Give the smallest id of OVERLAP_SECONDS before an id: their first 48 bits are milliseconds."""
    millis = max((event_id.int >> 80) - int(OVERLAP_SECONDS * 1000), 0)
    return UUID(int=millis << 80)


def newest(owner_id: int) -> UUID:
    """Give the id from which nothing that has happened so far will be read again, but what is still being committed."""
    last = AccountEvent.objects.filter(owner_id=owner_id).order_by("-id").values_list("pk", flat=True).first()
    return last or uuid7()


def tidy() -> int:
    """Forget events that are older than KEPT_FOR, with the log of their deliveries; gives how many."""
    before = DatabaseTime(after=-KEPT_FOR.total_seconds())
    old = AccountEvent.objects.filter(created_at__lt=before)
    pending = WebhookDelivery.State.PENDING
    WebhookDelivery.objects.filter(event=None, created_at__lt=before).exclude(state=pending).delete()  # test messages
    waiting = WebhookDelivery.objects.filter(state=pending, event__isnull=False).values("event_id")
    return old.exclude(pk__in=waiting).delete()[0]

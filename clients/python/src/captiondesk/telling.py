"""Webhooks: addresses of programs that are told what happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from captiondesk import models
from captiondesk.resources import Id, _given, _query
from captiondesk.surface import Listing, ModeT, Operations, listing, operation
from captiondesk.wire import Request, Steps

EventName: TypeAlias = Literal[
    "image.created",
    "image.deleted",
    "image.recovered",
    "caption.created",
    "caption.approved",
    "caption.rejected",
    "review.undone",
    "job.failed",
]


class Webhooks(Operations[ModeT]):
    """Addresses that are told what happens to your pictures: `client.webhooks`. The token needs the scope `admin`.

    What arrives there is checked and read by `captiondesk.verify_webhook`.
    """

    @listing
    def list(self, *, page_size: int | None = None) -> Listing[models.Webhook]:
        """Go through your webhooks, newest first, without their secrets."""
        return Listing(Request("list_webhooks"), models.PaginatedWebhookList, _query(limit=page_size))

    @operation
    def make(self, name: str, url: str, events: Iterable[EventName]) -> Steps[models.NewWebhook]:
        """Add a webhook; its `signing_secret` is shown this once.

        When the answer gets lost on its way, so does the secret: the next try raises Conflict with the code
        `idempotency_answer_secret`, the webhook is there, and `rotate` gives it another one.
        """
        body = {"name": name, "url": url, "events": [*events]}
        return self._ask(models.NewWebhook, Request("make_webhook", json=body))

    @operation
    def get(self, webhook: Id) -> Steps[models.Webhook]:
        """Say where a webhook is, what it is told, and whether it works."""
        return self._ask(models.Webhook, Request("get_webhook", into={"webhook_id": webhook}))

    @operation
    def change(
        self,
        webhook: Id,
        *,
        name: str | None = None,
        url: str | None = None,
        events: Iterable[EventName] | None = None,
        is_on: bool | None = None,
    ) -> Steps[models.Webhook]:
        """Change a webhook, or switch it on or off; what is left out stays."""
        body = _given(name=name, url=url, events=events if events is None else tuple(events), is_on=is_on)
        return self._ask(models.Webhook, Request("change_webhook", into={"webhook_id": webhook}, json=body))

    @operation
    def delete(self, webhook: Id) -> Steps[None]:
        """Delete a webhook, with its log."""
        return self._tell(Request("delete_webhook", into={"webhook_id": webhook}))

    @operation
    def rotate(self, webhook: Id) -> Steps[models.Secret]:
        """Give a webhook a new secret; the former one signs beside it for a day."""
        return self._ask(models.Secret, Request("rotate_webhook_secret", into={"webhook_id": webhook}))

    @operation
    def test(self, webhook: Id) -> Steps[models.Delivery]:
        """Send a message of the type `webhook.test`; `deliveries` tells what became of it."""
        return self._ask(models.Delivery, Request("test_webhook", into={"webhook_id": webhook}))

    @listing
    def deliveries(self, webhook: Id, *, page_size: int | None = None) -> Listing[models.Delivery]:
        """Go through what a webhook was told in the last three days, and how it answered, newest first."""
        request = Request("list_webhook_deliveries", into={"webhook_id": webhook})
        return Listing(request, models.PaginatedDeliveryList, _query(limit=page_size))

    @operation
    def replay(self, webhook: Id, delivery: Id) -> Steps[models.Delivery]:
        """Send a message again, with its former id."""
        into = {"webhook_id": webhook, "delivery_id": delivery}
        return self._ask(models.Delivery, Request("replay_webhook_delivery", into=into))

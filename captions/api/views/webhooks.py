"""Webhooks: addresses that are told what happens to a person's pictures, and the log of what they were told."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from captions import selectors, webhooks
from captions.api import examples
from captions.api.base import DeskView
from captions.api.webhook_bodies import (
    DeliverySerializer,
    NewWebhookSerializer,
    SecretSerializer,
    WebhookBody,
    WebhookChangeBody,
    WebhookSerializer,
)
from captions.errors import DeskError
from captions.models import Webhook, WebhookDelivery
from captions.scopes import Scope

_GONE: Final = {204: OpenApiResponse(description="It is told nothing more.")}


class WebhookView(DeskView):
    """Base: one's own webhooks and nobody else's. What they are told is as much as reading everything."""

    reads = Scope.ADMIN
    writes = Scope.ADMIN
    queryset = Webhook.objects.none()
    serializer_class: Any = WebhookSerializer

    def hook(self, webhook_id: UUID) -> Webhook:
        """Give one of the person's own. Raises DeskError `not_found`."""
        return selectors.webhook(self.person, webhook_id)


class Webhooks(WebhookView):
    """All of one person's."""

    answers_secret = True
    refuses = {"GET": [400], "POST": [400, 413, 415]}

    @extend_schema(
        operation_id="list_webhooks",
        summary="List your webhooks",
        tags=["webhooks"],
        responses={200: WebhookSerializer(many=True)},
        examples=examples.WEBHOOKS,
    )
    def get(self, request: Request) -> Response:
        """Newest first, without their secrets."""
        return self.page(webhooks.of(self.person))

    @extend_schema(
        operation_id="make_webhook",
        summary="Add a webhook",
        tags=["webhooks"],
        request=WebhookBody,
        responses={201: NewWebhookSerializer},
        examples=examples.NEW_WEBHOOK,
    )
    def post(self, request: Request) -> Response:
        """It is told of events from now on. The answer holds the secret that signs its messages, this once."""
        body = WebhookBody(data=request.data)
        body.is_valid(raise_exception=True)
        made, secret = webhooks.make(owner=self.person, **body.validated_data)
        made.signing_secret = secret  # type: ignore[attr-defined]  # read by the serializer alone
        return Response(NewWebhookSerializer(made).data, 201)


class OneWebhook(WebhookView):
    """One webhook."""

    refuses = {"PATCH": [400, 413, 415]}

    @extend_schema(
        operation_id="get_webhook", summary="Look at a webhook", tags=["webhooks"], examples=examples.WEBHOOKS
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """Where it is, what it is told, and whether it works."""
        return Response(WebhookSerializer(self.hook(webhook_id)).data)

    @extend_schema(
        operation_id="change_webhook",
        summary="Change a webhook, or switch it on or off",
        tags=["webhooks"],
        request=WebhookChangeBody,
        responses={200: WebhookSerializer},
        examples=examples.CHANGE_WEBHOOK,
    )
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        """What is left out stays as it is. What is on its way to one that is switched off is given up."""
        hook = self.hook(webhook_id)
        body = WebhookChangeBody(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(WebhookSerializer(webhooks.change(webhook=hook, **body.validated_data)).data)

    @extend_schema(operation_id="delete_webhook", summary="Delete a webhook", tags=["webhooks"], responses=_GONE)
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        """Its log goes with it."""
        webhooks.delete(webhook=self.hook(webhook_id))
        return Response(status=204)


class WebhookSecret(WebhookView):
    """The secret of one webhook."""

    answers_secret = True
    serializer_class = SecretSerializer

    @extend_schema(
        operation_id="rotate_webhook_secret",
        summary="Give a webhook a new secret",
        tags=["webhooks"],
        request=None,
        responses={200: SecretSerializer},
        examples=examples.WEBHOOK_SECRET,
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """For a day its messages carry signatures of both, so that the receiver may change over in its time."""
        hook = self.hook(webhook_id)
        secret = webhooks.rotate(webhook=hook)
        hook.refresh_from_db()
        told = {"signing_secret": secret, "old_secret_until": hook.old_secret_until}
        return Response(SecretSerializer(told).data)


class WebhookTest(WebhookView):
    """A message to see whether it arrives."""

    serializer_class = DeliverySerializer

    @extend_schema(
        operation_id="test_webhook",
        summary="Send a test message",
        tags=["webhooks"],
        request=None,
        responses={201: DeliverySerializer},
        examples=examples.NEW_DELIVERY,
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Its type is `webhook.test`. Look at the deliveries for what became of it."""
        sent = webhooks.send_test(webhook=self.hook(webhook_id))
        return Response(DeliverySerializer(_log(self.hook(webhook_id)).get(pk=sent.pk)).data, 201)


class Deliveries(WebhookView):
    """What one webhook was told."""

    serializer_class = DeliverySerializer
    refuses = {"GET": [400]}

    @extend_schema(
        operation_id="list_webhook_deliveries",
        summary="See what a webhook was told, and how it answered",
        tags=["webhooks"],
        responses={200: DeliverySerializer(many=True)},
        examples=examples.DELIVERIES,
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """Newest first, of the last three days."""
        return self.page(_log(self.hook(webhook_id)))


class Replay(WebhookView):
    """One message, once more."""

    serializer_class = DeliverySerializer

    @extend_schema(
        operation_id="replay_webhook_delivery",
        summary="Send a message again",
        tags=["webhooks"],
        request=None,
        responses={200: DeliverySerializer},
        examples=examples.REPLAYED_DELIVERY,
    )
    def post(self, request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:
        """With its former id, so that a receiver that has it already can tell."""
        rows = _log(self.hook(webhook_id)).filter(pk=delivery_id)
        found = rows.first()
        if found is None:
            raise DeskError("not_found")
        webhooks.replay(delivery=found)
        return Response(DeliverySerializer(rows.get()).data)


def _log(hook: Webhook) -> QuerySet[WebhookDelivery]:
    return hook.deliveries.select_related("event", "webhook").prefetch_related("attempts")

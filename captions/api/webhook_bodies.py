"""What the addresses of webhooks take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from captions import delivering
from captions.api.serializers import Strict, SwitchField, TextField
from captions.models import Webhook, WebhookAttempt, WebhookDelivery
from captions.models.webhook import EventType


class WebhookSerializer(serializers.ModelSerializer[Webhook]):
    """An address that is told what happens. Its secret is shown when it is made and when it is changed."""

    events = serializers.ListField(child=serializers.ChoiceField(choices=EventType.choices))
    is_on = serializers.BooleanField(help_text="Whether it is told.")
    off = serializers.ChoiceField(
        choices=[("", "It is on."), *Webhook.Off.choices],
        help_text="Why it is off: `person`, `failing` for five days, or `gone` (it answered 410); empty when it is on.",
    )
    failing_since = serializers.DateTimeField(
        allow_null=True, help_text="When the first of an unbroken row of failures happened; null when it works."
    )

    class Meta:
        model = Webhook
        fields = ["id", "name", "url", "events", "is_on", "off", "failing_since", "created_at"]
        read_only_fields = fields


class NewWebhookSerializer(WebhookSerializer):
    """A new webhook, with its secret."""

    signing_secret = serializers.CharField(
        help_text="Signs its messages; begins with `whsec_`. Shown only now.",
    )

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "signing_secret"]
        read_only_fields = fields


class SecretSerializer(serializers.Serializer[Any]):
    """A new secret."""

    signing_secret = serializers.CharField(help_text="Begins with `whsec_`. Shown only now.")
    old_secret_until = serializers.DateTimeField(help_text="Until then messages are signed by the former one too.")


class WebhookBody(Strict):
    """A webhook to be added."""

    name = TextField(allow_blank=True, help_text="At most 80 characters.")
    url = TextField(allow_blank=True, help_text="A public http or https address.")
    events = serializers.ListField(child=serializers.ChoiceField(choices=EventType.choices))


class WebhookChangeBody(Strict):
    """What is to change of a webhook; what is left out stays."""

    name = TextField(required=False, allow_blank=True, help_text="At most 80 characters.")
    url = TextField(required=False, allow_blank=True, help_text="A public http or https address.")
    events = serializers.ListField(child=serializers.ChoiceField(choices=EventType.choices), required=False)
    is_on = SwitchField(required=False, help_text="Whether it is told. Switching it on forgets its failures.")


class AttemptSerializer(serializers.ModelSerializer[WebhookAttempt]):
    """One try."""

    status = serializers.IntegerField(allow_null=True, help_text="What the address answered; null when nothing came.")
    error = serializers.CharField(help_text="The code of why nothing came, such as `address_too_slow`; else empty.")
    answer = serializers.CharField(help_text="The beginning of its answer.")
    seconds = serializers.FloatField()

    class Meta:
        model = WebhookAttempt
        fields = ["status", "error", "answer", "seconds", "created_at"]
        read_only_fields = fields


class DeliverySerializer(serializers.ModelSerializer[WebhookDelivery]):
    """One message on its way to one webhook."""

    message = serializers.SerializerMethodField(help_text="The header `webhook-id`: the same over all tries.")
    type = serializers.SerializerMethodField(help_text="The event, or `webhook.test`.")
    body = serializers.SerializerMethodField(help_text="What is sent.")
    attempts = AttemptSerializer(many=True, help_text="Every try, oldest first.")
    due_at = serializers.DateTimeField(allow_null=True, help_text="When it is tried next; null when that is over.")

    class Meta:
        model = WebhookDelivery
        fields = ["id", "message", "type", "state", "body", "attempts", "due_at", "created_at"]
        read_only_fields = fields

    def get_message(self, delivery: WebhookDelivery) -> str:
        """Give the id by which receivers know it."""
        return delivering.message_id(delivery)

    def get_type(self, delivery: WebhookDelivery) -> str:
        """Give what it is about."""
        return delivery.event.type if delivery.event else delivering.TEST

    def get_body(self, delivery: WebhookDelivery) -> dict[str, Any]:
        """Give the message."""
        return delivering.body(delivery)

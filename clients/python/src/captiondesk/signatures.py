"""Whether a message that arrived at a webhook comes from the desk (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Final

from captiondesk.errors import WebhookRefused
from captiondesk.streams import Event, Heard, event_of

_PREFIX: Final = "whsec_"


def verify_webhook(secret: str, headers: Mapping[str, str], body: bytes | str, tolerance: float = 300) -> Event:
    """Check a message and give what it tells; its `id` is that of `webhook-id`, the same when it comes twice.

    `secret` is what `client.webhooks.make` gave, `headers` and `body` are those of the request, the body as it came
    and not read and written again. `tolerance` is how many seconds the message may be old, or the clocks apart.
    Raises WebhookRefused, and ValueError for a secret that is none.
    """
    key = _key(secret)
    sent = {name.lower(): value for name, value in headers.items()}
    try:
        message, raw, signatures = (sent[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise WebhookRefused(f"The message has no header {missing.args[0]}.") from None
    data = body.encode() if isinstance(body, str) else bytes(body)
    # The time is signed as it was written: it is read after its signature was found right.
    signed = hmac.new(key, b".".join((message.encode(), raw.encode(), data)), hashlib.sha256).digest()
    if not _is_among(signed, signatures):
        raise WebhookRefused("No signature of the message is right: it is another's, or was changed on its way.")
    if not (raw.isascii() and raw.isdigit()) or abs(time.time() - int(raw)) > tolerance:
        raise WebhookRefused(f"The message is older than {tolerance:g} seconds, or from the future.")
    try:
        return event_of(Heard(message, "", data.decode()))
    except (ValueError, TypeError) as error:
        raise WebhookRefused(f"The message is signed, and none of a Caption Desk's: {error}") from error


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key:  # anybody could sign with an empty one
        raise ValueError("Give the webhook's signing_secret, which begins with whsec_.")
    return key


def _is_among(signed: bytes, signatures: str) -> bool:
    """Compare with each signature of version 1, in the same time wherever they differ."""
    wanted, found = base64.b64encode(signed), False
    for one in signatures.split():
        version, _, mark = one.partition(",")
        found |= version == "v1" and hmac.compare_digest(wanted, mark.encode())
    return found

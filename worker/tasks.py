"""The one task of the `captions` queues."""

from __future__ import annotations

from celery import shared_task

from captions.doorbell import DRAIN
from worker import app


@shared_task(name=DRAIN, ignore_result=True)
def drain() -> None:
    """Answer a ring: look for work now. A ring lost, doubled or late changes nothing but the delay."""
    if app.service:
        app.service.ring()

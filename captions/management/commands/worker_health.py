"""manage.py worker_health: exit 0 while this machine's caption worker shows signs of life."""

import socket
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from captions.models import Worker

SEEN_WITHIN = timedelta(seconds=90)


class Command(BaseCommand):
    """A container's health check: the process may live and still be stuck, so ask for its heartbeat."""

    help = "Exit 0 while this machine's caption worker shows signs of life, else 1."

    def handle(self, *args: Any, **options: Any) -> None:
        """Look for a fresh heartbeat of a worker on this host. Raises CommandError when there is none."""
        host = socket.gethostname()
        fresh = Worker.objects.filter(name__contains=host, seen_at__gte=timezone.now() - SEEN_WITHIN)
        if not fresh.exclude(state=Worker.State.STOPPED).exists():
            raise CommandError(f"No caption worker on {host} gave a sign of life within {SEEN_WITHIN.seconds} s.")
        self.stdout.write("ok")

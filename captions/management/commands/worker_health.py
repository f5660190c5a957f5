"""manage.py worker_health: exit 0 while this machine's caption worker shows signs of life."""

import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from captions.models import Worker
from captions.models.clock import DatabaseTime

SEEN_SECONDS = 90


class Command(BaseCommand):
    """A container's health check: the process may live and still be stuck, so ask for its heartbeat."""

    help = "Exit 0 while this machine's caption worker shows signs of life, else 1."

    def handle(self, *args: Any, **options: Any) -> None:
        """Look for a fresh heartbeat of a worker on this host. Raises CommandError when there is none."""
        host = socket.gethostname()
        fresh = Worker.objects.filter(name__contains=host, seen_at__gte=DatabaseTime(after=-SEEN_SECONDS))
        if not fresh.exclude(state=Worker.State.STOPPED).exists():
            raise CommandError(f"No caption worker on {host} gave a sign of life within {SEEN_SECONDS} s.")
        self.stdout.write("ok")

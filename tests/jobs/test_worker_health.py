"""manage.py worker_health answers by this machine's heartbeat, in the database's time."""

import socket

import pytest
from django.core.management import CommandError, call_command

from captions.models import Worker
from captions.models.clock import DatabaseTime

pytestmark = pytest.mark.django_db


def worker(*, host: str, seconds_ago: float, state: str = "ready") -> None:
    Worker.objects.create(name=f"{host}-1", state=state, seen_at=DatabaseTime(after=-seconds_ago))


def test_it_is_content_with_a_fresh_heartbeat(capsys):
    worker(host=socket.gethostname(), seconds_ago=5)
    call_command("worker_health")
    assert capsys.readouterr().out == "ok\n"


@pytest.mark.parametrize(
    ("host", "seconds_ago", "state"),
    [(socket.gethostname(), 120, "ready"), ("elsewhere", 5, "ready"), (socket.gethostname(), 5, "stopped")],
)
def test_it_complains_without_one(host, seconds_ago, state):
    worker(host=host, seconds_ago=seconds_ago, state=state)
    with pytest.raises(CommandError, match="No caption worker"):
        call_command("worker_health")

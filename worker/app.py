"""The Celery application of a caption worker: `celery -A worker.app worker --pool solo --queues captions`.

`python -m worker` starts it under a supervisor, which is how deployments run it. Celery receives rings and answers
remote control; all work is done by `worker.service` in threads of its own, so that a consumer that hangs, or a broker
that is off, stops nothing.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import warnings
from typing import Any, Final

import django
from celery import signals
from celery.exceptions import SecurityWarning
from django.conf import settings

from captionsite.celery import app
from worker.handover import Handover
from worker.hearing import Hearing, ears

django.setup()  # Celery would call it too, but only after this module was imported

from worker.service import WorkerService  # noqa: E402  # imports models

EXIT_ORPHANED: Final = 76

# It warns of workers that unpickle messages as root. Ours read JSON, and a ring carries nothing.
warnings.filterwarnings("ignore", category=SecurityWarning)
app.conf.update(worker_redirect_stdouts=False, worker_send_task_events=False)
app.steps["consumer"].add(Hearing)
app.conf.include = [*(app.conf.include or ()), "worker.tasks"]

handover = Handover.read()
service: WorkerService | None = None


def die_with(parent: int) -> None:
    """Have Linux kill this process when its supervisor dies, even by SIGKILL; elsewhere the watchdog notices."""
    if not parent:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG, linux/prctl.h
    if os.getppid() != parent:  # it died before we asked
        os._exit(EXIT_ORPHANED)


die_with(handover.parent)


@signals.setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Keep the logging of the settings: with a receiver here, Celery sets up none of its own."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)  # two lines for every ring say nothing


@signals.worker_init.connect
def start(**_: Any) -> None:
    """Begin to load the model while Celery looks for the broker."""
    global service  # noqa: PLW0603  # one worker per process, reached from Celery's signals
    service = WorkerService(handover, hear=ears.hear)
    service.start()


@signals.worker_shutting_down.connect
def ask_to_stop(**_: Any) -> None:
    """Stop claiming as soon as the signal arrives."""
    if service:
        service.ask_to_stop()


@signals.worker_shutdown.connect
def stop(**_: Any) -> None:
    """Finish the batch in hand, or give it back."""
    if service:
        service.stop(settings.DRAIN_SECONDS)

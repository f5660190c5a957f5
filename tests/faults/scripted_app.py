"""The product's Celery application with the scripted captioner in the model's place."""

import threading

from tests.faults import scripted
from worker.app import app  # sets Django up, which the next import needs

from worker import service  # isort: skip


class Wedging(service.Drain):
    """A drain that stands still for ever when the order `wedge` is there: the process lives and does nothing."""

    def drain(self) -> int:
        captioner = self.captioner
        if isinstance(captioner, scripted.Scripted) and captioner.take("wedge"):
            threading.Event().wait()
        return super().drain()


# Before Celery's worker begins, which is when these are used.
service.load_captioner = scripted.from_environment
service.Drain = Wedging  # type: ignore[misc]  # a double in a class's place

__all__ = ["app"]

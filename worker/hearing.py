"""Which queues the consumer hears rings from: those that it was started with, and those of the model's names.

A worker knows its names only once its model is loaded, and the broker may be off just then. So the names are kept here,
and a step of Celery's consumer takes them up at every connection; on a connection that stands they are taken up by the
consumer's own thread, the only one that may touch it. Were all this to fail, the drain's poll would find the work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks


class Ears:
    """The queues of one worker process."""

    def __init__(self) -> None:
        self._queues: tuple[str, ...] = ()  # replaced whole, because two threads read and write it
        self._consumer: Any = None

    def hear(self, queues: Iterable[str]) -> None:
        """Hear these queues too, now and after every reconnection. Safe to call from any thread."""
        self._queues = tuple(dict.fromkeys((*self._queues, *queues)))
        if self._consumer is not None:
            self._consumer.call_soon(self._take_up)

    def connected(self, consumer: Any) -> None:
        """Take the queues up on a fresh connection; called by the consumer's thread."""
        self._consumer = consumer
        self._take_up()

    def _take_up(self) -> None:
        if self._consumer.task_consumer is None:
            return  # the connection was lost in between; `connected` comes again
        for queue in self._queues:
            self._consumer.add_task_queue(queue)


ears = Ears()


class Hearing(bootsteps.StartStopStep):
    """Tells the ears of every connection that the consumer makes."""

    requires = (Tasks,)

    def start(self, parent: Any) -> None:
        """Run after the consumer has begun to listen to its own queues."""
        ears.connected(parent)

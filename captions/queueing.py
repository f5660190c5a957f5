"""Which job comes next: fair between owners, interactive before bulk, one batch key at a time. Reads and locks only.

Fairness is that of start-time fair queueing (Goyal, Vin and Cheng, 1996) with every job costing one turn: a job's turn
is one after its owner's last waiting job, but never before the turn being served. The lowest turn goes first. Whoever
queues 50,000 pictures gets 50,000 turns in a row; whoever comes with one picture gets the turn being served now.
The order stands in an index, so that a claim costs the same with ten waiting jobs and with a hundred thousand.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import time
from typing import Final

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from captions.models import CaptionJob, Image, QueueControl, Worker
from captions.models.clock import DatabaseTime, database_now

State = CaptionJob.State
Lane = CaptionJob.Lane

# One claim in so many asks the bulk lane first, so that a steady stream of interactive jobs cannot starve it.
BULK_EVERY: Final = 5


class LaneCycle:
    """Counts the claims of this process: each run of `BULK_EVERY` claims contains exactly one that is bulk's.

    It starts at a random place, so that workers that are restarted after every few claims still come to bulk's turn.
    """

    def __init__(self, start: int | None = None) -> None:
        self.claims = secrets.randbelow(BULK_EVERY) if start is None else start

    def lanes(self) -> tuple[CaptionJob.Lane, CaptionJob.Lane]:
        """Give the lanes in the order in which the next claim asks them."""
        bulk_is_next = self.claims % BULK_EVERY == BULK_EVERY - 1
        return (Lane.BULK, Lane.INTERACTIVE) if bulk_is_next else (Lane.INTERACTIVE, Lane.BULK)

    def served(self) -> None:
        """Note that a claim found work."""
        self.claims += 1


def next_turn(*, owner_id: int, lane: int) -> int:
    """Give the turn for a new job of `owner_id`. The caller holds the owner's account row locked."""
    queued = CaptionJob.objects.filter(state=State.QUEUED, lane=lane)
    last = queued.filter(owner_id=owner_id).order_by("-turn").values_list("turn", flat=True).first()
    return max(_turn_being_served(lane), 0 if last is None else last + 1)


def _turn_being_served(lane: int) -> int:
    running = CaptionJob.objects.filter(state=State.RUNNING, lane=lane).aggregate(turn=Max("turn"))["turn"]
    if running is not None:
        return int(running)
    queued = CaptionJob.objects.filter(state=State.QUEUED, lane=lane)
    return queued.order_by("turn", "id").values_list("turn", flat=True).first() or 0


def open_lanes(worker: str) -> frozenset[int]:
    """Give the lanes from which `worker` (the name it leases under) may claim at this moment, as operators wish it.

    A paused queue or a draining worker has none; outside the hours that are set, the bulk lane is closed.
    """
    if Worker.objects.filter(name=worker.rpartition("/")[0] or worker, is_draining=True).exists():
        return frozenset()
    control = QueueControl.objects.filter(pk=1).first()
    if control is None:
        return frozenset(Lane.values)
    if control.paused_at:
        return frozenset()
    return frozenset(Lane.values) if is_open(control) else frozenset({Lane.INTERACTIVE.value})


def is_open(control: QueueControl) -> bool:
    """Whether the hours that operators set for bulk work include this moment, by the database's clock."""
    if control.opens_at is None or control.closes_at is None:
        return True
    return is_within(timezone.localtime(database_now()).time(), control.opens_at, control.closes_at)


def is_within(now: time, opens: time, closes: time) -> bool:
    """Whether a time of day lies in a window, its end not included; a window may run over midnight.

    Equal ends mean the whole day: a window without a minute would stop all work, and there is a button for that.
    """
    if opens < closes:
        return opens <= now < closes
    return now >= opens or now < closes


def waiting(models: Collection[str]) -> QuerySet[CaptionJob]:
    """Give the jobs for `models` that could be claimed at this moment; "" stands for jobs that ask for none."""
    return CaptionJob.objects.filter(
        Q(model__in=list(models)),
        Q(available_at__isnull=True) | Q(available_at__lte=DatabaseTime()),
        state=State.QUEUED,
    )


def awaited(models: Collection[str]) -> list[str]:
    """Give those of `models` for which such jobs wait.

    It asks model by model and names the order of the index to use: any other way, SQLite reads past all other jobs.
    """
    return [model for model in models if waiting([model]).order_by("lane", "turn", "id").values_list("pk")[:1]]


def choose(*, limit: int, worker: str, models: Collection[str], lanes: Sequence[CaptionJob.Lane]) -> list[CaptionJob]:
    """Pick and lock up to `limit` jobs of one model and batch key from `lanes`, with their images.

    Runs inside the claim's transaction. "" among `models` stands for jobs that ask for none.

    Rows that somebody else holds are left out, never waited for: a claim takes jobs before images, all other services
    images before jobs, and only because a claim never waits can the two orders not block each other.
    """
    held = CaptionJob.objects.filter(state=State.RUNNING, leased_by=worker)
    if held.filter(isolate=True).exists():
        return []  # an isolated job runs alone, or a crash could not be told to be its doing
    head = _head(models, lanes)
    if head is None:
        return []
    if head.isolate:
        return [] if held.exists() else _with_images([head])
    return _with_images([head, *_fill(waiting([head.model]), head, limit - 1, lanes)])


def _head(models: Collection[str], lanes: Sequence[CaptionJob.Lane]) -> CaptionJob | None:
    """Look model by model, each in the order of its index: ten thousand jobs for others must not be read past."""
    for lane in lanes:
        heads = [head for model in models for head in _first(waiting([model]).filter(lane=lane))]
        if heads:
            return min(heads, key=lambda job: (job.turn, job.pk))
    return None


def _first(candidates: QuerySet[CaptionJob]) -> QuerySet[CaptionJob]:
    return _locked(candidates.order_by("turn", "id"))[:1]


def _fill(
    candidates: QuerySet[CaptionJob], head: CaptionJob, room: int, lanes: Sequence[CaptionJob.Lane]
) -> list[CaptionJob]:
    mates = candidates.filter(batch_key=head.batch_key, isolate=False).exclude(pk=head.pk).order_by("turn", "id")
    chosen: list[CaptionJob] = []
    for lane in sorted(lanes, key=lambda lane: lane != head.lane):
        if room > len(chosen):
            chosen += _locked(mates.filter(lane=lane))[: room - len(chosen)]
    return chosen


def _locked(jobs: QuerySet[CaptionJob]) -> QuerySet[CaptionJob]:
    # SQLite ignores row locks; there the transaction itself began IMMEDIATE and is the only writer.
    return jobs.select_for_update(skip_locked=True, no_key=True)


def _with_images(jobs: list[CaptionJob]) -> list[CaptionJob]:
    """Lock the jobs' images; give the jobs whose image was free, each with its image."""
    free = Image.objects.filter(pk__in={job.image_id for job in jobs}).order_by()
    images = {image.pk: image for image in free.select_for_update(skip_locked=True, no_key=True)}
    chosen = [job for job in jobs if job.image_id in images]
    for job in chosen:
        job.image = images[job.image_id]
    return chosen

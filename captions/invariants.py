"""What must hold in the database at every moment, whatever was killed: checked after faults and by operators.

The checks only read; they may run beside everything else, and they hold a row or SQLite's one writer for moments only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q

from captions import ledger, media, wordindex
from captions.models import Caption, CaptionJob, Image, JobEvent
from captions.models.clock import DatabaseTime

State = CaptionJob.State

OVERDUE_SECONDS: Final = 60.0
AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: its name, the row it is about, and what is wrong."""

    rule: str
    subject: str
    words: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}: {self.words}"


def violations() -> list[Violation]:
    """Check every rule and give what is broken; nothing when all is well.

    A rule that reads twice may see two moments; only what is broken at a second look too is given.
    """
    found: list[Violation] = []
    for check in CHECKS:
        first = list(check())
        if first:
            again = set(check())
            found += [violation for violation in first if violation in again]
    return found


def _done_means_captions() -> Iterator[Violation]:
    """A job is done if and only if it has captions, ranked from 1 without a gap."""
    words = Caption.objects.filter(job_id=OuterRef("pk"))
    jobs = CaptionJob.objects.order_by().annotate(has_words=Exists(words))
    for pk in jobs.filter(state=State.DONE, has_words=False).values_list("pk", flat=True):
        yield Violation("done_means_captions", f"job {pk}", "is done and has no caption")
    for pk, state in jobs.filter(has_words=True).exclude(state=State.DONE).values_list("pk", "state"):
        yield Violation("done_means_captions", f"job {pk}", f"has captions and is {state}")
    generated = Caption.objects.filter(job__isnull=False).order_by("job_id", "rank").values_list("job_id", "rank")
    for pk, ranks in groupby(generated.iterator(), key=lambda row: row[0]):
        found = [rank for _, rank in ranks]
        if found != list(range(1, len(found) + 1)):
            yield Violation("done_means_captions", f"job {pk}", f"has captions of the ranks {found}")


def _running_means_leased() -> Iterator[Violation]:
    """A job runs if and only if somebody holds a lease on it, and no lease is left lying long after it expired."""
    leased = ~Q(leased_by="") & Q(lease_until__isnull=False)
    idle = Q(leased_by="") & Q(lease_until__isnull=True)
    wrong = CaptionJob.objects.filter((Q(state=State.RUNNING) & ~leased) | (~Q(state=State.RUNNING) & ~idle))
    for pk, state, worker in wrong.values_list("pk", "state", "leased_by"):
        yield Violation("running_means_leased", f"job {pk}", f"is {state} and leased by {worker or 'nobody'}")
    overdue = CaptionJob.objects.filter(state=State.RUNNING, lease_until__lte=DatabaseTime(after=-OVERDUE_SECONDS))
    for pk, worker in overdue.values_list("pk", "leased_by"):
        yield Violation("running_means_leased", f"job {pk}", f"lies with {worker}, whose lease nobody swept")


def _open_once() -> Iterator[Violation]:
    """One picture has at most one open job for one model and one set of parameters."""
    same = (
        CaptionJob.objects.filter(state__in=CaptionJob.OPEN)
        .order_by()
        .values("image_id", "model", "params_digest", "is_trial")
    )
    for row in same.annotate(jobs=Count("pk")).filter(jobs__gt=1):
        yield Violation("open_once", f"image {row['image_id']}", f"has {row['jobs']} equal open jobs")


def _history_is_whole() -> Iterator[Violation]:
    """A job's events lead from nothing to its state, each from where the last one ended, and attempts never fall."""
    jobs = {pk: (state, attempt) for pk, state, attempt in CaptionJob.objects.values_list("pk", "state", "attempt")}
    events = JobEvent.objects.order_by("job_id", "id").values_list("job_id", "before", "after", "attempt")
    for pk, rows in groupby(events.iterator(), key=lambda row: row[0]):
        at, attempts = "", [0]
        for _, before, after, attempt in rows:
            if before != at:
                yield Violation("history_is_whole", f"job {pk}", f"was {at or 'new'} and then left {before or 'new'}")
            at = after
            attempts.append(attempt)
        if attempts != sorted(attempts):
            yield Violation("history_is_whole", f"job {pk}", f"had the attempts {attempts[1:]}")
        if pk in jobs and (at, attempts[-1]) != jobs.pop(pk):
            yield Violation("history_is_whole", f"job {pk}", f"ends as {at}, attempt {attempts[-1]}, in its history")
    if jobs:
        known = set(CaptionJob.objects.filter(pk__in=list(jobs)[:AT_ONCE]).values_list("pk", flat=True))
        for pk in known - set(JobEvent.objects.filter(job_id__in=known).values_list("job_id", flat=True)):
            yield Violation("history_is_whole", f"job {pk}", "has no history")


def _summaries_agree() -> Iterator[Violation]:
    """An image's state and caption are what settling it would find."""
    image_ids = list(Image.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(image_ids), AT_ONCE):
        yield from _settled_differently(image_ids[start : start + AT_ONCE])


def _settled_differently(image_ids: list[UUID]) -> list[Violation]:
    found = []
    summary = ("pk", "state", "caption_id")
    with transaction.atomic():
        images = Image.objects.filter(pk__in=image_ids).order_by()
        before = list(images.select_for_update(no_key=True).values_list(*summary))
        for pk, _, _ in before:
            ledger.settle(image_id=pk)
        after = {row[0]: row for row in images.values_list(*summary)}
        transaction.set_rollback(True)  # only to see; mending would hide the fault
    for row in before:
        if row != after[row[0]]:
            is_now, should = f"{row[1]} with {row[2]}", f"{after[row[0]][1]} with {after[row[0]][2]}"
            found.append(Violation("summaries_agree", f"image {row[0]}", f"shows {is_now}, should show {should}"))
    return found


def _words_are_found() -> Iterator[Violation]:
    """An image is found by the words that it shows, and in the trash by none."""
    image_ids = list(Image.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(image_ids), AT_ONCE):
        for pk, words in wordindex.out_of_step(image_ids[start : start + AT_ONCE]).items():
            yield Violation("words_are_found", f"image {pk}", words)


def _files_are_there() -> Iterator[Violation]:
    """Every image outside the trash has its original and its renditions in the storage."""
    for image in Image.objects.filter(deleted_at__isnull=True).order_by("pk").iterator():
        if not media.is_complete(image):
            yield Violation("files_are_there", f"image {image.pk}", f"lacks one of {', '.join(media.names(image))}")


CHECKS: Final[tuple[Callable[[], Iterator[Violation]], ...]] = (
    _done_means_captions,
    _running_means_leased,
    _open_once,
    _history_is_whole,
    _summaries_agree,
    _words_are_found,
    _files_are_there,
)

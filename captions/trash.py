"""The trash: images put aside, taken out again, and swept away for good after a time."""

from __future__ import annotations

from typing import Final

import structlog
from django.contrib.auth.models import User
from django.db import transaction

from captions import jobs, ledger, media, outbox
from captions.errors import DeskError
from captions.models import CaptionJob, Image
from captions.models.clock import DatabaseTime
from captions.models.webhook import EventType
from captions.permissions import may_discard

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 100


def discard(*, image: Image, by: User) -> Image:
    """Put an image into the trash; its open jobs are cancelled. One that lies there already stays as it is.

    Raises DeskError `not_found` when it is gone or `by` may not.
    """
    with transaction.atomic():
        held = _hold(image, by)
        if held.deleted_at is None:
            for job in held.jobs.filter(state__in=CaptionJob.OPEN).order_by("id"):
                jobs.cancel(job=job, by=by)
            Image.objects.filter(pk=held.pk).update(deleted_at=DatabaseTime())
            outbox.note(type=EventType.IMAGE_DELETED, owner_id=held.owner_id, image_id=held.pk, data={})
            ledger.settle_and_tell(image=held)
    return _fresh(image)


def recover(*, image: Image, by: User) -> Image:
    """Take an image out of the trash, with all its words. One that is not there stays as it is.

    Raises DeskError `not_found` when it is gone or `by` may not.
    """
    with transaction.atomic():
        held = _hold(image, by)
        if held.deleted_at is not None:
            Image.objects.filter(pk=held.pk).update(deleted_at=None)
            outbox.note(type=EventType.IMAGE_RECOVERED, owner_id=held.owner_id, image_id=held.pk, data={})
            ledger.settle_and_tell(image=held)
    return _fresh(image)


def purge(*, older_than_days: float) -> int:
    """Delete images that lay in the trash for longer, with their words, jobs and files, and give how many."""
    purged = 0
    while taken := _purge_some(older_than_days):
        purged += taken
    if purged:
        log.info("trash emptied", images=purged)
    return purged


def _purge_some(older_than_days: float) -> int:
    with transaction.atomic():
        old = Image.objects.filter(deleted_at__lte=DatabaseTime(after=-older_than_days * 86400))
        images = list(old.select_for_update(skip_locked=True).order_by("deleted_at")[:_AT_ONCE])
        rows = Image.objects.filter(pk__in=[image.pk for image in images])
        # Else deleting the captions would first unpublish them, which the database forbids while "approved" stands.
        rows.update(state=Image.State.EMPTY, caption=None, published_caption=None)
        rows.delete()
    for image in images:
        media.remove(image)  # only now: a row without files is worse than files without a row
    return len(images)


def _hold(image: Image, by: User) -> Image:
    held = Image.objects.select_for_update(no_key=True).filter(pk=image.pk).first()
    if held is None or not may_discard(by, held):
        raise DeskError("not_found")
    return held


def _fresh(image: Image) -> Image:
    return Image.objects.select_related("owner", "caption", "published_caption").get(pk=image.pk)

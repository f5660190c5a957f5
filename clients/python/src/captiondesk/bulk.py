"""Bulk jobs: one thing asked for many pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Unpack

from captiondesk import models
from captiondesk.parameters import GenerationParams
from captiondesk.resources import Id, _given, _ids, _looked_at, _query
from captiondesk.surface import Listing, ModeT, Operations, listing, operation
from captiondesk.wire import Request, Steps


class Bulk(Operations[ModeT]):
    """The same for up to 1,000 pictures, done in the background one after the other: `client.bulk`.

    Each method gives the job at once; `wait` looks at it until it has ended. Its `failures` name the pictures that
    could not be done, each with a code; the others are done.
    """

    @operation
    def caption(self, images: Iterable[Id], **params: Unpack[GenerationParams]) -> Steps[models.BulkJob]:
        """Have pictures captioned; each gets a job of its own. The bulk job ends when all of them are asked for."""
        return self._begin(Request("bulk_caption"), images, **params)

    @operation
    def approve(self, images: Iterable[Id]) -> Steps[models.BulkJob]:
        """Publish the caption that each picture shows when its turn comes."""
        return self._begin(Request("bulk_review"), images, decision="approve")

    @operation
    def reject(self, images: Iterable[Id], *, reason: str | None = None) -> Steps[models.BulkJob]:
        """Publish nothing of what the pictures show; the reason is for those who improve the model."""
        return self._begin(Request("bulk_review"), images, decision="reject", reason=reason)

    @operation
    def tag(
        self, images: Iterable[Id], *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> Steps[models.BulkJob]:
        """Put tags on pictures of yours, or take them off."""
        return self._begin(Request("bulk_tag"), images, add=[*add], remove=[*remove])

    @operation
    def delete(self, images: Iterable[Id]) -> Steps[models.BulkJob]:
        """Put pictures into the trash."""
        return self._begin(Request("bulk_delete"), images)

    @operation
    def get(self, job: Id) -> Steps[models.BulkJob]:
        """Say how far a bulk job is, and what could not be done."""
        return self._ask(models.BulkJob, _look(job))

    @listing
    def list(self, *, page_size: int | None = None) -> Listing[models.BulkJob]:
        """Go through your bulk jobs, newest first; they are kept for a week after their end."""
        return Listing(Request("list_bulk_jobs"), models.PaginatedBulkJobList, _query(limit=page_size))

    @operation
    def cancel(self, job: Id) -> Steps[models.BulkJob]:
        """Stop a bulk job; what is done stays done."""
        return self._ask(models.BulkJob, Request("cancel_bulk_job", into={"bulk_id": job}))

    @operation
    def wait(self, job: Id, *, seconds: float = 600) -> Steps[models.BulkJob]:
        """Look at a bulk job until it is done or cancelled. Raises WaitedTooLong after so many seconds."""
        return _looked_at(self, models.BulkJob, _look(job), seconds)

    def _begin(self, request: Request, images: Iterable[Id], **asked: Any) -> Steps[models.BulkJob]:
        body = {"images": _ids(images), **_given(**asked)}
        return self._ask(models.BulkJob, replace(request, json=body))


def _look(job: Id) -> Request:
    return Request("get_bulk_job", into={"bulk_id": job})

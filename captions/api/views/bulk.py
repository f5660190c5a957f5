"""Bulk jobs: one request for up to a thousand pictures, answered with one job that tells how far it is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from captions import bulk, selectors, tags
from captions.api import examples
from captions.api.base import DeskView
from captions.api.bulk_bodies import (
    BulkCaptionSerializer,
    BulkJobSerializer,
    BulkReviewBody,
    BulkTagBody,
    PicturesBody,
)
from captions.api.views.jobs import asked_for
from captions.models import BulkJob
from captions.scopes import Scope

Action = BulkJob.Action


class BulkView(DeskView):
    """Base: one's own bulk jobs and nobody else's."""

    writes = Scope.IMAGES_WRITE
    queryset = BulkJob.objects.none()
    serializer_class = BulkJobSerializer
    refuses = {"POST": [400, 413, 415]}

    def ask(self, action: Action, images: list[UUID], **asked: Any) -> Response:
        """Ask for something, and answer with the job."""
        made = bulk.request(owner=self.person, action=action, images=images, asked=asked)
        return Response(BulkJobSerializer(made).data, 202)


class BulkJobs(BulkView):
    """All of one person's."""

    refuses = {"GET": [400]}

    @extend_schema(
        operation_id="list_bulk_jobs",
        summary="List your bulk jobs",
        tags=["bulk"],
        responses={200: BulkJobSerializer(many=True)},
        examples=examples.BULK_JOBS,
    )
    def get(self, request: Request) -> Response:
        """Newest first; kept for a week after their end."""
        return self.page(bulk.of(self.person))


class OneBulkJob(BulkView):
    """One bulk job."""

    @extend_schema(
        operation_id="get_bulk_job", summary="See how far a bulk job is", tags=["bulk"], examples=examples.BULK_JOBS
    )
    def get(self, request: Request, bulk_id: UUID) -> Response:
        """What is done, what could not be done and why, and whether it has ended."""
        return Response(BulkJobSerializer(selectors.bulk_job(self.person, bulk_id)).data)


class BulkCancellation(BulkView):
    """The end of one."""

    refuses = {"POST": [409]}

    @extend_schema(
        operation_id="cancel_bulk_job",
        summary="Stop a bulk job",
        tags=["bulk"],
        request=None,
        responses={200: BulkJobSerializer},
        examples=examples.CANCELLED_BULK_JOB,
    )
    def post(self, request: Request, bulk_id: UUID) -> Response:
        """What is done stays done."""
        job = bulk.cancel(job=selectors.bulk_job(self.person, bulk_id))
        return Response(BulkJobSerializer(job).data)


class BulkCaptions(BulkView):
    """Captions for many pictures."""

    writes = Scope.CAPTIONS_WRITE

    @extend_schema(
        operation_id="bulk_caption",
        summary="Have many pictures captioned",
        tags=["bulk"],
        request={"application/json": BulkCaptionSerializer},
        responses={202: BulkJobSerializer},
        examples=examples.BULK_CAPTION,
    )
    def post(self, request: Request) -> Response:
        """Each gets a job of its own; when your queue is full, it waits and goes on."""
        if not isinstance(request.data, dict):
            raise ValidationError(_("Send an object with “images” and generation parameters."))
        pictures = PicturesBody(data={"images": request.data["images"]} if "images" in request.data else {})
        pictures.is_valid(raise_exception=True)
        chosen, model = asked_for({name: value for name, value in request.data.items() if name != "images"})
        selectors.check_served(model)
        return self.ask(Action.CAPTION, pictures.validated_data["images"], params=dict(chosen), model=model)


class BulkReviews(BulkView):
    """Decisions on many pictures."""

    writes = Scope.REVIEWS_WRITE

    @extend_schema(
        operation_id="bulk_review",
        summary="Approve or reject what many pictures show",
        tags=["bulk"],
        request=BulkReviewBody,
        responses={202: BulkJobSerializer},
        examples=examples.BULK_REVIEW,
    )
    def post(self, request: Request) -> Response:
        """Approves the caption that a picture shows when its turn comes; one that is approved stays as it is."""
        body = BulkReviewBody(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        if asked.get("reason") and asked["decision"] != "reject":
            words = _("Only a decision “%(decision)s” has this field.") % {"decision": "reject"}
            raise ValidationError({"reason": words})
        return self.ask(Action(asked["decision"]), asked["images"], reason=asked.get("reason", ""))


class BulkTags(BulkView):
    """Tags on many pictures."""

    @extend_schema(
        operation_id="bulk_tag",
        summary="Put tags on many pictures of yours, or take some off",
        tags=["bulk"],
        request=BulkTagBody,
        responses={202: BulkJobSerializer},
        examples=examples.BULK_TAG,
    )
    def post(self, request: Request) -> Response:
        """Tags that are new are made."""
        body = BulkTagBody(data=request.data)
        body.is_valid(raise_exception=True)
        add, remove = (tags.read(body.validated_data.get(name, [])) for name in ("add", "remove"))
        return self.ask(Action.TAG, body.validated_data["images"], add=add, remove=remove)


class BulkDeletions(BulkView):
    """Many pictures into the trash."""

    @extend_schema(
        operation_id="bulk_delete",
        summary="Put many pictures into the trash",
        tags=["bulk"],
        request=PicturesBody,
        responses={202: BulkJobSerializer},
        examples=examples.BULK_DELETE,
    )
    def post(self, request: Request) -> Response:
        """Each can be recovered until the trash is emptied."""
        body = PicturesBody(data=request.data)
        body.is_valid(raise_exception=True)
        return self.ask(Action.DELETE, body.validated_data["images"])

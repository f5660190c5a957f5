"""Jobs: ask for captions, look, cancel, try again."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.http import QueryDict
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response

from captions import jobs, selectors
from captions.api import examples
from captions.api.base import DeskView, refuse_repeated, refuse_unknown
from captions.api.filters import JobFilter
from captions.api.json_body import Json
from captions.api.serializers import JobFormSerializer, JobRequestSerializer, JobSerializer
from captions.api.uploads import MultipartForm, read_model
from captions.api.views.images import WAIT_PARAMETER, ImageView
from captions.api.waiting import Wait, wait_seconds
from captions.errors import DeskError
from captions.models import CaptionJob
from captions.params import KNOBS, ParamsInvalid, Value, parse
from captions.scopes import Scope

FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


class JobView(DeskView):
    """Base of views about jobs."""

    writes = Scope.CAPTIONS_WRITE
    queryset = CaptionJob.objects.none()
    serializer_class = JobSerializer

    def shown(self, job_id: UUID) -> dict[str, Any]:
        """Give the answer about a job as it is now in the database."""
        return shown(job_id)


def shown(job_id: UUID) -> dict[str, Any]:
    """Give the answer about a job as it is now in the database. Raises DeskError `not_found`."""
    job = CaptionJob.objects.filter(pk=job_id).prefetch_related("captions__author").first()
    if job is None:
        raise DeskError("not_found")
    return dict(JobSerializer(job).data)


class Jobs(JobView):
    """All jobs of one person."""

    filterset_class = JobFilter
    refuses = {"GET": [400]}

    @extend_schema(
        operation_id="list_jobs",
        summary="List your jobs",
        tags=["jobs"],
        responses={200: JobSerializer(many=True)},
        examples=examples.JOBS,
    )
    def get(self, request: Request) -> Response:
        """Newest first."""
        return self.page(selectors.jobs(self.person).prefetch_related("captions__author"))


class JobsOfImage(ImageView):
    """The jobs of one picture."""

    writes = Scope.CAPTIONS_WRITE
    queryset = CaptionJob.objects.none()
    serializer_class = JobSerializer
    filterset_class = None
    parser_classes = [Json, FormParser, MultipartForm]
    refuses = {"GET": [400], "POST": [400, 409, 413, 415]}

    @extend_schema(
        operation_id="list_jobs_of_image",
        summary="List the jobs of a picture",
        tags=["jobs"],
        responses={200: JobSerializer(many=True)},
        examples=examples.JOBS,
    )
    def get(self, request: Request, image_id: UUID) -> Response:
        """Newest first."""
        return self.page(self.image(image_id).jobs.prefetch_related("captions__author"))

    @extend_schema(
        operation_id="request_captions",
        summary="Have a picture captioned again",
        tags=["jobs"],
        parameters=[WAIT_PARAMETER],
        request={"application/json": JobRequestSerializer, **dict.fromkeys(FORMS, JobFormSerializer)},
        responses={
            201: OpenApiResponse(JobSerializer, "A new job."),
            200: OpenApiResponse(JobSerializer, "A job with these parameters was waiting or running already."),
            202: OpenApiResponse(JobSerializer, "The job did not end well within the time of `wait`."),
        },
        examples=examples.REQUEST_CAPTIONS,
    )
    def post(self, request: Request, image_id: UUID) -> Response:
        """A parameter that is left out takes the default of the model that answers. Earlier captions stay."""
        refuse_unknown(request, {"wait"})
        seconds = wait_seconds(request)
        chosen, model = asked_for(request.data)
        asked = jobs.request(image=self.captionable_image(image_id), chosen=chosen, model=model)
        response = Response(shown(asked.job.pk), 201 if asked.created else 200)
        if seconds:
            _answer_when_ended(response, asked.job.pk, seconds)
        return response


def asked_for(body: Any) -> tuple[dict[str, Value], str]:
    """Read parameters and model from a body. Raises ParamsInvalid and ValidationError."""
    if not isinstance(body, dict):
        raise ValidationError(_("Send an object with generation parameters, or nothing."))
    if not isinstance(body, QueryDict):
        _refuse_texts(body)
    if isinstance(body, QueryDict):
        refuse_repeated(body)
    given = body.dict() if isinstance(body, QueryDict) else dict(body)
    model = given.pop("model", None)
    return parse(given, strict=True), read_model("" if model is None else model)


def _refuse_texts(body: dict[str, Any]) -> None:
    """Hold JSON to its types. A form has only text; in JSON, "no" for a truth is a mistake found too late."""
    wrong = {
        knob.name: _("Give true or false.") if knob.kind is bool else _("Give a number, not a text.")
        for knob in KNOBS
        if (value := body.get(knob.name)) is not None
        and (isinstance(value, str) or (knob.kind is bool and not isinstance(value, bool)))
    }
    if wrong:
        raise ParamsInvalid(wrong)


def _answer_when_ended(response: Response, job_id: UUID, seconds: float) -> None:
    status = response.status_code
    response.status_code = 202

    def fill() -> None:
        response.data = shown(job_id)
        if response.data["state"] == CaptionJob.State.DONE:
            response.status_code = status

    response.wait = Wait(job_id, seconds, fill)  # type: ignore[attr-defined]  # read by waits_for_job


class OneJob(JobView):
    """One job."""

    @extend_schema(operation_id="get_job", summary="Look at one job", tags=["jobs"], examples=examples.JOB)
    def get(self, request: Request, job_id: UUID) -> Response:
        """Its state, its drafts when it is done, and why it failed when it did."""
        return Response(self.shown(selectors.job(self.person, job_id).pk))


class Cancellation(JobView):
    """The end of an open job."""

    refuses = {"POST": [409]}

    @extend_schema(
        operation_id="cancel_job",
        summary="Cancel a job that waits or runs",
        tags=["jobs"],
        request=None,
        responses={200: JobSerializer},
        examples=examples.CANCELLED_JOB,
    )
    def post(self, request: Request, job_id: UUID) -> Response:
        """What a worker still makes of it is dropped."""
        return Response(
            self.shown(jobs.cancel(job=selectors.job(self.person, job_id, role="caption"), by=self.person).pk)
        )


class Retry(JobView):
    """Another try."""

    refuses = {"POST": [409]}

    @extend_schema(
        operation_id="retry_job",
        summary="Try a failed or cancelled job again",
        tags=["jobs"],
        request=None,
        responses={200: JobSerializer},
        examples=examples.QUEUED_JOB,
    )
    def post(self, request: Request, job_id: UUID) -> Response:
        """It goes back into the queue; when an equal job is open already, that one is the answer."""
        return Response(
            self.shown(jobs.retry(job=selectors.job(self.person, job_id, role="caption"), by=self.person).pk)
        )

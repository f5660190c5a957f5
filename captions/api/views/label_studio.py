"""Label Studio's protocol for models that are connected to a project: it sends tasks, and gets captions to start from.

The shapes are those of label-studio-ml-backend 2, and of what Label Studio reads of them. Label Studio gives up after
100 seconds; its own files (`/data/upload/…`) cannot be asked for, because it names them without its address.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from captions import ingest, jobs, label_studio, selectors
from captions.api.authentication import BasicTokenAuthentication, demand
from captions.api.base import DeskView
from captions.api.compatible import CompatibleView, on_show, opened, plain_refusal, take_json
from captions.api.waiting import LONGEST_SECONDS, Wait
from captions.errors import FAILURES, DeskError
from captions.label_studio import Control
from captions.models import Caption, CaptionJob, Image
from captions.scopes import Scope

#: Tasks that are answered at once. Of more only the first is: Label Studio then asks for them one by one.
MOST_TASKS: Final = 20
#: Seconds after which no further picture is fetched, and in all: before Label Studio gives up.
TAKING_SECONDS: Final = 25.0
ANSWER_SECONDS: Final = 80.0


class LabelStudioView(CompatibleView):
    """Base of these views. A token that may add pictures opens them, as a bearer or as a basic password."""

    authentication_classes = [BasicTokenAuthentication]
    reads = None

    def refusal(self, code: str, words: str, attr: str | None, status: int, image: Image | None) -> dict[str, Any]:
        """Give {"error": words}, with our code and the request's number beside it."""
        return plain_refusal(code, words, status, image)

    def answer(self, response: Response, image: Image, captions: list[Caption]) -> None:
        """Have no words of one picture to give: `Predict` answers for several."""


@extend_schema(exclude=True)
class Health(LabelStudioView):
    """`GET /label-studio/health`."""

    def get(self, request: Request) -> Response:
        """Say that the desk is up; a wrong token is told here already."""
        return Response({"status": "UP", "model_class": "CaptionDesk"})


@extend_schema(exclude=True)
class Setup(LabelStudioView):
    """`POST /label-studio/setup`."""

    def post(self, request: Request) -> Response:
        """Check the project's labelling set-up, and name the model in use. Label Studio's own token is not kept."""
        _control(take_json(request), "schema")
        now = selectors.serving()
        return Response({"model_version": label_studio.model_version(now.model, now.revision)})


@extend_schema(exclude=True)
class Webhook(DeskView):
    """`POST /label-studio/webhook`, which Label Studio sets up by itself, and calls without any token."""

    authentication_classes = []
    permission_classes = []
    reads = None

    def post(self, request: Request) -> Response:
        """Do nothing: models here learn nothing from single annotations. The body is not looked at."""
        return Response({"status": "ok", "result": {}})


@extend_schema(exclude=True)
class LabelStudioUnknown(LabelStudioView):
    """Every other address below /label-studio/."""

    def nothing(self, request: Request) -> Response:
        """Raise DeskError `not_found`."""
        raise DeskError("not_found")

    get = post = put = patch = delete = nothing


@dataclass(slots=True)
class _Asked:
    """What became of one task: a picture with its words or the job that drafts them, or what is wrong with it."""

    image: Image | None = None
    caption: Caption | None = None
    job: CaptionJob | None = None
    error: DeskError | None = None


@extend_schema(exclude=True)
class Predict(LabelStudioView):
    """`POST /label-studio/predict`."""

    def post(self, request: Request) -> Response:
        """Caption the tasks' pictures. A task without words gets an empty list; when all are, the first one's reason.

        Raises DeskError `label_config_wrong`, ValidationError.
        """
        began = time.monotonic()
        body = take_json(request)
        tasks, control = _tasks(body), _control(body, "label_config")
        asked = [self._ask(task, control, began, alone=len(tasks) == 1) for task in tasks]
        response = Response()
        self._tell(response, asked, control)
        open_jobs = [one.job.pk for one in asked if one.job is not None]
        if open_jobs:
            left = ANSWER_SECONDS - (time.monotonic() - began)
            response.wait = Wait(  # type: ignore[attr-defined]  # read by waits_for_job
                open_jobs[0],
                max(0.0, min(LONGEST_SECONDS, left)),
                lambda: self._tell(response, asked, control),
                others=tuple(open_jobs[1:]),
                even_late=True,
            )
        return response

    def _ask(self, task: Any, control: Control, began: float, *, alone: bool) -> _Asked:
        try:
            if time.monotonic() - began > TAKING_SECONDS:
                raise DeskError("caption_late")
            return self._take(task, control, alone=alone)
        except DeskError as error:
            return _Asked(error=error)
        except ValidationError:  # a data URI that is none
            return _Asked(error=DeskError("address_wrong", attr="tasks"))

    def _take(self, task: Any, control: Control, *, alone: bool) -> _Asked:
        lane = CaptionJob.Lane.INTERACTIVE if alone else None
        data = task.get("data") if isinstance(task, dict) else None
        address = data.get(control.key) if isinstance(data, dict) else None
        known = self._of_ours(data)
        if known is not None:
            # Not what the task brings, but a picture that is here: a token for adding alone must not read it.
            demand(self.request, Scope.IMAGES_READ)
            if known.published_caption or known.caption:
                return _Asked(known, on_show(known))
            demand(self.request, Scope.CAPTIONS_WRITE)
            return _Asked(known, job=jobs.request(image=known, chosen={}, lane=lane).job)
        if not isinstance(address, str):
            raise DeskError("no_file", detail=_("The task has no address under “%(key)s”.") % {"key": control.key})
        if address.startswith("/"):
            words = _("Files that lie in Label Studio cannot be asked for. Import tasks with whole web addresses.")
            raise DeskError("address_wrong", detail=words)
        with opened(address, attr="tasks", person_id=self.person.pk) as (file, filename):
            received = ingest.receive(owner=self.person, file=file, filename=filename, chosen={}, lane=lane)
        if received.job is not None:
            return _Asked(received.image, job=received.job)
        return _Asked(received.image, on_show(received.image))

    def _of_ours(self, data: Any) -> Image | None:
        """Give the picture of this desk that a task of our export names: no need to fetch it from ourselves."""
        given = data.get("id") if isinstance(data, dict) else None
        with suppress(ValueError, DeskError):
            return selectors.captionable_image(self.person, UUID(given)) if isinstance(given, str) else None
        return None

    def _tell(self, response: Response, asked: list[_Asked], control: Control) -> None:
        for one in asked:
            if one.job is not None and one.caption is None:
                _look(one)
        results = [
            label_studio.prediction(one.image, one.caption, control) if one.image and one.caption else []
            for one in asked
        ]
        if any(results):
            response.status_code, response.data = 200, {"results": results}
            return
        error = next(one.error for one in asked if one.error is not None)
        response.status_code = error.failure.status
        response.data = self.refusal(error.code, error.detail, error.attr, error.failure.status, asked[0].image)


def _look(one: _Asked) -> None:
    """See how a job stands."""
    assert one.image is not None
    assert one.job is not None
    job = CaptionJob.objects.get(pk=one.job.pk)
    one.error = None
    if job.state == CaptionJob.State.DONE:
        one.caption = job.captions.order_by("rank").first()
        one.image = Image.objects.get(pk=one.image.pk)  # with the score of its new draft
    if one.caption is None:
        code = "caption_late" if job.state in CaptionJob.OPEN else job.error_code or "job_cancelled"
        one.error = DeskError(code if code in FAILURES else "unknown")


def _tasks(body: dict[str, Any]) -> list[Any]:
    tasks = body.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise ValidationError({"tasks": _("Send the tasks as a list, at least one.")})
    return tasks if len(tasks) <= MOST_TASKS else tasks[:1]


def _control(body: dict[str, Any], key: str) -> Control:
    config = body.get(key)
    if not isinstance(config, str):
        raise DeskError("label_config_wrong", attr=key)
    return label_studio.control_in(config)

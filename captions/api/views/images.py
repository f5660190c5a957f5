"""Pictures: upload, list, look at, throw away, fetch the bytes."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from captions import about, ingest, media, selectors, tags, trash
from captions.api import examples, uploads
from captions.api.authentication import demand
from captions.api.base import DeskView
from captions.api.filters import ImageFilter
from captions.api.json_body import Json
from captions.api.pagination import NAMES, Best, NewestOrSurest
from captions.api.serializers import (
    BINARY,
    TRUTHS,
    AboutSerializer,
    ImageSerializer,
    ImageWithJobsSerializer,
    NamedPictureSerializer,
    UploadSerializer,
)
from captions.api.waiting import LONGEST_SECONDS, Wait, wait_seconds
from captions.errors import DeskError
from captions.finding import Found
from captions.models import CaptionJob, Image
from captions.params import KNOBS
from captions.scopes import Scope

JOBS_SHOWN: Final = 20
RANGE_REFUSED: Final = 416

WAIT_PARAMETER: Final = OpenApiParameter(
    "wait",
    {"type": "number", "minimum": 0, "maximum": LONGEST_SECONDS, "default": 0},
    description="Seconds to wait for the captions; the answer is 202 when they are not ready by then.",
)
KNOB_PARAMETERS: Final = [
    OpenApiParameter(
        knob.name,
        {"type": "string", "enum": list(TRUTHS)}
        if knob.kind is bool
        else {"type": "integer" if knob.kind is int else "number", "minimum": knob.minimum, "maximum": knob.maximum},
        description=f"{knob.label}. {knob.help}",
    )
    for knob in KNOBS
]
MODEL_PARAMETER: Final = OpenApiParameter(
    "model",
    {"type": "string", "maxLength": 200},
    description="The model to ask for, by one of the names of `/api/v1/models/`; left out, one that is a default.",
)
PICTURE_TYPES: Final = sorted({kind for _, kind in media.FILES.values()})


def jobs_of(image: Image) -> list[CaptionJob]:
    """Give the newest jobs of a picture with their drafts; the list of jobs has the rest."""
    return list(
        image.jobs.filter(is_trial=False)
        .order_by("-created_at", "-id")
        .prefetch_related("captions__author")[:JOBS_SHOWN]
    )


class ImageView(DeskView):
    """Base of views about one picture."""

    writes = Scope.IMAGES_WRITE
    queryset: QuerySet[Any, Any] | None = Image.objects.none()
    serializer_class: type[BaseSerializer[Any]] | None = ImageWithJobsSerializer

    def image(self, image_id: UUID) -> Image:
        """Give a picture that the person may see. Raises DeskError `not_found`."""
        return selectors.image(self.person, image_id)

    def own_image(self, image_id: UUID) -> Image:
        """Give a picture of the person's own: reviewers see others' pictures, and change nothing but the decision.

        Raises DeskError `not_found`.
        """
        return selectors.own_image(self.person, image_id)

    def captionable_image(self, image_id: UUID) -> Image:
        """Give a picture that the person may ask captions for and write words for. Raises DeskError `not_found`."""
        return selectors.captionable_image(self.person, image_id)

    def shown(self, image_id: UUID, *, is_new: bool = False) -> dict[str, Any]:
        """Give the answer about a picture as it is now in the database."""
        related = ("owner", "caption__author", "published_caption__author")
        image = Image.objects.filter(pk=image_id).select_related(*related).first()
        if image is None:
            raise DeskError("not_found")
        image.recent_jobs = jobs_of(image)  # type: ignore[attr-defined]  # the serializer's source of `jobs`
        known = {"beside": selectors.nothing_beside(image)} if is_new else {}
        return dict(ImageWithJobsSerializer(image, context={**self.get_serializer_context(), **known}).data)


class Images(ImageView):
    """All pictures of one person."""

    serializer_class = ImageSerializer
    parser_classes = [uploads.MultipartForm, Json]
    filterset_class = ImageFilter
    pagination_class = NewestOrSurest
    refuses = {"GET": [400], "POST": [400, 409, 413, 415, 422, 507]}

    @extend_schema(
        operation_id="list_images",
        summary="List your pictures",
        tags=["images"],
        responses={200: ImageSerializer(many=True)},
        examples=examples.IMAGES,
    )
    def get(self, request: Request) -> Response:
        """Newest first, or with words in `q` the best first. `deleted=true` lists the trash."""
        in_trash, query = request.query_params.get("deleted") == "true", request.query_params.get("q", "")
        of_album = self._of_album()
        if not query:
            if of_album is None:
                return self.page(selectors.trash(self.person) if in_trash else selectors.images(self.person))
            return self.page(of_album.none() if in_trash else of_album)
        if in_trash:
            raise ValidationError({"q": _("A search does not look into the trash. Leave “deleted” out.")})
        found = selectors.search(self.person, query)
        if of_album is not None:
            found = found.within(of_album)
        if found.is_ranked and "ordering" not in request.query_params:
            return self._best(found)
        return self.page(found.rows)

    def _of_album(self) -> QuerySet[Image] | None:
        """Give the pictures of the album that the address names; None when it names none. DeskError `not_found`."""
        wanted = self.request.query_params.get("album")
        try:
            album_id = UUID(wanted) if wanted else None
        except ValueError:
            return None  # the filter says so
        return selectors.images_of(selectors.album(self.person, album_id)) if album_id else None

    def _best(self, found: Found) -> Response:
        """Answer one page of ranked results, within what the other filters leave."""
        self.check_query()
        if set(self.request.query_params) - {"q", *NAMES}:
            found = found.within(self.filter_queryset(found.images))
        pages = Best()
        rows = pages.cut(found, self.request)
        return pages.get_paginated_response(self.get_serializer(rows, many=True).data)

    @extend_schema(
        operation_id="upload_image",
        summary="Upload a picture and have it captioned",
        tags=["images"],
        parameters=[
            WAIT_PARAMETER,
            MODEL_PARAMETER,
            OpenApiParameter("filename", str, description="What to call the picture, when it is the body itself."),
            *KNOB_PARAMETERS,
        ],
        request={
            "multipart/form-data": UploadSerializer,
            "application/json": NamedPictureSerializer,
            **dict.fromkeys(PICTURE_TYPES, BINARY),
        },
        responses={
            201: OpenApiResponse(ImageWithJobsSerializer, "A new picture, with its job."),
            200: OpenApiResponse(ImageWithJobsSerializer, "You have these bytes already: the picture as it is."),
            202: OpenApiResponse(ImageWithJobsSerializer, "Taken, and the captions were not ready in time."),
        },
        examples=examples.UPLOAD,
    )
    def post(self, request: Request) -> Response:
        """Send the picture as the field `file` of a form, as the body itself with its own Content-Type, or its address.

        An address goes into JSON as `url`: what lies there is fetched within 20 seconds, or refused.

        Generation parameters go into further fields of the form or into the address. The same bytes are kept once per
        person: uploading them again answers 200 with the picture that is there, taken out of the trash if need be, and
        makes a new job only when parameters are given. With `wait`, the answer comes when the captions are ready; when
        they are not ready in time, or the job failed, it is 202, `caption` is null, and `jobs` says more.
        """
        seconds = wait_seconds(request)
        with uploads.take(request) as upload:
            received = ingest.receive(
                owner=self.person,
                file=upload.file,
                filename=upload.filename,
                chosen=upload.chosen,
                model=upload.model,
                lane=CaptionJob.Lane.INTERACTIVE if seconds else None,
            )
        image = received.image
        address = request.build_absolute_uri(reverse("api-image", args=[image.pk]))
        response = Response(
            self.shown(image.pk, is_new=received.created),
            201 if received.created else 200,
            headers={"Location": address},
        )
        if received.job is not None and seconds:
            self._answer_when_ended(response, received.job, seconds)
        return response

    def _answer_when_ended(self, response: Response, job: CaptionJob, seconds: float) -> None:
        """Make the answer "not ready" for now, and have it filled in once the job has ended well."""
        image_id, job_id, status = job.image_id, job.pk, response.status_code
        response.status_code = 202
        response.data["caption"] = None

        def fill() -> None:
            response.data = self.shown(image_id)
            if CaptionJob.objects.get(pk=job_id).state == CaptionJob.State.DONE:
                response.status_code = status
            else:
                response.data["caption"] = None

        response.wait = Wait(job_id, seconds, fill)  # type: ignore[attr-defined]  # read by waits_for_job


#: Fields of a picture that are words or decisions: changing them takes more than `images:write`.
_MORE_THAN_WRITING: Final = {"long_description": Scope.CAPTIONS_WRITE, "is_decorative": Scope.REVIEWS_WRITE}


class OneImage(ImageView):
    """One picture."""

    refuses = {"PATCH": [400, 413, 415]}

    @extend_schema(
        operation_id="change_image",
        summary="Change a picture's title, description or tags, or call it decorative",
        tags=["images"],
        request=AboutSerializer,
        responses={200: ImageWithJobsSerializer},
        examples=examples.ABOUT,
    )
    def patch(self, request: Request, image_id: UUID) -> Response:
        """All of it or nothing. Calling a picture decorative is a decision; tags are for its owner alone.

        A token needs `images:write`, and for a description `captions:write`, for "decorative" `reviews:write` as well.
        """
        image = self.image(image_id)
        body = AboutSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        for field, scope in _MORE_THAN_WRITING.items():
            if field in asked:
                demand(request, scope)
        with transaction.atomic():
            if "title" in asked:
                about.entitle(image=image, by=self.person, title=asked["title"])
            if "is_decorative" in asked:
                about.set_decorative(image=image, by=self.person, is_decorative=asked["is_decorative"])
            if "long_description" in asked:
                about.describe(image=image, by=self.person, text=asked["long_description"])
            if "tags" in asked:
                tags.replace(image=image, owner=self.person, names=asked["tags"])
        return Response(self.shown(image_id))

    @extend_schema(
        operation_id="get_image", summary="Look at one picture", tags=["images"], examples=examples.IMAGE_WITH_JOBS
    )
    def get(self, request: Request, image_id: UUID) -> Response:
        """The picture, the caption on show, the published one, and its newest jobs."""
        return Response(self.shown(self.image(image_id).pk))

    @extend_schema(
        operation_id="delete_image",
        summary="Put one picture into the trash",
        tags=["images"],
        responses={204: OpenApiResponse(description="It is in the trash.")},
    )
    def delete(self, request: Request, image_id: UUID) -> Response:
        """It can be recovered until the trash is emptied. Its open jobs are cancelled."""
        trash.discard(image=self.image(image_id), by=self.person)
        return Response(status=204)


class Recovery(ImageView):
    """Out of the trash again."""

    @extend_schema(
        operation_id="recover_image",
        summary="Take one picture out of the trash",
        tags=["images"],
        request=None,
        responses={200: ImageWithJobsSerializer},
        examples=examples.IMAGE_WITH_JOBS,
    )
    def post(self, request: Request, image_id: UUID) -> Response:
        """Nothing changes when it is not in the trash."""
        image = selectors.trash(self.person).filter(pk=image_id).first() or self.image(image_id)
        trash.recover(image=image, by=self.person)
        return Response(self.shown(image_id))


class Bytes(ImageView):
    """The bytes of a picture."""

    refuses = {"GET": [416]}
    kind = ""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Never refuse by Accept: the answer is the picture, or a failure in JSON."""
        return super().perform_content_negotiation(request, force=True)

    def send(self, request: Request, image: Image) -> HttpResponseBase:
        """Answer with the bytes; whole, or the range that was asked for."""
        response = media.serve(request._request, image, self.kind)
        if response.status_code != RANGE_REFUSED:
            return response
        refusal: HttpResponseBase = self.handle_exception(DeskError("range_not_satisfiable"))
        refusal["Content-Range"] = response["Content-Range"]
        return refusal


_RENDITION: Final = {
    (200, "image/webp"): OpenApiResponse(BINARY, "WebP, upright, sRGB, without metadata."),
    (206, "image/webp"): OpenApiResponse(BINARY, "The range that was asked for."),
    304: OpenApiResponse(description="Unchanged since the time or tag that was named."),
}


class Thumbnail(Bytes):
    """The small rendition."""

    kind = "thumbnail"

    @extend_schema(
        operation_id="get_thumbnail", summary="Fetch the small rendition", tags=["images"], responses=_RENDITION
    )
    def get(self, request: Request, image_id: UUID) -> HttpResponseBase:
        """At most 480 pixels on its longer side."""
        return self.send(request, self.image(image_id))


class Medium(Bytes):
    """The medium rendition."""

    kind = "medium"

    @extend_schema(
        operation_id="get_medium", summary="Fetch the medium rendition", tags=["images"], responses=_RENDITION
    )
    def get(self, request: Request, image_id: UUID) -> HttpResponseBase:
        """At most 800 pixels on its longer side; the large one for a picture added before there was a medium one."""
        return self.send(request, self.image(image_id))


class Screen(Bytes):
    """The large rendition."""

    kind = "screen"

    @extend_schema(
        operation_id="get_screen", summary="Fetch the large rendition", tags=["images"], responses=_RENDITION
    )
    def get(self, request: Request, image_id: UUID) -> HttpResponseBase:
        """At most 1,600 pixels on its longer side."""
        return self.send(request, self.image(image_id))


class Original(Bytes):
    """The untouched bytes, for their owner alone: they may say where and when the picture was taken."""

    kind = "original"

    @extend_schema(
        operation_id="get_original",
        summary="Fetch the original, byte for byte",
        tags=["images"],
        responses={
            (200, *PICTURE_TYPES): OpenApiResponse(BINARY, "The bytes as they came, as an attachment."),
            (206, *PICTURE_TYPES): OpenApiResponse(BINARY, "The range that was asked for."),
            304: OpenApiResponse(description="Unchanged since the time or tag that was named."),
        },
    )
    def get(self, request: Request, image_id: UUID) -> HttpResponseBase:
        """For its owner only."""
        return self.send(request, self.own_image(image_id))

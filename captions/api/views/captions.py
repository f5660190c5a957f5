"""Captions of a picture: every one ever made, written by hand, and restored."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from captions import about, languages, ledger, selectors
from captions.api import examples
from captions.api.serializers import CaptionSerializer, WordsSerializer
from captions.api.views.images import ImageView
from captions.errors import DeskError
from captions.models import Caption
from captions.scopes import Scope


class Captions(ImageView):
    """All captions of one picture."""

    writes = Scope.CAPTIONS_WRITE
    queryset = Caption.objects.none()
    serializer_class = CaptionSerializer
    filterset_class = None
    refuses = {"GET": [400], "POST": [400, 413, 415]}

    @extend_schema(
        operation_id="list_captions",
        summary="List every caption ever made for a picture",
        tags=["captions"],
        responses={200: CaptionSerializer(many=True)},
        examples=examples.CAPTIONS,
    )
    def get(self, request: Request, image_id: UUID) -> Response:
        """Drafts, edits, hand-written and restored ones, each with where it came from."""
        return self.page(selectors.captions(self.person, self.image(image_id)).select_related("author"))

    @extend_schema(
        operation_id="write_caption",
        summary="Write a caption by hand",
        tags=["captions"],
        request=WordsSerializer,
        responses={201: CaptionSerializer},
        examples=examples.WRITE,
    )
    def post(self, request: Request, image_id: UUID) -> Response:
        """It is added to the history; a review publishes it. A long description stands at once."""
        image = self.captionable_image(image_id)
        body = WordsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        words = body.validated_data
        language = words.get("language", languages.DEFAULT)
        if words.get("purpose") == Caption.Purpose.LONG:
            if not words["text"].strip():
                raise DeskError("caption_empty", attr="text")  # only PATCH takes one away
            caption = about.describe(image=image, by=self.person, text=words["text"], language=language)
        else:
            caption = ledger.write(image=image, author=self.person, text=words["text"], language=language)
        return Response(self.get_serializer(caption).data, 201)


class Restoration(ImageView):
    """Earlier words made the newest again."""

    writes = Scope.CAPTIONS_WRITE
    queryset = Caption.objects.none()
    serializer_class = CaptionSerializer

    @extend_schema(
        operation_id="restore_caption",
        summary="Make an earlier caption the newest again",
        tags=["captions"],
        request=None,
        responses={201: CaptionSerializer},
        examples=examples.RESTORE,
    )
    def post(self, request: Request, image_id: UUID, caption_id: UUID) -> Response:
        """A copy is added; nothing of the history is changed."""
        image = self.captionable_image(image_id)
        caption = selectors.captions(self.person, image).filter(pk=caption_id).first()
        if caption is None:
            raise DeskError("not_found")
        return Response(self.get_serializer(ledger.restore(caption=caption, author=self.person)).data, 201)

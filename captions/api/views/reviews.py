"""Reviews: approve, edit, reject, take back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from captions import review, review_queue, selectors
from captions.api import examples
from captions.api.base import DeskView, refuse_unknown
from captions.api.serializers import (
    DecisionSerializer,
    ImageWithJobsSerializer,
    NextReviewsSerializer,
    ReviewSerializer,
    TurnSerializer,
)
from captions.api.views.images import ImageView
from captions.errors import DeskError
from captions.models import Caption, Image, Review
from captions.scopes import Scope


class Reviews(ImageView):
    """All decisions on one picture."""

    queryset = Review.objects.none()
    serializer_class = ReviewSerializer
    filterset_class = None
    refuses = {"GET": [400]}

    @extend_schema(
        operation_id="list_reviews",
        summary="List every decision on a picture",
        tags=["reviews"],
        responses={200: ReviewSerializer(many=True)},
        examples=examples.REVIEWS,
    )
    def get(self, request: Request, image_id: UUID) -> Response:
        """Who decided what and when; a decision taken back stays in the list."""
        reviews = selectors.reviews(self.image(image_id))
        return self.page(reviews.select_related("reviewer", "by_rule", "caption__author"))


class Decision(ImageView):
    """One decision."""

    writes = Scope.REVIEWS_WRITE
    refuses = {"POST": [400, 409, 413, 415]}

    @extend_schema(
        operation_id="review_image",
        summary="Approve, correct or reject a picture's caption",
        tags=["reviews"],
        request=DecisionSerializer,
        responses={200: ImageWithJobsSerializer},
        examples=examples.DECISIONS,
    )
    def post(self, request: Request, image_id: UUID) -> Response:
        """`approve` publishes the caption, `edit` publishes your corrected words, `reject` publishes nothing.

        Without `caption` the decision is about the caption that the picture shows.
        """
        image = self.image(image_id)
        body = DecisionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        decide(image, self.person, body.validated_data)
        return Response(self.shown(image.pk))


def decide(image: Image, person: Any, asked: dict[str, Any]) -> None:
    """Hand a read body to the service that its decision names."""
    caption = _named(image, asked.get("caption"))
    if "seen" in asked:
        verdict = review_queue.Verdict(
            decision=asked["decision"],
            caption=caption,
            text=asked.get("text", ""),
            reason=asked.get("reason", ""),
            seen=asked["seen"],
        )
        review_queue.decide(image=image, reviewer=person, verdict=verdict)
        return
    if asked["decision"] == "approve":
        review.approve(image=image, reviewer=person, caption=caption)
    elif asked["decision"] == "edit":
        review.edit(image=image, reviewer=person, text=asked["text"], caption=caption, language=asked.get("language"))
    else:
        review.reject(image=image, reviewer=person, caption=caption, reason=asked.get("reason", ""))


def _named(image: Image, caption_id: UUID | None) -> Caption | None:
    if caption_id is None:
        return None
    caption = image.captions.filter(pk=caption_id).first()
    if caption is None:  # the same words whether it is another picture's, another person's, or nobody's
        raise DeskError("caption_of_another_image", attr="caption")
    return caption


class NextReviews(DeskView):
    """The queue of drafts in front of you."""

    writes = Scope.REVIEWS_WRITE
    queryset = Review.objects.none()
    serializer_class = TurnSerializer
    pagination_class = None
    filter_backends = []
    refuses = {"POST": [400, 404, 413, 415]}

    @extend_schema(
        operation_id="next_reviews",
        summary="Be handed the next drafts to decide on",
        tags=["reviews"],
        request=NextReviewsSerializer,
        responses={200: TurnSerializer(many=True)},
        examples=examples.NEXT_REVIEWS,
    )
    def post(self, request: Request) -> Response:
        """Nobody else is handed these pictures before their lease runs out. Asking again gives those you still have.

        Decide on each at its own address, with its `seen`.
        """
        refuse_unknown(request, set())
        body = NextReviewsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        turns = review_queue.take(
            reviewer=self.person, count=asked["n"], order=asked["order"], album=asked.get("album"), mix=False
        )
        return Response(self.get_serializer(turns, many=True).data)


class TakenBack(ImageView):
    """The end of a decision."""

    writes = Scope.REVIEWS_WRITE
    refuses = {"POST": [409]}

    @extend_schema(
        operation_id="undo_review",
        summary="Take your last decision on a picture back",
        tags=["reviews"],
        request=None,
        responses={200: ImageWithJobsSerializer},
        examples=examples.IMAGE_WITH_JOBS,
    )
    def post(self, request: Request, image_id: UUID) -> Response:
        """What was published before the decision is published again."""
        review.undo(image=self.image(image_id), reviewer=self.person)
        return Response(self.shown(image_id))

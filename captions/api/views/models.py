"""Which models can be asked for."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from captions import selectors
from captions.api import examples
from captions.api.base import DeskView, refuse_unknown
from captions.api.pagination import Whole
from captions.api.serializers import ModelSerializer
from captions.models import Worker


class Models(DeskView):
    """The models that workers serve at this moment."""

    reads = None
    queryset: QuerySet[Any, Any] = Worker.objects.none()
    serializer_class = ModelSerializer
    pagination_class = Whole
    filter_backends = []
    refuses = {"GET": [400]}

    @extend_schema(
        operation_id="list_models",
        summary="List the models that are served now",
        tags=["models"],
        responses={200: ModelSerializer(many=True)},
        examples=examples.MODELS,
    )
    def get(self, request: Request) -> Response:
        """Those that also take jobs without a model come first. The list is short, and always one page."""
        refuse_unknown(request, set())
        rows = self.paginate_queryset([_row(model) for model in selectors.serving().served])
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)


def _row(model: selectors.ServedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "names": list(model.names),
        "title": model.title or None,
        "revision": model.revision,
        "device": model.device,
        "precision": model.precision,
        "is_demo": model.is_demo,
        "is_default": model.takes_any,
        "workers": model.workers,
        "seconds_per_image": model.seconds_per_image,
        "defaults": model.defaults.as_dict(),
    }

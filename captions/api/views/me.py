"""Who asks, and what answers."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from captions import selectors
from captions.api import examples
from captions.api.base import DeskView
from captions.api.serializers import MeSerializer
from captions.decoder import FORMATS
from captions.models import ApiToken
from captions.permissions import is_reviewer


class Me(DeskView):
    """The person behind the token."""

    reads = None
    queryset = User.objects.none()
    serializer_class = MeSerializer
    pagination_class = None

    @extend_schema(operation_id="get_me", summary="See who you are and what this server takes", examples=examples.ME)
    def get(self, request: Request) -> Response:
        """Your account, your pictures by state, the model that answers, and the limits of uploads."""
        return Response(MeSerializer(_me(self.person, self.token)).data)


def _me(person: User, token: ApiToken | None) -> dict[str, Any]:
    return {
        "username": person.get_username(),
        "email": person.email,
        "is_reviewer": is_reviewer(person),
        "images": selectors.tally(person),
        "token": token,
        "service": _service(),
        "limits": {
            "max_upload_bytes": settings.MAX_UPLOAD_BYTES,
            "max_pixels": settings.MAX_PIXELS,
            "max_frames": settings.MAX_FRAMES,
            "formats": [name for name in FORMATS if _is_on(name)],
        },
    }


def _service() -> dict[str, Any]:
    serving = selectors.serving()
    return {
        "ready": serving.ready,
        "model": serving.model or None,
        "revision": serving.revision or None,
        "is_demo": serving.is_demo,
        "notice": serving.notice,
    }


def _is_on(name: str) -> bool:
    return {"HEIF": settings.ACCEPT_HEIF, "AVIF": settings.ACCEPT_AVIF}.get(name, True)

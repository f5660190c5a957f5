"""What the API says about itself: the OpenAPI document, the page that shows it, and the answer to unknown addresses."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiJsonRenderer2, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from captions.api.base import DeskView
from captions.models import Image


class OpenView(DeskView):
    """Base of views that anybody may see: they show nothing of anybody's."""

    queryset = Image.objects.none()
    permission_classes: list[type[BasePermission]] = []
    pagination_class = None
    is_marked = False


@cache
def document() -> Any:
    """Build the OpenAPI document, once per process: it takes longer than any other answer."""
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # untyped library


@extend_schema(exclude=True)
class Schema(OpenView):
    """The OpenAPI 3.1 document: JSON, or YAML when Accept says so."""

    renderer_classes = [OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer]

    def get(self, request: Request) -> Response:
        """Answer with the document."""
        return Response(document())


@extend_schema(exclude=True)
class Docs(OpenView):
    """The document as a page, with a button to try every operation."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Never refuse by Accept: browsers ask for HTML, which is no renderer of DRF's here."""
        return super().perform_content_negotiation(request, force=True)

    def get(self, request: Request) -> HttpResponseBase:
        """Answer with the page; its scripts and styles are files of our own, as the site's CSP demands."""
        return render(request._request, "api/docs.html")


@extend_schema(exclude=True)
class Unknown(OpenView):
    """Every other address below /api/."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Say that there is nothing here whatever type the answer should have."""
        return super().perform_content_negotiation(request, force=True)

    def nothing(self, request: Request, **_: Any) -> HttpResponseBase:
        """Send on to the address with a slash where there is one: 308 keeps method and body. Else raise NotFound."""
        path = request.path_info + "/"
        try:
            known = resolve(path)
        except Resolver404:
            raise NotFound from None
        if known.url_name == "api-unknown":
            raise NotFound
        query = request.META.get("QUERY_STRING", "")
        response = HttpResponsePermanentRedirect(f"{path}?{query}" if query else path)
        response.status_code = 308
        return response

    get = post = put = patch = delete = nothing
    options = nothing  # type: ignore[assignment]  # the base's is typed for DRF's own answers

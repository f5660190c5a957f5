"""Saved searches."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from captions import saved_searches, selectors
from captions.api import examples
from captions.api.base import DeskView
from captions.api.serializers import SavedSearchSerializer, SearchToChangeSerializer, SearchToSaveSerializer
from captions.models import SavedSearch
from captions.scopes import Scope


class Searches(DeskView):
    """The searches that one person has saved."""

    writes = Scope.IMAGES_WRITE
    queryset = SavedSearch.objects.none()
    serializer_class = SavedSearchSerializer
    refuses = {"GET": [400], "POST": [400, 409, 413, 415]}

    @extend_schema(
        operation_id="list_searches",
        summary="List your saved searches",
        tags=["searches"],
        responses={200: SavedSearchSerializer(many=True)},
        examples=examples.SEARCHES,
    )
    def get(self, request: Request) -> Response:
        """Newest first. Give a `query` as `q` to `/api/v1/images/` to see what it finds now."""
        return self.page(selectors.saved_searches(self.person))

    @extend_schema(
        operation_id="save_search",
        summary="Save a search",
        tags=["searches"],
        request=SearchToSaveSerializer,
        responses={201: SavedSearchSerializer},
        examples=examples.SAVE_SEARCH,
    )
    def post(self, request: Request) -> Response:
        """Kept as it is understood: with single spaces, and filters in lower case."""
        body = SearchToSaveSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        kept = saved_searches.save(owner=self.person, **body.validated_data)
        return Response(self.get_serializer(kept).data, 201)


class OneSearch(DeskView):
    """One saved search."""

    writes = Scope.IMAGES_WRITE
    queryset = SavedSearch.objects.none()
    serializer_class = SavedSearchSerializer
    refuses = {"PATCH": [400, 409, 413, 415]}

    @extend_schema(
        operation_id="get_search", summary="Look at a saved search", tags=["searches"], examples=examples.SEARCHES
    )
    def get(self, request: Request, search_id: UUID) -> Response:
        """Its name and what it looks for."""
        return Response(self.get_serializer(selectors.saved_search(self.person, search_id)).data)

    @extend_schema(
        operation_id="change_search",
        summary="Rename a saved search, or change what it looks for",
        tags=["searches"],
        request=SearchToChangeSerializer,
        responses={200: SavedSearchSerializer},
        examples=examples.CHANGE_SEARCH,
    )
    def patch(self, request: Request, search_id: UUID) -> Response:
        """What is left out stays as it is."""
        search = selectors.saved_search(self.person, search_id)
        body = SearchToChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(self.get_serializer(saved_searches.change(search=search, **body.validated_data)).data)

    @extend_schema(
        operation_id="delete_search", summary="Forget a saved search", tags=["searches"], responses={204: None}
    )
    def delete(self, request: Request, search_id: UUID) -> Response:
        """The pictures it finds stay as they are."""
        saved_searches.delete(search=selectors.saved_search(self.person, search_id))
        return Response(status=204)

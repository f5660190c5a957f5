"""Albums, the people and links they are shared with, and tags."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from captions import albums, selectors, tags
from captions.api import examples
from captions.api.base import DeskView
from captions.api.pagination import Whole
from captions.api.serializers import (
    AlbumNameBody,
    AlbumPicturesBody,
    AlbumPicturesSerializer,
    AlbumSerializer,
    LinkBody,
    LinkSerializer,
    MarkBody,
    MarkedSerializer,
    NewLinkSerializer,
    RoleBody,
    ShareBody,
    ShareSerializer,
    TagSerializer,
)
from captions.errors import DeskError
from captions.models import Album, AlbumLink, AlbumShare, Tag
from captions.scopes import Scope

_GONE = {204: OpenApiResponse(description="It is gone.")}


def _read(kind: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    body = kind(data=request.data)
    body.is_valid(raise_exception=True)
    found: dict[str, Any] = body.validated_data
    return found


class AlbumView(DeskView):
    """Base of views about albums."""

    writes = Scope.IMAGES_WRITE
    queryset: Any = Album.objects.none()
    serializer_class: Any = AlbumSerializer
    filterset_class = None

    def own(self, album_id: UUID) -> Album:
        """Give one of the person's own albums. Raises DeskError `not_found`."""
        return selectors.own_album(self.person, album_id)

    def shown(self, album_id: UUID) -> dict[str, Any]:
        """Give the answer about an album as it is now."""
        return dict(self.get_serializer(selectors.album(self.person, album_id)).data)


class Albums(AlbumView):
    """All albums that a person may open."""

    refuses = {"GET": [400], "POST": [400, 409, 413, 415]}

    @extend_schema(
        operation_id="list_albums",
        summary="List your albums and those shared with you",
        tags=["albums"],
        responses={200: AlbumSerializer(many=True)},
        examples=examples.ALBUM,
    )
    def get(self, request: Request) -> Response:
        """Newest first; `role` says what you may do."""
        return self.page(selectors.visible_albums(self.person))

    @extend_schema(
        operation_id="make_album",
        summary="Make an album",
        tags=["albums"],
        request=AlbumNameBody,
        responses={201: AlbumSerializer},
        examples=examples.NEW_ALBUM,
    )
    def post(self, request: Request) -> Response:
        """A name can be used once."""
        made = albums.make(owner=self.person, name=_read(AlbumNameBody, request)["name"])
        return Response(self.shown(made.pk), 201)


class OneAlbum(AlbumView):
    """One album."""

    refuses = {"PATCH": [400, 409, 413, 415]}

    @extend_schema(operation_id="get_album", summary="Look at one album", tags=["albums"], examples=examples.ALBUM)
    def get(self, request: Request, album_id: UUID) -> Response:
        """Its pictures are at `/api/v1/images/?album=ID`."""
        return Response(self.shown(album_id))

    @extend_schema(
        operation_id="rename_album",
        summary="Rename an album",
        tags=["albums"],
        request=AlbumNameBody,
        responses={200: AlbumSerializer},
        examples=examples.RENAMED_ALBUM,
    )
    def patch(self, request: Request, album_id: UUID) -> Response:
        """Its address stays."""
        albums.rename(album=self.own(album_id), name=_read(AlbumNameBody, request)["name"])
        return Response(self.shown(album_id))

    @extend_schema(operation_id="delete_album", summary="Delete an album", tags=["albums"], responses=_GONE)
    def delete(self, request: Request, album_id: UUID) -> Response:
        """Its pictures stay; its shares and links end."""
        albums.delete(album=self.own(album_id))
        return Response(status=204)


class PicturesOfAlbum(AlbumView):
    """The pictures in one album."""

    serializer_class = AlbumPicturesSerializer
    refuses = {"POST": [400, 413, 415]}

    @extend_schema(
        operation_id="change_album_pictures",
        summary="Add pictures to an album, or take some out",
        tags=["albums"],
        request=AlbumPicturesBody,
        responses={200: AlbumPicturesSerializer},
        examples=examples.ALBUM_PICTURES,
    )
    def post(self, request: Request, album_id: UUID) -> Response:
        """Up to 1,000 each. Pictures that are not yours, or in the trash, are passed over."""
        album = self.own(album_id)
        asked = _read(AlbumPicturesBody, request)
        with transaction.atomic():
            removed = albums.remove(album=album, images=asked.get("remove", []))
            added = albums.add(album=album, images=asked.get("add", []))
        return Response({"added": added, "removed": removed})


class Shares(AlbumView):
    """The people an album is shared with."""

    writes = Scope.ADMIN
    queryset = AlbumShare.objects.none()
    serializer_class = ShareSerializer
    refuses = {"GET": [400], "POST": [400, 413, 415]}

    @extend_schema(
        operation_id="list_album_shares",
        summary="List whom an album is shared with",
        tags=["albums"],
        responses={200: ShareSerializer(many=True)},
        examples=examples.SHARES,
    )
    def get(self, request: Request, album_id: UUID) -> Response:
        """For its owner."""
        return self.page(selectors.shares(self.own(album_id)))

    @extend_schema(
        operation_id="share_album",
        summary="Share an album with a person",
        tags=["albums"],
        request=ShareBody,
        responses={201: ShareSerializer},
        examples=examples.NEW_SHARE,
    )
    def post(self, request: Request, album_id: UUID) -> Response:
        """Whoever has it already gets the new role."""
        album = self.own(album_id)
        asked = _read(ShareBody, request)
        shared = albums.share(album=album, with_whom=asked["user"], role=asked["role"])
        return Response(self.get_serializer(shared).data, 201)


class OneShare(AlbumView):
    """One share."""

    writes = Scope.ADMIN
    queryset = AlbumShare.objects.none()
    serializer_class = ShareSerializer
    refuses = {"PATCH": [400, 413, 415]}

    @extend_schema(
        operation_id="change_album_share",
        summary="Change what a person may do with an album",
        tags=["albums"],
        request=RoleBody,
        responses={200: ShareSerializer},
        examples=examples.CHANGED_SHARE,
    )
    def patch(self, request: Request, album_id: UUID, share_id: UUID) -> Response:
        """It counts at once."""
        shared = self._share(album_id, share_id)
        return Response(self.get_serializer(albums.change_role(share=shared, **_read(RoleBody, request))).data)

    @extend_schema(
        operation_id="end_album_share",
        summary="Stop sharing an album with a person",
        tags=["albums"],
        responses=_GONE,
    )
    def delete(self, request: Request, album_id: UUID, share_id: UUID) -> Response:
        """What they wrote and decided stays. The person may end their own share, too."""
        mine = AlbumShare.objects.filter(album_id=album_id, pk=share_id, user=self.person).first()
        albums.end_share(share=mine or self._share(album_id, share_id))
        return Response(status=204)

    def _share(self, album_id: UUID, share_id: UUID) -> AlbumShare:
        found = selectors.shares(self.own(album_id)).filter(pk=share_id).first()
        if found is None:
            raise DeskError("not_found")
        return found


class Links(AlbumView):
    """The links to an album that still open it."""

    writes = Scope.ADMIN
    answers_secret = True  # the address of a new link
    queryset = AlbumLink.objects.none()
    serializer_class = LinkSerializer
    refuses = {"GET": [400], "POST": [400, 413, 415]}

    @extend_schema(
        operation_id="list_album_links",
        summary="List the links to an album",
        tags=["albums"],
        responses={200: LinkSerializer(many=True)},
        examples=examples.LINKS,
    )
    def get(self, request: Request, album_id: UUID) -> Response:
        """For its owner; without their addresses, which are kept nowhere."""
        return self.page(selectors.links(self.own(album_id)).select_related("created_by"))

    @extend_schema(
        operation_id="make_album_link",
        summary="Make a link to an album for people without an account",
        tags=["albums"],
        request=LinkBody,
        responses={201: NewLinkSerializer},
        examples=examples.NEW_LINK,
    )
    def post(self, request: Request, album_id: UUID) -> Response:
        """It shows pictures and approved captions, never drafts, until it ends."""
        link, secret = albums.make_link(album=self.own(album_id), by=self.person, **_read(LinkBody, request))
        link.url = request.build_absolute_uri(reverse("shared", args=[secret]))  # type: ignore[attr-defined]  # read below
        return Response(NewLinkSerializer(link, context=self.get_serializer_context()).data, 201)


class OneLink(AlbumView):
    """One link."""

    writes = Scope.ADMIN
    queryset = AlbumLink.objects.none()
    serializer_class = LinkSerializer

    @extend_schema(operation_id="end_album_link", summary="End a link at once", tags=["albums"], responses=_GONE)
    def delete(self, request: Request, album_id: UUID, link_id: UUID) -> Response:
        """Whoever has it sees nothing from now on."""
        found = selectors.links(self.own(album_id)).filter(pk=link_id).first()
        if found is None:
            raise DeskError("not_found")
        albums.revoke_link(link=found)
        return Response(status=204)


class Tags(DeskView):
    """All tags of a person."""

    writes = Scope.IMAGES_WRITE
    queryset = Tag.objects.none()
    serializer_class = TagSerializer
    pagination_class = Whole
    filterset_class = None
    refuses = {"GET": [400], "POST": [400, 413, 415]}

    @extend_schema(
        operation_id="list_tags",
        summary="List your tags",
        tags=["tags"],
        responses={200: TagSerializer(many=True)},
        examples=examples.TAGS,
    )
    def get(self, request: Request) -> Response:
        """By name, all at once."""
        return self.page(selectors.tags(self.person))

    @extend_schema(
        operation_id="mark_images",
        summary="Put tags on pictures of yours, or take some off",
        tags=["tags"],
        request=MarkBody,
        responses={200: MarkedSerializer},
        examples=examples.MARKS,
    )
    def post(self, request: Request) -> Response:
        """Tags that are new are made. Pictures that are not yours are passed over."""
        asked = _read(MarkBody, request)
        with transaction.atomic():
            off = tags.unmark(owner=self.person, images=asked["images"], names=asked.get("remove", []))
            on = tags.mark(owner=self.person, images=asked["images"], names=asked["add"]) if asked.get("add") else 0
        return Response({"tagged": on, "untagged": off})


class OneTag(DeskView):
    """One tag."""

    writes = Scope.IMAGES_WRITE
    queryset = Tag.objects.none()
    serializer_class = TagSerializer
    refuses = {"PATCH": [400, 409, 413, 415]}

    @extend_schema(
        operation_id="rename_tag",
        summary="Rename a tag on all pictures",
        tags=["tags"],
        request=AlbumNameBody,
        responses={200: TagSerializer},
        examples=examples.RENAMED_TAG,
    )
    def patch(self, request: Request, tag_id: UUID) -> Response:
        """Kept in lower case."""
        tags.rename(tag=selectors.tag(self.person, tag_id), name=_read(AlbumNameBody, request)["name"])
        return Response(self.get_serializer(selectors.tag(self.person, tag_id)).data)

    @extend_schema(operation_id="delete_tag", summary="Delete a tag", tags=["tags"], responses=_GONE)
    def delete(self, request: Request, tag_id: UUID) -> Response:
        """It is taken off all pictures."""
        tags.delete(tag=selectors.tag(self.person, tag_id))
        return Response(status=204)

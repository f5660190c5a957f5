"""Files that clients put into the operator's S3-compatible storage by themselves, at an address that is signed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from captions import bucket, checking, imports, uploads
from captions.api import examples
from captions.api.base import DeskView
from captions.api.serializers import FileSerializer, FileToPutBody, PresignedUploadSerializer
from captions.models import Upload
from captions.scopes import Scope


class PresignedUploads(DeskView):
    """New ones; what became of them is told beside all other uploads."""

    writes = Scope.IMAGES_WRITE
    queryset: QuerySet[Any, Any] | None = Upload.objects.none()
    serializer_class = PresignedUploadSerializer
    refuses = {"POST": [400, 404, 409, 413, 415, 503, 507]}

    @extend_schema(
        operation_id="begin_presigned_upload",
        summary="Begin an upload through the storage",
        tags=["uploads"],
        request={"application/json": FileToPutBody},
        responses={201: PresignedUploadSerializer},
        examples=examples.PRESIGNED_UPLOAD,
    )
    def post(self, request: Request) -> Response:
        """Put the bytes at the address in the answer, then complete the upload.

        The address is good for one hour, and for a body of exactly the announced length. Where the operator has named
        no storage the answer is 409 `no_bucket`.
        """
        body = FileToPutBody(data=request.data)
        body.is_valid(raise_exception=True)
        told = body.validated_data
        batch = told.get("batch")
        upload, address = bucket.begin(
            owner=self.person,
            announced=uploads.Announced(
                told["filename"], told["length"], told.get("folder", ""), told.get("fingerprint", "")
            ),
            batch=imports.one(self.person, batch) if batch else None,
        )
        return Response(PresignedUploadSerializer({"upload": upload, "address": address}).data, 201)


class UploadCompletion(DeskView):
    """The word that the bytes are in the storage."""

    writes = Scope.IMAGES_WRITE
    queryset: QuerySet[Any, Any] | None = Upload.objects.none()
    serializer_class = FileSerializer
    refuses = {"POST": [400, 409, 410, 413, 423, 503, 507]}

    @extend_schema(
        operation_id="complete_upload",
        summary="Complete an upload through the storage",
        tags=["uploads"],
        request=None,
        responses={200: FileSerializer},
        examples=examples.UPLOADS,
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        """The file is fetched from the storage and checked like any picture; said again, the answer is the same."""
        upload = bucket.take(imports.upload(self.person, upload_id))
        return Response(FileSerializer(checking.start(upload=upload)).data)

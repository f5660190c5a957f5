"""Files in pieces, by the tus protocol: begin, send on, ask how far, give up, see what became of it."""

from __future__ import annotations

from typing import Any, Final, cast
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from captions import bucket, checking, imports, ingest, uploads
from captions.api import examples, tus
from captions.api.serializers import BINARY, FileSerializer
from captions.errors import DeskError
from captions.models import Import, Upload
from captions.scopes import Scope


def _header(name: str, kind: Any, words: str, *, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.HEADER, required=required, description=words)


VERSION_HEADER: Final = _header(
    "Tus-Resumable", {"type": "string", "enum": [tus.VERSION]}, "The protocol's version.", required=True
)
OFFSET: Final = {"type": "integer", "minimum": 0}
CHECKSUM_HEADER: Final = _header(
    "Upload-Checksum", str, "“sha1” or “sha256”, a space, and the body's digest in base64."
)


class Uploads(tus.TusView):
    """All uploads of one person."""

    writes = Scope.IMAGES_WRITE
    queryset: QuerySet[Any, Any] | None = Upload.objects.none()
    serializer_class = FileSerializer
    refuses = {"GET": [400], "POST": [400, 409, 412, 413, 415, 423, 460, 507]}

    @extend_schema(
        operation_id="list_uploads",
        summary="List your uploads",
        tags=["uploads"],
        responses={200: FileSerializer(many=True)},
        examples=examples.UPLOADS,
    )
    def get(self, request: Request) -> Response:
        """Newest first: files on their way, and what became of those that have arrived."""
        return self.page(imports.uploads(self.person))

    @extend_schema(
        operation_id="begin_upload",
        summary="Begin an upload in pieces",
        tags=["uploads"],
        parameters=[
            VERSION_HEADER,
            _header("Upload-Length", OFFSET, "Bytes of the whole file.", required=True),
            _header(
                "Upload-Metadata",
                str,
                "`filename`, `folder`, `fingerprint` and `batch`, each with its value in base64, separated by commas.",
            ),
            CHECKSUM_HEADER,
        ],
        request={tus.PIECE: BINARY},
        responses={201: OpenApiResponse(description="Begun; the header Location says where to send the pieces.")},
    )
    def post(self, request: Request) -> Response:
        """The tus protocol's “creation”. A body of type `application/offset+octet-stream` is the first piece.

        A file whose name ends in `.zip` is opened, and each picture in it becomes an upload of its own.
        """
        tus.check_version(request)
        length, told, checksum = tus.length(request), tus.metadata(request), tus.checksum(request)
        size = tus.body_size(request)
        if size and not tus.is_piece(request):
            raise _not_a_piece(request)
        if size > length:
            raise DeskError("upload_beyond_length")
        upload = uploads.create(
            owner=self.person,
            announced=uploads.Announced(
                told.get("filename", ""), length, told.get("folder", ""), told.get("fingerprint", "")
            ),
            batch=self._import(told.get("batch", "")),
        )
        # Bytes that are here already are not taken again: the answer says where to go on.
        if not uploads.offset_of(upload) and (size or not length):
            upload = _sent(request, upload, 0, size, checksum)
        headers = {"Location": request.build_absolute_uri(reverse("api-upload", args=[upload.pk]))}
        if tus.is_piece(request):
            headers["Upload-Offset"] = str(uploads.offset_of(upload))
        return Response(status=201, headers={**headers, **tus.expiry(upload), **tus.outcome(upload)})

    def _import(self, raw: str) -> Import | None:
        return imports.one(self.person, raw) if raw else None


class OneUpload(tus.TusView):
    """One upload."""

    writes = Scope.IMAGES_WRITE
    queryset: QuerySet[Any, Any] | None = Upload.objects.none()
    serializer_class = FileSerializer
    refuses = {"PATCH": [400, 409, 410, 412, 413, 415, 423, 460, 507], "DELETE": [409, 412, 423]}

    def head(self, request: Request, upload_id: UUID) -> Response:
        """Say how many bytes are here."""
        tus.check_version(request)
        upload = self._own(upload_id)
        told = {"filename": upload.filename, "folder": upload.folder, "fingerprint": upload.fingerprint}
        headers = {
            "Upload-Offset": str(uploads.offset_of(upload)),
            "Upload-Length": str(upload.length),
            "Cache-Control": "no-store",
            **tus.expiry(upload),
            **tus.outcome(upload),
        }
        if any(told.values()):
            headers["Upload-Metadata"] = tus.encoded(told)
        return Response(status=200, headers=headers)

    @extend_schema(
        operation_id="get_upload", summary="See what became of an upload", tags=["uploads"], examples=examples.UPLOADS
    )
    def get(self, request: Request, upload_id: UUID) -> Response:
        """How many bytes are here, and once all are: the picture that it became, or why it was refused."""
        return Response(self.get_serializer(imports.upload(self.person, upload_id)).data)

    @extend_schema(
        operation_id="send_piece",
        summary="Send the next piece",
        tags=["uploads"],
        parameters=[
            VERSION_HEADER,
            _header("Upload-Offset", OFFSET, "Where the piece begins: the bytes that are here.", required=True),
            CHECKSUM_HEADER,
        ],
        request={tus.PIECE: BINARY},
        responses={204: OpenApiResponse(description="The piece is on the disk; Upload-Offset says how far it is.")},
    )
    def patch(self, request: Request, upload_id: UUID) -> Response:
        """With the last piece the file is checked like any picture; Desk-Upload-State says what came of it."""
        tus.check_version(request)
        if not tus.is_piece(request):
            raise _not_a_piece(request)
        offset, checksum = tus.number(request, "Upload-Offset"), tus.checksum(request)
        upload = _sent(request, self._own(upload_id), offset, tus.body_size(request), checksum)
        headers = {"Upload-Offset": str(uploads.offset_of(upload)), **tus.expiry(upload), **tus.outcome(upload)}
        return Response(status=204, headers=headers)

    @extend_schema(
        operation_id="give_up_upload",
        summary="Give an upload up",
        tags=["uploads"],
        parameters=[VERSION_HEADER],
        responses={204: OpenApiResponse(description="Its bytes are gone; a picture that it became stays.")},
    )
    def delete(self, request: Request, upload_id: UUID) -> Response:
        """The tus protocol's “termination”."""
        tus.check_version(request)
        uploads.terminate(upload=imports.upload(self.person, upload_id))
        bucket.forget(upload_id)
        return Response(status=204)

    def _own(self, upload_id: UUID) -> Upload:
        upload = imports.upload(self.person, upload_id)
        if upload.state == Upload.State.OPEN and uploads.is_expired(upload):
            raise DeskError("upload_expired")
        return upload


def _sent(request: Request, upload: Upload, offset: int, size: int, checksum: tuple[str, bytes] | None) -> Upload:
    # HttpRequest reads like a file; django-stubs does not say so.
    body = cast(ingest.Readable, request._request)
    if upload.length:
        upload = uploads.append(upload=upload, offset=offset, data=body, size=size, checksum=checksum)
    return checking.start(upload=upload) if upload.state == Upload.State.CHECKING else upload


def _not_a_piece(request: Request) -> UnsupportedMediaType:
    words = _("Send the bytes as %(kind)s.") % {"kind": tus.PIECE}
    return UnsupportedMediaType(request._request.content_type or "", words)

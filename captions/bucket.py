"""A bucket of an S3-compatible storage, through which large files come without passing this server's own line twice.

    create (captions.uploads) ──► address ──the client puts the bytes there──► take ──► checked like any upload

The bucket is a post box, not a place where pictures live: bytes are copied from it as soon as they are announced, and
what is forgotten there is swept away. The keys to it are the operator's; clients get addresses that are signed for one
object, one length and one hour.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from captions import uploads
from captions.connections import let_go
from captions.errors import DeskError
from captions.models import Import, Upload

log = structlog.get_logger(__name__)

#: How long bytes may be put at an address, in seconds.
ADDRESS_SECONDS: Final = 3600
#: The largest object that S3 takes in one request.
LARGEST: Final = 5 * 1024**3
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 30
#: What the storage says of an object that is not as it was announced.
_SAID: Final = {"NoSuchKey": "upload_not_there", "InvalidRange": "upload_length_wrong"}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a client puts the bytes of one upload: `method` to `url`, with exactly these headers."""

    url: str
    method: str
    headers: dict[str, str]
    expires_at: datetime


def is_there() -> bool:
    """Whether the operator has named a bucket."""
    return bool(settings.S3_UPLOAD_BUCKET)


def begin(*, owner: User, announced: uploads.Announced, batch: Import | None = None) -> tuple[Upload, Address | None]:
    """Begin an upload, and give where its bytes go; None when they are here since it was begun before.

    Raises DeskError `no_bucket`, `empty_file`, `storage_unreachable`, and those of `uploads.create`.
    """
    _require_bucket()
    if not announced.length:
        raise DeskError("empty_file")
    if uploads.check_length(announced) and announced.length > LARGEST:
        raise DeskError("archive_too_large")
    upload = uploads.create(owner=owner, announced=announced, batch=batch)
    return upload, _address(upload) if upload.state == Upload.State.OPEN else None


def take(upload: Upload) -> Upload:
    """Copy the bytes of an upload from the bucket to this desk, and give the upload, which is then to be checked.

    Said twice, it is done once. Raises DeskError `no_bucket`, `upload_not_there`, `upload_length_wrong`,
    `storage_unreachable`, and those of `uploads.append`.
    """
    if upload.state != Upload.State.OPEN:
        return upload
    _require_bucket()
    offset = uploads.offset_of(upload)  # some bytes may have come in pieces
    with _body(upload, offset) as body:
        taken = uploads.append(upload=upload, offset=offset, data=body, size=upload.length - offset)
    forget(upload.pk)
    return taken


def forget(upload_id: UUID) -> None:
    """Remove what lies in the bucket for an upload; what cannot be removed now is swept later."""
    if not is_there():
        return
    try:
        with _failures_said():
            _remove(_key(upload_id))
    except DeskError:
        log.warning("object left in the bucket", upload=str(upload_id))


def sweep() -> int:
    """Remove objects that are older than any upload may be on its way, and give how many."""
    if not is_there():
        return 0
    before = timezone.now() - timedelta(hours=settings.UPLOAD_HOURS)
    removed = 0
    try:
        with _failures_said():
            for found in _objects():
                if found["LastModified"] < before and _is_ours(found["Key"]):
                    _remove(found["Key"])
                    removed += 1
    except DeskError as error:
        log.warning("bucket not swept", code=error.code)  # an hour later is soon enough
    return removed


# --- What is signed ------------------------------------------------------------------------------------------------


def _address(upload: Upload) -> Address:
    """Sign an address. The length is signed with it, so that nobody fills the bucket with what was not announced."""
    with _failures_said():
        url = _client(settings.S3_PUBLIC_ENDPOINT_URL or settings.S3_ENDPOINT_URL).generate_presigned_url(
            "put_object",
            Params={"Bucket": settings.S3_UPLOAD_BUCKET, "Key": _key(upload.pk), "ContentLength": upload.length},
            ExpiresIn=ADDRESS_SECONDS,
        )
    until = timezone.now() + timedelta(seconds=ADDRESS_SECONDS)
    return Address(url, "PUT", {"Content-Length": str(upload.length)}, until)


def _key(upload_id: UUID) -> str:
    """Only the id is in it: names from outside are never part of a key."""
    return f"{settings.S3_UPLOAD_PREFIX}{upload_id}"


def _is_ours(key: str) -> bool:
    """Whether an object's name is one of `_key`: a bucket may hold other things, whatever was said to the operator."""
    try:
        return _key(UUID(key.removeprefix(settings.S3_UPLOAD_PREFIX))) == key
    except ValueError:
        return False


# --- Asking the storage --------------------------------------------------------------------------------------------


def _require_bucket() -> None:
    if not is_there():
        raise DeskError("no_bucket")


class _Body:
    """The bytes of an object while they come, read like a file."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes. Raises DeskError `storage_unreachable`."""
        let_go()  # a slow storage must not keep a database connection from everybody else
        with _failures_said():
            return bytes(self._stream.read(size))


@contextmanager
def _body(upload: Upload, offset: int) -> Iterator[_Body]:
    """Open the object of an upload at `offset`.

    Raises DeskError `upload_not_there`, `upload_length_wrong`, `storage_unreachable`.
    """
    with _failures_said():
        found = _storage().get_object(Bucket=settings.S3_UPLOAD_BUCKET, Key=_key(upload.pk), Range=f"bytes={offset}-")
    try:
        if found["ContentLength"] != upload.length - offset:
            raise DeskError("upload_length_wrong")
        yield _Body(found["Body"])
    finally:
        found["Body"].close()


def _remove(key: str) -> None:
    _storage().delete_object(Bucket=settings.S3_UPLOAD_BUCKET, Key=key)


def _objects() -> Iterator[Any]:
    pages = _storage().get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=settings.S3_UPLOAD_BUCKET, Prefix=settings.S3_UPLOAD_PREFIX):
        yield from page.get("Contents", ())


@contextmanager
def _failures_said() -> Iterator[None]:
    """Raise the library's failures as ours: `_SAID` where it is the object, else `storage_unreachable`."""
    from botocore.exceptions import BotoCoreError, ClientError  # half a second, for few desks
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _SAID:
            raise DeskError(_SAID[code]) from None
        log.error("storage refused", code=code)  # its words may hold the access key
        raise DeskError("storage_unreachable") from None
    except (BotoCoreError, HTTPError, OSError) as error:
        log.error("storage not reached", error=type(error).__name__)
        raise DeskError("storage_unreachable") from None


def _storage() -> Any:
    """Give the client by which the desk itself reaches the storage."""
    return _client(settings.S3_ENDPOINT_URL)


def _client(endpoint: str) -> Any:
    """Give a client for an endpoint, "" for Amazon's own. Raises botocore's failures for settings that cannot be."""
    return _made(
        endpoint,
        settings.S3_REGION,
        settings.S3_ADDRESSING,
        settings.S3_ACCESS_KEY_ID,
        settings.S3_SECRET_ACCESS_KEY,
    )


@functools.lru_cache(maxsize=4)
def _made(endpoint: str, region: str, addressing: str, key: str, secret: str) -> Any:
    import boto3
    from botocore.config import Config

    # Without keys of ours the library looks where programs on Amazon's machines find theirs (roles, profiles).
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region,
        aws_access_key_id=key or None,
        aws_secret_access_key=secret or None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": addressing},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": 2},
            # A checksum of the library's own choosing would have to be sent by clients that know nothing of it.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )

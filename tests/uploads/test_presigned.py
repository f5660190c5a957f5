"""Files that clients put into a storage by themselves; the storage is a real server that checks signatures."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from captions import bucket
from captions.models import Image, Import, Upload
from tests import factories
from tests.api.conftest import Api, codes
from tests.services import S3Server, s3_server
from tests.uploads.conftest import ADDRESS, begin, send

pytestmark = pytest.mark.one_database

BUCKET = "desk-uploads"


@pytest.fixture(scope="session")
def storage() -> Iterator[S3Server]:
    server = s3_server()
    server.make_bucket(BUCKET)
    yield server
    server.stop()


@pytest.fixture
def post_box(storage: S3Server, settings: Any) -> Iterator[Any]:
    """A desk with a bucket, which is empty; gives a client of the storage."""
    settings.S3_UPLOAD_BUCKET = BUCKET
    settings.S3_ENDPOINT_URL = storage.url
    settings.S3_REGION = storage.region
    settings.S3_ADDRESSING = "path"
    settings.S3_ACCESS_KEY_ID, settings.S3_SECRET_ACCESS_KEY = storage.access_key, storage.secret_key
    client = bucket._client(storage.url)
    yield client
    for key in keys(client):
        client.delete_object(Bucket=BUCKET, Key=key)


def keys(client: Any) -> list[str]:
    """Name what lies in the bucket."""
    return [found["Key"] for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]


def ask(api: Api, length: int, filename: str = "harbour.jpg", **told: Any) -> Any:
    """Begin an upload through the storage."""
    return api.send("uploads/presigned/", {"filename": filename, "length": length, **told})


def put(answer: Any, data: bytes) -> httpx2.Response:
    """Put bytes where the answer says, as a stranger to the desk would."""
    address = answer.json()["address"]
    return httpx2.request(address["method"], address["url"], content=data, headers=address["headers"])


def complete(api: Api, answer: Any) -> Any:
    """Say that they are there."""
    return api.send(f"uploads/{answer.json()['upload']['id']}/complete/")


def refusal(answer: Any) -> tuple[int, str]:
    """Give the status and the code of the only failure."""
    ((code, _attr),) = codes(answer)
    return answer.status_code, code


def zipped(**files: bytes) -> bytes:
    """Make a ZIP file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.jpg", data)
    return made.getvalue()


def test_it_takes_a_picture_out_of_the_storage(api: Api, post_box: Any) -> None:
    data = factories.picture()
    begun = ask(api, len(data), folder="Holiday", fingerprint="f1")
    assert begun.status_code == 201, begun.content
    said = begun.json()
    assert said["upload"]["state"] == "open"
    assert said["upload"]["folder"] == "Holiday"
    assert put(begun, data).status_code == 200
    assert keys(post_box) == [f"uploads/{said['upload']['id']}"]
    done = complete(api, begun)
    assert done.status_code == 200, done.content
    assert done.json()["state"] == "done"
    image = Image.objects.get(pk=done.json()["image"])
    assert (image.bytes, image.filename) == (len(data), "harbour.jpg")
    assert keys(post_box) == []  # a post box is emptied


def test_it_answers_the_same_to_a_second_completion(api: Api, post_box: Any) -> None:
    data = factories.picture()
    begun = ask(api, len(data))
    put(begun, data)
    assert complete(api, begun).json() == complete(api, begun).json()
    assert Image.objects.count() == 1


def test_it_opens_a_zip_file_out_of_the_storage(api: Api, post_box: Any) -> None:
    data = zipped(one=factories.picture(), two=factories.picture(colour="green"))
    begun = ask(api, len(data), "holiday.zip")
    put(begun, data)
    assert complete(api, begun).json()["state"] == "done"
    assert Image.objects.count() == 2


def test_it_refuses_what_is_no_picture(api: Api, post_box: Any) -> None:
    data = b"<html>not a picture at all</html>"
    begun = ask(api, len(data))
    put(begun, data)
    said = complete(api, begun).json()
    assert (said["state"], said["error"]["code"]) == ("refused", "unsupported_format")
    assert keys(post_box) == []


def test_it_signs_the_announced_length(api: Api, post_box: Any) -> None:
    data = factories.picture()
    begun = ask(api, len(data))
    url = begun.json()["address"]["url"]
    assert httpx2.put(url, content=data + b"more").status_code == 403
    assert keys(post_box) == []


def test_it_signs_one_object(api: Api, post_box: Any) -> None:
    begun, other = ask(api, 7), ask(api, 7, "quay.jpg")
    stolen = begun.json()["address"]["url"].replace(begun.json()["upload"]["id"], other.json()["upload"]["id"])
    assert httpx2.put(stolen, content=b"7 bytes").status_code == 403


def test_it_stays_open_until_the_bytes_are_there(api: Api, post_box: Any) -> None:
    data = factories.picture()
    begun = ask(api, len(data))
    early = complete(api, begun)
    assert refusal(early) == (409, "upload_not_there")
    put(begun, data)
    assert complete(api, begun).json()["state"] == "done"


@pytest.mark.parametrize("data", [b"short", b"much longer than announced"])
def test_it_takes_no_object_of_another_length(api: Api, post_box: Any, data: bytes) -> None:
    begun = ask(api, 10)
    post_box.put_object(Bucket=BUCKET, Key=f"uploads/{begun.json()['upload']['id']}", Body=data)
    refused = complete(api, begun)
    assert refusal(refused) == (409, "upload_length_wrong")
    assert Upload.objects.get().state == "open"


def test_it_goes_on_where_pieces_ended(api: Api, post_box: Any) -> None:
    data = factories.picture()
    begun = ask(api, len(data))
    sent = send(api, f"{ADDRESS}{begun.json()['upload']['id']}/", 0, data[:100])
    assert sent.status_code == 204
    put(begun, data)
    assert complete(api, begun).json()["state"] == "done"
    assert Image.objects.get().bytes == len(data)


def test_it_gives_no_address_for_what_is_here(api: Api, owner: User, post_box: Any) -> None:
    batch = Import.objects.create(owner=owner)
    data = factories.picture()
    told = {"fingerprint": "f1", "batch": str(batch.pk)}
    begun = ask(api, len(data), **told)
    put(begun, data)
    complete(api, begun)
    again = ask(api, len(data), **told)
    assert again.json()["upload"]["id"] == begun.json()["upload"]["id"]
    assert again.json()["address"] is None


@pytest.mark.parametrize(
    ("length", "filename", "status", "code"),
    [
        (0, "a.jpg", 400, "min_value"),
        (10**9, "a.jpg", 413, "file_too_large"),
        (10**12, "a.zip", 413, "archive_too_large"),
        ("7", "a.jpg", 400, "invalid"),
        (7.5, "a.jpg", 400, "invalid"),
    ],
)
def test_it_refuses_before_anything_is_sent(
    api: Api, post_box: Any, length: Any, filename: str, status: int, code: str
) -> None:
    refused = ask(api, length, filename)
    assert refusal(refused) == (status, code)
    assert not Upload.objects.exists()


def test_it_refuses_an_archive_that_s3_takes_in_no_single_request(api: Api, post_box: Any, settings: Any) -> None:
    settings.MAX_ARCHIVE_BYTES = 10**13
    assert refusal(ask(api, bucket.LARGEST + 1, "a.zip")) == (413, "archive_too_large")


def test_it_keeps_other_peoples_uploads_out(api: Api, other: Api, post_box: Any) -> None:
    begun = ask(api, 7)
    put(begun, b"7 bytes")
    assert complete(other, begun).status_code == 404
    assert len(keys(post_box)) == 1


def test_it_empties_the_box_when_an_upload_is_given_up(api: Api, post_box: Any) -> None:
    begun = ask(api, 7)
    put(begun, b"7 bytes")
    address = f"{ADDRESS}{begun.json()['upload']['id']}/"
    assert api.delete(address, headers={"Tus-Resumable": "1.0.0"}).status_code == 204
    assert keys(post_box) == []


def test_it_says_that_it_has_no_storage(api: Api, settings: Any) -> None:
    refused = ask(api, 7)
    assert refusal(refused) == (409, "no_bucket")
    begin(api, 9)
    refused = api.send(f"uploads/{Upload.objects.get().pk}/complete/")
    assert refusal(refused) == (409, "no_bucket")


@pytest.mark.parametrize("broken", ["away", "wrong key", "no such bucket"])
def test_it_says_that_the_storage_is_at_fault(api: Api, post_box: Any, settings: Any, broken: str) -> None:
    begun = ask(api, 7)
    put(begun, b"7 bytes")
    if broken == "away":
        settings.S3_ENDPOINT_URL = "http://127.0.0.1:9"
    elif broken == "wrong key":
        settings.S3_SECRET_ACCESS_KEY = "another"
    else:
        settings.S3_UPLOAD_BUCKET = "nowhere"
    failed = complete(api, begun)
    assert refusal(failed) == (503, "storage_unreachable")
    assert Upload.objects.get().state == "open"
    assert bucket.sweep() == 0  # and the timetable goes on


def test_it_sweeps_what_was_forgotten_and_nothing_else(api: Api, post_box: Any, monkeypatch: Any) -> None:
    begun = ask(api, 7)
    put(begun, b"7 bytes")
    for key in ("uploads/readme.txt", "elsewhere/0199f3a1-9d02-7c55-8e0b-2b7c3d4e5f60"):
        post_box.put_object(Bucket=BUCKET, Key=key, Body=b"somebody else's")
    assert bucket.sweep() == 0  # not old enough
    later = timezone.now() + timedelta(hours=73)
    monkeypatch.setattr(bucket.timezone, "now", lambda: later)
    assert bucket.sweep() == 1
    assert sorted(keys(post_box)) == ["elsewhere/0199f3a1-9d02-7c55-8e0b-2b7c3d4e5f60", "uploads/readme.txt"]


def test_it_expires_with_its_upload(api: Api, post_box: Any) -> None:
    begun = ask(api, 7)
    put(begun, b"7 bytes")
    Upload.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    gone = complete(api, begun)
    assert refusal(gone) == (410, "upload_expired")


def test_it_signs_addresses_for_where_clients_are(api: Api, post_box: Any, settings: Any) -> None:
    settings.S3_PUBLIC_ENDPOINT_URL = "https://storage.example.org"
    url = ask(api, 7).json()["address"]["url"]
    assert url.startswith("https://storage.example.org/desk-uploads/uploads/")
    assert settings.S3_SECRET_ACCESS_KEY not in url


def test_it_holds_no_connection_while_the_storage_is_slow(monkeypatch: Any) -> None:
    """Bytes are read with the thread's connection given back; within a test's transaction it cannot be seen live."""
    given_back: list[bool] = []
    monkeypatch.setattr(bucket, "let_go", lambda: given_back.append(True))
    assert bucket._Body(io.BytesIO(b"7 bytes")).read(3) == b"7 b"
    assert given_back == [True]

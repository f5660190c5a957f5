"""The S3 store that tests use is as strict as those that people run: what it takes, they take."""

from __future__ import annotations

import datetime
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.harness import until
from tests.services import S3Server, s3_server

ROOT = Path(__file__).resolve().parents[2]
PICTURE = b"\x89PNG\r\n" + bytes(range(256)) * 400


@pytest.fixture(scope="module")
def store() -> Iterator[S3Server]:
    """A started store with one bucket."""
    server = s3_server()
    server.make_bucket("pictures")
    yield server
    server.stop()


def keep(store: S3Server, key: str, body: bytes = PICTURE) -> None:
    store.client().put_object(Bucket="pictures", Key=key, Body=body, ContentType="image/png")


def content(store: S3Server, key: str) -> bytes:
    return store.client().get_object(Bucket="pictures", Key=key)["Body"].read()


def address(store: S3Server, method: str, key: str, *, seconds: int = 60, client: Any = None, **params: Any) -> str:
    """Give an address with a signature in it, by which whoever has it may do one thing."""
    params = {"Bucket": "pictures", "Key": key, **params}
    return (client or store.client()).generate_presigned_url(method, Params=params, ExpiresIn=seconds)


def visit(method: str, url: str, **options: Any) -> httpx2.Response:
    """Ask an address as a browser would, which knows no secret."""
    return httpx2.request(method, url, trust_env=False, timeout=60, **options)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_gives_back_what_it_was_given(store):
    keep(store, "olga/1.png")
    answer = store.client().get_object(Bucket="pictures", Key="olga/1.png")
    assert answer["Body"].read() == PICTURE
    assert answer["ContentType"] == "image/png"
    part = store.client().get_object(Bucket="pictures", Key="olga/1.png", Range="bytes=1-3")
    assert part["Body"].read() == b"PNG"


def test_it_takes_a_large_object_in_parts(store, tmp_path):
    (tmp_path / "large").write_bytes(PICTURE * 90)  # more than 8 MB, at which boto3 begins to send parts
    store.client().upload_file(str(tmp_path / "large"), "pictures", "large")
    assert content(store, "large") == PICTURE * 90


def test_it_refuses_a_request_signed_with_a_wrong_secret(store):
    with pytest.raises(ClientError) as refused:
        store.client(aws_secret_access_key="guessed").put_object(Bucket="pictures", Key="x", Body=b"x")
    assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("method", ["get_object", "put_object"])
def test_it_refuses_an_address_signed_with_a_wrong_secret(store, method):
    keep(store, "secret.png")
    client = store.client(aws_secret_access_key="guessed")
    answer = visit(method[:3], address(store, method, "secret.png", client=client))
    assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)
    assert content(store, "secret.png") == PICTURE


def test_it_refuses_a_request_without_a_signature(store):
    keep(store, "private.png")
    assert visit("get", f"{store.url}/pictures/private.png").status_code >= 400


def test_it_refuses_an_address_signed_for_another_object(store):
    keep(store, "a.png")
    keep(store, "b.png")
    url = address(store, "get_object", "a.png")
    assert visit("get", url).content == PICTURE
    assert visit("get", url.replace("a.png", "b.png")).status_code == 403


def test_it_takes_by_an_address_a_body_of_the_signed_length_alone(store):
    url = address(store, "put_object", "sent.png", ContentLength=5, ContentType="image/png")
    for other in (b"1234", b"123456"):
        answer = visit("put", url, content=other, headers={"Content-Type": "image/png"})
        assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)
    assert visit("put", url, content=b"12345", headers={"Content-Type": "text/html"}).status_code == 403
    assert store.client().list_objects_v2(Bucket="pictures", Prefix="sent.png")["KeyCount"] == 0

    answer = visit("put", url, content=b"12345", headers={"Content-Type": "image/png"})
    assert (answer.status_code, content(store, "sent.png")) == (200, b"12345")


def test_it_refuses_an_address_after_its_time(store):
    keep(store, "late.png")
    url = address(store, "get_object", "late.png", seconds=1)
    refused = until(lambda: (answer := visit("get", url)).status_code == 403 and answer, seconds=30)
    assert "Request has expired" in refused.text


def test_it_lets_a_browser_of_another_site_send_to_a_signed_address(store):
    url = address(store, "put_object", "browser.png", ContentLength=5)
    asked = {"Origin": "https://captions.example.org", "Access-Control-Request-Method": "PUT",
             "Access-Control-Request-Headers": "content-type"}  # fmt: skip
    answer = visit("options", url, headers=asked)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, asked["Origin"])


def test_it_lists_by_prefix_with_the_times_of_writing(store):
    began = datetime.datetime.now(datetime.UTC)
    for key in ("list/ü 1.png", "list/ü 2.png", "other/3.png"):
        keep(store, key)
    listed = store.client().list_objects_v2(Bucket="pictures", Prefix="list/")["Contents"]
    assert [(entry["Key"], entry["Size"]) for entry in listed] == [
        ("list/ü 1.png", len(PICTURE)),
        ("list/ü 2.png", len(PICTURE)),
    ]
    assert all(abs(entry["LastModified"] - began) < datetime.timedelta(seconds=60) for entry in listed)


def test_it_deletes(store):
    keep(store, "gone/1.png")
    store.client().delete_object(Bucket="pictures", Key="gone/1.png")
    store.client().delete_object(Bucket="pictures", Key="gone/1.png")  # again is no mistake, as with other stores
    with pytest.raises(ClientError) as refused:
        content(store, "gone/1.png")
    assert refused.value.response["Error"]["Code"] == "NoSuchKey"
    assert store.client().list_objects_v2(Bucket="pictures", Prefix="gone/")["KeyCount"] == 0


def test_it_has_everything_again_after_it_was_killed(store):
    keep(store, "kept.png")
    store.stop()
    with pytest.raises(EndpointConnectionError):
        content(store, "kept.png")
    store.start()
    assert content(store, "kept.png") == PICTURE
    assert store.client().list_objects_v2(Bucket="pictures", Prefix="kept")["KeyCount"] == 1


def test_it_ends_with_the_process_that_started_it(tmp_path):
    program = (
        "import os, sys, pathlib\n"
        "from tests.services import S3Server, free_port\n"
        "server = S3Server(free_port(), pathlib.Path(sys.argv[1]))\n"
        "server.start()\n"
        "print(server.port, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"  # no exit handlers run
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout, ended.stderr
    until(lambda: not listens(int(ended.stdout)), seconds=30, what="the store ends")

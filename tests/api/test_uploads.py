"""Uploads over the API: a form or the picture itself, with parameters, once per person and bytes."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from captions.models import CaptionJob, Image
from tests import factories
from tests.api.conftest import codes


def file(data: bytes | None = None, name: str = "harbour.jpg", kind: str = "image/jpeg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, factories.picture() if data is None else data, kind)


def test_it_takes_a_picture_from_a_form(api, owner):
    answer = api.post("/api/v1/images/", {"file": file(), "num_beams": "3", "do_sample": "true"})
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert answer["Location"].endswith(f"/api/v1/images/{body['id']}/")
    assert (body["state"], body["caption"], body["filename"], body["number"]) == ("queued", None, "harbour.jpg", 1)
    assert [job["chosen"] for job in body["jobs"]] == [{"num_beams": 3, "do_sample": True}]
    assert Image.objects.get().owner == owner


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png", "application/octet-stream", "text/html", ""])
def test_it_takes_a_picture_as_the_body_whatever_type_it_claims(api, content_type):
    data = factories.picture()
    answer = api.raw("images/?max_length=20&filename=boat.png", data, content_type)
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["format"], body["bytes"], body["filename"]) == ("JPEG", len(data), "boat.png")
    assert body["jobs"][0]["chosen"] == {"max_length": 20}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="boat.jpg"', "boat.jpg"),
        ("attachment; filename*=UTF-8''b%C3%A5t.jpg", "båt.jpg"),
        ('inline; filename="../../etc/passwd"', "passwd"),
        ("attachment; filename*=nonsense''x", ""),
        ("attachment", ""),
    ],
)
def test_it_reads_the_name_of_a_raw_picture_from_its_disposition(api, header, name):
    answer = api.raw("images/", factories.picture(), **{"Content-Disposition": header})
    assert answer.status_code == 201, answer.content
    assert answer.json()["filename"] == name


def test_it_answers_200_with_the_picture_that_is_there(api, owner):
    data = factories.picture()
    first = api.raw("images/", data)
    second = api.raw("images/", data)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert len(second.json()["jobs"]) == 1
    third = api.raw("images/?num_beams=2", data)
    assert third.status_code == 200
    assert [job["chosen"] for job in third.json()["jobs"]] == [{"num_beams": 2}, {}]
    assert Image.objects.count() == 1


def test_it_keeps_the_same_bytes_of_two_people_apart(api, other):
    data = factories.picture()
    mine, theirs = api.raw("images/", data), other.raw("images/", data)
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]


def test_it_takes_a_known_picture_out_of_the_trash(api, owner):
    data = factories.picture()
    image = factories.receive(owner, data)
    factories.make_trash(image)
    answer = api.raw("images/", data)
    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["deleted_at"]) == (str(image.pk), None)


def test_it_takes_a_model_by_form_and_by_address(api):
    factories.make_worker()
    assert api.post("/api/v1/images/", {"file": file(), "model": "demo"}).json()["jobs"][0]["model"] == "demo"
    assert api.raw("images/?model=demo", factories.picture()).json()["jobs"][0]["model"] == "demo"


@pytest.mark.parametrize(
    ("query", "about"),
    [
        ("num_beams=99", [("invalid_parameter", "num_beams")]),
        ("num_beams=x&top_p=7", [("invalid_parameter", "num_beams"), ("invalid_parameter", "top_p")]),
        ("nmu_beams=2", [("invalid_parameter", "nmu_beams")]),
        ("num_captions=3&num_beams=2", [("invalid_parameter", "num_beams")]),
        ("num_beams=2&num_beams=4", [("repeated", "num_beams")]),
        ("max_length=12.5", [("invalid_parameter", "max_length")]),
        ("temperature=nan", [("invalid_parameter", "temperature")]),
        ("seed=-1", [("invalid_parameter", "seed")]),
        ("wait=61", [("invalid", "wait")]),
        ("wait=-1", [("invalid", "wait")]),
        ("wait=nan", [("invalid", "wait")]),
        ("wait=1_0", [("invalid", "wait")]),
        ("wait=", [("invalid", "wait")]),
        ("model=" + "x" * 201, [("invalid", "model")]),
        ("model=%00", [("invalid", "model")]),
    ],
)
def test_it_refuses_wrong_parameters_by_name_and_keeps_nothing(api, query, about):
    for answer in (
        api.raw(f"images/?{query}", factories.picture()),
        api.post(f"/api/v1/images/?{query}", {"file": file()}),
    ):
        assert answer.status_code == 400
        assert codes(answer) == about
        assert answer.json()["type"] == "validation_error"
    assert not Image.objects.exists()


@pytest.mark.parametrize(
    ("fields", "about"),
    [
        ({"num_beams": "0"}, [("invalid_parameter", "num_beams")]),
        ({"caption": "a boat"}, [("invalid_parameter", "caption")]),
        ({"wait": "30"}, [("invalid", "wait")]),
        ({"num_beams": ["2", "4"]}, [("repeated", "num_beams")]),
    ],
)
def test_it_refuses_wrong_fields_of_a_form(api, fields, about):
    answer = api.post("/api/v1/images/", {"file": file(), **fields})
    assert (answer.status_code, codes(answer)) == (400, about)
    assert not Image.objects.exists()


def test_it_refuses_a_request_without_a_picture(api):
    for answer in (
        api.post("/api/v1/images/", {"num_beams": "2"}),
        api.post("/api/v1/images/", {"file": "not a file"}),
        api.raw("images/", b""),
        api.post("/api/v1/images/", {"file": ""}),
    ):
        assert (answer.status_code, codes(answer)) == (400, [("no_file", "file")])


def test_it_refuses_several_pictures_at_once(api):
    two = api.post("/api/v1/images/", {"file": [file(), file()]})
    other_name = api.post("/api/v1/images/", {"file": file(), "picture": file()})
    assert (two.status_code, codes(two)) == (400, [("invalid", "file")])
    assert (other_name.status_code, codes(other_name)) == (400, [("invalid", "picture")])
    assert not Image.objects.exists()


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", 415, "unsupported_format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", 415, "unsupported_format"),
        (b"\xff\xd8\xff\xe0", 400, None),
    ],
)
def test_it_refuses_what_is_no_picture(api, data, status, code):
    for answer in (api.raw("images/", data), api.post("/api/v1/images/", {"file": file(data)})):
        assert answer.status_code == status
        ((found, _),) = codes(answer)
        assert found == code or code is None
    assert not Image.objects.exists()


def test_it_refuses_an_empty_file_and_half_a_file(api):
    whole = factories.picture(width=400, height=300)
    empty = api.post("/api/v1/images/", {"file": file(b"")})
    half = api.raw("images/", whole[: len(whole) // 2])
    assert (empty.status_code, codes(empty)[0][0]) == (400, "empty_file")
    assert (half.status_code, codes(half)[0][0]) == (400, "truncated_image")


def test_it_refuses_a_picture_that_is_too_large(api, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    data = factories.picture(width=300, height=300)
    assert len(data) > 1000
    for answer in (api.raw("images/", data), api.post("/api/v1/images/", {"file": file(data)})):
        assert (answer.status_code, codes(answer)) == (413, [("file_too_large", "file")])


def test_it_says_how_to_send_a_picture_when_the_type_says_it_is_none(api):
    answer = api.raw("images/", factories.picture(), "application/x-www-form-urlencoded")
    assert answer.status_code == 415
    assert codes(answer) == [("unsupported_media_type", None)]
    assert "image/jpeg" in answer.json()["errors"][0]["detail"]


def test_it_reads_no_picture_that_says_it_is_json(api):
    answer = api.raw("images/", factories.picture(), "application/json")
    assert (answer.status_code, codes(answer)) == (400, [("parse_error", None)])


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--x\r\nContent-Disposition: form-data; name=", "multipart/form-data; boundary=x"),
        (b"nothing of the kind", "multipart/form-data; boundary=x"),
        (b"--x--", "multipart/form-data"),
        (b"--x--", "multipart/form-data; boundary=" + "x" * 210),
        (b"\xff\xfe\x00", "multipart/form-data; boundary=\xff"),
        (
            (
                b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
                b"Content-Transfer-Encoding: base64\r\n\r\n%%%%\r\n--x--\r\n"
            ),
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_it_refuses_a_broken_form(api, body, content_type):
    answer = api.raw("images/", body, content_type)
    assert answer.status_code == 400
    assert codes(answer)[0][0] in {"parse_error", "no_file", "empty_file"}
    assert not Image.objects.exists()


def test_it_refuses_a_form_with_thousands_of_fields(api):
    answer = api.post("/api/v1/images/", {"file": file(), **{f"f{n}": "1" for n in range(1200)}})
    assert (answer.status_code, codes(answer)) == (400, [("parse_error", None)])


def test_it_refuses_when_too_many_wait_and_says_when_to_come_back(api, settings):
    settings.QUEUE_LIMIT_PER_OWNER = 1
    assert api.raw("images/", factories.picture()).status_code == 201
    answer = api.raw("images/", factories.picture())
    assert (answer.status_code, codes(answer)[0][0]) == (429, "queue_full")
    assert int(answer["Retry-After"]) > 0
    assert Image.objects.count() == 1


def test_it_refuses_when_the_disk_is_nearly_full(api, settings):
    settings.MIN_FREE_DISK_BYTES = 10**18
    answer = api.raw("images/", factories.picture())
    assert (answer.status_code, codes(answer)[0][0]) == (507, "disk_full")
    assert int(answer["Retry-After"]) > 0


def test_it_says_in_the_answer_what_was_asked_for(api):
    answer = api.raw("images/?do_sample=true&num_captions=3&top_p=0.9&seed=7", factories.picture())
    assert answer.json()["jobs"][0]["chosen"] == {"do_sample": True, "num_captions": 3, "top_p": 0.9, "seed": 7}
    assert json.loads(json.dumps(CaptionJob.objects.get().params)) == answer.json()["jobs"][0]["chosen"]

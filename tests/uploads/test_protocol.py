"""Each rule of the tus protocol 1.0.0 and of the extensions that the server speaks."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from django.utils import timezone

from captions import checking, uploads
from captions.models import Image, Upload
from tests import factories
from tests.api.conftest import codes
from tests.uploads.conftest import ADDRESS, PIECE, TUS, ask, begin, encoded, send


def checksum(data: bytes, algorithm: str = "sha256") -> dict[str, str]:
    digest = hashlib.new(algorithm, data).digest()
    return {"Upload-Checksum": f"{algorithm} {base64.b64encode(digest).decode()}"}


# --- Core ----------------------------------------------------------------------------------------------------------


def test_it_tells_what_it_can_do(api):
    answer = api.options(ADDRESS)
    assert answer.status_code == 204
    assert answer["Tus-Resumable"] == answer["Tus-Version"] == "1.0.0"
    assert answer["Tus-Extension"] == "creation,creation-with-upload,expiration,termination,checksum"
    assert answer["Tus-Checksum-Algorithm"] == "sha1,sha256"
    assert answer["Tus-Max-Size"] == str(2000 * 1024 * 1024)


def test_it_begins_with_nothing_and_says_where_to_send_it(api):
    answer = begin(api, 100)
    assert answer.status_code == 201
    assert answer["Tus-Resumable"] == "1.0.0"
    here = ask(api, answer["Location"])
    assert (here.status_code, here["Upload-Offset"], here["Upload-Length"]) == (200, "0", "100")
    assert here["Cache-Control"] == "no-store"
    assert encoded(filename="harbour.jpg") in here["Upload-Metadata"]


def test_it_takes_pieces_and_makes_a_picture_of_the_same_bytes(api, owner):
    data = factories.picture()
    where = begin(api, len(data))["Location"]
    first = send(api, where, 0, data[:100])
    assert (first.status_code, first["Upload-Offset"], first["Desk-Upload-State"]) == (204, "100", "open")
    assert ask(api, where)["Upload-Offset"] == "100"
    last = send(api, where, 100, data[100:])
    assert (last.status_code, last["Upload-Offset"], last["Desk-Upload-State"]) == (204, str(len(data)), "done")
    image = Image.objects.get(owner=owner)
    assert (image.sha256, image.filename) == (hashlib.sha256(data).hexdigest(), "harbour.jpg")
    assert last["Desk-Image"] == str(image.pk)
    assert image.jobs.count() == 1
    assert list(uploads.folder().iterdir()) == []


@pytest.mark.parametrize("offset", [0, 99, 101])
def test_it_refuses_a_piece_from_another_offset(api, offset):
    where = begin(api, 1000)["Location"]
    send(api, where, 0, b"x" * 100)
    answer = send(api, where, offset, b"y" * 10)
    assert (answer.status_code, codes(answer)) == (409, [("upload_offset_wrong", None)])
    assert ask(api, where)["Upload-Offset"] == "100"


def test_it_takes_only_its_own_type_of_body(api):
    where = begin(api, 1000)["Location"]
    assert send(api, where, 0, b"x", kind="application/octet-stream").status_code == 415
    assert api.generic("POST", ADDRESS, b"x", content_type="image/jpeg",
                       headers={**TUS, "Upload-Length": "1"}).status_code == 415  # fmt: skip


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.1"])
def test_it_speaks_one_version(api, version):
    where = begin(api, 10)["Location"]
    headers = {"Tus-Resumable": version} if version else {}
    for method, address in (("POST", ADDRESS), ("HEAD", where), ("PATCH", where), ("DELETE", where)):
        extra = {**headers, "Upload-Length": "1", "Upload-Offset": "0"}
        answer = api.generic(method, address, b"", content_type=PIECE, headers=extra)
        assert (answer.status_code, answer["Tus-Version"]) == (412, "1.0.0"), method
    assert ask(api, where)["Upload-Offset"] == "0"


def test_it_understands_the_method_that_is_meant(api):
    where = begin(api, 10)["Location"]
    headers = {**TUS, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    answer = api.generic("POST", where, b"x" * 5, content_type=PIECE, headers=headers)
    assert (answer.status_code, answer["Upload-Offset"]) == (204, "5")
    gone = api.generic("POST", where, headers={**TUS, "X-HTTP-Method-Override": "DELETE"})
    assert gone.status_code == 204


@pytest.mark.parametrize("offset", ["", "-1", "1e3", "١", "9" * 30])
def test_it_reads_offsets_as_whole_numbers(api, offset):
    where = begin(api, 10)["Location"]
    answer = api.generic("PATCH", where, b"x", content_type=PIECE, headers={**TUS, "Upload-Offset": offset})
    assert (answer.status_code, codes(answer)) == (400, [("upload_header_wrong", None)])


def test_it_refuses_more_bytes_than_were_announced(api):
    where = begin(api, 10)["Location"]
    answer = send(api, where, 0, b"x" * 11)
    assert (answer.status_code, codes(answer)) == (413, [("upload_beyond_length", None)])
    assert ask(api, where)["Upload-Offset"] == "0"
    assert begin(api, 10, b"x" * 11).status_code == 413


def test_it_takes_an_empty_piece(api):
    where = begin(api, 10)["Location"]
    answer = send(api, where, 0, b"")
    assert (answer.status_code, answer["Upload-Offset"]) == (204, "0")


def test_it_answers_the_last_piece_twice_when_nothing_more_comes(api):
    data = factories.picture()
    where = begin(api, len(data), data)["Location"]
    again = send(api, where, len(data), b"")
    assert (again.status_code, again["Upload-Offset"]) == (204, str(len(data)))
    assert send(api, where, 0, data).status_code == 409


@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "DELETE"])
def test_it_hides_uploads_of_others(api, other, nobody, method):
    where = begin(api, 10)["Location"]
    headers = {**TUS, "Upload-Offset": "0"}
    assert other.generic(method, where, b"x", content_type=PIECE, headers=headers).status_code == 404
    assert nobody.generic(method, where, b"x", content_type=PIECE, headers=headers).status_code == 401
    assert other.look("uploads/").json()["results"] == []


def test_it_lets_a_page_in_with_its_csrf_token_alone(page, owner):
    assert begin(page, 10).status_code == 403
    page.get("/")
    token = page.cookies["csrftoken"].value
    data = factories.picture()
    answer = begin(page, len(data), data, headers={"X-CSRFToken": token})
    assert (answer.status_code, answer["Desk-Upload-State"]) == (201, "done")


# --- Creation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [None, "", "-5", "ten"])
def test_it_must_know_the_length(api, length):
    headers = TUS if length is None else {**TUS, "Upload-Length": length}
    assert codes(api.generic("POST", ADDRESS, headers=headers)) == [("upload_header_wrong", None)]


def test_it_does_not_wait_for_a_length(api):
    answer = api.generic("POST", ADDRESS, headers={**TUS, "Upload-Defer-Length": "1"})
    assert (answer.status_code, codes(answer)) == (400, [("upload_header_wrong", None)])


def test_it_refuses_what_is_too_large_before_a_byte_comes(api, settings):
    settings.MAX_UPLOAD_BYTES, settings.MAX_ARCHIVE_BYTES = 1000, 5000
    assert codes(begin(api, 1001)) == [("file_too_large", None)]
    assert codes(begin(api, 5001, filename="all.ZIP")) == [("archive_too_large", None)]
    assert begin(api, 5000, filename="all.ZIP").status_code == 201


@pytest.mark.parametrize("metadata", ["filename !!", "filename YQ==,filename YQ==", ",", "filename /w=="])
def test_it_refuses_metadata_that_it_cannot_read(api, metadata):
    answer = begin(api, 10, headers={"Upload-Metadata": metadata})
    assert codes(answer) == [("upload_header_wrong", None)]


def test_it_takes_metadata_without_a_value(api):
    assert begin(api, 10, headers={"Upload-Metadata": "is_confidential,filename YS5qcGc="}).status_code == 201


def test_it_takes_no_path_from_a_name(api, owner):
    begin(api, 10, filename="../../etc/passwd", folder="../../a/./b\\..\\c\u202e")
    upload = Upload.objects.get()
    assert (upload.filename, upload.folder) == ("passwd", "a/b/c")


def test_it_keeps_an_import_to_its_owner(api, other):
    theirs = uploads.announce(owner=other_person(other), announced=[])[0]
    assert codes(begin(api, 10, batch=str(theirs.pk))) == [("not_found", None)]
    assert codes(begin(api, 10, batch="nonsense")) == [("not_found", None)]


def other_person(other):
    begin(other, 10)
    return Upload.objects.latest("created_at").owner


def test_it_limits_the_files_that_are_on_their_way(api, settings):
    settings.MAX_OPEN_UPLOADS = 2
    first = begin(api, 10)["Location"]
    begin(api, 10)
    answer = begin(api, 10)
    assert (answer.status_code, codes(answer)) == (429, [("too_many_uploads", None)])
    api.generic("DELETE", first, headers=TUS)
    assert begin(api, 10).status_code == 201


def test_it_takes_nothing_when_the_disk_is_nearly_full(api, settings):
    where = begin(api, 10)["Location"]
    settings.MIN_FREE_DISK_BYTES = 1 << 60
    assert codes(begin(api, 10)) == [("disk_full", None)]
    answer = send(api, where, 0, b"x")
    assert (answer.status_code, codes(answer), "Retry-After" in answer) == (507, [("disk_full", None)], True)


# --- Creation with upload ------------------------------------------------------------------------------------------


def test_it_takes_a_small_file_in_one_request(api, owner):
    data = factories.picture()
    answer = begin(api, len(data), data)
    assert (answer.status_code, answer["Upload-Offset"], answer["Desk-Upload-State"]) == (201, str(len(data)), "done")
    assert Image.objects.get(owner=owner).sha256 == hashlib.sha256(data).hexdigest()


def test_it_knows_bytes_that_are_here_already(api, owner):
    image = factories.receive(owner, data := factories.picture())
    answer = begin(api, len(data), data)
    assert (answer["Desk-Upload-State"], answer["Desk-Image"]) == ("known", str(image.pk))


@pytest.mark.parametrize(("data", "code"), [(b"", "empty_file"), (b"no picture" * 9, "unsupported_format")])
def test_it_says_why_a_file_is_refused(api, data, code):
    answer = begin(api, len(data), data)
    assert (answer.status_code, answer["Desk-Upload-State"], answer["Desk-Error"]) == (201, "refused", code)
    told = api.get(answer["Location"]).json()
    assert told["state"] == "refused"
    assert told["error"]["code"] == code
    assert list(uploads.folder().iterdir()) == []


# --- Expiration and termination ------------------------------------------------------------------------------------


def test_it_says_until_when_an_upload_is_kept(api):
    answer = begin(api, 10)
    first = parsedate_to_datetime(answer["Upload-Expires"])
    assert timedelta(hours=71) < first - timezone.now() < timedelta(hours=73)
    Upload.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    send(api, answer["Location"], 0, b"x")
    assert parsedate_to_datetime(ask(api, answer["Location"])["Upload-Expires"]) >= first


def test_it_ends_an_upload_that_nobody_goes_on_with(api):
    where = begin(api, 10)["Location"]
    send(api, where, 0, b"x")
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert ask(api, where).status_code == 410
    assert codes(send(api, where, 1, b"x")) == [("upload_expired", None)]
    assert checking.sweep() == 1
    assert ask(api, where).status_code == 404
    assert list(uploads.folder().iterdir()) == []


def test_it_gives_up_an_upload_with_its_bytes(api):
    where = begin(api, 10)["Location"]
    send(api, where, 0, b"x")
    assert api.generic("DELETE", where, headers=TUS).status_code == 204
    assert ask(api, where).status_code == 404
    assert list(uploads.folder().iterdir()) == []


def test_it_keeps_the_picture_when_its_upload_is_given_up(api, owner):
    data = factories.picture()
    where = begin(api, len(data), data)["Location"]
    assert api.generic("DELETE", where, headers=TUS).status_code == 204
    assert Image.objects.filter(owner=owner, deleted_at=None).count() == 1


def test_it_does_not_give_up_a_file_that_is_being_checked(api):
    where = begin(api, 10)["Location"]
    Upload.objects.update(state="checking", offset=10)
    answer = api.generic("DELETE", where, headers=TUS)
    assert (answer.status_code, codes(answer)) == (409, [("upload_being_checked", None)])


# --- Checksum ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_it_keeps_bytes_that_fit_their_checksum(api, algorithm):
    where = begin(api, 100)["Location"]
    assert send(api, where, 0, b"x" * 50, checksum(b"x" * 50, algorithm)).status_code == 204
    wrong = send(api, where, 50, b"x" * 50, checksum(b"y" * 50, algorithm))
    assert (wrong.status_code, codes(wrong)) == (460, [("checksum_mismatch", None)])
    assert ask(api, where)["Upload-Offset"] == "50"
    assert uploads.path_of(Upload.objects.get().pk).read_bytes() == b"x" * 50


@pytest.mark.parametrize("value", ["md5 YWJj", "sha256 !", "sha256"])
def test_it_refuses_checksums_that_it_cannot_read(api, value):
    where = begin(api, 100)["Location"]
    answer = send(api, where, 0, b"x", {"Upload-Checksum": value})
    assert answer.status_code == (460 if value == "sha256" else 400)
    assert ask(api, where)["Upload-Offset"] == "0"

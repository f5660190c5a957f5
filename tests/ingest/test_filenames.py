"""What uploaders call their files is text for people; it never is a path, a header or a second line."""

import io
import string

import pytest
from django.http import HttpRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captions import ingest, media
from captions.models import Image
from captions.models.identifiers import uuid7
from tests import factories
from tests.ingest.conftest import files_in

NASTY = [
    "../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/passwd", "C:\\a.jpg", "a\x00.jpg",
    "a\r\nSet-Cookie: x=1.jpg", "\u202egpj.exe", "a" * 4096 + ".jpg", ".", "..", "", "...", "con.jpg",
    "a;filename=b.jpg", 'a"b.jpg', "a\\b.jpg", "%0d%0a.jpg", "\ud800.jpg", "évê\u0301nement.JPG",
    "=cmd|' /C calc'!A0.jpg", "<img src=x onerror=alert(1)>.jpg", "a\u2028b.jpg", "~root.jpg", "-rf.jpg",
]  # fmt: skip
characters = st.one_of(
    st.characters(), st.sampled_from("/\\.\r\n\x00\"';%\u202e\u2028 :"), st.sampled_from(string.ascii_letters)
)
names = st.one_of(st.sampled_from(NASTY), st.text(characters, max_size=300), st.text("../\\", max_size=30))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\harbour.jpg", "harbour.jpg"),
        ("a\r\nSet-Cookie: x=1.jpg", "a Set-Cookie: x=1.jpg"),
        ("\u202egpj.exe", "gpj.exe"),
        ("..", ""),
        ("a/", ""),
        ("  Hafen am  Abend.JPG ", "Hafen am Abend.JPG"),
        ("a" * 4096 + ".jpeg", "a" * 250 + ".jpeg"),
        ("a" * 300, "a" * 255),
    ],
)
def test_it_keeps_what_people_recognise_a_file_by(given, shown):
    assert ingest.clean_filename(given) == shown


def serialized(image: Image, kind: str) -> bytes:
    request = HttpRequest()
    request.method = "GET"
    response = media.serve(request, image, kind)
    headers = response.serialize_headers()
    response.close()
    return headers


@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=names, format=st.sampled_from(Image.Format.values))
def test_it_keeps_5000_names_out_of_paths_and_headers(shared_store, name, format):
    cleaned = ingest.clean_filename(name)
    assert len(cleaned) <= 255
    assert not set(cleaned) & set("/\\\r\n\x00\u202e\u2028")
    image = Image(id=shared_store.id, number=1, filename=cleaned, format=format, sha256="0" * 64, medium_width=1)
    for path in media.names(image):
        assert path.split("/")[0] in ("originals", "renditions")
        assert ".." not in path
        assert path.isascii()
    shared_store.format = format
    headers = serialized(image, "original").decode("latin-1")
    lines = headers.split("\r\n")
    assert "\n" not in headers.replace("\r\n", "")
    assert sum(line.lower().startswith("content-disposition: attachment") for line in lines) == 1
    assert len(lines) == shared_store.lines
    assert not any(line.lower().startswith("set-cookie") for line in lines)
    assert media.download_name(image).rpartition(".")[2].lower() in media.ENDINGS[format]


class Shared:
    """One stored file under every format's name, for names that differ in the database alone."""

    def __init__(self) -> None:
        self.id = uuid7()
        self.lines = 0


@pytest.fixture
def shared_store(store, db) -> Shared:
    shared = Shared()
    for format in Image.Format.values:
        image = Image(id=shared.id, number=1, filename="a.jpg", format=format, sha256="0" * 64)
        path = store / "media" / media.original(image)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    shared.lines = len(serialized(image, "original").decode("latin-1").split("\r\n"))
    return shared


@pytest.mark.usefixtures("db")
def test_it_stores_nothing_outside_its_folders_whatever_the_name(owner, store):
    (store / "outside").write_bytes(b"canary")
    for name in NASTY:
        image = ingest.receive(owner=owner, file=io.BytesIO(factories.picture()), filename=name).image
        image.refresh_from_db()
        assert image.filename == ingest.clean_filename(name)
    outside = [name for name in files_in(store) if not name.startswith("media/")]
    assert outside == ["outside"]
    assert len(files_in(store / "media")) == 4 * len(NASTY)
    assert all(name.split("/")[0] in ("originals", "renditions") for name in files_in(store / "media"))

"""ZIP files: what is taken out of them, and what they may not do."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib

import pytest

from captions import archives, checking, ingest, uploads
from captions.errors import DeskError
from captions.models import Image, Upload
from tests import factories
from tests.uploads.conftest import begin, zipped
from tests.uploads.test_arriving import long_ago


def add(api, data: bytes, name: str = "holiday.zip") -> Upload:
    """Send a ZIP file, and give its upload."""
    begin(api, len(data), data, filename=name)
    return Upload.objects.get(parent=None)


def parts(upload: Upload) -> dict[str, tuple[str, str]]:
    """Give what became of each file inside."""
    return {part.filename: (part.state, part.error_code) for part in upload.parts.all()}


def test_it_takes_every_picture_with_its_folder(api, owner):
    files = {"a.jpg": factories.picture(), "Day 1/b.jpg": factories.picture(), "Day 2/x/c.png": factories.picture()}
    upload = add(api, zipped(files))
    assert upload.state == "done"
    assert parts(upload) == dict.fromkeys(("a.jpg", "b.jpg", "c.png"), ("done", ""))
    assert [part.folder for part in upload.parts.order_by("place")] == ["holiday", "Day 1", "Day 2/x"]
    assert Image.objects.filter(owner=owner).count() == 3
    assert list(uploads.folder().iterdir()) == []


def test_it_passes_over_what_systems_leave_behind(api):
    rubbish = ["__MACOSX/._a.jpg", ".DS_Store", "x/.hidden/a.jpg", "x/Thumbs.db", "desktop.ini", "empty/"]
    upload = add(api, zipped({"a.jpg": factories.picture(), **dict.fromkeys(rubbish, b"x")}))
    assert list(parts(upload)) == ["a.jpg"]


def test_it_goes_on_after_a_file_that_is_refused(api):
    upload = add(api, zipped({"a.txt": b"words", "b.jpg": factories.picture(), "c.jpg": b""}))
    assert parts(upload) == {
        "a.txt": ("refused", "unsupported_format"),
        "b.jpg": ("done", ""),
        "c.jpg": ("refused", "empty_file"),
    }


def test_it_uses_no_name_from_inside_as_a_path(api, store):
    names = [
        "../../../evil.jpg",
        "/etc/evil.jpg",
        "C:\\evil.jpg",
        "..\\..\\evil.jpg",
        "a/../../evil.jpg",
        "\u202eevil.jpg",
    ]
    before = sorted(os.listdir(store.parent))
    upload = add(api, zipped({name: factories.picture() for name in names}))
    assert {part.filename for part in upload.parts.all()} == {"evil.jpg"}
    assert {part.folder for part in upload.parts.all()} == {"", "etc", "C:", "a", "holiday"}
    assert {part.state for part in upload.parts.all()} == {"done"}
    assert sorted(os.listdir(store.parent)) == before
    assert {path.name for path in store.iterdir()} <= {"media", "incoming"}


def test_it_refuses_an_archive_inside(api):
    upload = add(api, zipped({"a.zip": zipped({"a.jpg": factories.picture()}), "b.tar.gz": b"x", "c.RAR": b"x"}))
    assert set(parts(upload).values()) == {("refused", "archive_nested")}
    hidden = zipped({"a.jpg": zipped({"b.jpg": factories.picture()})})
    begin(api, len(hidden), hidden, filename="hidden.zip")
    assert Upload.objects.get(parent__filename="hidden.zip").error_code == "unsupported_format"


def test_it_refuses_links(api):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        link = zipfile.ZipInfo("passwords.jpg")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert parts(add(api, made.getvalue())) == {"passwords.jpg": ("refused", "archive_link")}


def test_it_refuses_locked_files(api):
    data = bytearray(zipped({"a.jpg": factories.picture()}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    assert parts(add(api, bytes(data))) == {"a.jpg": ("refused", "archive_encrypted")}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_it_opens_no_compression_that_may_take_any_memory(api, method):
    upload = add(api, zipped({"a.jpg": factories.picture()}, compression=method))
    assert parts(upload) == {"a.jpg": ("refused", "archive_compression")}


def test_it_says_which_file_inside_is_damaged(api):
    good, bad = factories.picture(), factories.picture()
    data = bytearray(zipped({"bad.jpg": bad, "good.jpg": good}))
    data[data.index(bad) + 50] ^= 0xFF  # its check sum no longer fits
    assert parts(add(api, bytes(data))) == {"bad.jpg": ("refused", "archive_entry_damaged"), "good.jpg": ("done", "")}


@pytest.mark.parametrize("data", [b"PK\x03\x04 no directory", b"", b"not at all" * 100, b"PK\x05\x06" + b"\xff" * 18])
def test_it_says_when_it_is_no_zip_file(api, data):
    upload = add(api, data)
    assert (upload.state, upload.error_code) == ("refused", "empty_file" if not data else "archive_unreadable")


def test_it_says_when_there_is_nothing_in_it(api):
    assert add(api, zipped({".DS_Store": b"x", "folder/": b""})).error_code == "archive_empty"


# --- Bombs ---------------------------------------------------------------------------------------------------------


def test_it_counts_the_files_before_it_opens_one(api, settings):
    settings.MAX_ARCHIVE_FILES = 3
    upload = add(api, zipped({f"{n}.jpg": b"x" for n in range(4)}))
    assert (upload.error_code, upload.parts.count()) == ("archive_too_many_files", 0)


def test_it_refuses_a_file_that_grows_beyond_measure(api):
    upload = add(api, zipped({"bomb.bmp": bytes(30_000_000)}, compression=zipfile.ZIP_DEFLATED))
    assert parts(upload) == {"bomb.bmp": ("refused", "archive_bomb")}


def test_it_refuses_a_file_that_is_too_large_for_a_picture(api, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    settings.MAX_ARCHIVE_BYTES = 100_000
    upload = add(api, zipped({"large.jpg": os.urandom(1001)}))
    assert parts(upload) == {"large.jpg": ("refused", "file_too_large")}


def test_it_counts_what_all_files_would_grow_to(api, settings):
    settings.MAX_ARCHIVE_BYTES = 100_000
    many = {f"{n}.bmp": bytes(60_000) for n in range(10)}
    assert add(api, zipped(many, compression=zipfile.ZIP_DEFLATED)).error_code == "archive_bomb"


def overlapping() -> bytes:
    """A ZIP file whose directory names the same bytes a hundred times."""
    data = zipped({"a.jpg": os.urandom(5000)})
    directory = data[data.index(b"PK\x01\x02") : data.index(b"PK\x05\x06")]
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 100, 100, len(directory) * 100, data.index(b"PK\x01\x02"), 0)
    return data[: data.index(b"PK\x01\x02")] + directory * 100 + end


def test_it_refuses_files_that_overlap(api):
    assert add(api, overlapping()).error_code == "archive_bomb"


def test_it_gives_no_more_than_was_announced_for_a_file(tmp_path):
    """The directory says 10 bytes, the compressed data holds a million."""
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = raw.compress(bytes(1_000_000)) + raw.flush()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(1_000_000))
    data = bytearray(made.getvalue())
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 24, 10)
    path = tmp_path / "liar.zip"
    path.write_bytes(data)
    assert len(packed) < 2000
    with archives.reading(path) as reader, reader.open(0) as file, pytest.raises(DeskError, match="damaged"):
        file.read(1 << 20)


def test_it_takes_no_directory_of_any_size_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_DIRECTORY_BYTES", 100_000)
    path = tmp_path / "wide.zip"
    path.write_bytes(zipped({f"{n:0200}.jpg": b"" for n in range(1000)}))
    with pytest.raises(DeskError, match="archive_too_many_files"):
        archives.entries(path, name="wide")


# --- Stopped on the way --------------------------------------------------------------------------------------------


def test_it_goes_on_where_it_was_stopped(api, monkeypatch):
    taken: list[str] = []
    real = ingest.receive

    def dies(**options):
        if len(taken) == 2:
            raise SystemExit
        taken.append(options["filename"])
        return real(**options)

    data = zipped({f"{n}.jpg": factories.picture() for n in range(5)})
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "receive", dies)
        with pytest.raises(SystemExit):
            add(api, data)
    upload = Upload.objects.get(parent=None)
    assert (upload.state, upload.parts.filter(state="done").count(), upload.parts.count()) == ("checking", 2, 5)
    long_ago(upload)
    checking.repair()
    upload.refresh_from_db()
    assert (upload.state, upload.parts.filter(state="done").count()) == ("done", 5)


def test_it_takes_no_longer_than_it_may_at_once(api, monkeypatch):
    monkeypatch.setattr(checking, "unpack_soon", lambda upload_id: checking.unpack(upload_id=upload_id, seconds=-1))
    upload = add(api, zipped({"a.jpg": factories.picture()}))
    assert (upload.state, parts(upload)) == ("checking", {"a.jpg": ("checking", "")})
    checking.unpack(upload_id=upload.pk)
    assert parts(upload) == {"a.jpg": ("done", "")}


def test_it_waits_when_the_queue_is_full_and_goes_on_later(api, settings):
    settings.QUEUE_LIMIT_PER_OWNER = 2
    upload = add(api, zipped({f"{n}.jpg": factories.picture() for n in range(4)}))
    assert (upload.state, upload.error_code) == ("checking", "queue_full")
    assert Image.objects.count() == 2
    settings.QUEUE_LIMIT_PER_OWNER = 10
    long_ago(upload, 30)
    checking.repair()
    upload.refresh_from_db()
    assert (upload.state, upload.error_code, Image.objects.count()) == ("done", "", 4)


def test_it_keeps_the_zip_file_while_a_file_inside_can_be_tried_again(api, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "receive", lambda **options: 1 / 0)
        upload = add(api, zipped({"a.jpg": factories.picture()}))
    assert (upload.state, parts(upload)) == ("done", {"a.jpg": ("refused", "unknown")})
    checking.sweep()
    part = checking.again(upload=upload.parts.get())
    assert part.state == "done"
    assert list(uploads.folder().iterdir()) == []

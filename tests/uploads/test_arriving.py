"""Bytes that come at once, that were lost, that a crash left behind; and files that nobody checked to the end."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from captions import checking, ingest, uploads
from captions.errors import DeskError
from captions.models import Image, Import, Upload
from captions.uploads import Announced
from tests import factories
from tests.uploads.conftest import begin, send


def upload_of(owner, data: bytes, name: str = "harbour.jpg", **more) -> Upload:
    return uploads.create(owner=owner, announced=Announced(name, len(data), **more))


def put(upload: Upload, data: bytes, offset: int = 0) -> Upload:
    return uploads.append(upload=upload, offset=offset, data=io.BytesIO(data), size=len(data))


@pytest.mark.django_db(transaction=True)
def test_it_writes_for_one_request_at_a_time(owner):
    """Twenty requests send the same next piece; the file has each byte once, whoever wins."""
    data = bytes(range(256)) * 400
    upload = upload_of(owner, data)
    barrier = threading.Barrier(8)

    def race(step: int) -> str:
        try:
            barrier.wait()
            put(Upload.objects.get(pk=upload.pk), data[step : step + 1024], step)
        except DeskError as error:
            return error.code
        finally:
            connections.close_all()
        return "written"

    for step in range(0, 20 * 1024, 1024):
        with ThreadPoolExecutor(8) as threads:
            said = list(threads.map(race, [step] * 8))
        assert said.count("written") == 1, said
        assert set(said) <= {"written", "upload_locked", "upload_offset_wrong"}
    assert uploads.path_of(upload.pk).read_bytes() == data[: 20 * 1024]


def test_it_refuses_a_second_writer_while_the_first_holds_the_file(owner):
    upload = upload_of(owner, b"x" * 10)
    put(upload, b"x")
    upload.refresh_from_db()
    with uploads.lock(upload.pk) as file:
        assert file is not None
        with pytest.raises(DeskError, match="upload_locked"):
            put(upload, b"x", 1)
        with pytest.raises(DeskError, match="upload_locked"):
            uploads.terminate(upload=upload)


def test_it_cuts_off_what_a_dead_writer_left(owner):
    data = factories.picture()
    upload = upload_of(owner, data)
    put(upload, data[:100])
    with uploads.path_of(upload.pk).open("ab") as file:
        file.write(b"half a piece of somebody who died")
    upload.refresh_from_db()
    assert checking.start(upload=put(upload, data[100:], 100)).state == "done"
    assert Image.objects.get().sha256 == hashlib.sha256(data).hexdigest()


def test_it_asks_again_for_bytes_that_a_disk_lost(owner):
    upload = upload_of(owner, b"x" * 10)
    upload = put(upload, b"x" * 5)
    os.truncate(uploads.path_of(upload.pk), 2)
    assert uploads.offset_of(upload) == 2
    with pytest.raises(DeskError, match="upload_offset_wrong"):
        put(upload, b"x" * 5, 5)
    assert put(upload, b"x" * 3, 2).offset == 5


class Breaking(io.BytesIO):
    """A sender who goes away after 100 bytes."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= 100:
            raise ConnectionError
        return super().read(min(size or 100, 100))


def test_it_keeps_the_offset_when_a_sender_goes_away(owner):
    data = factories.picture()
    upload = put(upload_of(owner, data), data[:50])
    with pytest.raises(DeskError, match="upload_interrupted"):
        uploads.append(upload=upload, offset=50, data=Breaking(data[50:]), size=len(data) - 50)
    upload.refresh_from_db()
    assert uploads.offset_of(upload) == 50
    assert checking.start(upload=put(upload, data[50:], 50)).state == "done"


# --- Crashes between the last byte and the picture -----------------------------------------------------------------


def long_ago(upload: Upload, seconds: float = 600) -> None:
    Upload.objects.filter(pk=upload.pk).update(changed_at=timezone.now() - timedelta(seconds=seconds))


def test_it_takes_up_a_file_that_nobody_checked(owner):
    data = factories.picture()
    upload = put(upload_of(owner, data), data)
    assert (upload.state, Image.objects.count()) == ("checking", 0)
    assert checking.repair() == 0  # whoever received it may still be at work
    long_ago(upload)
    assert checking.repair() == 1
    upload.refresh_from_db()
    assert (upload.state, upload.image) == ("done", Image.objects.get())
    assert list(uploads.folder().iterdir()) == []


def test_it_ends_well_when_it_died_after_the_picture_was_there(owner, monkeypatch):
    data = factories.picture()
    upload = put(upload_of(owner, data), data)
    monkeypatch.setattr(checking, "_note", lambda *args, **more: "checking")
    checking.check(upload=upload)
    monkeypatch.undo()
    assert Image.objects.count() == 1
    long_ago(upload)
    checking.repair()
    upload.refresh_from_db()
    assert (upload.state, upload.image) == ("known", Image.objects.get())


def test_it_lets_one_check_a_file(owner):
    data = factories.picture()
    upload = put(upload_of(owner, data), data)
    with uploads.lock(upload.pk):
        checking.check(upload=upload)
    assert Image.objects.count() == 0


def test_it_says_so_when_the_bytes_are_lost(owner):
    upload = put(upload_of(owner, b"x"), b"x")
    uploads.path_of(upload.pk).unlink()
    assert checking.start(upload=upload).error_code == "upload_expired"


@pytest.mark.parametrize("code", checking.PASSING)
def test_it_waits_and_goes_on_by_itself_when_a_failure_passes(owner, monkeypatch, code):
    data = factories.picture()
    upload = put(upload_of(owner, data), data)

    def fails(**options: object) -> None:
        raise DeskError(code)

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "receive", fails)
        upload = checking.start(upload=upload)
    assert (upload.state, upload.error_code) == ("checking", code)
    long_ago(upload, 30)
    checking.repair()
    upload.refresh_from_db()
    assert (upload.state, upload.error_code) == ("done", "")


def test_it_does_not_wait_for_ever(owner, monkeypatch, settings):
    settings.QUEUE_LIMIT_PER_OWNER = 0
    data = factories.picture()
    upload = checking.start(upload=put(upload_of(owner, data), data))
    assert upload.error_code == "queue_full"
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    long_ago(upload, 30)
    checking.repair()
    upload.refresh_from_db()
    assert (upload.state, upload.error_code) == ("refused", "queue_full")
    checking.sweep()
    assert list(uploads.folder().iterdir()) == []


def test_it_can_be_tried_again_while_its_bytes_are_kept(owner, monkeypatch):
    data = factories.picture()
    upload = put(upload_of(owner, data), data)
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "receive", lambda **options: 1 / 0)
        upload = checking.start(upload=upload)
    assert (upload.state, upload.error_code, upload.may_try_again) == ("refused", "unknown", True)
    checking.sweep()
    assert checking.again(upload=upload).state == "done"
    with pytest.raises(DeskError, match="upload_not_again"):
        checking.again(upload=upload)


# --- Sweeping ------------------------------------------------------------------------------------------------------


def test_it_removes_bytes_that_are_nobodys_and_keeps_the_rest(owner):
    upload = put(upload_of(owner, b"x" * 10), b"x")
    kept = uploads.path_of(upload.pk)
    orphan = kept.with_name("0199f3a2-5c1e-7d40-8b21-6a6f0d6f4c11")
    orphan.write_bytes(b"nobody's")
    other = kept.with_name("not-ours")
    other.write_bytes(b"")
    for path in (kept, kept.parent):
        os.utime(path, (0, 0))
    checking.sweep()
    ingest.sweep_orphans()
    assert (kept.exists(), orphan.exists(), other.exists()) == (True, False, True)


def test_it_removes_imports_without_a_file(owner):
    empty, full = (uploads.announce(owner=owner, announced=files)[0] for files in ([], [Announced("a.jpg", 1)]))
    Import.objects.update(created_at=timezone.now() - timedelta(days=2))
    checking.sweep()
    assert list(Import.objects.all()) == [full]
    assert empty != full


# --- Announcing ----------------------------------------------------------------------------------------------------


def test_it_knows_a_file_again_after_the_page_was_closed(owner):
    files = [Announced(f"{n}.jpg", 10, fingerprint=f"print {n}") for n in range(3)]
    batch, first = uploads.announce(owner=owner, announced=files)
    put(first[1], b"x" * 4)
    again, second = uploads.announce(owner=owner, announced=[*files, Announced("new.jpg", 10, fingerprint="print 9")])
    assert again == batch
    assert [one.pk for one in second[:3]] == [one.pk for one in first]
    assert (second[1].offset, Upload.objects.count()) == (4, 4)


def test_it_sends_no_file_twice_in_one_import(owner):
    data = factories.picture()
    file = Announced("a.jpg", len(data), fingerprint="print")
    batch, (upload,) = uploads.announce(owner=owner, announced=[file])
    checking.start(upload=put(upload, data))
    _, (known,) = uploads.announce(owner=owner, announced=[file], batch=batch)
    assert (known.pk, known.state) == (upload.pk, "done")


def test_it_does_not_take_another_file_for_the_same(owner, stranger):
    batch, (upload,) = uploads.announce(owner=owner, announced=[Announced("a.jpg", 10, fingerprint="print")])
    _, (longer,) = uploads.announce(owner=owner, announced=[Announced("a.jpg", 11, fingerprint="print")], batch=batch)
    theirs, (other,) = uploads.announce(owner=stranger, announced=[Announced("a.jpg", 10, fingerprint="print")])
    assert len({upload.pk, longer.pk, other.pk}) == 3
    assert theirs != batch


def test_it_notes_no_file_that_is_too_large(owner, settings):
    settings.MAX_UPLOAD_BYTES = 5
    _, given = uploads.announce(owner=owner, announced=[Announced("a.jpg", 6), Announced("b.jpg", 5)])
    assert [one is None for one in given] == [True, False]


def test_it_begins_the_file_that_was_announced(api, owner):
    data = factories.picture()
    batch, (upload,) = uploads.announce(owner=owner, announced=[Announced("a.jpg", len(data), fingerprint="print")])
    begin(api, len(data), data, fingerprint="print", batch=str(batch.pk))
    upload.refresh_from_db()
    assert (upload.state, Upload.objects.count()) == ("done", 1)


def test_it_goes_on_with_an_announced_file(api, owner):
    data = factories.picture()
    _, (upload,) = uploads.announce(owner=owner, announced=[Announced("a.jpg", len(data))])
    assert send(api, f"/api/v1/uploads/{upload.pk}/", 0, data).status_code == 204
    assert Image.objects.count() == 1

"""Files are stored wholly or not at all, and are on the disk when the storage says so."""

import os
import tempfile
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from captions import storage
from captions.storage import DurableFileStorage
from tests.ingest.conftest import files_in


@pytest.fixture
def stored(tmp_path) -> DurableFileStorage:
    return DurableFileStorage(location=tmp_path / "media")


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "incoming-file"
    path.write_bytes(b"bytes")
    return path


def test_it_flushes_the_file_before_its_name_and_new_folders_to_the_top(stored, source, tmp_path, monkeypatch):
    done: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor):
        done.append("flush " + os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), tmp_path))
        real_fsync(descriptor)

    def replace(before, after):
        done.append("name " + os.path.relpath(after, tmp_path))
        real_replace(before, after)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    stored.take(source, "originals/ab/x.jpg")
    assert done == [
        "flush .",
        "flush media",
        "flush media/originals",
        "flush incoming-file",
        "name media/originals/ab/x.jpg",
        "flush media/originals/ab",
    ]
    done.clear()
    source.write_bytes(b"more")
    stored.take(source, "originals/ab/y.jpg")
    assert done == ["flush incoming-file", "name media/originals/ab/y.jpg", "flush media/originals/ab"]


def test_it_moves_a_file_over_from_another_disk(stored, tmp_path):
    with tempfile.NamedTemporaryFile(dir="/dev/shm", delete=False) as file:
        file.write(b"bytes from another disk")
    source = Path(file.name)
    assert source.stat().st_dev != tmp_path.stat().st_dev, "this test needs /dev/shm on a file system of its own"
    stored.take(source, "originals/ab/x.jpg")
    assert not source.exists()
    target = tmp_path / "media" / "originals" / "ab" / "x.jpg"
    assert target.read_bytes() == b"bytes from another disk"
    assert target.stat().st_mode & 0o777 == 0o644
    assert files_in(tmp_path / "media") == ["originals/ab/x.jpg"]


def test_it_leaves_no_half_file_when_copying_fails(stored, source, tmp_path, monkeypatch):
    def another_disk(before, after):
        raise OSError(18, "Invalid cross-device link")

    def full(before, after):
        Path(after).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", another_disk)
    monkeypatch.setattr(storage.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        stored.take(source, "originals/ab/x.jpg")
    assert files_in(tmp_path / "media") == []
    assert source.read_bytes() == b"bytes"


def test_it_is_what_the_product_stores_with_and_has_no_address():
    assert isinstance(storages["default"], DurableFileStorage)
    with pytest.raises(ValueError, match="no address of their own"):
        storages["default"].url("originals/ab/x.jpg")


def test_it_saves_what_django_hands_over(stored, tmp_path):
    assert stored.save("originals/ab/x.jpg", ContentFile(b"bytes")) == "originals/ab/x.jpg"
    assert files_in(tmp_path / "media") == ["originals/ab/x.jpg"]
    with stored.open("originals/ab/x.jpg") as file:
        assert file.read() == b"bytes"


@pytest.mark.parametrize("name", ["../outside.jpg", "/etc/outside.jpg", "originals/../../outside.jpg"])
def test_it_stores_nothing_outside_its_folder(stored, source, tmp_path, name):
    from django.core.exceptions import SuspiciousOperation

    with pytest.raises(SuspiciousOperation):
        stored.take(source, name)
    assert source.exists()
    assert not (tmp_path / "outside.jpg").exists()

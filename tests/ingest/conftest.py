"""A storage of its own for each test, so that files can be counted."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def store(tmp_path: Path, settings) -> Path:
    """Give the folder that holds `media` and `incoming`."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "incoming")
    options = {"location": str(tmp_path / "media")}
    settings.STORAGES = {**settings.STORAGES, "default": {**settings.STORAGES["default"], "OPTIONS": options}}
    (tmp_path / "incoming").mkdir()
    return tmp_path


def files_in(folder: Path) -> list[str]:
    """Name all files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

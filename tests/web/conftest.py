"""Fixtures of the page tests."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client


@pytest.fixture(autouse=True)
def _plain_static(settings: object) -> None:
    """Name static files without their hash: tests need no collected files."""
    settings.STORAGES = {  # type: ignore[attr-defined]  # pytest-django's wrapper takes any name
        **settings.STORAGES,  # type: ignore[attr-defined]  # as above
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def olga(owner: User) -> Client:
    """A browser in which the owner of the pictures is logged in."""
    browser = Client()
    browser.force_login(owner)
    return browser


@pytest.fixture
def stranger_browser(stranger: User) -> Client:
    """A browser in which somebody else is logged in."""
    browser = Client()
    browser.force_login(stranger)
    return browser


HTMX = {"HX-Request": "true"}

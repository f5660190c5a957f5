"""Fixtures that every area of the tests uses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib import import_module

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from captions import broker as visits
from captions import jobs, queueing
from tests.factories import browser_of
from tests.harness import made_once, postgres_template
from tests.services import RedisServer, redis_server


def pytest_configure(config: pytest.Config) -> None:
    """Hash passwords quickly, in this process alone: the tests of real processes log in with the product's hasher."""
    settings.PASSWORD_HASHERS = ["tests.passwords.OneRound"]
    config.addinivalue_line("markers", "one_database: asks nothing that databases answer differently")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run on SQLite alone what says by its mark that another database would tell nothing new."""
    if os.environ.get("DESK_TEST_DATABASE") == "postgres":
        elsewhere = [item for item in items if item.get_closest_marker("one_database")]
        items[:] = [item for item in items if not item.get_closest_marker("one_database")]
        config.hook.pytest_deselected(items=elsewhere)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Begin with a copy of tables that were made once: migrating takes as long as a hundred tests.

    SQLite's test database is a file: one in memory has other locks than the one that people run.
    """
    database = settings.DATABASES["default"]
    if "sqlite" in database["ENGINE"]:
        name = f"tests-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-{os.getpid()}.sqlite3"
        database.setdefault("TEST", {})["NAME"] = str(settings.DATA_DIR / name)
        shutil.copy(made_once("migrated") / "captions.sqlite3", settings.DATA_DIR / name)
    else:
        database.setdefault("TEST", {})["TEMPLATE"] = postgres_template(os.environ["DATABASE_URL"])


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Let Django take SQLite's copy as it is; the file goes with the run's data folder."""
    return "sqlite" in settings.DATABASES["default"]["ENGINE"]


@pytest.fixture(autouse=True)
def _let_rows_go(request: pytest.FixtureRequest) -> Iterator[None]:
    """Before tables are emptied, put every picture into the trash: the database keeps living pictures' words."""
    empties = "transactional_db" in request.fixturenames
    if empties:
        request.getfixturevalue("transactional_db")
    yield
    if empties:
        from captions.models import Image

        Image.objects.update(deleted_at=timezone.now())


@pytest.fixture(autouse=True)
def _groups_are_there(request: pytest.FixtureRequest) -> None:
    """Make the groups again that a migration made: emptying the tables after an earlier test took them away."""
    if not ({"db", "transactional_db"} & set(request.fixturenames) or request.node.get_closest_marker("django_db")):
        return
    request.getfixturevalue("_django_db_helper")
    if Group.objects.count() < 2:
        ContentType.objects.clear_cache()
        import_module("captions.migrations.0004_groups").make_groups(apps, None)


@pytest.fixture(autouse=True)
def _static_files_without_manifest(settings: object) -> None:
    """Render pages without collecting static files first; the tests of real processes collect them."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}  # type: ignore[attr-defined]  # pytest-django's


@pytest.fixture(autouse=True)
def _fresh_broker() -> Iterator[None]:
    """Every test begins without a pause for the broker, and with the lanes' cycle at its start."""
    visits.forget()
    visits.counts.clear()
    jobs._cycle = queueing.LaneCycle(start=0)
    yield
    visits.forget()


@pytest.fixture(scope="module")
def rows_for_all(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Make rows once for all tests of a file: `with rows_for_all(): ...`. Each test's own changes go with the test.

    The file's tests run within one transaction, so none of them may be a transactional one.
    """
    whole = transaction.atomic()
    whole._from_testcase = True  # type: ignore[attr-defined]  # as Django's own tests say that nothing will be durable
    with django_db_blocker.unblock():
        whole.__enter__()
    yield django_db_blocker.unblock
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        whole.__exit__(None, None, None)


@pytest.fixture
def owner(db: None) -> User:
    """A person who owns pictures."""
    return User.objects.create_user("olga", "olga@example.org", "correct-horse-battery")


@pytest.fixture
def stranger(db: None) -> User:
    """Another person, who must not see the first one's things."""
    return User.objects.create_user("stranger", "stranger@example.org", "correct-horse-battery")


@pytest.fixture
def olga(owner: User) -> Client:
    """A browser in which the owner of the pictures is logged in."""
    return browser_of(owner)


@pytest.fixture
def stranger_browser(stranger: User) -> Client:
    """A browser in which somebody else is logged in."""
    return browser_of(stranger)


@pytest.fixture(scope="session")
def _session_redis() -> Iterator[RedisServer]:
    server = redis_server()
    yield server
    server.kill()


@pytest.fixture
def broker(_session_redis: RedisServer, settings: object) -> RedisServer:
    """A real, empty Redis-protocol server, named in the settings."""
    if _session_redis.process is None:
        _session_redis.start()
    _session_redis.flush()
    visits.forget()  # a test before this one may have found no broker, and left a pause in which nobody asks
    settings.REDIS_URL = _session_redis.url  # type: ignore[attr-defined]  # pytest-django's wrapper takes any name
    settings.CELERY_BROKER_URL = _session_redis.url  # type: ignore[attr-defined]  # as above
    return _session_redis

"""Many threads write to one SQLite database, none is told that it is locked, and the turn always comes back."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, OperationalError, connection, transaction

from captionsite.sqlite_in_turn import base
from tests import factories

THREADS = 12


def impatient() -> None:
    """Let SQLite itself wait for nobody: only the turn keeps this connection from finding the database busy."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout=0")


def in_threads(work) -> list[object]:
    """Run work in threads of their own, each with its connection; gives what came of each."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> object:
        try:
            impatient()
            start.wait(timeout=20)
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@pytest.fixture
def person(transactional_db) -> User:
    return factories.make_person()


def test_it_lets_transactions_wait_for_one_another(person):
    def add(number: int) -> None:
        for _ in range(5):
            with transaction.atomic():
                held = User.objects.get(pk=person.pk)
                time.sleep(0.002)
                held.first_name = str(int(held.first_name or 0) + 1)
                held.save(update_fields=["first_name"])

    in_threads(add)
    assert User.objects.get(pk=person.pk).first_name == str(5 * THREADS)


def test_it_lets_single_statements_wait_for_transactions(person):
    def mixed(number: int) -> None:
        for _ in range(10):
            if number % 2:
                User.objects.filter(pk=person.pk).update(last_name=str(number))
            else:
                with transaction.atomic():
                    User.objects.filter(pk=person.pk).update(last_name=str(number))
                    time.sleep(0.002)

    in_threads(mixed)
    assert not base._turn.locked()


def test_it_would_notice_a_database_that_is_locked(person, monkeypatch):
    """Without turns these threads do find it locked."""

    class NoTurn:
        def acquire(self, timeout: float) -> bool:
            return True

        def release(self) -> None:
            pass

    def hold(number: int) -> bool:
        try:
            with transaction.atomic():
                User.objects.filter(pk=person.pk).update(last_name=str(number))
                time.sleep(0.05)
        except OperationalError as error:
            return "locked" in str(error)
        return False

    monkeypatch.setattr(base, "_turn", NoTurn())
    assert any(in_threads(hold))


@pytest.mark.parametrize("how", ["commit", "error", "begin", "close"])
def test_it_gives_the_turn_back_however_a_transaction_ends(person, how, monkeypatch):
    if how == "commit":
        with transaction.atomic():
            assert base._turn.locked()
    elif how == "error":
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.create(username=person.username)
    elif how == "begin":

        def refuse(self) -> None:
            raise OperationalError("disk I/O error")

        with monkeypatch.context() as broken:
            broken.setattr(base.base.DatabaseWrapper, "_start_transaction_under_autocommit", refuse)
            with pytest.raises(OperationalError), transaction.atomic():
                pass
    else:
        with transaction.atomic():
            connection.close()
    assert not base._turn.locked()


def test_it_says_so_when_a_transaction_never_ends(person, monkeypatch):
    with monkeypatch.context() as short:
        short.setattr(base, "TURN_SECONDS", 0.05)
        with base.in_turn(), pytest.raises(OperationalError, match="database is locked"):
            User.objects.filter(pk=person.pk).update(last_name="x")

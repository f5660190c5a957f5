"""Tokens: what is stored, what a secret opens, and for how long."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from captions import tokens
from captions.models import ApiToken
from tests.harness import made_once

ROOT = Path(__file__).resolve().parents[2]


def dump() -> str:
    """Everything the database holds, as text."""
    with connection.cursor() as cursor:
        parts = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            parts += [repr(row) for row in cursor.fetchall()]
    return "\n".join(parts)


def test_it_gives_a_secret_with_prefix_and_256_random_bits(owner: User) -> None:
    secrets = {tokens.mint(user=owner, name="a")[1] for _ in range(50)}
    assert len(secrets) == 50
    assert all(re.fullmatch(r"cdesk_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}", secret) for secret in secrets)


def test_it_keeps_no_secret_in_the_database(owner: User) -> None:
    token, secret = tokens.mint(user=owner, name="nightly")
    tokens.find(secret)
    held = dump()
    assert token.digest in held  # the dump is a real one
    assert secret not in held
    assert secret[len(token.hint) :] not in held
    assert secret[len(token.hint) : len(token.hint) + 12] not in held


def test_it_finds_the_person_of_a_secret(owner: User) -> None:
    token, secret = tokens.mint(user=owner, name="nightly")
    found = tokens.find(secret)
    assert found == token
    assert found.user == owner


@pytest.mark.parametrize(
    "change",
    [lambda s: s[:-1], lambda s: s + "A", lambda s: s[6:], lambda s: s.upper(), lambda s: "", lambda s: "é" + s],
)
def test_it_finds_nothing_for_a_secret_that_is_not_exact(owner: User, change, django_assert_num_queries) -> None:
    _, secret = tokens.mint(user=owner, name="nightly")
    with django_assert_num_queries(0):  # the checksum refuses garbage without asking the database
        assert tokens.find(change(secret)) is None


def test_it_finds_nothing_for_a_well_formed_secret_that_nobody_minted(owner: User) -> None:
    _, secret = tokens.mint(user=owner, name="nightly")
    ApiToken.objects.all().delete()
    assert tokens.find(secret) is None


def test_it_ends_at_once_when_revoked_and_only_once(owner: User) -> None:
    token, secret = tokens.mint(user=owner, name="nightly")
    other, other_secret = tokens.mint(user=owner, name="other")
    assert tokens.revoke(token=token) is True
    assert tokens.find(secret) is None
    assert tokens.find(other_secret) == other
    assert tokens.revoke(token=token) is False


def test_it_ends_when_its_days_are_over(owner: User) -> None:
    token, secret = tokens.mint(user=owner, name="nightly", days=1)
    assert tokens.find(secret) == token
    assert token.expires_at is not None
    assert abs(token.expires_at - timezone.now() - timedelta(days=1)) < timedelta(minutes=5)
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert tokens.find(secret) is None


def test_it_opens_nothing_for_an_account_that_is_switched_off(owner: User) -> None:
    _, secret = tokens.mint(user=owner, name="nightly")
    owner.is_active = False
    owner.save(update_fields=["is_active"])
    assert tokens.find(secret) is None
    owner.is_active = True
    owner.save(update_fields=["is_active"])
    assert tokens.find(secret) is not None


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_it_refuses_lives_that_make_no_sense(owner: User, days: int) -> None:
    with pytest.raises(ValueError, match="1 to 3650"):
        tokens.mint(user=owner, name="nightly", days=days)


def test_it_refuses_a_token_without_a_name(owner: User) -> None:
    with pytest.raises(ValueError, match="name"):
        tokens.mint(user=owner, name=" \n ")


def test_it_notes_its_use_at_most_once_a_minute(owner: User, django_assert_num_queries) -> None:
    token, secret = tokens.mint(user=owner, name="nightly")
    tokens.find(secret)
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None
    with django_assert_num_queries(1):  # reads, and writes nothing
        tokens.find(secret)
    token.refresh_from_db()
    assert token.last_used_at == first
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=first - timedelta(seconds=61))
    tokens.find(secret)
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at >= first


def test_it_prints_the_secret_alone_on_the_last_line(owner: User) -> None:
    out = io.StringIO()
    call_command("token", owner.username, "--name", "my script", "--days", "30", stdout=out)
    last = out.getvalue().rstrip("\n").split("\n")[-1]
    token = tokens.find(last)
    assert token is not None
    assert (token.user, token.name) == (owner, "my script")
    assert token.expires_at is not None


def test_it_never_expires_unless_asked(owner: User) -> None:
    out = io.StringIO()
    call_command("token", owner.username, stdout=out)
    token = tokens.find(out.getvalue().split()[-1])
    assert token is not None
    assert token.expires_at is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "no account called “nobody”"),
        (["olga", "--days", "0"], "1 to 3650 days"),
        (["olga", "--name", " "], "needs a name"),
        (["asleep"], "switched off"),
    ],
)
def test_it_refuses_with_a_clear_sentence(owner: User, arguments: list[str], words: str) -> None:
    User.objects.create_user("asleep", is_active=False)
    with pytest.raises(CommandError, match=words):
        call_command("token", *arguments)
    assert not ApiToken.objects.exists()


def test_it_exits_with_status_1_for_an_unknown_account(tmp_path: Path) -> None:
    shutil.copy(made_once("migrated") / "captions.sqlite3", tmp_path)
    environment = {"PATH": "/usr/bin:/bin", "DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "token", "nobody"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "There is no account called “nobody”." in done.stderr
    assert "Traceback" not in done.stderr


def test_it_opens_everything_unless_scopes_are_chosen(owner: User) -> None:
    assert tokens.mint(user=owner, name="a")[0].scopes == ["admin"]
    assert tokens.mint(user=owner, name="b", scopes=["reviews:write", "images:read"])[0].scopes == [
        "images:read",
        "reviews:write",
    ]


@pytest.mark.parametrize("scopes", [[], ["images"], ["images:read", "root"]])
def test_it_refuses_scopes_that_do_not_exist(owner: User, scopes: list[str]) -> None:
    with pytest.raises(ValueError, match="scope"):
        tokens.mint(user=owner, name="a", scopes=scopes)
    assert not ApiToken.objects.exists()


def test_it_makes_narrow_tokens_by_the_command(owner: User) -> None:
    call_command("token", "olga", "--scope", "images:read", "--scope", "captions:write", stdout=io.StringIO())
    assert ApiToken.objects.get().scopes == ["images:read", "captions:write"]

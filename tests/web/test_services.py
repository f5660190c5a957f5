"""Accounts for programs: made by operators, acting by tokens alone, never logging in."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client

from captions import service_accounts, tokens
from captions.errors import DeskError
from captions.models import ApiToken
from captions.permissions import is_operator, is_reviewer
from captions.web.accounts import DeskAccountAdapter
from tests.factories import browser_of, confirmed, make_person, picture

PASSWORD = "correct-horse-battery"


@pytest.fixture
def operator(db: None) -> Client:
    """A browser of an operator who has just typed the password."""
    return confirmed(browser_of(make_person("oscar", "operators")))


@pytest.fixture
def robot(db: None) -> User:
    """A program's account."""
    return service_accounts.make(name="robot")


def test_it_makes_an_account_by_command(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("service_account", "nightly")
    call_command("service_account", "judge", "--reviewer")
    call_command("service_account", "helper", "--operator")
    assert "manage.py token nightly" in capsys.readouterr().out
    made = {user.username: user for user in service_accounts.every()}
    assert list(made) == ["helper", "judge", "nightly"]
    assert not any(user.has_usable_password() for user in made.values())
    assert [is_reviewer(user) for user in made.values()] == [True, True, False]
    assert [is_operator(user) for user in made.values()] == [True, False, False]
    call_command("token", "nightly")
    assert ApiToken.objects.get().user == made["nightly"]


@pytest.mark.parametrize(("name", "words"), [("robot", "of this name"), ("ROBOT", "of this name"), ("a b", "letters")])
def test_it_refuses_a_name_that_cannot_be_one(robot: User, name: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("service_account", name)
    assert service_accounts.every().count() == 1


def test_it_knows_three_roles(db: None) -> None:
    with pytest.raises(DeskError) as refused:
        service_accounts.make(name="robot", role="services")
    assert refused.value.code == "service_role_unknown"


def test_it_lets_no_program_log_in_whatever_its_password(client: Client, robot: User) -> None:
    cache.clear()
    robot.set_password(PASSWORD)
    robot.email = "robot@example.org"
    robot.save()
    assert authenticate(username="robot", password=PASSWORD) is None
    for name in ("robot", "robot@example.org"):
        page = client.post("/accounts/login/", {"login": name, "password": PASSWORD})
        assert page.status_code == 200
        assert "not correct" in page.content.decode()
        assert client.get("/").status_code == 302
    assert not client.login(username="robot", password=PASSWORD)


def test_it_lets_no_program_log_in_by_another_way(client: Client, robot: User) -> None:
    """Passkeys and other sites come past this door, too."""
    request = client.get("/accounts/login/").wsgi_request
    request._messages = type("Said", (), {"add": lambda *words: None})()
    answer = DeskAccountAdapter(request).pre_login(
        request, robot, email_verification="none", signal_kwargs=None, email=None, signup=False, redirect_url=None
    )
    assert answer is not None
    assert answer["Location"] == "/accounts/login/"
    assert not Authenticator.objects.exists()


def test_it_owns_pictures_as_people_do(client: Client, robot: User) -> None:
    _, secret = tokens.mint(user=robot, name="program")
    headers = {"Authorization": f"Bearer {secret}"}
    made = client.post("/api/v1/images/", picture(), content_type="image/jpeg", headers=headers)
    assert made.status_code == 201
    assert client.get("/api/v1/me/", headers=headers).json()["username"] == "robot"
    assert robot.images.count() == 1


def test_it_is_made_given_a_token_and_switched_off_on_the_page(operator: Client) -> None:
    page = operator.post("/operations/services/", {"name": "robot", "role": "reviewers"}, follow=True)
    robot = User.objects.get(username="robot")
    assert page.redirect_chain[-1][0] == f"/operations/services/{robot.pk}/tokens/"
    answer = operator.post(
        f"/operations/services/{robot.pk}/tokens/", {"name": "nightly", "days": "30", "scopes": ["images:read"]}
    )
    secret = re.search(r"cdesk_[\w-]{20,}", answer.content.decode())[0]
    assert answer["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {secret}"}
    assert Client().get("/api/v1/me/", headers=headers).status_code == 200
    for state, status in (("no", 401), ("yes", 200)):
        operator.post(f"/operations/services/{robot.pk}/switch/", {"on": state})
        assert Client().get("/api/v1/me/", headers=headers).status_code == status
    token = ApiToken.objects.get()
    page = operator.post(f"/operations/services/{robot.pk}/tokens/{token.pk}/revoke/", follow=True)
    assert "The token “nightly” is revoked." in page.content.decode()
    assert Client().get("/api/v1/me/", headers=headers).status_code == 401
    assert "robot" in operator.get("/operations/services/").content.decode()


def test_it_says_why_a_name_was_refused(operator: Client, robot: User) -> None:
    page = operator.post("/operations/services/", {"name": "robot"}).content.decode()
    assert 'class="field bad"' in page
    assert "There is an account of this name already." in page


def test_it_asks_operators_once_more_before_they_make_anything(robot: User) -> None:
    browser = browser_of(make_person("", "operators"))
    where = f"/operations/services/{robot.pk}/"
    paths = {"/operations/services/": {"name": "x"}, f"{where}tokens/": {"name": "x"}, f"{where}switch/": {"on": "no"}}
    for path, sent in paths.items():
        answer = browser.post(path, sent)
        assert answer["Location"].startswith("/accounts/reauthenticate/"), path
    assert service_accounts.every().count() == 1
    assert not ApiToken.objects.exists()


def test_it_shows_the_page_to_operators_alone(olga: Client, robot: User) -> None:
    confirmed(olga)
    token, _ = tokens.mint(user=robot, name="program")
    where = f"/operations/services/{robot.pk}/"
    for path in ("/operations/services/", f"{where}tokens/"):
        assert olga.get(path).status_code == 404
    for path in ("/operations/services/", f"{where}tokens/", f"{where}tokens/{token.pk}/revoke/", f"{where}switch/"):
        assert olga.post(path, {"name": "x", "on": "no"}).status_code == 404
    robot.refresh_from_db()
    assert robot.is_active
    assert ApiToken.objects.get().revoked_at is None


def test_it_hands_out_nobody_elses_tokens(operator: Client, owner: User, robot: User) -> None:
    """A person's account, or one with more rights than an operator's, is not the page's business."""
    chief = service_accounts.make(name="chief")
    User.objects.filter(pk=chief.pk).update(is_superuser=True)
    for account in (owner, chief):
        assert operator.post(f"/operations/services/{account.pk}/tokens/", {"name": "x"}).status_code == 404
        assert operator.post(f"/operations/services/{account.pk}/switch/", {"on": "no"}).status_code == 404
    assert not ApiToken.objects.exists()

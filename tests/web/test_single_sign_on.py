"""Logging in by another site's word: a real provider in a process of its own, over real HTTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.conf import settings as desk_settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client

from captions import service_accounts
from tests.factories import make_person
from tests.web.oidc_provider import CLIENT_ID, CLIENT_SECRET

START = "/accounts/oidc/oidc/login/"
ADA = {"sub": "77", "preferred_username": "ada", "email": "ada@example.org", "email_verified": True}
Comes = Callable[..., HttpResponse]


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The address of a running provider."""
    command = [sys.executable, "-m", "tests.web.oidc_provider"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=desk_settings.BASE_DIR)
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    process.wait()


@pytest.fixture
def desk(issuer: str, settings: Any, monkeypatch: pytest.MonkeyPatch, db: None) -> Any:
    """A desk whose people may log in by the provider's word; gives its settings."""
    cache.clear()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    settings.OIDC_ISSUER, settings.OIDC_NAME = issuer, "Example Login"
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
    settings.OIDC_SIGNUP = True
    return settings


@pytest.fixture
def comes(client: Client, desk: Any) -> Comes:
    """Let somebody come by the provider: `comes({claims}, fault)` gives the desk's last answer."""

    def come(claims: dict[str, Any], fault: str = "", browser: Client = client, at: str = START) -> HttpResponse:
        control = {"claims": claims, "fault": "" if fault == "other_issuer" else fault}
        with httpx2.Client(trust_env=False) as web:
            web.post(f"{desk.OIDC_ISSUER}/control", json=control)
            there = browser.get(at)
            assert there.status_code == 302, there.content.decode()
            back = web.get(there["Location"])
            web.post(f"{desk.OIDC_ISSUER}/control", json={"fault": fault})
        parts = urlsplit(back.headers["Location"])
        return browser.get(f"{parts.path}?{parts.query}")

    return come


def test_it_offers_it_only_where_it_is_set_up(client: Client, desk: Any) -> None:
    assert "Log in with Example Login" in client.get("/accounts/login/").content.decode()
    desk.OIDC_ISSUER = ""
    assert "Log in with Example" not in client.get("/accounts/login/").content.decode()
    assert client.get(START).status_code == 404
    assert client.get(f"{START}callback/").status_code == 404


def test_it_takes_no_provider_from_the_database(client: Client, desk: Any) -> None:
    SocialApp.objects.create(provider="openid_connect", provider_id="evil", name="Evil", client_id="x")
    assert client.get("/accounts/oidc/evil/login/").status_code == 404
    desk.OIDC_ISSUER = ""
    assert client.get("/accounts/oidc/evil/login/").status_code == 404


def test_it_makes_an_account_and_knows_it_again(comes: Comes, client: Client) -> None:
    answer = comes(ADA, at=f"{START}?next=/trash/")
    assert answer["Location"] == "/trash/"
    ada = User.objects.get()
    assert (ada.username, ada.email) == ("ada", "ada@example.org")
    assert not ada.has_usable_password()
    assert not EmailAddress.objects.get().verified  # the provider is not trusted that far
    assert client.get("/account/").status_code == 200
    again = Client()
    comes({**ADA, "email": "new@example.org", "preferred_username": "ada2"}, browser=again)
    assert again.get("/account/").status_code == 200
    assert User.objects.count() == 1


def test_it_sends_pkce_and_comes_back_to_this_site_only(client: Client, desk: Any) -> None:
    for extra in ("?next=https://evil.example.org/", "?auth_params=redirect_uri%3Dhttps://evil.example.org/&scope=x"):
        asked = parse_qs(urlsplit(client.get(f"{START}{extra}")["Location"]).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["redirect_uri"] == [f"http://testserver{START}callback/"]
        assert sorted(asked["scope"][0].split()) == ["email", "openid", "profile"]


def test_it_does_not_follow_an_address_elsewhere(comes: Comes) -> None:
    assert comes(ADA, at=f"{START}?next=https://evil.example.org/")["Location"] == "/"


def test_it_makes_no_account_where_the_operator_did_not_allow_it(comes: Comes, desk: Any, client: Client) -> None:
    desk.OIDC_SIGNUP = False
    assert "Accounts are made by the operator" in comes(ADA).content.decode()
    assert not User.objects.exists()
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    "fault",
    [
        "foreign_key", "no_key", "unsigned", "shared_secret", "expired", "other_audience", "wrong_issuer", "other_sub",
        "no_id_token", "other_issuer",
    ],
)  # fmt: skip
def test_it_believes_no_word_that_is_not_the_providers(comes: Comes, client: Client, fault: str) -> None:
    answer = comes(ADA, fault)
    assert answer.status_code == 401
    assert "This login did not work" in answer.content.decode()
    assert client.get("/").status_code == 302
    assert not User.objects.exists()


def test_it_bears_a_provider_whose_clock_is_ahead(comes: Comes) -> None:
    assert comes(ADA, "clock_ahead")["Location"] == "/"


def test_it_believes_nobody_who_did_not_begin_here(comes: Comes, client: Client, desk: Any) -> None:
    """An answer that was meant for another browser, or that comes a second time, opens nothing."""
    with httpx2.Client(trust_env=False) as web:
        back = urlsplit(web.get(Client().get(START)["Location"]).headers["Location"])
    for query in (back.query, "code=x&state=y", "code=x", "state=y", ""):
        answer = client.get(f"{START}callback/?{query}")
        assert answer.status_code == 401, query
        assert client.get("/").status_code == 302


def test_it_says_that_somebody_turned_back(comes: Comes, client: Client) -> None:
    assert comes(ADA, "turned_back")["Location"] == "/accounts/oidc/cancelled/"
    assert "You turned back" in client.get("/accounts/oidc/cancelled/").content.decode()


def test_it_says_that_the_provider_does_not_answer(client: Client, desk: Any) -> None:
    desk.OIDC_ISSUER = "http://127.0.0.1:9"
    answer = client.get(START)
    assert answer.status_code == 401
    assert "This login did not work" in answer.content.decode()


# --- Accounts that were here before -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusts", "is_verified_there", "is_verified_here"),
    [
        (False, True, True), (True, False, True), (True, "false", True), (True, None, True), (True, True, False),
        (True, True, None),
    ],
)  # fmt: skip
def test_it_joins_nobody_to_an_account_that_was_here_before(
    comes: Comes, desk: Any, trusts: bool, is_verified_there: object, is_verified_here: bool | None
) -> None:
    here = make_person("adas-account")
    User.objects.filter(pk=here.pk).update(email="ada@example.org")
    if is_verified_here is not None:
        EmailAddress.objects.create(user=here, email="ada@example.org", verified=is_verified_here, primary=True)
    desk.OIDC_TRUST_EMAIL = trusts
    comes({**ADA, "email_verified": is_verified_there})
    newcomer = User.objects.exclude(pk=here.pk).get()
    assert SocialAccount.objects.get().user == newcomer
    assert newcomer.email == ""
    assert not EmailAddress.objects.filter(user=newcomer).exists()
    here.refresh_from_db()
    assert here.has_usable_password()


def test_it_joins_whom_both_sides_have_made_sure_of(comes: Comes, desk: Any, client: Client) -> None:
    here = make_person("adas-account")
    EmailAddress.objects.create(user=here, email="ada@example.org", verified=True, primary=True)
    desk.OIDC_TRUST_EMAIL = True
    comes(ADA)
    assert User.objects.get() == here
    assert User.objects.get().has_usable_password()
    desk.OIDC_TRUST_EMAIL = False  # known by the number over there from now on
    comes({**ADA, "email": "new@example.org"}, browser=Client())
    assert User.objects.count() == 1


def test_it_still_asks_for_the_second_factor(comes: Comes, client: Client) -> None:
    comes(ADA)
    TOTP.activate(User.objects.get(), "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    other = Client()
    assert comes(ADA, browser=other)["Location"] == "/accounts/2fa/authenticate/"
    assert other.get("/").status_code == 302


@pytest.mark.parametrize("change", ["service", "inactive"])
def test_it_lets_in_no_program_and_nobody_who_is_switched_off(comes: Comes, change: str) -> None:
    comes(ADA)
    ada = User.objects.get()
    if change == "service":
        robot = service_accounts.make(name="robot")
        SocialAccount.objects.update(user=robot)
    else:
        User.objects.filter(pk=ada.pk).update(is_active=False)
    other = Client()
    comes(ADA, browser=other)
    assert other.get("/").status_code == 302


# --- Groups -----------------------------------------------------------------------------------------------------------


def test_it_takes_groups_from_the_provider_at_every_login(comes: Comes, desk: Any) -> None:
    desk.OIDC_GROUPS_CLAIM, desk.OIDC_OPERATORS = "roles", ["desk-admins", "root"]

    def groups(**claims: object) -> list[str]:
        comes({**ADA, **claims}, browser=Client())
        return sorted(User.objects.get().groups.values_list("name", flat=True))

    assert groups(roles=["reviewers", "other"]) == ["reviewers"]
    assert groups(roles=["root"]) == ["operators"]
    assert groups(roles="desk-admins") == ["operators"]
    assert groups(roles=["operators", "services"]) == []
    assert groups(roles=["reviewers", "root"]) == ["operators", "reviewers"]
    assert groups() == []
    assert not User.objects.get().is_superuser


def test_it_leaves_groups_alone_where_no_claim_is_named(comes: Comes, desk: Any) -> None:
    desk.OIDC_GROUPS_CLAIM = ""
    comes({**ADA, "groups": ["operators"]})
    assert not User.objects.get().groups.exists()

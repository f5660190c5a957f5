"""Second factors: setting them up, logging in with them, and that nothing goes around them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from allauth.usersessions.models import UserSession
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory

from captions import second_factor, tokens
from captions.models import ApiToken
from captions.web import factors
from captions.web.passkeys import may_use_passkeys
from tests.factories import browser_of, confirmed, make_person
from tests.web.conftest import HTMX

PASSWORD = "correct-horse-battery"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code(secret: str = SECRET, *, steps: int = 0) -> str:
    """Give what an authenticator app shows, so many steps of 30 seconds from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


@pytest.fixture(autouse=True)
def _nothing_counted(db: None) -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def guarded(owner: User) -> User:
    """The owner, with an authenticator app."""
    with_app(owner)
    return owner


def with_app(person: User) -> None:
    TOTP.activate(person, SECRET)


def log_in(browser: Client, person: User, **next: str) -> HttpResponse:
    return browser.post("/accounts/login/", {"login": person.username, "password": PASSWORD, **next})


def set_up_app(browser: Client) -> tuple[str, HttpResponse]:
    page = browser.get("/accounts/2fa/totp/activate/").content.decode()
    secret = re.search(r'id="authenticator-secret">(\w+)<', page)[1]
    return secret, browser.post("/accounts/2fa/totp/activate/", {"code": code(secret)})


# --- Setting up -------------------------------------------------------------------------------------------------------


def test_it_sets_up_an_app_and_shows_recovery_codes_once(olga: Client, owner: User) -> None:
    secret, answer = set_up_app(confirmed(olga))
    assert answer["Location"] == "/accounts/2fa/recovery-codes/"
    page = olga.get("/accounts/2fa/recovery-codes/")
    codes = re.findall(r"<li><code>(\d{8})</code>", page.content.decode())
    assert len(codes) == 10
    assert "no-store" in page["Cache-Control"]
    again = olga.get("/accounts/2fa/recovery-codes/").content.decode()
    assert not any(one in again for one in codes)
    assert olga.get("/accounts/2fa/recovery-codes/download/").status_code in (403, 404)
    assert second_factor.has_one(owner)
    assert "Recovery codes left" in olga.get("/account/").content.decode()
    kept = repr(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in kept


@pytest.mark.parametrize(
    "path",
    [
        "totp/activate/", "webauthn/add/", "recovery-codes/generate/", "totp/deactivate/", "recovery-codes/",
        "webauthn/keys/{key}/remove/", "webauthn/keys/{key}/edit/",
    ],
)  # fmt: skip
def test_it_asks_once_more_before_a_factor_changes(olga: Client, owner: User, path: str) -> None:
    key = Authenticator.objects.create(user=owner, type="webauthn", data={"name": "Laptop", "credential": {}})
    if path != "totp/activate/":
        with_app(owner)
    for answer in (olga.get(f"/accounts/2fa/{path.format(key=key.pk)}"), olga.post(f"/accounts/2fa/{path}")):
        if path == "recovery-codes/" and answer.status_code in (404, 405):
            continue
        assert answer.status_code in (302, 404), path
        assert answer.status_code == 404 or answer["Location"].startswith("/accounts/reauthenticate/"), path


def test_it_asks_once_more_before_a_token_is_made_and_then_makes_it(olga: Client, owner: User) -> None:
    answer = olga.post("/account/tokens/", {"name": "backup", "days": "30", "scopes": ["images:read"]})
    assert answer["Location"] == "/accounts/reauthenticate/?next=%2Faccount%2Ftokens%2F"
    assert not ApiToken.objects.exists()
    wrong = olga.post(answer["Location"], {"password": "wrong-wrong", "next": "/account/tokens/"})
    assert wrong.status_code == 200
    assert not ApiToken.objects.exists()
    page = olga.post(answer["Location"], {"password": PASSWORD, "next": "/account/tokens/"})
    assert re.search(r"cdesk_[\w-]{20,}", page.content.decode())
    assert ApiToken.objects.get().user == owner


def test_it_does_not_ask_again_right_after_logging_in(client: Client, owner: User, settings: object) -> None:
    log_in(client, owner)
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0  # type: ignore[attr-defined]  # pytest-django's wrapper
    assert client.get("/accounts/2fa/totp/activate/").status_code == 302


def test_it_removes_an_app_and_its_recovery_codes(olga: Client, owner: User) -> None:
    set_up_app(confirmed(olga))
    assert "Remove the app" in olga.get("/accounts/2fa/").content.decode()
    page = olga.post("/accounts/2fa/totp/deactivate/", follow=True).content.decode()
    assert "The authenticator app is removed." in page
    assert not Authenticator.objects.exists()


def test_it_makes_new_recovery_codes_that_end_the_old_ones(olga: Client, owner: User) -> None:
    set_up_app(confirmed(olga))
    read = lambda answer: re.findall(r"<li><code>(\d{8})</code>", answer.content.decode())  # noqa: E731  # one use
    old = read(olga.get("/accounts/2fa/recovery-codes/"))
    assert "end at once" in olga.get("/accounts/2fa/recovery-codes/generate/").content.decode()
    new = read(olga.post("/accounts/2fa/recovery-codes/generate/", follow=True))
    assert len(new) == 10
    assert not set(old) & set(new)


@pytest.mark.parametrize(
    "path", ["", "totp/activate/", "webauthn/", "webauthn/add/", "recovery-codes/", "recovery-codes/generate/"]
)
def test_it_shows_the_pages_of_factors_in_the_house_style(olga: Client, owner: User, path: str) -> None:
    confirmed(olga)
    if path.startswith("recovery"):
        set_up_app(olga)
    page = olga.get(f"/accounts/2fa/{path}").content.decode()
    assert 'class="bar"' in page
    assert page.count("<h1") == 1


# --- Logging in -------------------------------------------------------------------------------------------------------


def test_it_lets_nobody_in_by_the_password_alone(client: Client, guarded: User) -> None:
    guarded.is_staff = guarded.is_superuser = True
    guarded.save()
    answer = log_in(client, guarded, next="/admin/")
    assert answer["Location"] == "/accounts/2fa/authenticate/"
    for path in ("/", "/account/", "/account/tokens/", "/accounts/2fa/", "/accounts/2fa/totp/deactivate/", "/admin/"):
        there = client.get(path)
        assert there.status_code == 302, path
        assert "login" in there["Location"], path
    assert client.get("/api/v1/me/").status_code == 401
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert second_factor.has_one(guarded)


def test_it_lets_nobody_into_the_admin_by_its_own_login(client: Client, guarded: User) -> None:
    guarded.is_staff = guarded.is_superuser = True
    guarded.save()
    answer = client.post("/admin/login/?next=/admin/", {"username": "olga", "password": PASSWORD})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    assert client.get("/admin/").status_code == 302


def test_it_logs_in_with_the_code(client: Client, guarded: User) -> None:
    log_in(client, guarded, next="/trash/")
    answer = client.post("/accounts/2fa/authenticate/", {"code": code()})
    assert answer["Location"] == "/trash/"
    assert client.get("/trash/").status_code == 200
    assert client.get("/api/v1/me/").json()["username"] == "olga"


@pytest.mark.parametrize(("steps", "is_right"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_it_bears_a_clock_that_is_one_step_off(client: Client, guarded: User, steps: int, is_right: bool) -> None:
    if steps in (-2, 2) and time.time() % 30 > 25:  # the step must not change between making a code and checking it
        time.sleep(6)
    log_in(client, guarded)
    answer = client.post("/accounts/2fa/authenticate/", {"code": code(steps=steps)})
    assert (answer.status_code == 302) is is_right


def test_it_takes_a_code_once(client: Client, guarded: User) -> None:
    used = code(steps=1)  # right for the longest: two steps and a half
    log_in(client, guarded)
    assert client.post("/accounts/2fa/authenticate/", {"code": used}).status_code == 302
    # The library's own note of it ends after one step.
    cache.delete(f"allauth.mfa.totp.used?user={guarded.pk}&code={used}")
    for written in (used, f"{used[:3]} {used[3:]}"):
        thief = Client()
        log_in(thief, guarded)
        page = thief.post("/accounts/2fa/authenticate/", {"code": written})
        assert "Incorrect code" in page.content.decode()
        assert thief.get("/").status_code == 302


def test_it_does_not_log_in_with_the_code_that_set_the_app_up(olga: Client, owner: User) -> None:
    secret, _ = set_up_app(confirmed(olga))
    thief = Client()
    log_in(thief, owner)
    page = thief.post("/accounts/2fa/authenticate/", {"code": code(secret)})
    assert "Incorrect code" in page.content.decode()


def test_it_logs_in_with_each_recovery_code_once(olga: Client, owner: User) -> None:
    set_up_app(confirmed(olga))
    kept = re.findall(r"<li><code>(\d{8})</code>", olga.get("/accounts/2fa/recovery-codes/").content.decode())[0]
    for is_first in (True, False):
        browser = Client()
        log_in(browser, owner)
        answer = browser.post("/accounts/2fa/authenticate/", {"code": kept})
        assert (answer.status_code == 302) is is_first
        assert (browser.get("/").status_code == 200) is is_first


def test_it_limits_guessing_of_codes_whoever_begins_anew(guarded: User) -> None:
    for number in range(6):
        browser = Client(REMOTE_ADDR=f"192.0.2.{number}")
        log_in(browser, guarded)
        page = browser.post("/accounts/2fa/authenticate/", {"code": "000000"}).content.decode()
    assert "Too many failed login attempts" in page
    page = browser.post("/accounts/2fa/authenticate/", {"code": code()}).content.decode()
    assert "Too many failed login attempts" in page
    assert browser.get("/").status_code == 302


def test_it_opens_nothing_with_a_secret_that_it_cannot_read(client: Client, guarded: User, settings: object) -> None:
    settings.SECRET_KEY = "another-" + "k3y" * 20  # type: ignore[attr-defined]  # pytest-django's wrapper
    log_in(client, guarded)
    for guess in (code(), code("")):
        assert client.post("/accounts/2fa/authenticate/", {"code": guess}).status_code == 200
    settings.SECRET_KEY_FALLBACKS = ["old-" + "k3y" * 20]  # type: ignore[attr-defined]  # as above
    assert get_adapter().decrypt("never locked") != ""


def test_it_reads_secrets_of_the_key_before(guarded: User, settings: object) -> None:
    kept = get_adapter().encrypt(SECRET)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]  # type: ignore[attr-defined]  # pytest-django's wrapper
    settings.SECRET_KEY = "another-" + "k3y" * 20  # type: ignore[attr-defined]  # as above
    assert get_adapter().decrypt(kept) == SECRET


def test_it_lets_somebody_in_again_who_lost_everything(client: Client, guarded: User) -> None:
    call_command("forget_second_factor", "olga")
    assert log_in(client, guarded)["Location"] == "/"
    with pytest.raises(CommandError, match="no account called"):
        call_command("forget_second_factor", "nobody")


def test_it_takes_no_passkey_that_it_did_not_ask_for(client: Client, guarded: User) -> None:
    for credential in ("", "{}", "[]", "null", '{"id": "x", "rawId": "x", "type": "public-key", "response": {}}'):
        answer = client.post("/accounts/2fa/webauthn/login/", {"credential": credential})
        assert answer.status_code == 302, credential
        assert answer["Location"] == "/accounts/login/"
        assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    ("url", "host", "is_secure", "possible"),
    [
        ("", "127.0.0.1:8000", False, False), ("", "localhost:8000", False, True), ("", "[::1]:8000", False, False),
        ("", "desk.example.org", False, False), ("", "desk.example.org", True, True),
        ("https://desk.example.org", "127.0.0.1", False, True), ("http://desk.example.org", "localhost", False, False),
    ],
)  # fmt: skip
def test_it_offers_passkeys_where_browsers_make_them(
    settings: object, url: str, host: str, is_secure: bool, possible: bool
) -> None:
    settings.ALLOWED_HOSTS = ["*"]  # type: ignore[attr-defined]  # pytest-django's wrapper takes any name
    settings.PUBLIC_URL = url  # type: ignore[attr-defined]  # as above
    settings.IS_HTTPS = url.startswith("https")  # type: ignore[attr-defined]  # as above
    assert may_use_passkeys(RequestFactory().get("/", headers={"Host": host}, secure=is_secure)) is possible


# --- Who must have one ------------------------------------------------------------------------------------------------


@pytest.fixture
def required(settings: object) -> None:
    """A desk on which everybody must have a second factor."""
    settings.REQUIRE_SECOND_FACTOR = "everybody"  # type: ignore[attr-defined]  # pytest-django's wrapper


#: A page of the administration whose name begins as the library's own pages do: it takes factors away.
ADMIN = "/admin/mfa/authenticator/"


def test_it_leads_to_the_first_factor_before_anything_else(required: None, owner: User) -> None:
    owner.is_staff = owner.is_superuser = True
    owner.save()
    browser = browser_of(owner)
    for path in ("/", "/account/", "/account/tokens/", "/admin/", "/review/", "/accounts/email/", "/events/", ADMIN):
        answer = browser.get(path)
        assert answer.status_code == 302, path
        assert answer["Location"] == "/accounts/2fa/", path
    assert browser.get("/", headers=HTMX)["HX-Redirect"] == "/accounts/2fa/"
    refused = browser.get("/api/v1/me/")
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["code"] == "second_factor_missing"
    assert "This desk asks you for a second factor" in browser.get("/accounts/2fa/").content.decode()
    set_up_app(confirmed(browser))
    assert browser.get("/account/").status_code == 200
    assert browser.get("/api/v1/me/").status_code == 200


def test_it_lets_go_who_does_not_want_to(required: None, olga: Client) -> None:
    assert olga.post("/accounts/logout/")["Location"] == "/"
    assert olga.get("/accounts/login/").status_code == 200


def test_it_leaves_programs_alone(required: None, owner: User, olga: Client) -> None:
    _, secret = tokens.mint(user=owner, name="program")
    for browser in (Client(), olga):
        answer = browser.get("/api/v1/me/", headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 200
    assert olga.get("/account/", headers={"Authorization": f"Bearer {secret}"}).status_code == 302
    assert olga.get("/api/v1/me/", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_it_can_ask_operators_alone(settings: object, olga: Client) -> None:
    settings.REQUIRE_SECOND_FACTOR = "operators"  # type: ignore[attr-defined]  # pytest-django's wrapper
    assert olga.get("/account/").status_code == 200
    operator = browser_of(make_person("", "operators"))
    assert operator.get("/account/")["Location"] == "/accounts/2fa/"


def test_it_costs_nothing_where_nobody_must(olga: Client) -> None:
    with pytest.raises(factors.MiddlewareNotUsed):
        factors.SecondFactorFirst(lambda request: HttpResponse())


# --- Where somebody is logged in --------------------------------------------------------------------------------------


def test_it_lists_browsers_and_logs_one_out(owner: User, stranger: User) -> None:
    here, there = Client(headers={"User-Agent": "Here"}), Client(headers={"User-Agent": "There"})
    for browser in (here, there):
        log_in(browser, owner)
    page = here.get("/accounts/sessions/").content.decode()
    assert "Here" in page
    assert "There" in page
    assert page.count("<h1") == 1
    other = UserSession.objects.get(user_agent="There")
    assert browser_of(stranger).post(f"/account/sessions/{other.pk}/end/").status_code == 404
    assert there.get("/account/").status_code == 200
    assert (
        "That browser is logged out." in here.post(f"/account/sessions/{other.pk}/end/", follow=True).content.decode()
    )
    assert there.get("/account/").status_code == 302
    assert here.get("/account/").status_code == 200


def test_it_logs_out_everywhere_else(owner: User) -> None:
    here, there = Client(), Client()
    for browser in (here, there):
        log_in(browser, owner)
    assert "Your other browsers are logged out." in here.post("/accounts/sessions/", follow=True).content.decode()
    assert there.get("/account/").status_code == 302
    assert here.get("/account/").status_code == 200


def test_it_says_in_words_that_somebody_asks_too_often(db: None) -> None:
    browser = Client(REMOTE_ADDR="192.0.2.77")
    answers = [browser.post("/accounts/2fa/webauthn/login/", {"credential": "{}"}) for _ in range(11)]
    assert answers[-1].status_code == 429
    assert "too_many_requests" in answers[-1].content.decode()


@pytest.mark.django_db(transaction=True)
def test_it_leads_in_the_web_servers_own_way_too(settings: object) -> None:
    """The server runs every middleware as a coroutine, and so does this client."""
    settings.REQUIRE_SECOND_FACTOR = "everybody"  # type: ignore[attr-defined]  # pytest-django's wrapper
    browser = AsyncClient()
    browser.force_login(make_person("anna"))
    for path in ("/account/", "/events/"):
        assert async_to_sync(browser.get)(path)["Location"] == "/accounts/2fa/"
    assert async_to_sync(browser.get)("/accounts/2fa/").status_code == 200

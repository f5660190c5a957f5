"""Logging in with more than a password, in a real browser: an app's codes, passkeys, and the pages around them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, MakeWindow, Person, Window
from tests.browser.test_pages import violations
from tests.harness import Desk


@pytest.fixture(scope="module")
def running(own_desk: Desk) -> Desk:
    """A desk of this file's own: its operators and service accounts are seen by all."""
    return own_desk


def code(secret: str, *, steps: int = 0) -> str:
    """Give what an authenticator app shows, so many steps of 30 seconds from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def give_password(page: Page, person: Person) -> None:
    page.get_by_label("User name or e-mail address").fill(person.name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


def set_up_app(opened: Window) -> str:
    """Set up an authenticator app as people do; give its secret. Ends on the page of recovery codes."""
    page = opened.go("/account/")
    page.get_by_role("link", name=re.compile("Set up a second factor|Second factors")).click()
    page.get_by_role("link", name="Set up an app").click()
    page.get_by_text("It cannot scan").click()
    secret = page.locator("#authenticator-secret").inner_text()
    page.get_by_label("Code").fill(code(secret))
    page.get_by_role("button", name="Use this app").click()
    expect(page.get_by_role("heading", name="Your codes")).to_be_visible()
    return secret


def at_home(opened: Window) -> Window:
    """Go by the name of this machine: browsers make no passkeys for a bare address."""
    opened.url = opened.url.replace("127.0.0.1", "localhost")
    return opened


def with_keys(page: Page) -> None:
    """Give the browser a device that makes passkeys, and a finger that is always there."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def add_passkey(opened: Window, name: str) -> None:
    page = opened.go("/accounts/2fa/webauthn/add/")
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("button", name="Add the passkey").click()


def test_it_logs_in_with_the_code_of_an_app(window: MakeWindow, person: Person) -> None:
    opened = window()
    opened.log_in(person)
    secret = set_up_app(opened)
    kept = opened.page.locator("#recovery-codes code").first.inner_text()
    opened.page.get_by_role("link", name="I have them").click()
    expect(opened.page.get_by_text("10 codes are left")).to_be_visible()
    assert opened.page.locator("body").inner_text().count(kept) == 0
    for answer in (code(secret, steps=1), kept):
        other = window()
        page = other.go("/trash/")
        give_password(page, person)
        expect(page.get_by_role("heading", name="One more step")).to_be_visible()
        other.go("/account/")
        expect(page.get_by_role("heading", name="One more step")).to_be_visible()
        page.get_by_label("Code").fill("000000")
        page.get_by_role("button", name="Log in", exact=True).click()
        expect(page.get_by_text("Incorrect code")).to_be_visible()
        page.get_by_label("Code").fill(answer)
        page.get_by_role("button", name="Log in", exact=True).click()
        page.wait_for_url(f"{other.url}/trash/")
    opened.go("/accounts/sessions/")
    expect(opened.page.get_by_role("row")).to_have_count(4)
    opened.page.get_by_role("button", name="Log out everywhere else").click()
    expect(opened.page.get_by_text("You are logged in nowhere else.")).to_be_visible()
    expect(other.go("/account/").get_by_role("heading", name="Log in")).to_be_visible()


def test_it_logs_in_with_a_passkey_alone(window: MakeWindow, person: Person) -> None:
    opened = at_home(window())
    page = opened.log_in(person)
    with_keys(page)
    add_passkey(opened, "This laptop")
    expect(page.get_by_role("heading", name="Your codes")).to_be_visible()
    expect(opened.go("/accounts/2fa/webauthn/").get_by_role("cell", name="This laptop", exact=True)).to_be_visible()
    page.goto(f"{opened.url}/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Log out").click()
    opened.go("/trash/")
    page.get_by_role("button", name="Log in with a passkey").click()
    page.wait_for_url(f"{opened.url}/trash/")
    page.goto(f"{opened.url}/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Log out").click()
    opened.go("/accounts/login/")
    give_password(page, person)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{opened.url}/")


def test_it_confirms_with_a_passkey_and_takes_it_away(window: MakeWindow, person: Person) -> None:
    opened = at_home(window())
    page = opened.log_in(person)
    with_keys(page)
    add_passkey(opened, "Old phone")
    expect(page.get_by_role("heading", name="Your codes")).to_be_visible()
    opened.go("/accounts/2fa/webauthn/reauthenticate/?next=/accounts/2fa/webauthn/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/accounts/2fa/webauthn/")
    page.get_by_role("link", name="Rename Old phone").click()
    page.get_by_role("textbox", name="Name").fill("New phone")
    page.get_by_role("button", name="Save the name").click()
    page.get_by_role("link", name="Remove New phone").click()
    page.get_by_role("button", name="Remove the passkey").click()
    expect(page.get_by_text("You have none yet.")).to_be_visible()


def test_it_says_in_the_page_that_no_passkey_came(window: MakeWindow, person: Person) -> None:
    opened = at_home(window())
    opened.log_in(person)
    page = opened.go("/accounts/2fa/webauthn/add/")
    # No device is there, and nobody waits for one: as when somebody closes the browser's window.
    refuse = "Promise.reject(new DOMException('no', 'NotAllowedError'))"
    page.evaluate(f"() => {{ navigator.credentials.create = () => {refuse}; }}")
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.get_by_text("No passkey was made.")).to_be_visible()


def test_it_says_where_passkeys_cannot_be_made(window: MakeWindow, person: Person) -> None:
    opened = window()
    opened.log_in(person)
    expect(opened.go("/accounts/2fa/").get_by_text("opened by another address")).to_be_visible()
    expect(opened.go("/accounts/2fa/webauthn/add/").get_by_text("opened by another address")).to_be_visible()
    expect(window().go("/accounts/login/").get_by_role("button", name="Log in with a passkey")).to_have_count(0)


_OPERATOR = """
from django.contrib.auth.models import Group, User
from captions import service_accounts, tokens
User.objects.get(username="{name}").groups.add(Group.objects.get(name="operators"))
for name in ("nightly-import", "judge"):
    tokens.mint(user=service_accounts.make(name=name, role="reviewers" if name == "judge" else ""), name="first")
print("account", User.objects.get(username="judge").pk)
"""


@pytest.fixture(scope="module")
def operator(running: Desk, people: Iterator[Person]) -> tuple[Person, str]:
    """An operator of a desk with service accounts; and the number of one of these."""
    person = next(people)
    output = running.run("shell", "-v0", "-c", _OPERATOR.format(name=person.name)).stdout
    return person, output.split("account ")[1].strip()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_has_no_barrier_on_any_page_of_accounts(
    window: MakeWindow, person: Person, operator: tuple[Person, str], theme: str, width: int
) -> None:
    look = {"viewport": {"width": width, "height": 900}, "color_scheme": theme, "reduced_motion": "reduce"}
    found: dict[str, list[str]] = {}

    def check(name: str, page: Page) -> None:
        found[name] = violations(page)
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{name} is {too_wide} px wider than {width} px"

    opened = at_home(window(**look))
    check("login", opened.go("/accounts/login/"))
    page = opened.log_in(person)
    with_keys(page)
    for path in ("", "totp/activate/", "webauthn/", "webauthn/add/"):
        check(path, opened.go(f"/accounts/2fa/{path}"))
    secret = set_up_app(opened)
    check("recovery codes", page)
    add_passkey(opened, "This laptop")
    page.wait_for_url("**/accounts/2fa/")
    opened.go("/accounts/2fa/webauthn/").get_by_role("link", name="Rename").click()
    check("rename", page)
    opened.go("/accounts/2fa/webauthn/").get_by_role("link", name="Remove").click()
    check("remove", page)
    paths = ("", "totp/deactivate/", "webauthn/", "recovery-codes/", "recovery-codes/generate/")
    for path in (*paths, "reauthenticate/", "webauthn/reauthenticate/"):
        check(f"with factors: {path}", opened.go(f"/accounts/2fa/{path}"))
    for path in ("/accounts/sessions/", "/account/"):
        check(path, opened.go(path))
    other = at_home(window(**look))
    give_password(other.go("/accounts/login/"), person)
    expect(other.page.get_by_role("button", name="Use a passkey")).to_be_visible()
    check("one more step", other.page)
    other.page.get_by_label("Code").fill("000000")
    other.page.get_by_role("button", name="Log in", exact=True).click()
    check("a wrong code", other.page)
    assert secret not in other.page.content()
    operators = window(**look)
    operators.log_in(operator[0])
    for path in ("/operations/services/", f"/operations/services/{operator[1]}/tokens/", "/operations/"):
        check(path, operators.go(path))
    assert {path: what for path, what in found.items() if what} == {}

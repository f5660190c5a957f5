"""What holds on every page: safety headers, no inline code, failures in words, who may come in."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from django.conf import settings as desk_settings
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver

from captions.errors import FAILURES
from captions.models import Account, ApiToken
from captions.web import failures
from tests.factories import confirmed
from tests.web import builders
from tests.web.conftest import HTMX

PASSWORD = "correct-horse-battery"
TEMPLATES = sorted(Path(desk_settings.BASE_DIR, "templates").rglob("*.html"))
STATIC = Path(desk_settings.BASE_DIR, "captions", "static", "captions")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(desk_settings.BASE_DIR)))
def test_it_carries_no_inline_script_or_style(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\sstyle\s*=", text)
    assert "<style" not in text
    assert not re.search(r"\son[a-z]+\s*=", text)
    assert "javascript:" not in text
    assert "hx-on" not in text
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text)
    assert not re.search(r"\|\s*safe\b(?! *}}</div>{% endif %})", text) or path.name == "field.html"


def test_it_loads_nothing_from_elsewhere() -> None:
    for path in [*STATIC.glob("*.css"), *STATIC.glob("*.js"), *STATIC.glob("*.svg")]:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), path.name


def addresses(patterns: list[URLPattern | URLResolver], before: str = "") -> list[str]:
    """Give every address of the pages, with a stand-in for what varies."""
    found = []
    for pattern in patterns:
        path = before + re.sub(r"<uuid:\w+>", "01a20acf-ba3a-7125-8b50-fe2ceff9e183", str(pattern.pattern))
        path = re.sub(r"<int:\w+>", "1", path)
        found += addresses(pattern.url_patterns, path) if isinstance(pattern, URLResolver) else [path]
    return found


def test_it_sends_the_safety_headers_on_every_address(olga: Client) -> None:
    pages = [path for path in addresses(get_resolver().url_patterns) if not path.startswith(("admin/", "api/", "^"))]
    pages = [path for path in pages if "(?P" not in path and path != "events/"]
    assert len(pages) > 35
    for path in [*pages, "nowhere/"]:
        answer = olga.get(f"/{path}")
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert answer["X-Content-Type-Options"] == "nosniff", path
        assert answer["X-Frame-Options"] == "DENY", path
        assert answer["Referrer-Policy"] == (
            "no-referrer" if path.startswith(("shared/", "labelled/")) else "same-origin"
        ), path


def test_it_lets_nobody_in_without_logging_in(client: Client, db: None) -> None:
    open_to_all = (
        "accounts/",
        "admin/",
        "api/",
        "healthz",
        "readyz",
        "preferences/",
        "^",
        "events/",
        "shared/",
        "labelled/",
    )
    pages = [path for path in addresses(get_resolver().url_patterns) if not path.startswith(open_to_all)]
    assert len(pages) > 20
    for path in pages:
        for answer in (client.get(f"/{path}"), client.post(f"/{path}")):
            assert answer.status_code == 302, path
            assert answer["Location"].startswith("/accounts/login/"), path


def test_it_shows_a_missing_page_in_words_with_the_requests_number(olga: Client) -> None:
    answer = olga.get("/nowhere/")
    page = answer.content.decode()
    assert answer.status_code == 404
    assert FAILURES["not_found"].words in page
    assert re.search(r"request <code>[0-9a-f-]{36}</code>", page)


def test_it_shows_an_unknown_failure_without_the_inside(
    olga: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr("captions.web.gallery.page_of", breaks)
    olga.raise_request_exception = False
    answer = olga.get("/")
    assert answer.status_code == 500
    assert FAILURES["unknown"].words in unescape(answer.content.decode())
    assert "inside" not in answer.content.decode()
    fragment = olga.get("/", headers=HTMX)
    assert fragment.status_code == 500
    assert 'id="trouble"' in fragment.content.decode()
    assert "<html" not in fragment.content.decode()


def test_it_asks_the_database_nothing_for_a_page_of_failure(olga: Client, owner: User) -> None:
    # Such pages are made in a thread whose database connection would never be given back.
    request = RequestFactory().get("/")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        for view in (failures.bad_request, failures.forbidden, failures.not_found, failures.csrf_failure):
            assert view(request).status_code in (400, 403, 404)
        assert failures.broken(request).status_code == 500
    assert len(asked) == 0


def test_it_sends_a_fragment_of_a_logged_out_page_to_the_login(client: Client, db: None) -> None:
    answer = client.get("/cards/", headers=HTMX)
    assert answer["HX-Redirect"] == "/accounts/login/"


def test_it_logs_in_and_out(client: Client, owner: User) -> None:
    page = client.post("/accounts/login/", {"login": "olga", "password": PASSWORD}, follow=True).content.decode()
    assert "Account of" in page
    page = client.post("/accounts/logout/", follow=True).content.decode()
    assert "Log in" in page


def test_it_says_the_same_for_a_wrong_name_and_a_wrong_password(client: Client, owner: User) -> None:
    pages = []
    for name in ("olga", "nobody"):
        page = client.post("/accounts/login/", {"login": name, "password": "wrong-wrong"}).content.decode()
        pages.append(re.sub(r'value="[^"]*"', "", page))
    assert pages[0] == pages[1]


def test_it_asks_for_another_first_password_until_it_is_changed(olga: Client, owner: User) -> None:
    Account.objects.update_or_create(user=owner, defaults={"has_first_password": True})
    assert "Choose your own password" in olga.get("/").content.decode()
    new = {"oldpassword": PASSWORD, "password1": "quite-another-one", "password2": "quite-another-one"}
    olga.post("/accounts/password/change/", new)
    assert "Choose your own password" not in olga.get("/").content.decode()
    assert not Account.objects.get(user=owner).has_first_password


def test_it_resets_a_password_by_mail(client: Client, owner: User) -> None:
    Account.objects.update_or_create(user=owner, defaults={"has_first_password": True})
    page = client.post("/accounts/password/reset/", {"email": "olga@example.org"}, follow=True).content.decode()
    assert "Look into your mail" in page
    link = re.search(r"http://testserver(/\S+)", mail.outbox[0].body)[1]
    assert "olga" in mail.outbox[0].body
    page = client.get(link, follow=True)
    form = re.search(r'action="(/accounts/password/reset/key/[^"]+)"', page.content.decode())[1]
    done = client.post(form, {"password1": "quite-another-one", "password2": "quite-another-one"}, follow=True)
    assert "Your password is changed" in done.content.decode()
    assert client.login(username="olga", password="quite-another-one")
    assert not Account.objects.get(user=owner).has_first_password
    assert "This link has ended" in Client().get(link, follow=True).content.decode()


def test_it_says_the_same_when_nobody_has_the_address(client: Client, db: None) -> None:
    page = client.post("/accounts/password/reset/", {"email": "nobody@example.org"}, follow=True).content.decode()
    assert "Look into your mail" in page
    assert "no account has it" in mail.outbox[0].body


def test_it_opens_sign_up_only_where_the_operator_allowed_it(client: Client, db: None, settings: object) -> None:
    assert "Accounts are made by the operator" in client.get("/accounts/signup/").content.decode()
    assert "Make one" not in client.get("/accounts/login/").content.decode()
    settings.ALLOW_SIGNUP = True  # type: ignore[attr-defined]  # pytest-django's wrapper takes any name
    assert "Make one" in client.get("/accounts/login/").content.decode()
    new = {"username": "nina", "password1": "quite-another-one", "password2": "quite-another-one"}
    client.post("/accounts/signup/", new)
    assert User.objects.filter(username="nina").exists()


def test_it_lets_nobody_sign_up_with_an_address_for_a_name(client: Client, db: None, settings: object) -> None:
    settings.ALLOW_SIGNUP = True  # type: ignore[attr-defined]  # pytest-django's wrapper takes any name
    new = {"username": "olga@example.org", "password1": "quite-another-one", "password2": "quite-another-one"}
    assert "can not be used" in client.post("/accounts/signup/", new).content.decode()
    assert not User.objects.exists()


def test_it_limits_guessing_of_passwords(client: Client, owner: User) -> None:
    cache.clear()
    for _ in range(6):
        page = client.post("/accounts/login/", {"login": "olga", "password": "wrong-wrong"}).content.decode()
    assert "Too many failed login attempts" in page
    page = client.post("/accounts/login/", {"login": "olga", "password": PASSWORD}).content.decode()
    assert "Too many failed login attempts" in page


@pytest.mark.parametrize(
    "path",
    [
        "login/", "signup/", "password/reset/", "password/reset/done/", "password/reset/key/done/", "inactive/",
        "confirm-email/", "confirm-email/none/", "password/reset/key/1-none/",
    ],
)  # fmt: skip
def test_it_shows_the_pages_of_coming_in_in_the_house_style(client: Client, db: None, path: str) -> None:
    page = client.get(f"/accounts/{path}", follow=True).content.decode()
    assert 'class="bar"' in page
    assert page.count("<h1") == 1


@pytest.mark.parametrize("path", ["email/", "logout/", "password/change/", "reauthenticate/"])
def test_it_shows_the_pages_of_an_account_in_the_house_style(olga: Client, path: str) -> None:
    page = olga.get(f"/accounts/{path}").content.decode()
    assert 'class="bar"' in page
    assert page.count("<h1") == 1


def test_it_shows_a_new_token_once(olga: Client, owner: User) -> None:
    confirmed(olga)
    answer = olga.post("/account/tokens/", {"name": "backup", "days": "30", "scopes": ["images:read"]})
    secret = re.search(r"cdesk_[\w-]{20,}", answer.content.decode())[0]
    assert answer["Cache-Control"] == "no-store"
    page = olga.get("/account/tokens/").content.decode()
    assert secret not in page
    assert secret[:12] in page
    assert Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    token = ApiToken.objects.get(user=owner)
    page = olga.post(f"/account/tokens/{token.pk}/revoke/", follow=True).content.decode()
    assert "The token “backup” is revoked." in page
    assert Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


def test_it_wants_a_name_for_a_token(olga: Client) -> None:
    page = confirmed(olga).post("/account/tokens/", {"name": " ", "days": "30"}).content.decode()
    assert 'class="field bad"' in page
    assert ApiToken.objects.count() == 0


def test_it_makes_a_token_that_may_do_what_was_chosen(olga: Client, owner: User) -> None:
    confirmed(olga)
    olga.post("/account/tokens/", {"name": "backup", "days": "30", "scopes": ["images:read", "captions:write"]})
    assert ApiToken.objects.get(user=owner).scopes == ["images:read", "captions:write"]
    assert "<code>captions:write</code>" in olga.get("/account/tokens/").content.decode()
    page = olga.post("/account/tokens/", {"name": "nothing", "days": "30"}).content.decode()
    assert "Choose at least one thing that the token may do." in page
    assert ApiToken.objects.count() == 1


def test_it_lets_nobody_revoke_anothers_token(stranger_browser: Client, owner: User) -> None:
    token = ApiToken.objects.create(user=owner, name="mine", digest="0" * 64, hint="cdesk_")
    assert stranger_browser.post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_it_remembers_theme_and_keys(olga: Client) -> None:
    olga.post("/preferences/", {"theme": "dark", "next": "/account/"})
    assert '<html lang="en" data-theme="dark">' in olga.get("/").content.decode()
    olga.post("/preferences/", {"keys": "off", "theme": '"><script>'})
    assert '<html lang="en" data-theme="dark" data-keys="off">' in olga.get("/").content.decode()
    olga.cookies["theme"] = '"><script>'
    assert "<script>" not in olga.get("/").content.decode()


def test_it_links_only_where_the_person_may_go(olga: Client, owner: User) -> None:
    assert 'href="/admin/"' not in olga.get("/").content.decode()
    owner.is_staff = True
    owner.save(update_fields=["is_staff"])
    owner.groups.add(Group.objects.get(name="operators"))
    page = olga.get("/").content.decode()
    assert 'href="/admin/"' in page
    for link in set(re.findall(r'<a [^>]*href="(/[^"#]*)"', page)):
        assert olga.get(link).status_code == 200, link


def test_it_keeps_deleted_pictures_for_the_days_it_says(olga: Client, owner: User, settings: object) -> None:
    settings.TRASH_DAYS = 12  # type: ignore[attr-defined]  # pytest-django's wrapper takes any name
    image = builders.row(owner)
    olga.post(f"/images/{image.pk}/discard/")
    page = olga.get("/trash/").content.decode()
    assert "Deleted pictures stay here for 12 days." in page
    assert image.filename in page

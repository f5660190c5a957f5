"""What hostile callers try on the pages: odd addresses, bypasses of limits, headers that are missing somewhere."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver

from captions import tokens
from captions.api.bodies import BodyLimit
from tests.factories import confirmed
from tests.web import builders

PASSWORD = "correct-horse-battery"  # of the accounts that the fixtures make
AWAY = [
    "//evil.example", "///evil.example", "////evil.example", "/\\evil.example", "\\\\evil.example", "\\/evil.example",
    "http://evil.example", "https://evil.example", "HTTP://evil.example", "http:evil.example", "http:/evil.example",
    "http:///evil.example", "https:evil.example", "//evil.example/", "//evil.example:80", "//user@evil.example",
    "//testserver@evil.example", "//evil.example%2f..", "/\t/evil.example", "/\n/evil.example", "\t//evil.example",
    " //evil.example", "\x00//evil.example", "\x0b//evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)",
    "data:text/html,x", "vbscript:x", "ftp://evil.example", "file:///etc/passwd", "mailto:a@evil.example",
    "//[::1]", "//[bad", "http://[bad", "//evil%E3%80%82example", "//ⓔvil.example", "//evil。example",
    "http://localhost/", "http://127.0.0.1/", "http://localhost:9/", "http://testserver.evil.example/",
    "https://testserver/", "evil.example", "nope", "./x", "../x", "", "?", "javascript://testserver/%0aalert(1)",
]  # fmt: skip
LEADS_AWAY = re.compile(r"^\s*([a-z][a-z0-9+.-]*:|[/\\]\s*[/\\])", re.IGNORECASE)


@pytest.fixture(autouse=True)
def _fresh_counts(db: None) -> None:
    cache.clear()


@pytest.mark.parametrize("wanted", AWAY)
def test_it_leads_nobody_away_after_a_form(client: Client, wanted: str) -> None:
    answer = client.post("/preferences/", {"theme": "dark", "next": wanted})
    assert answer.status_code == 302
    assert answer["Location"] == "/"


@pytest.mark.parametrize("wanted", AWAY)
def test_it_leads_nobody_away_after_the_login(owner: User, wanted: str) -> None:
    answer = Client().post("/accounts/login/", {"login": "olga", "password": PASSWORD, "next": wanted})
    assert answer.status_code == 302
    assert not LEADS_AWAY.match(answer["Location"])


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00"])
@pytest.mark.parametrize("address", ["/", "/trash/"])
def test_it_refuses_marks_of_times_that_do_not_exist(olga: Client, address: str, moment: str) -> None:
    mark = f"{moment}|01a20acf-ba3a-7125-8b50-fe2ceff9e183".encode()
    answer = olga.get(address, {"after": base64.urlsafe_b64encode(mark).decode()})
    assert answer.status_code == 400
    assert "page_unknown" in answer.content.decode()


# --- Guessing ------------------------------------------------------------------------------------------------------


def guess(*, login: str = "olga", password: str = "wrong-wrong", **about: Any) -> str:
    """Try a password as a browser that has been nowhere before; gives the page that comes back."""
    answer = Client().post("/accounts/login/", {"login": login, "password": password}, **about)
    return "in" if answer.status_code == 302 else answer.content.decode()


def evaluated(pages: list[str]) -> int:
    """Count the guesses whose password was looked at."""
    return sum("Too many" not in page for page in pages)


def test_it_counts_guesses_under_every_name_of_the_site_together(owner: User) -> None:
    pages = [guess(HTTP_HOST=f"localhost:{port}") for port in range(9000, 9012)]
    assert evaluated(pages) == 5


def test_it_counts_guesses_together_whatever_address_the_caller_claims(owner: User) -> None:
    pages = [guess(HTTP_X_FORWARDED_FOR=f"203.0.113.{number}") for number in range(12)]
    assert evaluated(pages) == 5


def test_it_believes_only_the_last_hop_behind_a_proxy(owner: User) -> None:
    with override_settings(ALLAUTH_TRUSTED_PROXY_COUNT=1):
        pages = [guess(HTTP_X_FORWARDED_FOR=f"203.0.113.{number}, 198.51.100.7") for number in range(12)]
        assert evaluated(pages) == 5
        assert guess(password=PASSWORD, HTTP_X_FORWARDED_FOR="198.51.100.8") == "in"


def test_it_lets_the_owner_in_from_elsewhere_while_somebody_guesses(owner: User) -> None:
    for _ in range(8):
        page = guess(REMOTE_ADDR="203.0.113.9")
    assert "Too many" in page
    assert guess(password=PASSWORD, REMOTE_ADDR="198.51.100.7") == "in"


def test_it_counts_guesses_in_the_admin_with_the_others(owner: User) -> None:
    answer = Client().post("/admin/login/", {"username": "olga", "password": PASSWORD})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    assert "sessionid" not in answer.cookies


# --- Sessions ------------------------------------------------------------------------------------------------------


def test_it_gives_another_session_at_login(owner: User) -> None:
    browser = Client()
    session = browser.session
    session["planted"] = "yes"
    session.save()
    planted = session.session_key
    browser.cookies["sessionid"] = planted
    browser.post("/accounts/login/", {"login": "olga", "password": PASSWORD})
    assert browser.get("/").status_code == 200
    assert browser.cookies["sessionid"].value != planted
    old = Client()
    old.cookies["sessionid"] = planted
    assert old.get("/").status_code == 302


def test_it_shuts_out_a_person_within_one_request_after_switching_off(olga: Client, owner: User) -> None:
    assert olga.get("/").status_code == 200
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert olga.get("/").status_code == 302
    assert olga.get("/api/v1/me/").status_code == 401


def test_it_ends_other_sessions_when_the_password_changes(olga: Client, owner: User) -> None:
    owner.set_password(secrets.token_urlsafe())
    owner.save(update_fields=["password"])
    assert olga.get("/").status_code == 302


def test_it_keeps_no_live_secret_in_any_table(olga: Client, owner: User) -> None:
    from django.apps import apps

    _, secret = tokens.mint(user=owner, name="program")
    confirmed(olga).post("/account/tokens/", {"name": "by hand", "days": "90", "scopes": ["admin"]})
    rows = [row for model in apps.get_models(include_auto_created=True) for row in model.objects.values_list()]
    dump = repr(rows)
    assert owner.username in dump
    assert secret not in dump
    assert not re.search(r"cdesk_[\w-]{30}", dump)
    assert PASSWORD not in dump


# --- Headers -------------------------------------------------------------------------------------------------------


def addresses(patterns: list[URLPattern | URLResolver], before: str = "") -> list[str]:
    """Give every address of the whole site, with a stand-in for what varies."""
    found: list[str] = []
    for pattern in patterns:
        raw = re.sub(r"<uuid:\w+>|<(path:)?object_id>", "01a20acf-ba3a-7125-8b50-fe2ceff9e183", str(pattern.pattern))
        raw = re.sub(r"<(path|str|int|slug)?:?\w+>|\(\?P<\w+>[^)]*\)", "1", raw)
        path = before + raw.removeprefix("^").removesuffix("$").removesuffix("\\Z")
        found += addresses(pattern.url_patterns, path) if isinstance(pattern, URLResolver) else [path]
    return found


def check_headers(answer: Any, path: str) -> None:
    """Hold one answer to the headers that every answer has."""
    assert "default-src 'none'" in answer["Content-Security-Policy"], path
    assert "unsafe" not in answer["Content-Security-Policy"], path
    assert answer["X-Content-Type-Options"] == "nosniff", path
    assert answer["X-Frame-Options"] == "DENY", path
    # The address of a shared album is its secret: not even this site is told where a click came from.
    assert answer["Referrer-Policy"] == (
        "no-referrer" if path.startswith(("shared/", "labelled/")) else "same-origin"
    ), path
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin", path
    assert answer["Strict-Transport-Security"].startswith("max-age=31536000"), path
    assert "private" in answer["Cache-Control"] or "no-store" in answer["Cache-Control"], path
    for cookie in answer.cookies.values():
        assert cookie["secure"], (path, cookie.key)
        assert cookie["samesite"] == "Lax", (path, cookie.key)


@pytest.mark.parametrize("who", ["nobody", "operator"])
def test_it_sends_every_safety_header_on_every_address_over_https(who: str, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_staff=True, is_superuser=True)
    paths = [path for path in addresses(get_resolver().url_patterns) if path != "events/"]
    assert len(paths) > 100
    https = {
        "SECURE_HSTS_SECONDS": 365 * 24 * 3600, "SECURE_SSL_REDIRECT": True,
        "SESSION_COOKIE_SECURE": True, "CSRF_COOKIE_SECURE": True, "LANGUAGE_COOKIE_SECURE": True,
    }  # fmt: skip
    with override_settings(**https):
        for path in [*paths, "nowhere/", "api/v1/nowhere/", "admin/nowhere/"]:
            browser = Client(raise_request_exception=False)
            if who == "operator":
                browser.force_login(User.objects.get(pk=owner.pk))
            answer = browser.get(f"/{path}", secure=True)
            assert answer.status_code < 500 or path == "readyz", path
            check_headers(answer, path)


def test_it_sends_the_safety_headers_before_static_files() -> None:
    order = configured.MIDDLEWARE
    static = order.index("whitenoise.middleware.WhiteNoiseMiddleware")
    for name in ("security.SecurityMiddleware", "CSPMiddleware", "XFrameOptionsMiddleware"):
        assert next(place for place, path in enumerate(order) if path.endswith(name)) < static


def test_it_keeps_pages_and_fragments_apart_in_caches(olga: Client) -> None:
    for path in ("/", "/trash/", "/account/"):
        answer = olga.get(path)
        assert "private" in answer["Cache-Control"]
        assert {"Cookie", "HX-Request"} <= set(re.split(r",\s*", answer["Vary"]))


# --- Before Django -------------------------------------------------------------------------------------------------


def asked(path: str = "/", query: bytes = b"", body: bytes = b"", **headers: str) -> tuple[int, dict[str, str]]:
    """Ask the wrapper around the site; what it lets through is answered with 204."""
    answers: list[Any] = []

    async def site(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request" and message.get("more_body"):
            pass
        if message["type"] == "http.request":
            await send({"type": "http.response.start", "status": 204, "headers": []})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode("latin1")) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "query_string": query, "headers": raw}
    asyncio.run(BodyLimit(site, picture_bytes=5_000_000)(scope, receive, send))
    return answers[0]["status"], {name.decode(): value.decode() for name, value in answers[0]["headers"]}


def test_it_refuses_a_nul_before_the_database_does() -> None:
    assert asked(query=b"q=%00")[0] == 400
    assert asked(cookie='sessionid="abcdefgh\\000abc"')[0] == 400
    assert asked(query=b"q=%2500&a=1000", cookie="sessionid=abc; theme=dark")[0] == 204


@pytest.mark.parametrize("charset", ["hex", "base64", "rot13", "zlib"])
def test_it_refuses_a_form_in_an_encoding_that_is_none_of_text(charset: str) -> None:
    assert asked(content_type=f"multipart/form-data; boundary=x; charset={charset}")[0] == 400
    assert asked(content_type="multipart/form-data; boundary=x; charset=latin-1")[0] == 204


def test_it_takes_large_bodies_only_where_pictures_are_sent() -> None:
    large = b"x" * 4_000_000
    for path, status in (("/accounts/login/", 413), ("/", 413), ("/images/", 204), ("/api/v1/images/", 204)):
        assert asked(path, body=large)[0] == status, path
        assert asked(path, content_length=str(len(large)))[0] == status, path


def test_it_sends_the_safety_headers_with_what_it_refuses_first() -> None:
    _, headers = asked(query=b"%00")
    expected = {
        "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin", "cache-control": "no-store",
    }  # fmt: skip
    assert expected.items() <= headers.items()
    assert "default-src 'none'" in headers["content-security-policy"]


# --- The admin -----------------------------------------------------------------------------------------------------


def test_it_tells_staff_who_are_no_operators_that_they_may_not_discard(owner: User, stranger: User) -> None:
    image = builders.row(owner)
    User.objects.filter(pk=stranger.pk).update(is_staff=True)
    stranger.user_permissions.set(Permission.objects.filter(content_type__app_label="captions"))
    browser = Client()
    browser.force_login(User.objects.get(pk=stranger.pk))
    picked = {"action": "discard", "_selected_action": [str(image.pk)]}
    page = browser.post("/admin/captions/image/", picked, follow=True)
    assert page.status_code == 200
    assert "There is no such thing here" in page.content.decode()
    image.refresh_from_db()
    assert image.deleted_at is None

"""Who is let in: tokens without cookies, sessions with CSRF, and nobody else."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.middleware.csrf import get_token
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from captions import tokens
from captions.models import ApiToken
from tests import factories
from tests.api.conftest import Api, codes


def test_it_lets_nobody_in_without_a_token(nobody):
    answer = nobody.look("me/")
    assert (answer.status_code, codes(answer)) == (401, [("not_authenticated", None)])
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer x", "bearer cdesk_x", "Bearer é", "Bearer a b c"])
def test_it_refuses_what_is_no_token(nobody, db, header):
    answer = nobody.get("/api/v1/me/", headers={"Authorization": header})
    assert (answer.status_code, codes(answer)) == (401, [("authentication_failed", None)])


@pytest.mark.parametrize("header", ["", "Basic b2xnYTp4", "Token x", "Digest x"])
def test_it_knows_no_other_scheme(nobody, db, header):
    answer = nobody.get("/api/v1/me/", headers={"Authorization": header})
    assert (answer.status_code, codes(answer)) == (401, [("not_authenticated", None)])


def test_it_takes_the_scheme_in_any_case(owner):
    _, secret = tokens.mint(user=owner, name="a")
    assert Api().get("/api/v1/me/", headers={"Authorization": f"bEaReR {secret}"}).status_code == 200


def test_it_takes_no_token_from_the_address_or_the_body(owner, nobody):
    _, secret = tokens.mint(user=owner, name="a")
    for name in ("token", "access_token", "auth"):
        assert nobody.look("me/", **{name: secret}).status_code == 401
    assert nobody.post("/api/v1/images/", {"token": secret}).status_code == 401


def test_it_refuses_a_token_the_moment_it_is_revoked(owner):
    token, secret = tokens.mint(user=owner, name="a")
    program = Api(secret)
    assert program.look("me/").status_code == 200
    tokens.revoke(token=token)
    assert (program.look("me/").status_code, codes(program.look("me/"))) == (401, [("authentication_failed", None)])


def test_it_refuses_an_account_the_moment_it_is_switched_off(owner, api, page):
    assert api.look("me/").status_code == page.look("me/").status_code == 200
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert api.look("me/").status_code == page.look("me/").status_code == 401


def test_it_judges_a_request_with_a_token_by_the_token_alone(owner, stranger, page):
    _, secret = tokens.mint(user=stranger, name="a")
    both = page.get("/api/v1/me/", headers={"Authorization": f"Bearer {secret}"})
    assert both.json()["username"] == "stranger"
    wrong = page.get("/api/v1/me/", headers={"Authorization": "Bearer cdesk_wrong"})
    assert wrong.status_code == 401  # the session must not stand in for a token that is no good


def test_it_asks_programs_for_no_csrf_token(owner):
    _, secret = tokens.mint(user=owner, name="a")
    image = factories.make_image(owner)
    program = Api(secret, enforce_csrf_checks=True)
    assert program.send(f"images/{image.pk}/captions/", {"text": "a boat"}).status_code == 201


def test_it_holds_signed_in_pages_to_csrf(owner, page):
    image = factories.make_image(owner, "draft")
    address = f"images/{image.pk}/captions/"
    refused = page.send(address, {"text": "a boat"})
    assert (refused.status_code, codes(refused)) == (403, [("permission_denied", None)])
    assert page.raw("images/", factories.picture()).status_code == 403
    assert page.delete(f"/api/v1/images/{image.pk}/").status_code == 403
    request = RequestFactory().get("/")
    secret = get_token(request)
    page.cookies["csrftoken"] = request.META["CSRF_COOKIE"]
    let_in = page.generic(
        "POST", f"/api/v1/{address}", b'{"text": "a boat"}', "application/json", headers={"X-CSRFToken": secret}
    )
    assert let_in.status_code == 201


def test_it_sets_no_cookie(api, owner):
    for answer in (api.look("me/"), api.raw("images/", factories.picture())):
        assert not answer.cookies


def _addresses(resolver: URLResolver, prefix: str = "") -> list[str]:
    found = []
    for entry in resolver.url_patterns:
        address = prefix + re.sub(r"<[^>]+>|\(\?P.*?\)|[\^$]|\\Z", "1", str(entry.pattern)).replace("\\", "")
        if isinstance(entry, URLPattern):
            found.append("/" + address)
        else:
            found += _addresses(entry, address)
    return found


def test_it_opens_no_page_with_a_token(owner):
    """So no token can make a token, change a password, or do anything else that is not in the API."""
    owner.is_staff = owner.is_superuser = True
    owner.save(update_fields=["is_staff", "is_superuser"])
    secret = tokens.mint(user=owner, name="a")[1]
    before = User.objects.get(pk=owner.pk).password
    beside = ("/api/", "/healthz", "/readyz", "/events/")  # the last is asked in test_live, over a real server
    pages = sorted({address for address in _addresses(get_resolver()) if not address.startswith(beside)})
    assert any("password" in address for address in pages)
    assert any("token" in address for address in pages)
    for address in pages:
        for method in ("get", "post"):
            nobody, program = Api(), Api(secret)
            with_token = getattr(program, method)(address, {"name": "more", "username": "eve"})
            without = getattr(nobody, method)(address, {"name": "more", "username": "eve"})
            assert with_token.status_code == without.status_code, (method, address)
            assert not with_token.wsgi_request.user.is_authenticated, address
    assert ApiToken.objects.count() == 1
    assert User.objects.get(pk=owner.pk).password == before

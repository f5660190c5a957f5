"""Clients of the API: a person with a token, a person signed in by the page, and nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client

from captions import tokens

JSON = "application/json"


class Api(Client):
    """Django's client with a token, JSON bodies, and no exception let through: what a stranger would see."""

    def __init__(self, secret: str = "", **options: Any) -> None:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        super().__init__(raise_request_exception=False, headers=headers, **options)

    def send(self, path: str, body: Any = None, method: str = "post", headers: dict[str, str] | None = None) -> Any:
        """Send a JSON body."""
        return self.generic(method.upper(), f"/api/v1/{path}", _encoded(body), content_type=JSON, headers=headers)

    def raw(self, path: str, data: bytes, content_type: str = "image/jpeg", **headers: str) -> Any:
        """Send bytes as the body."""
        return self.generic("POST", f"/api/v1/{path}", data, content_type=content_type, headers=headers)

    def look(self, path: str, **query: Any) -> Any:
        """Get something below /api/v1/."""
        return self.get(f"/api/v1/{path}", query)


def _encoded(body: Any) -> bytes:
    return b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.fixture(autouse=True)
def _nobody_is_throttled() -> Iterator[None]:
    """Every test begins with its own count of requests."""
    caches["throttle"].clear()
    yield
    caches["throttle"].clear()


@pytest.fixture
def api_of() -> Callable[[User], Api]:
    """Give clients with a fresh token of a person's."""
    return lambda user: Api(tokens.mint(user=user, name="tests")[1])


@pytest.fixture
def api(owner: User, api_of: Callable[[User], Api]) -> Api:
    """The owner's program."""
    return api_of(owner)


@pytest.fixture
def other(stranger: User, api_of: Callable[[User], Api]) -> Api:
    """A stranger's program."""
    return api_of(stranger)


@pytest.fixture
def page(owner: User) -> Api:
    """The owner's signed-in page, held to CSRF as a browser is."""
    client = Api(enforce_csrf_checks=True)
    client.force_login(owner)
    return client


@pytest.fixture
def nobody() -> Api:
    """Somebody without a token."""
    return Api()


def codes(answer: Any) -> list[tuple[str, str | None]]:
    """Check the one shape of a failure, and give its codes with what they are about."""
    body = answer.json()
    assert answer["Content-Type"] == JSON
    assert set(body) == {"type", "errors", "request_id"}
    assert body["request_id"] == answer["X-Request-ID"]
    assert body["type"] in {"validation_error", "client_error", "server_error"}
    assert (body["type"] == "server_error") == (answer.status_code >= 500)
    assert body["errors"]
    for error in body["errors"]:
        assert set(error) == {"code", "detail", "attr"}
        assert error["detail"].strip()
    return [(error["code"], error["attr"]) for error in body["errors"]]

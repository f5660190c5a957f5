"""Every failure of the API has one shape, and says nothing of the inside."""

from __future__ import annotations

import errno
import uuid

import pytest
from django.db import OperationalError

from captions import selectors, tokens
from captions.errors import FAILURES, DeskError
from captions.params import ParamsInvalid
from tests import factories
from tests.api.conftest import Api, codes

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize(
    "path",
    ["/api/", "/api/v1/", "/api/v1/nothing/", "/api/v2/me/", "/api/v1/images/x/", "/api/v1/images/1/jobs/", "/api/%00"],
)
@pytest.mark.parametrize("method", ["get", "post", "delete", "options"])
def test_it_answers_unknown_addresses_in_the_one_shape(nobody, path, method):
    answer = getattr(nobody, method)(path)
    assert (answer.status_code, codes(answer)) == (404, [("not_found", None)])


@pytest.mark.parametrize(("method", "status"), [("get", 308), ("post", 308)])
def test_it_leads_to_the_slash_and_keeps_method_and_body(nobody, method, status):
    answer = getattr(nobody, method)("/api/v1/images?wait=3")
    assert (answer.status_code, answer["Location"]) == (status, "/api/v1/images/?wait=3")


def test_it_refuses_other_methods_and_names_those_it_has(api):
    answer = api.put("/api/v1/me/")
    assert (answer.status_code, codes(answer)) == (405, [("method_not_allowed", None)])
    assert {"GET", "HEAD"} >= set(answer["Allow"].split(", ")) - {"OPTIONS"}
    assert codes(api.options("/api/v1/me/")) == [("method_not_allowed", None)]


def test_it_refuses_types_that_it_cannot_answer_with(api):
    answer = api.get("/api/v1/me/", headers={"Accept": "text/html"})
    assert (answer.status_code, codes(answer)) == (406, [("not_acceptable", None)])
    assert api.get("/api/v1/me/", headers={"Accept": "text/html, */*;q=0.1"}).status_code == 200


def test_it_names_every_answer(api, owner):
    first, second = api.look("me/"), api.look("me/")
    assert uuid.UUID(first["X-Request-ID"]) != uuid.UUID(second["X-Request-ID"])


@pytest.mark.parametrize("name", ["import-17", "a" * 5000, "<script>", "é"])
def test_it_numbers_requests_itself_whatever_a_caller_says(api, name):
    answer = api.get("/api/v1/nothing/", headers={"X-Request-ID": name})
    assert uuid.UUID(answer["X-Request-ID"])
    assert codes(answer)


def breaking(monkeypatch, error: Exception) -> None:
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(selectors, "images", fail)


@pytest.mark.parametrize("debug", [False, True])
def test_it_shows_nothing_of_the_inside(api, monkeypatch, settings, debug, caplog):
    settings.DEBUG = debug
    breaking(monkeypatch, RuntimeError("password=hunter2 at /srv/desk/secret.py"))
    answer = api.look("images/")
    assert (answer.status_code, codes(answer)) == (500, [("unknown", None)])
    assert answer.json()["errors"][0]["detail"] == FAILURES["unknown"].words
    assert b"hunter2" not in answer.content
    assert b"Traceback" not in answer.content
    assert "hunter2" in caplog.text  # the log has what the answer hides


@pytest.mark.parametrize(
    ("error", "status", "about"),
    [
        (OperationalError("database is locked"), 503, [("database_busy", None)]),
        (OSError(errno.ENOSPC, "No space left on device"), 507, [("disk_full", None)]),
        (DeskError("not_found"), 404, [("not_found", None)]),
        (DeskError("queue_full"), 429, [("queue_full", None)]),
        (DeskError("caption_empty", attr="text"), 400, [("caption_empty", "text")]),
        (ParamsInvalid({"top_k": "Too many.", "top_p": "Too much."}), 400,
         [("invalid_parameter", "top_k"), ("invalid_parameter", "top_p")]),
    ],
)  # fmt: skip
def test_it_turns_what_services_raise_into_answers(api, monkeypatch, error, status, about):
    breaking(monkeypatch, error)
    answer = api.look("images/")
    assert (answer.status_code, codes(answer)) == (status, about)
    assert ("Retry-After" in answer) == (status in {429, 503, 507})


@pytest.mark.parametrize("code", sorted(FAILURES))
def test_it_answers_every_known_failure_with_its_status_and_words(api, monkeypatch, code):
    breaking(monkeypatch, DeskError(code))
    answer = api.look("images/")
    assert (answer.status_code, codes(answer)) == (FAILURES[code].status, [(code, None)])
    assert answer.json()["errors"][0]["detail"] == FAILURES[code].words
    kind = "server_error" if FAILURES[code].status >= 500 else "client_error"
    assert answer.json()["type"] == kind


def test_it_throttles_a_person_and_says_when_to_come_back(api, other, settings):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"person": "3/hour", "address": "9/hour"},
    }
    assert [api.look("me/").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = api.look("images/")
    assert (answer.status_code, codes(answer)) == (429, [("throttled", None)])
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert answer["RateLimit"] == f'"person";r=0;t={answer["Retry-After"]}'
    assert other.look("me/").status_code == 200


def test_it_counts_what_it_refuses_for_a_missing_scope_or_csrf_token_too(owner, page, settings):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"person": "3/hour", "address": "2/hour"},
    }
    narrow = Api(tokens.mint(user=owner, name="narrow", scopes=["images:write"])[1])
    assert [narrow.look("images/").status_code for _ in range(4)] == [403, 403, 403, 429]
    assert [page.send("albums/", {"name": "Sea"}).status_code for _ in range(3)] == [403, 403, 429]


def test_it_says_how_many_requests_are_left(api, nobody, settings):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"person": "3/hour", "address": "9/hour"},
    }
    answers = [api.look("me/") for _ in range(2)]
    assert [answer["RateLimit-Policy"] for answer in answers] == ['"person";q=3;w=3600'] * 2
    assert [answer["RateLimit"].split(";")[:2] for answer in answers] == [['"person"', "r=2"], ['"person"', "r=1"]]
    assert nobody.get("/api/v1/me/")["RateLimit"].startswith('"address";r=8;t=')


def test_it_throttles_an_address_that_guesses_tokens(owner, api, nobody, settings):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"person": "99/hour", "address": "3/hour"},
    }
    guess = {"Authorization": "Bearer cdesk_guess", "X-Forwarded-For": "198.51.100.7"}
    assert [nobody.get("/api/v1/me/", headers=guess).status_code for _ in range(4)] == [401, 401, 401, 429]
    forged = {**guess, "X-Forwarded-For": "203.0.113.9"}
    assert nobody.get("/api/v1/me/", headers=forged).status_code == 429
    assert api.look("me/").status_code == 200  # somebody with a good token at the same address goes on
    assert Api().get("/api/v1/me/", REMOTE_ADDR="192.0.2.1").status_code == 401


def test_it_forgets_old_requests(api, settings, monkeypatch):
    import captions.api.throttles as throttles

    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"person": "4/min", "address": "9/min"},
    }
    now = [1_000_000 * 60.0]
    monkeypatch.setattr(throttles.time, "time", lambda: now[0])
    assert [api.look("me/").status_code for _ in range(5)] == [200] * 4 + [429]
    now[0] += 61  # the last minute still counts almost whole
    assert api.look("me/").status_code == 429
    now[0] += 58
    assert api.look("me/").status_code == 200


def test_it_keeps_answers_out_of_shared_caches(api, owner):
    factories.make_image(owner)
    assert api.look("images/")["Cache-Control"] == "private, no-cache"

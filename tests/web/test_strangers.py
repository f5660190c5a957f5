"""Somebody else's things are not there: every address of the site that names one, by every method, for a stranger.

The addresses are read from the site's configuration, pages and API alike. A new one is covered without a word here; one
that names a thing of a new kind fails until this test knows how to make such a thing.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from model_bakery import baker

from captions import albums, bulk, service_accounts, tags, tokens, uploads, webhooks
from captions.models import AutoApproveRun, Image, Import, SavedSearch, Tag, Trial, TrialArm
from tests import factories
from tests.factories import confirmed

pytestmark = pytest.mark.one_database

METHODS = ("get", "head", "options", "put", "patch", "delete", "post")
WORDS = "words that only olga may read"
#: Parts of addresses that name no one's thing: a model, a provider, the library's own addresses,
#: which look only at whoever is logged in (and have tests of their own in test_second_factor and test_single_sign_on).
NO_THINGS = {"model_id", "model", "provider_id", "key", "uidb36", "pk"}
#: Only staff come in, and see everything: tests/admin.
ELSEWHERE = ("admin/",)
#: Pieces of an upload come in a type of their own, whoever sends them; tus tells everybody what it can do.
#: Runs of the rule are operators', and their pages say so.
OTHERWISE = {
    ("api-upload", "patch"): 415,
    ("api-upload", "options"): 204,
    ("quality_run", "get"): 403,
    ("quality_run", "head"): 403,
    ("quality_take_back", "post"): 403,
}


def routes(patterns: list[Any], before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Give all addresses below `patterns`."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif not route.startswith(ELSEWHERE):
            yield route, pattern


NAMED = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>")
THINGS = [
    (route, pattern)
    for route, pattern in routes(get_resolver().url_patterns)
    if {first or second for first, second in NAMED.findall(route)} - NO_THINGS - {"secret", "signed"}
]


class Olga:
    """Makes a thing of each kind when an address asks for it."""

    def __init__(self, owner: User) -> None:
        self.owner = owner
        self.image = factories.make_image(owner, "draft", text=WORDS, files=True, filename="olga-only.jpg")
        self.album = albums.make(owner=owner, name=WORDS)
        albums.add(album=self.album, images=[self.image.pk])
        self.made: dict[str, Any] = {}

    def thing(self, name: str) -> str:
        """Give the id of a thing by the name that addresses have for it. KeyError for a kind that nobody knows."""
        if name not in self.made:
            self.made[name] = _MAKERS[name](self)
        return str(self.made[name])


def _webhook(olga: Olga) -> uuid.UUID:
    return webhooks.make(owner=olga.owner, name=WORDS, url="https://example.org/", events=["job.failed"])[0].pk


def _delivery(olga: Olga) -> uuid.UUID:
    hook = webhooks.of(olga.owner).get(pk=olga.thing("webhook_id"))
    return webhooks.send_test(webhook=hook).pk


def _tag(olga: Olga) -> uuid.UUID:
    tags.mark(owner=olga.owner, images=[olga.image.pk], names=["olga's"])
    return Tag.objects.get().pk


def _service_token(olga: Olga) -> uuid.UUID:
    return tokens.mint(user=User.objects.get(pk=olga.thing("user_id")), name=WORDS)[0].pk


def _secret(olga: Olga) -> str:
    """Give the secret of a link to an album in which olga's picture does not lie."""
    somebody = factories.make_person()
    return albums.make_link(album=albums.make(owner=somebody, name="another"), by=somebody, days=1)[1]


def _of_image(olga: Olga, kind: str) -> uuid.UUID:
    found = olga.image.caption if kind == "caption" else olga.image.jobs.first()
    assert found is not None
    return found.pk


_MAKERS: dict[str, Callable[[Olga], Any]] = {
    "image_id": lambda olga: olga.image.pk,
    "caption_id": lambda olga: _of_image(olga, "caption"),
    "job_id": lambda olga: _of_image(olga, "job"),
    "secret": _secret,
    "album_id": lambda olga: olga.album.pk,
    "share_id": lambda olga: albums.share(album=olga.album, with_whom=factories.make_person().username, role="view").pk,
    "link_id": lambda olga: albums.make_link(album=olga.album, by=olga.owner, days=1)[0].pk,
    "tag_id": _tag,
    "search_id": lambda olga: SavedSearch.objects.create(owner=olga.owner, name=WORDS, query="boat").pk,
    "upload_id": lambda olga: uploads.create(owner=olga.owner, announced=uploads.Announced(f"{WORDS}.jpg", 9)).pk,
    "import_id": lambda olga: Import.objects.create(owner=olga.owner).pk,
    "trial_id": lambda olga: Trial.objects.create(owner=olga.owner, name=WORDS, seed=1).pk,
    "arm_id": lambda olga: baker.make(TrialArm, trial_id=olga.thing("trial_id")).pk,
    "run_id": lambda olga: baker.make(AutoApproveRun, started_by=olga.owner, threshold=0.9).pk,
    "user_id": lambda olga: service_accounts.make(name="olgas-robot").pk,
    "token_id": _service_token,
    "session_id": lambda olga: baker.make(UserSession, user=olga.owner, ip="192.0.2.1").pk,
    "webhook_id": _webhook,
    "delivery_id": _delivery,
    "bulk_id": lambda olga: bulk.request(owner=olga.owner, action="tag", images=[olga.image.pk], asked={}).pk,
}


@pytest.fixture(scope="module")
def made_once(rows_for_all: Callable[[], AbstractContextManager[None]]) -> Olga:
    """Make what every address needs once: a picture with files and a draft, in an album."""
    with rows_for_all():
        return Olga(factories.make_person("olga"))


@pytest.fixture
def olga_s(made_once: Olga, db: None) -> Olga:
    return deepcopy(made_once)


@pytest.fixture
def owner(olga_s: Olga) -> User:
    return olga_s.owner


def everything() -> str:
    """Give all rows of the product; that a link was used may be noted."""
    rows = []
    for model in apps.get_app_config("captions").get_models():
        columns = [field.attname for field in model._meta.concrete_fields if field.name != "last_used_at"]
        rows.append(list(model._base_manager.order_by("pk").values_list(*columns)))
    return repr(rows)


@pytest.mark.parametrize(("route", "pattern"), THINGS, ids=[route for route, _ in THINGS])
def test_it_is_not_there_for_a_stranger(
    olga_s: Olga, stranger: User, stranger_browser: Client, route: str, pattern: Any
) -> None:
    path = "/" + NAMED.sub(lambda match: olga_s.thing(match[1] or match[2]), route)
    confirmed(stranger_browser)
    stranger_browser.raise_request_exception = False
    before = everything()
    statuses = {}
    for method in METHODS:
        answer = stranger_browser.generic(method.upper(), path, headers={"Tus-Resumable": "1.0.0"})
        statuses[method] = answer.status_code
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        for trace in (WORDS.encode(), b"olga-only", olga_s.owner.username.encode()):
            assert trace not in body, method
    assert statuses == {
        method: 405 if statuses[method] == 405 else OTHERWISE.get((pattern.name, method), 404) for method in METHODS
    }
    assert {403, 404} & set(statuses.values())
    assert everything() == before


def test_it_looks_at_pages_and_api_alike() -> None:
    found = [route for route, _ in THINGS]
    assert sum(route.startswith("api/") for route in found) > 30
    assert sum(route.startswith("images/") for route in found) > 20
    assert len(found) > 90


def test_it_would_notice_what_a_stranger_may_see(olga_s: Olga, olga: Client) -> None:
    """The owner gets what the stranger does not: these addresses are the right ones."""
    page = olga.get(f"/images/{olga_s.image.pk}/")
    assert page.status_code == 200
    assert WORDS in page.content.decode()


def test_it_is_the_same_for_what_never_was(stranger_browser: Client) -> None:
    never = uuid.uuid4()
    assert not Image.objects.filter(pk=never).exists()
    theirs = stranger_browser.get(f"/images/{never}/")
    assert theirs.status_code == 404

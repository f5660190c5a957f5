"""Who may do what: every address of the API × every method × everybody, made from the addresses themselves.

A new address or method that is not in the table fails; so does an entry without an address.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from captions import albums, bulk, tags, tokens, uploads, webhooks
from captions.api.urls import urlpatterns
from captions.models import (
    Album,
    AlbumLink,
    AlbumShare,
    BulkJob,
    Caption,
    CaptionJob,
    Image,
    Review,
    SavedSearch,
    Tag,
    Upload,
    Webhook,
    WebhookDelivery,
)
from captions.scopes import Scope
from tests import factories
from tests.api.conftest import Api, codes

pytestmark = pytest.mark.one_database

# The changing ones last: no address has both of them.
METHODS = ("get", "head", "put", "patch", "options", "trace", "delete", "post")
OPEN = {"schema", "docs", "api-unknown", None}  # they show nothing of anybody's


@dataclass(frozen=True)
class Right:
    """What an operation answers to its owner, a reviewer and an operator; strangers always get `stranger`."""

    owner: int
    reviewer: int
    operator: int
    stranger: int = 404
    body: bytes = b""


def same(status: int) -> Right:
    """A list of one's own: everybody is answered, with their own things."""
    return Right(status, status, status, status)


NO_RIGHT = same(405)
TABLE: dict[tuple[str, str], Right] = {
    ("api-me", "get"): same(200),
    ("api-models", "get"): same(200),
    ("api-quality", "get"): same(200),
    ("api-searches", "get"): same(200),
    ("api-searches", "post"): Right(201, 201, 201, 201, body=b'{"name": "boats", "query": "boat"}'),
    ("api-search", "get"): Right(200, 404, 404),
    ("api-search", "patch"): Right(200, 404, 404, body=b'{"name": "other"}'),
    ("api-search", "delete"): Right(204, 404, 404),
    ("api-images", "get"): same(200),
    ("api-images", "post"): same(400),  # without a picture; uploads have their own tests
    ("api-image", "get"): Right(200, 200, 200),
    ("api-image", "delete"): Right(204, 404, 204),
    ("api-image-recover", "post"): Right(200, 404, 200),
    ("api-image-original", "get"): Right(200, 404, 404),
    ("api-image-screen", "get"): Right(200, 200, 200),
    ("api-image-medium", "get"): Right(200, 200, 200),
    ("api-image-thumbnail", "get"): Right(200, 200, 200),
    ("api-image-captions", "get"): Right(200, 200, 200),
    ("api-image-captions", "post"): Right(201, 404, 404, body=b'{"text": "a boat"}'),
    ("api-caption-restore", "post"): Right(201, 404, 404),
    ("api-image-jobs", "get"): Right(200, 200, 200),
    ("api-image-jobs", "post"): Right(201, 404, 404, body=b'{"num_beams": 2}'),
    ("api-image-reviews", "get"): Right(200, 200, 200),
    ("api-image-review", "post"): Right(200, 200, 200, body=b'{"decision": "approve"}'),
    ("api-image-review-undo", "post"): Right(409, 409, 409),
    ("api-review-next", "post"): Right(200, 200, 200, 200, body=b"{}"),
    ("api-image", "patch"): Right(200, 404, 404, body=b'{"title": "Harbour"}'),
    ("api-albums", "get"): same(200),
    ("api-albums", "post"): same(400),  # without a name; making one has its own test
    ("api-album", "get"): Right(200, 404, 404),
    ("api-album", "patch"): Right(200, 404, 404, body=b'{"name": "Other"}'),
    ("api-album", "delete"): Right(204, 404, 404),
    ("api-album-images", "post"): Right(200, 404, 404, body=b'{"remove": []}'),
    ("api-album-shares", "get"): Right(200, 404, 404),
    ("api-album-shares", "post"): Right(201, 404, 404, body=b'{"user": "friend", "role": "view"}'),
    ("api-album-share", "patch"): Right(200, 404, 404, body=b'{"role": "review"}'),
    ("api-album-share", "delete"): Right(204, 404, 404),
    ("api-album-links", "get"): Right(200, 404, 404),
    ("api-album-links", "post"): Right(201, 404, 404, body=b'{"days": 7}'),
    ("api-album-link", "delete"): Right(204, 404, 404),
    ("api-tags", "get"): same(200),
    ("api-tags", "post"): same(400),
    ("api-tag", "patch"): Right(200, 404, 404, body=b'{"name": "ocean"}'),
    ("api-tag", "delete"): Right(204, 404, 404),
    ("api-uploads", "get"): same(200),
    ("api-uploads", "post"): same(400),  # without a length; beginning one has its own tests
    ("api-upload", "get"): Right(200, 404, 404),
    ("api-upload", "patch"): same(415),  # pieces come in a type of their own, whoever sends them
    ("api-upload", "delete"): Right(204, 404, 404),
    ("api-presigned-uploads", "post"): same(400),  # without a length; they have their own tests
    ("api-upload-complete", "post"): Right(409, 404, 404),
    ("api-exports", "get"): same(400),  # without a format; they have their own tests
    ("api-caption-imports", "post"): same(400),  # without a file; they have their own tests
    ("api-events", "get"): same(200),
    ("api-job-events", "get"): Right(200, 404, 200),
    ("api-bulk-jobs", "get"): same(200),
    ("api-bulk-captions", "post"): same(400),  # without pictures; bulk jobs have their own tests
    ("api-bulk-reviews", "post"): same(400),
    ("api-bulk-tags", "post"): same(400),
    ("api-bulk-deletions", "post"): same(400),
    ("api-bulk-job", "get"): Right(200, 404, 404),
    ("api-bulk-cancel", "post"): Right(200, 404, 404),
    ("api-webhooks", "get"): same(200),
    ("api-webhooks", "post"): same(400),  # without anything; making one has its own tests
    ("api-webhook", "get"): Right(200, 404, 404),
    ("api-webhook", "patch"): Right(200, 404, 404, body=b'{"name": "other"}'),
    ("api-webhook", "delete"): Right(204, 404, 404),
    ("api-webhook-secret", "post"): Right(200, 404, 404),
    ("api-webhook-test", "post"): Right(201, 404, 404),
    ("api-webhook-deliveries", "get"): Right(200, 404, 404),
    ("api-webhook-replay", "post"): Right(200, 404, 404),
    ("api-jobs", "get"): same(200),
    ("api-job", "get"): Right(200, 404, 200),
    ("api-job-cancel", "post"): Right(200, 404, 200),
    ("api-job-retry", "post"): Right(409, 404, 409),
}
TUS = {"api-uploads", "api-upload"}  # they tell everybody with a token what they can do
ROUTES = [pattern for pattern in urlpatterns if pattern.name not in OPEN]

#: What a token must open for each writing operation; for reading it is `images:read`, or nothing.
WRITING: dict[str, Scope] = {
    **dict.fromkeys(
        ("api-image", "api-images", "api-image-recover", "api-uploads", "api-upload",
         "api-presigned-uploads", "api-upload-complete", "api-albums", "api-album", "api-album-images",
         "api-bulk-tags", "api-bulk-deletions", "api-bulk-cancel", "api-tags", "api-tag", "api-searches", "api-search"),
        Scope.IMAGES_WRITE,
    ),
    **dict.fromkeys(
        ("api-image-captions", "api-caption-restore", "api-image-jobs", "api-bulk-captions", "api-job-cancel",
         "api-job-retry", "api-caption-imports"),
        Scope.CAPTIONS_WRITE,
    ),
    **dict.fromkeys(
        ("api-bulk-reviews", "api-image-review", "api-image-review-undo", "api-review-next"), Scope.REVIEWS_WRITE
    ),
    **dict.fromkeys(("api-album-shares", "api-album-share", "api-album-links", "api-album-link"), Scope.ADMIN),
    **dict.fromkeys(
        ("api-webhooks", "api-webhook", "api-webhook-secret", "api-webhook-test", "api-webhook-replay"), Scope.ADMIN
    ),
}  # fmt: skip
FOR_ANY_TOKEN = {"api-me", "api-models"}
READING_ALL = {"api-webhooks", "api-webhook", "api-webhook-deliveries"}


@dataclass
class Scene:
    """One person's picture with everything that can hang on it."""

    owner: User
    image: Image
    job: CaptionJob
    caption: Caption
    album: Album
    share: AlbumShare
    link: AlbumLink
    tag: Tag
    upload: Upload
    search: SavedSearch
    delivery: WebhookDelivery
    bulk_job: BulkJob

    def path(self, pattern: Any) -> str:
        """Give the address of a route about this picture."""
        ids = {"image_id": self.image.pk, "job_id": self.job.pk, "caption_id": self.caption.pk,
               "album_id": self.album.pk, "share_id": self.share.pk, "link_id": self.link.pk,
               "tag_id": self.tag.pk, "upload_id": self.upload.pk, "search_id": self.search.pk,
               "webhook_id": self.delivery.webhook_id, "delivery_id": self.delivery.pk,
               "bulk_id": self.bulk_job.pk}  # fmt: skip
        route = str(pattern.pattern)
        for name, value in ids.items():
            route = route.replace(f"<uuid:{name}>", str(value))
        assert "<" not in route, f"an address with an id that this test does not know: {route}"
        return f"/api/{route}"

    def traces(self) -> list[bytes]:
        """Give what must never be in an answer to a stranger."""
        mine = (
            self.image,
            self.job,
            self.caption,
            self.album,
            self.tag,
            self.upload,
            self.search,
            self.delivery,
            self.delivery.webhook,
        )
        return [str(one.pk).encode() for one in mine]


@pytest.fixture(scope="module")
def made_once(rows_for_all: Callable[[], AbstractContextManager[None]]) -> Scene:
    """Make the scene for all tests: each of them would need longer for it than for its question."""
    with rows_for_all():
        owner = factories.make_person("olga")
        image = factories.make_image(owner, "draft", files=True)
        job = factories.make_job(image)
        caption = image.caption
        assert caption is not None
        album = albums.make(owner=owner, name="Harbour")
        albums.add(album=album, images=[image.pk])
        share = albums.share(album=album, with_whom=factories.make_person("friend").username, role="view")
        link, _ = albums.make_link(album=album, by=owner, days=1)
        tags.mark(owner=owner, images=[image.pk], names=["sea"])
        upload = uploads.create(owner=owner, announced=uploads.Announced("harbour.jpg", 9))
        search = SavedSearch.objects.create(owner=owner, name="mine", query="boat")
        hook, _ = webhooks.make(owner=owner, name="mine", url="https://example.org/", events=["image.created"])
        delivery = webhooks.send_test(webhook=hook)
        WebhookDelivery.objects.update(state="delivered")
        bulk_job = bulk.request(owner=owner, action="tag", images=[image.pk], asked={})
        tag = Tag.objects.get()
        return Scene(owner, image, job, caption, album, share, link, tag, upload, search, delivery, bulk_job)


@pytest.fixture
def scene(made_once: Scene, db: None) -> Scene:
    """The scene as it was made: what an earlier test changed in its objects must not stay."""
    return deepcopy(made_once)


@pytest.fixture
def owner(scene: Scene) -> User:
    """Whose picture it is."""
    return scene.owner


def everything() -> tuple[Any, ...]:
    """Give the state of all that an unwelcome request could have changed."""
    return (
        list(Image.objects.order_by("pk").values_list("pk", "state", "deleted_at", "caption", "published_caption")),
        list(CaptionJob.objects.order_by("pk").values_list("pk", "state", "attempt")),
        list(Caption.objects.order_by("pk").values_list("pk", flat=True)),
        list(Review.objects.order_by("pk").values_list("pk", flat=True)),
        list(Album.objects.order_by("pk").values_list("pk", "name", "places", "shares__role")),
        list(AlbumLink.objects.order_by("pk").values_list("pk", "revoked_at")),
        list(Tag.objects.order_by("pk").values_list("pk", "name", "marks")),
        list(BulkJob.objects.values_list("pk", "state", "position")),
        list(Webhook.objects.values_list("pk", "name", "off", "secret", "deliveries__state")),
        list(SavedSearch.objects.filter(name="mine").values_list("pk", "name", "query")),
    )


def ask(client: Api, method: str, path: str, body: bytes = b"") -> Any:
    speaks = {"Tus-Resumable": "1.0.0"}
    if method in {"get", "head"}:
        return getattr(client, method)(path, headers=speaks)
    return client.generic(method.upper(), path, body, content_type="application/json" if body else "", headers=speaks)


def right_of(name: str, method: str) -> Right | None:
    if name in TUS and method == "options":
        return same(204)
    return TABLE.get((name, "get" if method == "head" else method))


def test_it_has_a_line_in_the_table_for_every_operation():
    served = {
        (pattern.name, method)
        for pattern in ROUTES
        for method in METHODS
        if hasattr(pattern.callback.cls, method) and method not in {"options", "head"}
    }
    assert served == set(TABLE)
    assert len({pattern.name for pattern in ROUTES}) == len(ROUTES)


def person(name: str, *groups: str) -> User:
    """Make somebody who never types a password."""
    user = User.objects.create(username=name, password="!")
    user.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
    return user


@pytest.mark.parametrize("pattern", ROUTES, ids=lambda pattern: pattern.name)
@pytest.mark.parametrize("who", ["nobody", "revoked", "expired", "inactive", "garbage"])
def test_it_lets_in_nobody_without_a_live_token(scene, owner, pattern, who):
    token, secret = tokens.mint(user=owner, name="tests")
    if who == "revoked":
        tokens.revoke(token=token)
    elif who == "expired":
        type(token).objects.filter(pk=token.pk).update(expires_at="2020-01-01T00:00:00Z")
    elif who == "inactive":
        User.objects.filter(pk=owner.pk).update(is_active=False)
    client = {"nobody": Api(), "garbage": Api("cdesk_" + "x" * 49)}.get(who) or Api(secret)
    before = everything()
    for method in METHODS:
        answer = ask(client, method, scene.path(pattern), (right_of(pattern.name, method) or NO_RIGHT).body)
        assert answer.status_code == 401, method
        if method != "head":
            codes(answer)
    assert everything() == before


@pytest.mark.parametrize("pattern", ROUTES, ids=lambda pattern: pattern.name)
@pytest.mark.parametrize("who", ["stranger", "reviewer", "operator", "owner"])
def test_it_gives_everybody_their_due(scene, owner, stranger, pattern, who):
    user = {"owner": owner, "stranger": stranger}.get(who) or person(who, f"{who}s")
    client = Api(tokens.mint(user=user, name="tests")[1])
    for method in METHODS:
        right = right_of(pattern.name, method) or NO_RIGHT
        before = everything()
        answer = ask(client, method, scene.path(pattern), right.body)
        assert answer.status_code == getattr(right, who), (method, answer.content[:300])
        if answer.status_code >= 400:
            assert everything() == before, method
            if method != "head":
                codes(answer)
        if who == "stranger":
            assert everything() == before, method
            shown = b"" if answer.streaming else answer.content  # a stream begins with what comes next
            for trace in scene.traces():
                assert trace not in shown, method


def needed(name: str, method: str) -> Scope | None:
    if method in {"get", "head"}:
        return None if name in FOR_ANY_TOKEN else Scope.ADMIN if name in READING_ALL else Scope.IMAGES_READ
    return WRITING[name]


@pytest.mark.parametrize("operation", TABLE, ids="-".join)
def test_it_does_for_a_token_what_its_scopes_open_and_no_more(scene, owner, operation):
    name, method = operation
    path = scene.path(next(pattern for pattern in ROUTES if pattern.name == name))
    right, scope = TABLE[operation], needed(name, method)
    others = [one for one in Scope if one not in {scope, Scope.ADMIN}]
    before = everything()
    answer = ask(Api(tokens.mint(user=owner, name="narrow", scopes=others)[1]), method, path, right.body)
    if scope is None:
        assert answer.status_code == right.owner
        return
    assert answer.status_code == 403
    assert codes(answer) == [("scope_missing", None)]
    assert everything() == before
    answer = ask(Api(tokens.mint(user=owner, name="right", scopes=[scope])[1]), method, path, right.body)
    assert answer.status_code == right.owner


@pytest.mark.parametrize(
    ("body", "scope"), [({"long_description": "A boat."}, "captions:write"), ({"is_decorative": True}, "reviews:write")]
)
def test_it_takes_more_than_writing_pictures_to_change_words_and_decisions(scene, owner, body, scope):
    path = f"images/{scene.image.pk}/"
    narrow = Api(tokens.mint(user=owner, name="narrow", scopes=["images:write"])[1])
    assert codes(narrow.send(path, body, method="patch")) == [("scope_missing", None)]
    wider = Api(tokens.mint(user=owner, name="wider", scopes=["images:write", scope])[1])
    assert wider.send(path, body, method="patch").status_code == 200


def test_it_gives_superusers_what_operators_get(scene, stranger):
    stranger.is_superuser = True
    stranger.save(update_fields=["is_superuser"])
    client = Api(tokens.mint(user=stranger, name="tests")[1])
    assert client.look(f"images/{scene.image.pk}/").status_code == 200
    assert client.look(f"images/{scene.image.pk}/original/").status_code == 404
    assert scene.traces()[0] not in client.look("images/").content


def test_it_gives_a_reviewer_no_more_once_out_of_the_group(scene):
    rita = person("rita", "reviewers")
    client = Api(tokens.mint(user=rita, name="tests")[1])
    assert client.look(f"images/{scene.image.pk}/").status_code == 200
    rita.groups.clear()
    assert client.look(f"images/{scene.image.pk}/").status_code == 404


def test_it_hides_pictures_in_the_trash_from_reviewers(scene):
    client = Api(tokens.mint(user=person("rita", "reviewers"), name="tests")[1])
    factories.make_trash(scene.image)
    for kind in ("", "screen/", "medium/", "thumbnail/", "captions/", "reviews/", "jobs/"):
        assert client.look(f"images/{scene.image.pk}/{kind}").status_code == 404

"""Pictures over the API: list, look, throw away, recover, fetch bytes."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from captions.models import Image
from tests import factories
from tests.api.conftest import codes

FIELDS = {
    "id", "sha256", "width", "height", "format", "bytes", "state", "caption", "published_caption", "created_at",
}  # fmt: skip
CAPTION_FIELDS = {
    "id", "text", "kind", "score", "rank", "model", "revision", "params", "seed", "author", "parent", "created_at",
}  # fmt: skip
JOB_FIELDS = {
    "id", "image", "state", "attempt", "params", "error", "captions", "created_at", "started_at", "finished_at",
}  # fmt: skip


def listed(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_it_shows_every_field_that_clients_rely_on(api, owner):
    image = factories.make_image(owner, "approved", text="a boat")
    body = api.look(f"images/{image.pk}/").json()
    assert set(body) >= FIELDS | {"jobs"}
    assert set(body["caption"]) >= CAPTION_FIELDS
    assert set(body["jobs"][0]) >= JOB_FIELDS
    assert body["id"] == str(image.pk)
    assert (body["width"], body["height"], body["format"], body["state"]) == (64, 48, "JPEG", "approved")
    assert body["sha256"] == image.sha256
    assert body["bytes"] == image.bytes
    assert body["caption"]["text"] == body["published_caption"]["text"] == "a boat"
    assert body["caption"]["kind"] == "generated"
    assert body["caption"]["model"] == "demo"
    assert body["caption"]["params"]["num_beams"] >= 1
    assert body["caption"]["author"] is None
    assert body["caption"]["parent"] is None
    assert body["jobs"][0]["captions"][0]["id"] == body["caption"]["id"]
    assert body["jobs"][0]["state"] == "done"
    assert body["jobs"][0]["error"] is None


def test_it_shows_null_where_nobody_wrote_a_caption(api, owner):
    image = factories.make_image(owner)
    body = api.look(f"images/{image.pk}/").json()
    assert (body["caption"], body["published_caption"], body["jobs"]) == (None, None, [])


def test_it_says_why_a_job_failed_and_nothing_of_the_inside(api, owner):
    image = factories.make_image(owner)
    job = factories.make_failure(image, "model_failed")
    type(job).objects.filter(pk=job.pk).update(error_detail="CUDA error in /srv/secret.py")
    answer = api.look(f"images/{image.pk}/")
    assert answer.json()["jobs"][0]["error"]["code"] == "model_failed"
    assert b"secret" not in answer.content


def test_it_lists_own_pictures_newest_first(api, owner, stranger):
    made = [factories.make_image(owner) for _ in range(3)]
    factories.make_image(stranger)
    assert listed(api.look("images/")) == [str(image.pk) for image in reversed(made)]
    assert listed(api.look("images/", ordering="oldest")) == [str(image.pk) for image in made]


@pytest.mark.parametrize("ordering", ["newest", "oldest"])
def test_it_pages_forth_and_back_without_loss_or_repeat(api, owner, ordering):
    made = [str(factories.make_image(owner).pk) for _ in range(7)]
    now = timezone.now()
    Image.objects.filter(pk__in=made[1:6]).update(created_at=now)  # one moment for five rows: the id decides
    whole = listed(api.look("images/", ordering=ordering))
    forth, address = [], f"/api/v1/images/?limit=2&ordering={ordering}"
    pages = []
    while address:
        body = api.get(address).json()
        pages.append([row["id"] for row in body["results"]])
        forth += pages[-1]
        last, address = body, body["next"]
    assert forth == whole
    assert sorted(forth) == sorted(made)
    back = []
    while last["previous"]:
        last = api.get(last["previous"]).json()
        back.append([row["id"] for row in last["results"]])
    assert back == pages[-2::-1]


def test_it_keeps_its_place_while_pictures_come_and_go(api, owner):
    made = [factories.make_image(owner) for _ in range(6)]
    first = api.look("images/", limit=2).json()
    factories.make_image(owner)
    factories.make_trash(made[4])  # the last row of the first page
    second = api.get(first["next"]).json()
    assert [row["id"] for row in second["results"]] == [str(made[3].pk), str(made[2].pk)]


def test_it_costs_no_query_per_row(api, owner, django_assert_max_num_queries):
    for _ in range(8):
        factories.make_image(owner, "approved")
    api.look("images/")
    with django_assert_max_num_queries(8):
        assert len(listed(api.look("images/"))) == 8


def test_it_filters(api, owner):
    draft = factories.make_image(owner, "draft")
    failed = factories.make_image(owner, "failed", format="PNG")
    empty = factories.make_image(owner, format="GIF")
    gone = factories.make_trash(factories.make_image(owner))
    old = factories.make_image(owner, format="BMP")
    Image.objects.filter(pk=old.pk).update(created_at="2020-01-01T12:00:00Z")

    def found(**query):
        return {*listed(api.look("images/", **query))}

    ids = {name: str(row.pk) for name, row in locals().copy().items() if isinstance(row, Image)}
    assert found(state="draft") == {ids["draft"]}
    assert found(state=["draft", "failed"]) == {ids["draft"], ids["failed"]}
    assert found(format="PNG") == {ids["failed"]}
    assert found(format=["GIF", "BMP"]) == {ids["empty"], ids["old"]}
    assert found(has_caption="true") == {ids["draft"]}
    assert found(has_caption="false") == {ids["failed"], ids["empty"], ids["old"]}
    assert found(deleted="true") == {ids["gone"]}
    assert ids["gone"] not in found(deleted="false")
    assert found(created_before="2020-01-01T12:00:01Z") == {ids["old"]}
    assert found(created_before="2020-01-01T12:00:00Z") == set()
    assert ids["old"] not in found(created_after="2020-01-01T12:00:00.5Z")
    assert found(created_after="2020-01-01T13:00:00%2B01:00".replace("%2B", "+"), format="BMP") == {ids["old"]}
    assert found(created_after="2020-01-02T08:16:00+20:16", format="BMP") == {ids["old"]}
    assert found(created_after="2020-01-02T08:16:01+20:16", format="BMP") == set()
    assert found(state="draft", format="GIF") == set()


@pytest.mark.parametrize(
    ("query", "about"),
    [
        ({"state": "lost"}, "state"),
        ({"format": "SVG"}, "format"),
        ({"has_caption": "perhaps"}, "has_caption"),
        ({"deleted": "1"}, "deleted"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"created_before": "0001-01-01T00:00:00+14:00"}, "created_before"),
        ({"created_before": "9999-12-31T23:59:59-14:00"}, "created_before"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "-5"}, "limit"),
        ({"limit": "²"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"state": ["draft", ""]}, "state"),
        ({"created_before": ""}, "created_before"),
        ({"deleted": ""}, "deleted"),
        ({"ordering": "-sha256"}, "ordering"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": "YWZ0ZXJ8MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMHww"}, "cursor"),
        ({"owner__password__startswith": "a"}, "owner__password__startswith"),
        ({"_connector": "OR"}, "_connector"),
        ({"page": "2"}, "page"),
    ],
)
def test_it_refuses_a_query_that_would_do_nothing(api, query, about):
    answer = api.look("images/", **query)
    assert answer.status_code == 400
    assert [attr for _, attr in codes(answer)] == [about]
    assert answer.json()["type"] == "validation_error"


def test_it_puts_a_picture_into_the_trash_and_takes_it_out(api, owner):
    image = factories.make_image(owner, "queued")
    assert api.delete(f"/api/v1/images/{image.pk}/").status_code == 204
    assert codes(api.look(f"images/{image.pk}/")) == [("not_found", None)]
    image.refresh_from_db()
    assert image.deleted_at is not None
    assert not image.jobs.filter(state="queued").exists()
    answer = api.send(f"images/{image.pk}/recover/")
    assert answer.status_code == 200, answer.content
    assert answer.json()["deleted_at"] is None
    assert api.look(f"images/{image.pk}/").status_code == 200
    assert api.send(f"images/{image.pk}/recover/").status_code == 200


@pytest.mark.parametrize("kind", ["thumbnail", "medium", "screen"])
def test_it_sends_renditions_for_private_caches_only(api, owner, kind):
    image = factories.make_image(owner, files=True)
    address = api.look(f"images/{image.pk}/").json()["urls"][kind]
    answer = api.get(address, headers={"Accept": "image/webp"})
    body = b"".join(answer) if answer.streaming else answer.content
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/webp"
    assert body[:4] == b"RIFF"
    assert "private" in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["X-Request-ID"]
    again = api.get(address, headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304


def test_it_sends_the_large_rendition_of_a_picture_without_a_medium_one(api, owner):
    image = factories.make_image(owner, files=True, medium_width=0, medium_height=0)
    urls = api.look(f"images/{image.pk}/").json()["urls"]
    assert urls["medium"] == urls["screen"].replace("/screen/", "/medium/")
    assert api.get(urls["medium"]).content == api.get(urls["screen"]).content
    assert api.get(urls["medium"])["ETag"] == api.get(urls["screen"])["ETag"]


def test_it_sends_the_original_byte_for_byte_as_an_attachment(api, owner):
    data = factories.picture(format="PNG")
    image = factories.receive(owner, data, filename="harbour.png")
    answer = api.look(f"images/{image.pk}/original/")
    assert (b"".join(answer) if answer.streaming else answer.content) == data
    assert answer["Content-Disposition"].startswith("attachment")
    part = api.get(f"/api/v1/images/{image.pk}/original/", headers={"Range": "bytes=4-9"})
    assert part.status_code == 206
    assert part.content == data[4:10]


def test_it_refuses_a_range_beyond_the_file_in_the_one_shape(api, owner):
    image = factories.make_image(owner, files=True)
    answer = api.get(f"/api/v1/images/{image.pk}/thumbnail/", headers={"Range": "bytes=99999999-"})
    assert answer.status_code == 416
    assert codes(answer) == [("range_not_satisfiable", None)]
    assert answer["Content-Range"].startswith("bytes */")


def test_it_says_that_a_file_is_missing(api, owner):
    image = factories.make_image(owner)
    answer = api.look(f"images/{image.pk}/thumbnail/")
    assert answer.status_code == 500
    assert codes(answer)[0][0] == "rendition_missing"


def test_it_shows_reviewers_others_pictures_but_never_the_original(api_of, owner):
    image = factories.make_image(owner, "draft", files=True)
    reviewer = api_of(factories.make_person("rita", "reviewers"))
    body = reviewer.look(f"images/{image.pk}/").json()
    assert body["urls"]["original"] is None
    assert reviewer.get(body["urls"]["screen"]).status_code == 200
    assert codes(reviewer.look(f"images/{image.pk}/original/")) == [("not_found", None)]
    assert codes(reviewer.delete(f"/api/v1/images/{image.pk}/")) == [("not_found", None)]
    assert listed(reviewer.look("images/")) == []


def test_it_answers_alike_for_others_pictures_and_for_none(other, owner):
    image = factories.make_image(owner)
    foreign, absent = other.look(f"images/{image.pk}/"), other.look(f"images/{uuid.uuid4()}/")
    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert foreign.json()["errors"] == absent.json()["errors"]

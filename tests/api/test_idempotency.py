"""Requests that are sent again with the same Idempotency-Key."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.utils import timezone

from captions import albums, idempotency, tokens
from captions.errors import DeskError
from captions.models import Caption, CaptionJob, Image, KeptAnswer
from tests import factories
from tests.api.conftest import Api

KEY = {"Idempotency-Key": "6b1f3a52-one"}


def code_of(answer):
    return answer.json()["errors"][0]["code"]


def same(first, second):
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert "Idempotency-Replayed" not in first.headers
    assert second["Idempotency-Replayed"] == "true"
    assert second["Content-Type"] == first["Content-Type"]
    assert second["X-Request-ID"] != first["X-Request-ID"]


def write(api, image, text="by hand", headers=KEY):
    return api.send(f"images/{image.pk}/captions/", {"text": text}, headers=headers)


def test_it_carries_a_request_out_once(api, owner):
    image = factories.make_image(owner)
    answers = [write(api, image) for _ in range(3)]
    assert answers[0].status_code == 201
    same(answers[0], answers[1])
    same(answers[0], answers[2])
    assert Caption.objects.count() == 1
    assert write(api, image, "more", headers={"Idempotency-Key": "another"}).status_code == 201
    assert Caption.objects.count() == 2


def test_it_keeps_a_refusal_too(api, owner):
    image = factories.make_image(owner)
    first, second = write(api, image, ""), write(api, image, "")
    assert first.status_code == 400
    same(first, second)


def test_it_refuses_a_key_that_came_with_another_request(api, owner):
    image = factories.make_image(owner)
    write(api, image)
    for answer in (
        write(api, image, "other words"),
        write(api, factories.make_image(owner)),
        api.send(f"images/{image.pk}/captions/?x=1", {"text": "by hand"}, headers=KEY),
    ):
        assert (answer.status_code, code_of(answer)) == (422, "idempotency_key_reused")
    assert Caption.objects.count() == 1


def test_it_knows_the_keys_of_each_person_apart(api, other, owner, stranger):
    first = write(api, factories.make_image(owner))
    second = write(other, factories.make_image(stranger))
    assert (first.status_code, second.status_code) == (201, 201)
    assert Caption.objects.count() == 2


def test_it_gives_no_kept_answer_to_a_token_with_other_scopes(api, owner):
    image = factories.make_image(owner)
    first = write(api, image)
    same(first, write(Api(tokens.mint(user=owner, name="another")[1]), image))
    narrow = Api(tokens.mint(user=owner, name="narrow", scopes=["captions:write"])[1])
    assert (write(narrow, image).status_code, code_of(write(narrow, image))) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "schlüssel"])
def test_it_refuses_a_key_that_is_none(api, owner, key):
    answer = write(api, factories.make_image(owner), headers={"Idempotency-Key": key})
    assert (answer.status_code, code_of(answer)) == (400, "idempotency_key_wrong")


def test_it_takes_no_key_with_what_changes_nothing(api, owner):
    assert api.get("/api/v1/images/", headers={"Idempotency-Key": "two words"}).status_code == 200
    assert not KeptAnswer.objects.exists()


@pytest.mark.parametrize("as_form", [True, False])
def test_it_takes_a_picture_once_whatever_the_form_s_boundary(api, owner, as_form):
    data = factories.picture()

    def upload(boundary, file=data):
        if not as_form:
            return api.post("/api/v1/images/", file, content_type="image/jpeg", headers=KEY)
        from django.test.client import encode_multipart

        body = encode_multipart(boundary, {"file": SimpleUploadedFile("sea.jpg", file, "image/jpeg"), "num_beams": "2"})
        return api.post("/api/v1/images/", body, content_type=f"multipart/form-data; boundary={boundary}", headers=KEY)

    first, second = upload("one"), upload("two")
    assert first.status_code == 201
    same(first, second)
    assert second["Location"] == first["Location"]
    assert (Image.objects.count(), CaptionJob.objects.count()) == (1, 1)
    assert code_of(upload("three", factories.picture())) == "idempotency_key_reused"


def test_it_gives_the_key_back_after_a_fault_of_ours(api, owner, monkeypatch):
    from captions import ledger

    image = factories.make_image(owner)
    with monkeypatch.context() as broken:
        broken.setattr(ledger, "write", lambda **_: 1 / 0)
        assert write(api, image).status_code == 500
    answer = write(api, image)
    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer.headers


def test_it_gives_the_key_back_while_the_queue_is_full(api, owner, settings):
    image = factories.make_image(owner)
    settings.QUEUE_LIMIT_PER_OWNER = 0
    assert api.send(f"images/{image.pk}/jobs/", {}, headers=KEY).status_code == 429
    settings.QUEUE_LIMIT_PER_OWNER = 9
    assert api.send(f"images/{image.pk}/jobs/", {}, headers=KEY).status_code == 201


def test_it_forgets_after_a_day(api, owner):
    image = factories.make_image(owner)
    write(api, image)
    KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert "Idempotency-Replayed" not in write(api, image).headers
    KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert idempotency.tidy() == 1
    assert not KeptAnswer.objects.exists()


def test_it_gives_the_key_back_while_no_worker_serves_the_model(api, owner):
    image = factories.make_image(owner)
    ask = lambda: api.send(f"images/{image.pk}/jobs/", {"model": "org/late"}, headers=KEY)  # noqa: E731  # said twice
    assert code_of(ask()) == "model_not_served"
    factories.make_worker(model="org/late", names=["org/late"])
    assert ask().status_code == 201


def test_it_tells_uploads_in_pieces_apart_by_their_headers(api, owner):
    def begin(length):
        tus = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length), "Upload-Metadata": "filename c2VhLmpwZw=="}
        return api.post("/api/v1/uploads/", b"", content_type="application/offset+octet-stream", headers={**KEY, **tus})

    first = begin(5000)
    assert first.status_code == 201
    assert begin(5000)["Location"] == first["Location"]
    assert code_of(begin(6000)) == "idempotency_key_reused"


def test_it_keeps_no_secret(api, owner):
    album = albums.make(owner=owner, name="One")
    first = api.send(f"albums/{album.pk}/links/", {"days": 7}, headers=KEY)
    secret = first.json()["url"].rstrip("/").rpartition("/")[2]
    again = api.send(f"albums/{album.pk}/links/", {"days": 7}, headers=KEY)
    assert (again.status_code, code_of(again)) == (409, "idempotency_answer_secret")
    assert secret.encode() not in bytes(KeptAnswer.objects.get().body)
    assert album.links.count() == 1


# --- Two at once -----------------------------------------------------------------------------------------------------


def begin(user, key="k", fingerprint="f", wait_seconds=0.0):
    return idempotency.begin(user=user, key=key, fingerprint=fingerprint, wait_seconds=wait_seconds)


def test_it_says_so_when_the_first_takes_too_long(owner):
    assert isinstance(begin(owner), idempotency.Slot)
    with pytest.raises(DeskError) as refused:
        begin(owner)
    assert refused.value.code == "idempotency_in_progress"


def test_it_takes_the_place_of_a_request_that_died(owner):
    dead = begin(owner)
    KeptAnswer.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    slot = begin(owner)
    assert isinstance(slot, idempotency.Slot)
    idempotency.keep(dead, status=201, headers={}, body=b"late")
    assert KeptAnswer.objects.get().status is None, "the dead one has lost its right"
    idempotency.keep(slot, status=200, headers={}, body=b"done")
    assert bytes(begin(owner).body) == b"done"


@pytest.mark.django_db(transaction=True)
def test_it_lets_all_others_wait_for_the_first(transactional_db):
    user = factories.make_person("ann")
    first, found = begin(user), []

    def again():
        try:
            found.append(bytes(begin(user, wait_seconds=20).body))
        finally:
            connections.close_all()

    waiting = [threading.Thread(target=again) for _ in range(5)]
    for thread in waiting:
        thread.start()
    idempotency.keep(first, status=201, headers={}, body=b"once")
    for thread in waiting:
        thread.join(30)
    assert found == [b"once"] * 5
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_it_gives_one_of_many_the_right(transactional_db):
    user = factories.make_person("ann")
    slots, ready = [], threading.Barrier(6)

    def claim():
        try:
            ready.wait(30)
            slots.append(begin(user))
        except DeskError as refused:
            slots.append(refused.code)
        finally:
            connections.close_all()

    claiming = [threading.Thread(target=claim) for _ in range(6)]
    for thread in claiming:
        thread.start()
    for thread in claiming:
        thread.join(60)
    assert sum(isinstance(slot, idempotency.Slot) for slot in slots) == 1
    assert slots.count("idempotency_in_progress") == 5

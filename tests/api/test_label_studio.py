"""The protocol by which Label Studio asks a connected model for captions to start from."""

from __future__ import annotations

import base64
import json
import math

import pytest

from captions import label_studio as shapes
from captions import tokens
from captions.api import bodies
from captions.api.views import label_studio
from captions.models import Image
from tests import factories
from tests.api.conftest import Api
from tests.outbound.conftest import server  # noqa: F401  # a fixture

CONFIG = '<View><Image name="picture" value="$photo"/><TextArea name="words" toName="picture"/></View>'


@pytest.fixture(autouse=True)
def _nobody_waits_long(monkeypatch):
    monkeypatch.setattr(label_studio, "LONGEST_SECONDS", 0.1)


@pytest.fixture
def known(owner):
    """A picture that has a draft already, and its bytes."""
    data = factories.picture()
    factories.make_drafts(factories.receive(owner, data), "a boat in a harbour")
    return data


def uri(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def task(number: int, **data):
    return {"id": number, "project": 7, "data": data}


def send(client, path, body, **more):
    return client.post(f"/label-studio/{path}", json.dumps(body), content_type="application/json", **more)


def predict(client, *tasks, config=CONFIG):
    """Ask as Label Studio does."""
    params = {"login": None, "password": None, "context": None}
    body = {"tasks": list(tasks), "model_version": "", "project": "7.1700000000", "label_config": config}
    return send(client, "predict", {**body, "params": params})


def told(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert answer.json()["error"]
    return answer.json()


def test_it_says_that_it_is_up(api):
    for path in ("/label-studio/health", "/label-studio/health/"):
        assert api.get(path).json()["status"] == "UP"


def test_it_names_the_model_in_use_when_a_project_is_set_up(api):
    body = {"project": "7.1700000000", "schema": CONFIG, "hostname": "http://studio", "access_token": "x"}
    assert send(api, "setup", body).json() == {"model_version": ""}
    factories.make_worker(model="demo", revision="3")
    assert send(api, "setup", body).json() == {"model_version": "demo@3"}


@pytest.mark.parametrize(
    ("config", "code"),
    [
        (None, "label_config_wrong"), ("", "label_config_wrong"), ("<View/>", "label_config_wrong"),
        ('<View><Image name="a" value="$a"/><TextArea name="t" toName="b"/></View>', "label_config_wrong"),
        ("<View>", "xml_unreadable"), ('<!DOCTYPE View [<!ENTITY a "b">]><View>&a;</View>', "xml_declares_type"),
    ],
)  # fmt: skip
def test_it_refuses_a_set_up_without_a_text_area_for_a_picture(api, config, code):
    told(send(api, "setup", {"project": "7.1", "schema": config}), 400, code)
    told(predict(api, task(1, photo="x"), config=config), 400, code)


def test_it_answers_with_the_words_of_a_picture_in_the_controls_of_the_project(api, known):
    image = Image.objects.get()
    answer = predict(api, task(1, photo=uri(known)))
    assert answer.status_code == 200, answer.content
    [prediction] = answer.json()["results"]
    assert prediction["model_version"] == "demo@1"
    assert prediction["score"] == pytest.approx(image.quality, abs=1e-4)
    [result] = prediction["result"]
    assert (result["from_name"], result["to_name"], result["type"]) == ("words", "picture", "textarea")
    assert result["value"] == {"text": ["a boat in a harbour"]}


def test_it_takes_the_text_area_called_caption_before_others(api, known):
    config = (
        '<View><Image name="image" value="$photo"/><TextArea name="notes" toName="image"/>'
        '<textarea name="caption" toname="image"/></View>'
    )
    [prediction] = predict(api, task(1, photo=uri(known)), config=config).json()["results"]
    assert prediction["result"][0]["from_name"] == "caption"


def test_it_is_sure_of_words_that_a_person_vouched_for(api, owner, known):
    factories.make_review(Image.objects.get(), "edit", text="The harbour of Husum.")
    [prediction] = predict(api, task(1, photo=uri(known))).json()["results"]
    assert prediction["result"][0]["value"] == {"text": ["The harbour of Husum."]}
    assert (prediction["score"], prediction["model_version"]) == (1.0, "written by hand")


def test_it_scores_a_draft_that_is_not_on_show_by_its_words(owner, known):
    image = Image.objects.get()
    draft = image.caption
    factories.make_caption(image, "by hand")
    image.refresh_from_db()
    assert shapes.score(image, draft) == pytest.approx(math.exp(-0.25), abs=1e-4)
    assert shapes.score(image, image.caption) is None


def test_it_fetches_pictures_by_their_addresses(api, owner, known, server):  # noqa: F811  # the fixture
    server.script["/harbour.jpg"] = (200, {"Content-Type": "image/jpeg"}, [known])
    [prediction] = predict(api, task(1, photo=server.url("/harbour.jpg"))).json()["results"]
    assert prediction["result"][0]["value"] == {"text": ["a boat in a harbour"]}


def test_it_takes_new_pictures_in_and_says_when_their_words_are_late(api, owner):
    told(predict(api, task(1, photo=uri(factories.picture()))), 504, "caption_late")
    assert Image.objects.get(owner=owner).jobs.get().state == "queued"


def test_it_answers_for_the_tasks_that_have_words_when_others_have_none(api, owner, known):
    answer = predict(
        api, task(1, photo=uri(b"plain text")), task(2, photo=uri(known)), task(3, photo=uri(factories.picture())),
        task(4), 5,
    )  # fmt: skip
    results = answer.json()["results"]
    assert [bool(result) for result in results] == [False, True, False, False, False]
    assert results[0] == []
    assert Image.objects.count() == 2


def test_it_gives_several_tasks_the_words_that_their_jobs_draft(api, owner, monkeypatch):
    first, second = factories.make_image(owner), factories.make_image(owner)
    request = label_studio.jobs.request

    def draft_at_once(**asked):
        made = request(**asked)
        factories.finish(made.job, f"words of {made.job.image_id}")
        return made

    monkeypatch.setattr(label_studio.jobs, "request", draft_at_once)
    answer = predict(api, task(1, id=str(first.pk)), task(2, id=str(second.pk)))
    texts = [one["result"][0]["value"]["text"] for one in answer.json()["results"]]
    assert texts == [[f"words of {first.pk}"], [f"words of {second.pk}"]]


def test_it_knows_pictures_of_its_own_by_their_id(api, owner, stranger):
    mine, foreign = factories.make_image(owner, "draft", text="a lamp"), factories.make_image(stranger, "draft")
    [prediction] = predict(api, task(1, id=str(mine.pk), photo="https://desk.example.org/x")).json()["results"]
    assert prediction["result"][0]["value"] == {"text": ["a lamp"]}
    told(predict(api, task(1, id=str(foreign.pk))), 400, "no_file")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://127.0.0.1/cat.jpg", "address_refused"), ("file:///etc/passwd", "address_wrong"),
        ("/data/upload/1/1f3b5c7d-cat.jpg", "address_wrong"), ("data:image/png;base64,?", "address_wrong"),
        ("data:,hello", "address_wrong"), ("http://\ud800/", "address_wrong"),
        ("cat\x00.jpg", "address_wrong"), (7, "no_file"), (None, "no_file"),
    ],
)  # fmt: skip
def test_it_says_why_a_task_has_no_picture(api, address, code):
    told(predict(api, task(1, photo=address)), 400, code)
    assert not Image.objects.exists()


def test_it_answers_one_of_too_many_tasks_so_that_the_rest_come_singly(api, known):
    many = [task(number, photo=uri(known)) for number in range(label_studio.MOST_TASKS + 1)]
    assert len(predict(api, *many).json()["results"]) == 1
    assert len(predict(api, *many[1:]).json()["results"]) == label_studio.MOST_TASKS


def test_it_stops_fetching_before_label_studio_gives_up(api, known, monkeypatch):
    monkeypatch.setattr(label_studio, "TAKING_SECONDS", -1)
    told(predict(api, task(1, photo=uri(known))), 504, "caption_late")


@pytest.mark.parametrize("tasks", [None, [], "x", {}])
def test_it_needs_tasks(api, tasks):
    told(send(api, "predict", {"tasks": tasks, "label_config": CONFIG}), 400, "invalid")


def basic(secret: str, name: str = "olga") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def test_it_takes_the_token_as_a_basic_password_whatever_the_name(owner):
    secret = tokens.mint(user=owner, name="studio", scopes=["images:write"])[1]
    for name in ("olga", "label-studio", ""):
        assert Api().get("/label-studio/health", headers=basic(secret, name)).status_code == 200


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !", "Basic " + base64.b64encode(b"\xff\xfe").decode(), "Basic b2xnYTp4", "Bearer x"]
)
def test_it_lets_nobody_in_without_a_live_token(db, header):
    for answer in (
        Api().get("/label-studio/health", headers={"Authorization": header}),
        send(Api(), "predict", {"tasks": []}, headers={"Authorization": header}),
    ):
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Basic")
        assert answer.json()["error"]


def test_it_takes_basic_passwords_nowhere_else(owner):
    secret = tokens.mint(user=owner, name="studio")[1]
    assert Api().get("/api/v1/images/", headers=basic(secret)).status_code == 401


def test_it_needs_a_token_that_may_add_pictures(owner):
    narrow = Api(tokens.mint(user=owner, name="narrow", scopes=["images:read"])[1])
    told(send(narrow, "setup", {"schema": CONFIG}), 403, "scope_missing")
    told(predict(narrow, task(1, photo="x")), 403, "scope_missing")


def test_it_hears_webhooks_without_a_token_and_does_nothing(nobody, db):
    body = {"action": "ANNOTATION_CREATED", "project": {"id": 7}, "task": {}, "annotation": {}}
    assert send(nobody, "webhook", body).json() == {"status": "ok", "result": {}}


def test_it_refuses_other_addresses_and_large_bodies_in_its_shape(api, monkeypatch):
    told(api.get("/label-studio/versions"), 404, "not_found")
    told(api.get("/label-studio/predict"), 405, "method_not_allowed")
    told(api.post("/label-studio/predict", "{", content_type="application/json"), 400, "parse_error")
    limit = bodies.BodyLimit(None, picture_bytes=1)._limit("/label-studio/predict")
    assert limit == bodies.INLINE_BYTES


def test_it_reads_no_picture_that_is_here_to_a_token_for_adding_alone(owner, known):
    worded, bare = Image.objects.get(), factories.make_image(owner)
    for scopes, image, status in (
        (["images:write"], worded, 403),
        (["images:write", "images:read"], worded, 200),
        (["images:write", "images:read"], bare, 403),
        (["images:write", "images:read", "captions:write"], bare, 504),
    ):
        client = Api(tokens.mint(user=owner, name="labels", scopes=scopes)[1])
        answer = predict(client, task(1, id=str(image.pk), photo="/data/upload/1.jpg"))
        assert answer.status_code == status, answer.content
        assert ("a boat" in answer.content.decode()) == (status == 200)
        assert status != 403 or answer.json()["code"] == "scope_missing"

"""Models over the API: what is served, what is refused, what a waiting job says."""

from __future__ import annotations

import jsonschema
import pytest

from captions.api.views.documents import document
from captions.models import CaptionJob, Image, Worker
from tests import factories
from tests.api.conftest import codes
from tests.api.test_documents import operations

VIT = {
    "model": "nlpconnect/vit-gpt2-image-captioning",
    "names": ["nlpconnect/vit-gpt2-image-captioning", "vit-gpt2"],
    "title": "ViT-GPT2",
    "revision": "abc",
    "device": "cuda:0",
    "precision": "fp16",
    "defaults": {"max_length": 20},
}


def lane(answer) -> int:
    return CaptionJob.objects.get(pk=answer.json()["jobs"][0]["id"]).lane


def test_it_lists_the_models_that_are_served(api):
    assert api.look("models/").json() == {"next": None, "previous": None, "results": []}
    factories.make_worker(is_demo=True, takes_any=False)
    for seconds in (0.5, 1.5):
        factories.make_worker(**VIT, seconds_per_image=seconds)
    factories.make_worker(model="gone", state=Worker.State.STOPPED)
    vit, demo = api.look("models/").json()["results"]
    assert vit.pop("defaults")["max_length"] == 20
    assert vit == {
        "name": VIT["model"], "names": VIT["names"], "title": "ViT-GPT2", "revision": "abc", "device": "cuda:0",
        "precision": "fp16", "is_demo": False, "is_default": True, "workers": 2, "seconds_per_image": 1.0,
    }  # fmt: skip
    assert (demo["name"], demo["title"], demo["is_demo"], demo["is_default"]) == ("demo", None, True, False)


def test_it_refuses_a_job_for_a_model_that_nobody_serves(api, owner):
    factories.make_worker()
    image = factories.make_image(owner)
    answer = api.send(f"images/{image.pk}/jobs/?wait=30", {"model": "other"})
    assert (answer.status_code, codes(answer)) == (409, [("model_not_served", "model")])
    assert answer.json()["errors"][0]["detail"] == (
        "No worker serves the model “other” now. Choose “demo”, or leave the model out."
    )
    assert not CaptionJob.objects.exists()


def test_it_takes_null_for_any_model_and_says_so(api, owner):
    image = factories.make_image(owner)
    answer = api.send(f"images/{image.pk}/jobs/", {"model": None, "num_beams": None})
    assert (answer.status_code, CaptionJob.objects.get().model) == (201, "")
    asks = {operation["operationId"]: operation for _, _, operation in operations()}["request_captions"]
    schema = asks["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.validate({"model": None}, {**schema, "components": document()["components"]})


def test_it_refuses_an_upload_for_a_model_that_nobody_serves_and_keeps_nothing(api, owner):
    data = factories.picture()
    for answer in (api.raw("images/?model=other", data), api.raw("images/?model=other&wait=30", data)):
        assert (answer.status_code, codes(answer)) == (409, [("model_not_served", "model")])
    assert not Image.objects.exists()
    image = api.raw("images/", data).json()
    assert api.raw("images/?model=other", data).status_code == 409
    assert [job["model"] for job in api.look(f"images/{image['id']}/").json()["jobs"]] == [None]


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("vit-gpt2", "model_not_served", "No worker serves the model “vit-gpt2” now."),
        ("", "no_worker", "No worker is running."),
    ],
)
def test_it_says_what_a_waiting_job_lacks(api, owner, model, code, words):
    factories.make_worker(**VIT)
    job = factories.make_job(factories.make_image(owner), model=model)
    seen = api.look(f"jobs/{job.pk}/").json()
    assert seen["notice"] is None
    assert seen["params"]["max_length"] == 20
    Worker.objects.update(state=Worker.State.STOPPED)
    lacking = api.look(f"jobs/{job.pk}/").json()
    assert (lacking["state"], lacking["model"]) == ("queued", model or None)
    assert lacking["notice"]["code"] == code
    assert lacking["notice"]["detail"].startswith(words)
    factories.run(job)
    assert api.look(f"jobs/{job.pk}/").json()["notice"] is None


def test_it_shows_a_job_with_the_defaults_of_the_model_it_asks_for(api, owner):
    factories.make_worker(defaults={"max_length": 10})
    factories.make_worker(**VIT, takes_any=False)
    image = factories.make_image(owner)
    lengths = [
        api.send(f"images/{image.pk}/jobs/", body).json()["params"]["max_length"]
        for body in ({}, {"model": "demo"}, {"model": "vit-gpt2"})
    ]
    assert lengths == [10, 10, 20]


def test_it_serves_an_upload_that_somebody_waits_for_before_those_of_an_import(api, monkeypatch):
    monkeypatch.setattr("captions.jobs.BULK_AFTER", 2)
    lanes = [lane(api.raw("images/", factories.picture())) for _ in range(3)]
    assert lanes == [CaptionJob.Lane.INTERACTIVE, CaptionJob.Lane.INTERACTIVE, CaptionJob.Lane.BULK]
    assert lane(api.raw("images/?wait=0.01", factories.picture())) == CaptionJob.Lane.INTERACTIVE

"""Jobs over the API: ask, look, cancel, try again."""

from __future__ import annotations

import pytest

from captions.models import CaptionJob
from tests import factories
from tests.api.conftest import codes


def test_it_asks_for_captions_with_parameters(api, owner):
    factories.make_worker()
    image = factories.make_image(owner)
    answer = api.send(f"images/{image.pk}/jobs/", {"num_captions": 3, "do_sample": True, "seed": 7, "model": "demo"})
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert body["image"] == str(image.pk)
    assert (body["state"], body["attempt"], body["error"], body["captions"]) == ("queued", 0, None, [])
    assert body["chosen"] == {"num_captions": 3, "do_sample": True, "seed": 7}
    assert body["model"] == "demo"
    assert (body["started_at"], body["finished_at"]) == (None, None)


def test_it_asks_without_parameters_and_without_a_body(api, owner):
    image = factories.make_image(owner)
    answer = api.generic("POST", f"/api/v1/images/{image.pk}/jobs/")
    assert (answer.status_code, answer.json()["chosen"]) == (201, {})
    assert len(answer.json()["params"]) == 10


def test_it_takes_parameters_of_a_form(api, owner):
    image = factories.make_image(owner)
    for form in ({"num_beams": "2"}, {"num_beams": "3"}):
        assert api.post(f"/api/v1/images/{image.pk}/jobs/", form).status_code == 201
    answer = api.generic(
        "POST", f"/api/v1/images/{image.pk}/jobs/", b"num_beams=3", content_type="application/x-www-form-urlencoded"
    )
    assert (answer.status_code, answer.json()["chosen"]) == (200, {"num_beams": 3})


def test_it_answers_200_with_the_open_job_that_asks_the_same(api, owner):
    image = factories.make_image(owner)
    first = api.send(f"images/{image.pk}/jobs/", {"num_beams": 2})
    again = api.send(f"images/{image.pk}/jobs/", {"num_beams": 2})
    another = api.send(f"images/{image.pk}/jobs/", {"num_beams": 3})
    assert (first.status_code, again.status_code, another.status_code) == (201, 200, 201)
    assert first.json()["id"] == again.json()["id"] != another.json()["id"]


@pytest.mark.parametrize(
    ("body", "status", "about"),
    [
        ({"num_beams": 0}, 400, [("invalid_parameter", "num_beams")]),
        ({"num_beams": 99, "top_k": -1}, 400, [("invalid_parameter", "num_beams"), ("invalid_parameter", "top_k")]),
        ({"num_beams": True}, 400, [("invalid_parameter", "num_beams")]),
        ({"num_beams": [1]}, 400, [("invalid_parameter", "num_beams")]),
        ({"max_length": 1e400}, 400, [("parse_error", None)]),
        ({"max_length": 10**30}, 400, [("invalid_parameter", "max_length")]),
        (
            {"num_beams": "2", "do_sample": "no"},
            400,
            [("invalid_parameter", "num_beams"), ("invalid_parameter", "do_sample")],
        ),
        ({"do_sample": 1}, 400, [("invalid_parameter", "do_sample")]),
        ({"beams": 2}, 400, [("invalid_parameter", "beams")]),
        ({"model": 5}, 400, [("invalid", "model")]),
        ({"model": "a\u0000b"}, 400, [("invalid", "model")]),
        ([], 400, [("invalid", None)]),
        ("text", 400, [("invalid", None)]),
        (b"{", 400, [("parse_error", None)]),
        (b'{"seed": NaN}', 400, [("parse_error", None)]),
        (b"\xff\xfe", 400, [("parse_error", None)]),
        (b"[" * 5_000, 400, [("parse_error", None)]),
        (b"[" * 100_000, 413, [("body_too_large", None)]),
        (b"1" * 5000, 400, [("parse_error", None)]),
        (b'{"x": "' + b"a" * 3_000_000 + b'"}', 413, [("body_too_large", None)]),
    ],
)
def test_it_refuses_a_wrong_body(api, owner, body, status, about):
    image = factories.make_image(owner)
    answer = api.send(f"images/{image.pk}/jobs/", body)
    assert (answer.status_code, codes(answer)) == (status, about)
    assert not CaptionJob.objects.exists()


def test_it_refuses_parameters_in_the_address_where_they_would_do_nothing(api, owner):
    image = factories.make_image(owner)
    answer = api.send(f"images/{image.pk}/jobs/?num_beams=2", {})
    assert codes(answer) == [("unknown_parameter", "num_beams")]


def test_it_refuses_a_body_that_is_no_object_of_ours(api, owner):
    image = factories.make_image(owner)
    answer = api.generic("POST", f"/api/v1/images/{image.pk}/jobs/", b"<a/>", content_type="application/xml")
    assert (answer.status_code, codes(answer)) == (415, [("unsupported_media_type", None)])


def test_it_refuses_a_broken_form(api, owner):
    image = factories.make_image(owner)
    answer = api.raw(f"images/{image.pk}/jobs/", b"[]--x--\r\n", "multipart/form-data; boundary=x")
    assert (answer.status_code, codes(answer)) == (400, [("parse_error", None)])


def test_it_shows_the_drafts_of_a_job_best_first(api, owner):
    image = factories.make_image(owner)
    job = factories.make_job(image, chosen={"num_captions": 2})
    factories.finish(job, "the best", "the second", seed=11)
    body = api.look(f"jobs/{job.pk}/").json()
    assert body["state"] == "done"
    assert [(c["text"], c["rank"], c["seed"]) for c in body["captions"]] == [("the best", 1, 11), ("the second", 2, 11)]
    assert all(c["job"] == str(job.pk) for c in body["captions"])
    assert body["started_at"]
    assert body["finished_at"]


def test_it_cancels_an_open_job_and_no_ended_one(api, owner):
    job = factories.make_job(factories.make_image(owner))
    answer = api.send(f"jobs/{job.pk}/cancel/")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    again = api.send(f"jobs/{job.pk}/cancel/")
    assert (again.status_code, codes(again)) == (409, [("job_not_open", None)])


def test_it_tries_a_failed_job_again_and_no_other(api, owner):
    image = factories.make_image(owner)
    job = factories.make_failure(image)
    assert api.look(f"jobs/{job.pk}/").json()["error"] == {
        "code": "model_failed",
        "detail": "The model could not caption this picture. Try again, or write the words by hand.",
    }
    answer = api.send(f"jobs/{job.pk}/retry/")
    assert (answer.status_code, answer.json()["state"], answer.json()["error"]) == (200, "queued", None)
    again = api.send(f"jobs/{job.pk}/retry/")
    assert (again.status_code, codes(again)) == (409, [("job_not_failed", None)])


def test_it_lists_own_jobs_and_those_of_one_picture(api, owner, stranger):
    image = factories.make_image(owner)
    failed = factories.make_failure(image)
    waiting = factories.make_job(factories.make_image(owner))
    factories.make_job(factories.make_image(stranger))

    def found(path, **query):
        return [row["id"] for row in api.look(path, **query).json()["results"]]

    assert found("jobs/") == [str(waiting.pk), str(failed.pk)]
    assert found("jobs/", state="failed") == [str(failed.pk)]
    assert found("jobs/", state=["failed", "queued"], ordering="oldest") == [str(failed.pk), str(waiting.pk)]
    assert found("jobs/", image=str(image.pk)) == [str(failed.pk)]
    assert found("jobs/", created_before="2020-01-01T00:00:00Z") == []
    assert found(f"images/{image.pk}/jobs/") == [str(failed.pk)]
    assert codes(api.look("jobs/", image="x")) == [("invalid", "image")]
    assert codes(api.look("jobs/", state="lost")) == [("invalid_choice", "state")]
    assert codes(api.look(f"images/{image.pk}/jobs/", state="failed")) == [("unknown_parameter", "state")]


def test_it_costs_no_query_per_job(api, owner, django_assert_max_num_queries):
    for _ in range(6):
        factories.make_drafts(factories.make_image(owner), "one", "two")
    with django_assert_max_num_queries(7):
        assert len(api.look("jobs/").json()["results"]) == 6

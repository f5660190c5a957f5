"""Other services' protocols: OpenAI's chat completions and Hugging Face's inference, and their refusals."""

from __future__ import annotations

import base64
import json

import pytest

from captions import ingest, jobs
from captions.api import compatible
from captions.models import Image
from captions.params import parse
from tests import factories
from tests.outbound.conftest import server  # noqa: F401  # a fixture


def uri(data: bytes, kind: str = "image/jpeg") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def message(*urls, text="What is in this picture?"):
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [{"role": "user", "content": [{"type": "text", "text": text}, *parts]}]


def chat(api, messages=None, **more):
    body = {"model": "caption-desk", "messages": messages, **more}
    return api.post("/v1/chat/completions", json.dumps(body), content_type="application/json")


@pytest.fixture(autouse=True)
def _nobody_waits_long(monkeypatch):
    monkeypatch.setattr(compatible, "LONGEST_SECONDS", 0.1)


@pytest.fixture
def known(owner):
    """A picture that has words already, and its bytes."""
    data = factories.picture()
    image = factories.receive(owner, data)
    factories.make_drafts(image, "a boat in a harbour")
    return data


def told(answer, status, code):
    """Hold a refusal to OpenAI's shape, and give what it says."""
    assert answer.status_code == status, answer.content
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert error["code"] == code
    assert error["message"]
    return error


# --- OpenAI --------------------------------------------------------------------------------------------------------


def test_it_answers_with_the_words_of_a_picture_that_is_known(api, known):
    answer = chat(api, message(uri(known)))
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["object"], body["choices"][0]["message"]["role"]) == ("chat.completion", "assistant")
    assert body["choices"][0]["message"]["content"] == "a boat in a harbour"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert "usage" not in body  # nobody counted
    assert body["image"] == str(Image.objects.get().pk)


def test_it_answers_with_and_without_a_slash_at_the_end(api, known):
    body = json.dumps({"model": "caption-desk", "messages": message(uri(known))})
    for path in ("/v1/chat/completions", "/v1/chat/completions/"):
        assert api.post(path, body, content_type="application/json").status_code == 200


def test_it_prefers_words_that_a_person_vouched_for(api, owner, known):
    image = Image.objects.get()
    factories.make_review(image, "edit", reviewer=owner, text="The harbour of Husum.")
    factories.make_drafts(image, "a newer draft")
    assert chat(api, message(uri(known))).json()["choices"][0]["message"]["content"] == "The harbour of Husum."


def test_it_streams_chunks_that_end_in_done(api, known):
    answer = chat(api, message(uri(known)), stream=True)
    assert answer["Content-Type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in answer.content.decode().split("\n\n") if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "a boat in a harbour"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_it_takes_a_picture_in_for_the_tokens_person_and_names_it_when_words_are_late(api, owner):
    error = told(chat(api, message(uri(factories.picture()))), 504, "caption_late")
    image = Image.objects.get(owner=owner)
    assert error["image"] == str(image.pk)
    assert image.jobs.get().state == "queued"  # it goes on


def fail(job):
    run = factories.run(job)
    jobs.fail(job_id=run.pk, attempt=run.attempt, code="model_failed", worker_fault="input")


def cancel(job):
    jobs.cancel(job=job)


@pytest.mark.parametrize(("end", "status", "code"), [(fail, 500, "model_failed"), (cancel, 409, "job_cancelled")])
def test_it_says_how_a_request_for_words_ended_without_any(api, monkeypatch, end, status, code):
    receive = ingest.receive

    def and_end(**asked):
        received = receive(**asked)
        end(received.job)
        return received

    monkeypatch.setattr(ingest, "receive", and_end)
    error = told(chat(api, message(uri(factories.picture()))), status, code)
    assert error["image"] == str(Image.objects.get().pk)


def test_it_reads_their_parameters_in_our_words(api, owner):
    chat(
        api, message(uri(factories.picture())), max_tokens=300, n=2, temperature=0.7, top_p=0.9, seed=7,
        frequency_penalty=0.5, user="somebody", stream_options={"include_usage": True},
    )  # fmt: skip
    job = Image.objects.get().jobs.get()
    assert job.params == parse(
        {"max_length": 64, "num_captions": 2, "do_sample": True, "num_beams": 1, "temperature": 0.7, "top_p": 0.9,
         "seed": 7}
    )  # fmt: skip


def test_it_prefers_the_newer_name_of_the_limit_and_takes_no_chances_at_zero(api):
    chat(api, message(uri(factories.picture())), max_tokens=8, max_completion_tokens=20, temperature=0)
    assert Image.objects.get().jobs.get().params == {"max_length": 20}


@pytest.mark.parametrize(
    ("more", "param"),
    [({"n": 9}, "n"), ({"max_tokens": 1}, "max_tokens"), ({"temperature": 3}, "temperature"), ({"seed": -1}, "seed"),
     ({"temperature": "hot"}, "temperature"), ({"top_p": 2}, "top_p"), ({"tools": [{"type": "function"}]}, "tools"),
     ({"response_format": {"type": "json_object"}}, "response_format"), ({"model": ["demo"]}, "model")],
)  # fmt: skip
def test_it_names_the_parameter_that_is_wrong_as_the_caller_does(api, more, param):
    answer = chat(api, message(uri(factories.picture())), **more)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["type"]) == (400, param, "invalid_request_error")
    assert not Image.objects.exists()


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (None, "no_picture"), ([], "no_picture"), ("hello", "no_picture"), ([1, None, {}], "no_picture"),
        ([{"role": "user", "content": "hello"}], "no_picture"), (message(), "no_picture"),
        (message("data:image/png;base64,"), "no_file"), (message("data:image/png;base64,?"), "invalid"),
        (message("data:image/png,abc"), "invalid"), (message(uri(b"a"), uri(b"b")), "invalid"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "invalid"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": 7}}]}], "invalid"),
        (message("http://127.0.0.1/cat.jpg"), "address_refused"), (message("cat.jpg"), "address_wrong"),
        (message("file:///etc/passwd"), "address_wrong"),
    ],
)  # fmt: skip
def test_it_refuses_messages_without_one_readable_picture(api, messages, code):
    told(chat(api, messages), 400, code)


def test_it_says_that_a_file_is_no_picture_in_the_words_of_the_upload(api):
    assert told(chat(api, message(uri(b"plain text"))), 415, "unsupported_format")["type"] == "invalid_request_error"


def test_it_fetches_a_picture_by_its_address(api, server):  # noqa: F811  # the fixture
    server.script["/harbour.jpg"] = (200, {"Content-Type": "image/jpeg"}, [factories.picture()])
    told(chat(api, message(server.url("/harbour.jpg"))), 504, "caption_late")
    assert Image.objects.get().filename == "harbour.jpg"


def test_it_refuses_a_model_that_is_not_served(api):
    factories.make_worker(model="vit-gpt2")
    error = told(chat(api, message(uri(factories.picture())), model="gpt-5"), 404, "model_not_served")
    assert (error["type"], error["param"]) == ("not_found_error", "model")
    assert "vit-gpt2" in error["message"]
    assert not Image.objects.exists()


def test_it_takes_the_name_of_the_default_for_no_particular_wish(api, known):
    worker = factories.make_worker(model="vit-gpt2")
    assert worker.takes_any
    assert chat(api, message(uri(known)), model="vit-gpt2").status_code == 200


def test_it_asks_another_model_than_the_default_by_its_name(api, known):
    factories.make_worker(model="vit-gpt2")
    factories.make_worker(model="blip-base", takes_any=False)
    told(chat(api, message(uri(known)), model="blip-base"), 504, "caption_late")
    assert Image.objects.get().jobs.order_by("-created_at").first().model == "blip-base"


def test_it_lists_the_models_that_are_served(api):
    factories.make_worker(model="vit-gpt2")
    for path in ("/v1/models", "/v1/models/"):
        body = api.get(path).json()
        assert body["object"] == "list"
        assert body["data"] == [{"id": "vit-gpt2", "object": "model", "created": 0, "owned_by": "caption-desk"}]
    assert api.get("/v1/models/vit-gpt2").json()["id"] == "vit-gpt2"
    told(api.get("/v1/models/org/absent"), 404, "model_not_served")


def test_it_lets_nobody_in_without_a_token(nobody, page, db):
    for client in (nobody, page):  # a page's session opens nothing here either
        for answer in (chat(client, []), client.get("/v1/models")):
            error = told(answer, 401, "not_authenticated")
            assert error["type"] == "authentication_error"
            assert answer["WWW-Authenticate"].startswith("Bearer")


def test_it_refuses_broken_json_and_other_addresses_in_their_shape(api):
    told(api.post("/v1/chat/completions", "{", content_type="application/json"), 400, "parse_error")
    told(api.post("/v1/chat/completions", "[]", content_type="application/json"), 400, "invalid")
    told(api.post("/v1/chat/completions", "a=b", content_type="text/plain"), 415, "unsupported_media_type")
    told(api.get("/v1/chat/completions"), 405, "method_not_allowed")
    told(api.post("/v1/embeddings", "{}", content_type="application/json"), 404, "not_found")
    told(api.get("/v1/files"), 404, "not_found")


def test_it_answers_a_request_that_is_sent_again_from_what_was_kept(api, known):
    body = json.dumps({"model": "caption-desk", "messages": message(uri(known))})
    sent = {"content_type": "application/json", "headers": {"Idempotency-Key": "once"}}
    first, second = (api.post("/v1/chat/completions", body, **sent) for _ in range(2))
    assert first.content == second.content
    assert second["Idempotency-Replayed"] == "true"


def test_it_keeps_no_refusal_that_may_be_another_answer_in_a_moment(api):
    body = json.dumps({"model": "blip-base", "messages": message(uri(factories.picture()))})
    sent = {"content_type": "application/json", "headers": {"Idempotency-Key": "again"}}
    told(api.post("/v1/chat/completions", body, **sent), 404, "model_not_served")
    factories.make_worker(model="blip-base")
    told(api.post("/v1/chat/completions", body, **sent), 504, "caption_late")


def test_it_takes_as_much_json_as_it_says(api, monkeypatch):
    monkeypatch.setattr(compatible, "INLINE_BYTES", 1000)
    told(chat(api, message(uri(b"x" * 2000))), 413, "body_too_large")


@pytest.mark.parametrize("value", [[1], {}, "x", True])
@pytest.mark.parametrize("name", ["top_p", "temperature", "n", "seed", "max_tokens"])
def test_it_refuses_values_of_every_wrong_kind(api, name, value):
    answer = chat(api, [], **{name: value})
    assert answer.status_code == 400, answer.content


# --- Hugging Face --------------------------------------------------------------------------------------------------


def infer(api, data, model="caption-desk", kind="image/jpeg"):
    return api.post(f"/models/{model}", data, content_type=kind)


@pytest.fixture
def served(db):
    return factories.make_worker(model="nlpconnect/vit-gpt2-image-captioning")


def test_it_answers_raw_bytes_and_base64_with_generated_text(api, known, served):
    inline = json.dumps({"inputs": base64.b64encode(known).decode(), "parameters": {}})
    name = "nlpconnect/vit-gpt2-image-captioning"
    for answer in (infer(api, known), infer(api, known, name), infer(api, inline, name, "application/json")):
        assert answer.status_code == 200, answer.content
        assert answer.json() == [{"generated_text": "a boat in a harbour"}]


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/octet-stream", "image/png", ""])
def test_it_tells_a_picture_by_its_bytes_whatever_the_body_calls_itself(api, known, kind):
    assert infer(api, known, kind=kind).json() == [{"generated_text": "a boat in a harbour"}]


def test_it_reads_their_generation_parameters(api):
    parameters = {"max_new_tokens": 20, "generation_parameters": {"num_beams": 3, "do_sample": False}}
    body = {"inputs": uri(factories.picture()), "parameters": parameters}
    answer = infer(api, json.dumps(body), kind="application/json")
    assert answer.status_code == 503
    assert Image.objects.get().jobs.get().params == {"max_length": 20, "num_beams": 3, "do_sample": False}


def test_it_says_when_the_words_are_not_there_in_time(api):
    answer = infer(api, factories.picture())
    body = answer.json()
    assert (answer.status_code, body["code"]) == (503, "caption_late")
    assert isinstance(body["error"], str)
    assert body["image"] == str(Image.objects.get().pk)


@pytest.mark.parametrize(
    ("data", "kind", "status", "code"),
    [
        (b"", "image/jpeg", 400, "no_file"), (b"plain text", "text/plain", 415, "unsupported_format"),
        (b"{}", "application/json", 400, "no_file"), (b'{"inputs": "?"}', "application/json", 400, "invalid"),
        (b'{"inputs": 7}', "application/json", 400, "no_file"), (b"{", "application/json", 400, "parse_error"),
        (b'{"inputs": "aGk=", "parameters": {"beams": 3}}', "application/json", 400, "invalid_parameter"),
        (b'{"inputs": "aGk=", "parameters": 3}', "application/json", 400, "invalid"),
        (b'{"inputs": "aGk=", "parameters": {"generation_parameters": 3}}', "application/json", 400, "invalid"),
    ],
)  # fmt: skip
def test_it_refuses_in_their_shape(api, data, kind, status, code):
    answer = infer(api, data, kind=kind)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert isinstance(answer.json()["error"], str)


def test_it_has_no_such_model_when_nobody_serves_it(api, served):
    answer = infer(api, factories.picture(), "org/absent")
    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_served")
    assert not Image.objects.exists()


def test_it_asks_strangers_for_a_token(nobody, db):
    answer = infer(nobody, b"x")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")

"""Programs that were written for other services, against a real desk: what docs/api.md shows is run, and comes true."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import huggingface_hub
import openai
import pytest

from tests.harness import ROOT, Desk, desk, until
from tests.outbound.conftest import Answers
from worker.demo.scenes import jpeg, make_scene

pytestmark = pytest.mark.xdist_group("story")  # two desks at once would only slow each other down

SECTIONS = ("Pictures by address", "Programs written for OpenAI's API", "Programs written for Hugging Face's inference")
SHOWN = make_scene(30_004)  # the picture of the guide


@pytest.fixture(autouse=True)
def _may_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the package ask servers, whatever this process did before: loading a model shuts its hub for good."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Answers]:
    """A server of somebody else's that has pictures."""
    made = Answers()
    made.script["/shapes.jpg"] = (200, {"Content-Type": "image/jpeg"}, [jpeg(SHOWN)])
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, elsewhere: Answers) -> Iterator[Desk]:
    """A desk with web server and worker."""
    asks = {"OUTBOUND_ALLOW": "127.0.0.0/8", "OUTBOUND_PORTS": str(elsewhere.port)}
    with desk(tmp_path_factory.mktemp("desk"), environment=asks) as made:
        made.start_web()
        made.start_worker()
        ready = lambda: httpx2.get(f"{made.url}/readyz", trust_env=False).status_code == 200  # noqa: E731  # one use
        try:
            until(ready, seconds=120, what="a worker is ready")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{made.logs()}") from None
        yield made


@pytest.fixture(scope="module")
def token(running: Desk) -> str:
    return running.person("olga")


@pytest.fixture(scope="module")
def theirs(running: Desk, token: str) -> openai.OpenAI:
    """The official client, which tries nothing again: a test wants the first answer."""
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key=token, max_retries=0)


def parts(data: bytes) -> list[dict[str, object]]:
    url = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


# --- The guide -----------------------------------------------------------------------------------------------------


def examples() -> list[tuple[str, str, str]]:
    """Give the blocks of the sections with what is shown beneath: (language, program, output)."""
    text = (ROOT / "docs/api.md").read_text()
    found = []
    for section in SECTIONS:
        body = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
        found += re.findall(r"```(python|bash)\n(.*?)```\n\n```text\n(.*?)```", body, re.DOTALL)
        assert body.count("```") == 4 * len(re.findall(r"```(?:python|bash)\n", body)), "a block without its output"
    return found


@pytest.mark.parametrize(("language", "program", "shown"), examples())
def test_it_answers_as_the_guide_shows(running, token, elsewhere, tmp_path, language, program, shown):
    (tmp_path / "shapes.jpg").write_bytes(jpeg(SHOWN))
    program = program.replace("https://example.org/", elsewhere.url("/"))
    command = [sys.executable, "-c", program] if language == "python" else ["bash", "-c", program]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DESK": running.url, "TOKEN": token}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90)
    pattern = ".*?".join(re.escape(piece) for piece in shown.strip().split("…"))
    assert re.fullmatch(pattern, done.stdout.strip(), re.DOTALL), f"{done.stdout}\n{done.stderr}"


def test_it_runs_every_example_of_the_guide():
    assert len(examples()) == 7


# --- The packages --------------------------------------------------------------------------------------------------


def test_it_captions_for_the_openai_package(running, theirs, token):
    scene = make_scene(30_101)
    answer = theirs.chat.completions.create(model="demo", messages=parts(jpeg(scene)))
    assert (answer.choices[0].message.content, answer.model, answer.usage) == (scene.caption, "demo", None)
    with running.client(token) as client:
        shown = client.get(f"/api/v1/images/{answer.image}/").json()
    assert (shown["state"], shown["caption"]["text"]) == ("draft", scene.caption)


def test_it_streams_to_the_openai_package(theirs):
    scene = make_scene(30_102)
    chunks = list(theirs.chat.completions.create(model="demo", messages=parts(jpeg(scene)), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == scene.caption
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_it_gives_as_many_drafts_as_the_openai_package_asks_for(theirs):
    asked = {"n": 3, "temperature": 1.2, "seed": 7, "max_tokens": 400}
    answer = theirs.chat.completions.create(model="demo", messages=parts(jpeg(make_scene(30_103))), **asked)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert all(choice.message.content for choice in answer.choices)


def test_it_raises_what_users_of_the_openai_package_catch(running, theirs, token):
    with pytest.raises(openai.NotFoundError) as absent:
        theirs.chat.completions.create(model="gpt-5", messages=parts(b"x"))
    assert absent.value.code == "model_not_served"
    with pytest.raises(openai.BadRequestError) as empty:
        theirs.chat.completions.create(model="demo", messages=[{"role": "user", "content": "Hello!"}])
    assert (empty.value.code, empty.value.param) == ("no_picture", "messages")
    with pytest.raises(openai.APIStatusError) as text:
        theirs.chat.completions.create(model="demo", messages=parts(b"no picture"))
    assert text.value.code == "unsupported_format"
    stranger = openai.OpenAI(base_url=f"{running.url}/v1", api_key="cdesk_wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    assert [model.id for model in theirs.models.list()] == ["demo"]
    assert theirs.models.retrieve("demo").id == "demo"


def test_it_refuses_a_body_that_is_too_large_in_the_shape_of_its_address(running, token):
    for path, mib in (("/v1/chat/completions", 28), ("/models/demo", 51)):
        line = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=30)
        line.putrequest("POST", path)
        line.putheader("Authorization", f"Bearer {token}")
        line.putheader("Content-Length", str(mib * 1024 * 1024 + 1))
        line.endheaders()  # and not a byte of the body: the length alone is refused
        answer = line.getresponse()
        body = json.loads(answer.read())
        line.close()
        assert answer.status == 413
        assert (body["error"] if path.startswith("/v1/") else body)["code"] == "file_too_large"


def test_it_captions_for_the_hugging_face_package(running, token, tmp_path):
    scene = make_scene(30_104)
    (tmp_path / "scene.jpg").write_bytes(jpeg(scene))
    client = huggingface_hub.InferenceClient(model=f"{running.url}/models/demo", token=token)
    assert client.image_to_text(tmp_path / "scene.jpg").generated_text == scene.caption
    assert client.image_to_text((tmp_path / "scene.jpg").read_bytes()).generated_text == scene.caption


def test_it_raises_what_users_of_the_hugging_face_package_catch(running, token):
    client = huggingface_hub.InferenceClient(token=token)
    with pytest.raises(huggingface_hub.errors.HfHubHTTPError) as absent:
        client.image_to_text(jpeg(SHOWN), model=f"{running.url}/models/org/absent")
    assert absent.value.response.status_code == 404
    with pytest.raises(huggingface_hub.errors.HfHubHTTPError) as text:
        client.image_to_text(b"no picture", model=f"{running.url}/models/demo")
    assert text.value.response.json()["code"] == "unsupported_format"


def test_it_captions_for_the_chat_of_the_hugging_face_package(running, token):
    scene = make_scene(30_105)
    client = huggingface_hub.InferenceClient(base_url=f"{running.url}/v1", api_key=token)
    answer = client.chat_completion(parts(jpeg(scene)), model="demo")
    assert answer.choices[0].message.content == scene.caption


def test_it_leaves_the_desk_in_order(running):
    assert running.run("invariants").returncode == 0

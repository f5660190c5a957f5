"""The story end to end over real processes: upload → broker → worker → database → event → words on the page."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.harness import Desk, desk, until
from worker.demo.scenes import jpeg, make_scene

pytestmark = pytest.mark.xdist_group("story")  # two desks at once would only slow each other down


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with web server, worker and scheduler on one kind of database."""
    with desk(tmp_path_factory.mktemp("desk"), database=request.param) as made:
        made.start_web()
        made.start_worker()
        made.start_scheduler()
        ready = lambda: httpx2.get(f"{made.url}/readyz", trust_env=False).status_code == 200  # noqa: E731  # one use
        try:
            until(ready, seconds=120, what="the desk is ready")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{made.logs()}") from None
        yield made


@pytest.fixture(scope="module")
def token(running: Desk) -> str:
    return running.person("olga")


def scene(seed: int) -> tuple[bytes, str]:
    """Give a drawn scene as JPEG bytes, and its one right caption."""
    drawn = make_scene(seed)
    return jpeg(drawn), drawn.caption


class Listener:
    """A browser's event stream, read in a thread."""

    def __init__(self, running: Desk, session: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.connected = threading.Event()
        self._client = httpx2.Client(base_url=running.url, cookies={"sessionid": session}, timeout=60, trust_env=False)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(httpx2.HTTPError), self._client.stream("GET", "/events/") as answer:
            assert answer.status_code == 200
            for line in answer.iter_lines():
                self.connected.set()
                if line.startswith("data:") and line[5:].strip().startswith("{"):
                    self.events.append(json.loads(line[5:]))

    def close(self) -> None:
        self._client.close()


def test_it_captions_an_upload_and_tells_the_page(running, token):
    listener = Listener(running, running.log_in("olga"))
    assert listener.connected.wait(20)
    data, words = scene(20_001)
    with running.client(token) as client:
        made = client.post("/api/v1/images/", files={"file": ("scene.jpg", data, "image/jpeg")})
        assert made.status_code == 201, made.text
        image = made.json()
        assert image["state"] in {"queued", "drafting", "draft"}  # a quick worker may have it by now
        shown = until(
            lambda: (got := client.get(f"/api/v1/images/{image['id']}/").json())["caption"] and got, what="a draft"
        )
    assert shown["state"] == "draft"
    assert shown["caption"]["text"] == words
    assert shown["caption"]["model"] == "demo"
    assert shown["caption"]["revision"]
    assert shown["published_caption"] is None
    until(lambda: any(e.get("image") == image["id"] for e in listener.events), seconds=20, what="an event for the page")
    listener.close()


def test_it_waits_for_the_caption_of_a_raw_body(running, token):
    data, words = scene(20_002)
    with running.client(token) as client:
        answer = client.post("/api/v1/images/?wait=30", content=data, headers={"Content-Type": "image/jpeg"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["caption"]["text"] == words


def test_it_answers_the_same_bytes_with_the_same_image(running, token):
    data, _ = scene(20_003)
    with running.client(token) as client:
        first = client.post("/api/v1/images/?wait=30", content=data, headers={"Content-Type": "image/jpeg"})
        second = client.post("/api/v1/images/?wait=30", content=data, headers={"Content-Type": "image/jpeg"})
        captions = client.get(f"/api/v1/images/{first.json()['id']}/captions/").json()["results"]
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert len(captions) == 1


def test_it_gives_several_drafts_and_says_with_which_parameters(running, token):
    data, _ = scene(20_004)
    with running.client(token) as client:
        answer = client.post(
            "/api/v1/images/?wait=30&num_captions=3&do_sample=true&seed=7&top_p=0.9&temperature=1.3",
            content=data, headers={"Content-Type": "image/jpeg"},
        )  # fmt: skip
        captions = client.get(f"/api/v1/images/{answer.json()['id']}/captions/").json()["results"]
    assert sorted(caption["rank"] for caption in captions) == [1, 2, 3]
    assert {caption["seed"] for caption in captions} == {7}
    assert {caption["params"]["top_p"] for caption in captions} == {0.9}


def test_it_publishes_what_a_person_approved_and_keeps_every_word(running, token):
    data, words = scene(20_005)
    with running.client(token) as client:
        image = client.post("/api/v1/images/?wait=30", content=data, headers={"Content-Type": "image/jpeg"}).json()
        reviewed = client.post(
            f"/api/v1/images/{image['id']}/review/", json={"decision": "edit", "text": "Two shapes, seen by Olga."}
        )
        assert reviewed.status_code in {200, 201}, reviewed.text
        again = client.post(f"/api/v1/images/{image['id']}/jobs/?wait=30", json={"num_beams": 1})
        assert again.status_code in {200, 201}, again.text
        shown = client.get(f"/api/v1/images/{image['id']}/").json()
        texts = [c["text"] for c in client.get(f"/api/v1/images/{image['id']}/captions/").json()["results"]]
    assert shown["state"] == "approved"
    assert shown["published_caption"]["text"] == "Two shapes, seen by Olga."
    assert texts.count(words) >= 1
    assert "Two shapes, seen by Olga." in texts


def test_it_says_that_a_demo_model_answers(running, token):
    ready = httpx2.get(f"{running.url}/readyz", trust_env=False).json()
    assert ready["worker"]["demo"] is True
    assert "coloured shapes" in ready["worker"]["notice"]
    with running.client(token) as client:
        assert "coloured shapes" in json.dumps(client.get("/api/v1/me/").json())


def test_it_leaves_the_desk_in_order(running):
    assert running.run("invariants").returncode == 0

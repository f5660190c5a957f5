"""The API over a real server: waiting, streaming, limits of bodies, races, the page of documentation."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import shlex
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests import factories
from tests.api.live import JPEG, client, running, secret, stand_in, upload
from tests.api.stand_in import WORDS
from tests.api.test_documents import operations
from tests.harness import Desk, until

__all__ = ["client", "running", "secret", "stand_in"]

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024


# --- Streams -------------------------------------------------------------------------------------------------------


def heard(client: httpx2.Client, path: str, until_kind: str, **headers: str) -> list[dict[str, Any]]:
    """Read a stream to its end, or to the first event of a kind; gives id, event and data of each."""
    found: list[dict[str, Any]] = []
    with client.stream("GET", f"/api/v1/{path}", headers=headers, timeout=30) as stream:
        assert stream.status_code == 200
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.headers["X-Request-ID"]
        fields: dict[str, Any] = {}
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name in {"id", "event", "data"}:
                fields[name] = json.loads(value) if name == "data" else value
            elif not line and fields:
                found.append(fields)
                if fields["event"] == until_kind:
                    break
                fields = {}
    return found


def test_it_streams_a_job_until_it_ends(client, stand_in):
    job = upload(client).json()["jobs"][0]["id"]
    told = heard(client, f"jobs/{job}/events/", until_kind="")
    assert told[-1]["data"]["state"] == "done"
    assert told[-1]["data"]["captions"][0]["text"] == WORDS
    assert {one["event"] for one in told} == {"job"}
    assert [one["data"]["state"] for one in heard(client, f"jobs/{job}/events/", until_kind="")] == ["done"]


def test_it_streams_what_happens_and_goes_on_where_a_reader_left(stand_in, running):
    nora = running.person("nora")
    with ThreadPoolExecutor(1) as pool, running.client(nora) as client, running.client(nora) as another:
        listening = pool.submit(heard, another, "events/", "caption.created")
        time.sleep(1.5)
        image = upload(client, "?wait=60").json()
        told = listening.result(timeout=60)
        assert {one["data"]["data"]["image"] for one in told} == {image["id"]}
        assert [one["event"] for one in told] == ["image.created", "caption.created"]
        assert told[1]["data"]["data"]["captions"][0]["text"] == WORDS
        client.delete(f"/api/v1/images/{image['id']}/")
        missed = heard(client, "events/", "image.deleted", **{"Last-Event-ID": told[0]["id"]})
    assert told[0]["id"] not in [one["id"] for one in missed]
    assert [one["event"] for one in missed] == ["caption.created", "image.deleted"]


def test_it_streams_nothing_of_what_was_before(client, running, secret):
    upload(client)
    with ThreadPoolExecutor(1) as pool, running.client(secret) as another:
        listening = pool.submit(heard, another, "events/", "image.created")
        time.sleep(1.5)
        image = upload(client).json()["id"]
        assert [one["data"]["data"]["image"] for one in listening.result(timeout=60)] == [image]


def test_it_tells_nothing_more_once_its_token_is_revoked(running):
    gone = "from captions.models import ApiToken; from captions import tokens; "
    revoke = gone + "tokens.revoke(token=ApiToken.objects.get(user__username='nina'))"
    secret = running.person("nina")
    with running.client(secret) as nina:
        with nina.stream("GET", "/api/v1/events/", timeout=30) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "retry: 1000"
            running.run("shell", "-v0", "-c", revoke)
            assert "".join(lines) == ""  # it ends, long before STREAM_SECONDS
        assert nina.get("/api/v1/events/").status_code == 401


def test_it_holds_no_connection_for_a_stream(client, running, secret):
    """The pool has four."""
    headers = {"Authorization": f"Bearer {secret}"}
    with contextlib.ExitStack() as open_ones:
        for _ in range(12):
            one = httpx2.Client(base_url=running.url, headers=headers, timeout=30, trust_env=False)
            open_ones.enter_context(one)
            open_ones.enter_context(one.stream("GET", "/api/v1/events/"))
        assert upload(client).status_code == 201


def test_it_refuses_a_stream_in_the_one_shape(client):
    headers = {"Accept": "text/event-stream"}
    wrong = client.get("/api/v1/events/", headers={**headers, "Last-Event-ID": "7"})
    assert (wrong.status_code, wrong.json()["errors"][0]["attr"]) == (400, "Last-Event-ID")
    absent = client.get("/api/v1/jobs/0199f3a4-91c0-7d21-8a53-1f0f1f4e1a77/events/", headers=headers)
    assert (absent.status_code, absent.headers["Content-Type"]) == (404, "application/json")


# --- Waiting -------------------------------------------------------------------------------------------------------


def test_it_answers_with_the_caption_when_it_is_ready_in_time(client, stand_in):
    answer = upload(client, "?wait=60")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["caption"]["text"], body["state"], body["jobs"][0]["state"]) == (WORDS, "draft", "done")
    job = client.post(f"/api/v1/images/{body['id']}/jobs/?wait=60", json={"num_beams": 2})
    assert (job.status_code, job.json()["captions"][0]["text"]) == (201, WORDS)


def test_it_answers_202_without_a_caption_when_time_is_up(client):
    began = time.monotonic()
    answer = upload(client, "?wait=1&seed=404")
    assert time.monotonic() - began >= 1
    body = answer.json()
    assert (answer.status_code, body["caption"], body["jobs"][0]["state"]) == (202, None, "queued")
    again = client.post(f"/api/v1/images/{body['id']}/jobs/?wait=0.5", json={"seed": 404})
    assert (again.status_code, again.json()["id"]) == (202, body["jobs"][0]["id"])


def test_it_answers_202_with_the_error_as_soon_as_the_job_fails(client, stand_in):
    began = time.monotonic()
    answer = upload(client, "?wait=60&seed=666")
    assert time.monotonic() - began < 50
    body = answer.json()
    assert (answer.status_code, body["caption"], body["jobs"][0]["error"]["code"]) == (202, None, "model_failed")


def test_it_does_not_wait_when_there_is_nothing_to_wait_for(client, stand_in):
    data = factories.picture()
    upload(client, "?wait=60", data)
    stand_in.stop()
    began = time.monotonic()
    answer = upload(client, "?wait=60", data)
    assert time.monotonic() - began < 50
    assert (answer.status_code, answer.json()["caption"]["text"]) == (200, WORDS)


def test_it_hides_older_words_from_an_answer_that_is_not_ready(client, stand_in):
    data = factories.picture()
    upload(client, "?wait=60", data)
    answer = upload(client, "?wait=1&seed=404", data)
    assert (answer.status_code, answer.json()["caption"]) == (202, None)


def predict(client: httpx2.Client, *pictures: bytes) -> httpx2.Response:
    """Ask as Label Studio does, for pictures that stand in the tasks."""
    config = '<View><Image name="image" value="$image"/><TextArea name="caption" toName="image"/></View>'
    uris = ["data:image/jpeg;base64," + base64.b64encode(data).decode() for data in pictures]
    tasks = [{"id": place, "data": {"image": uri}} for place, uri in enumerate(uris)]
    return client.post("/label-studio/predict", json={"tasks": tasks, "label_config": config}, timeout=120)


def test_it_waits_for_the_words_of_all_tasks_of_label_studio(client, stand_in):
    answer = predict(client, *(factories.picture() for _ in range(3)))
    assert answer.status_code == 200, answer.text
    texts = [one["result"][0]["value"]["text"] for one in answer.json()["results"]]
    assert texts == [[WORDS]] * 3


def test_it_sends_an_export_while_it_is_made(client, stand_in):
    upload(client, "?wait=20")
    answer = client.get("/api/v1/exports/?format=label-studio")
    tasks = answer.json()
    assert answer.headers["Transfer-Encoding"] == "chunked"
    picture = httpx2.get(tasks[-1]["data"]["image"], trust_env=False)
    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/webp")


def test_it_answers_at_once_when_the_picture_goes_to_the_trash_meanwhile(client, running, secret):
    image = upload(client).json()["id"]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.post, f"/api/v1/images/{image}/jobs/?wait=60", json={"seed": 404, "top_k": 1})
        with running.client(secret) as second:
            until(lambda: len(second.get(f"/api/v1/images/{image}/jobs/").json()["results"]) == 2, what="a second job")
            assert second.delete(f"/api/v1/images/{image}/").status_code == 204
        answer = waiting.result(timeout=30)
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")


def test_it_serves_everybody_else_while_fifty_wait(client, running, secret):
    image = upload(client).json()["id"]
    asked = [{"max_length": 5 + n // 8, "num_beams": 1 + n % 8} for n in range(50)]

    async def ask(session: httpx2.AsyncClient, body: dict[str, int]) -> httpx2.Response:
        return await session.post(f"/api/v1/images/{image}/jobs/?wait=60", json=body)

    async def all_at_once() -> tuple[list[httpx2.Response], list[float]]:
        headers = {"Authorization": f"Bearer {secret}"}
        limits = httpx2.Limits(max_connections=60)
        async with httpx2.AsyncClient(
            base_url=running.url, headers=headers, timeout=90, limits=limits, trust_env=False
        ) as session:
            waiting = [asyncio.create_task(ask(session, body)) for body in asked]
            for _ in range(600):
                if len((await session.get(f"/api/v1/images/{image}/jobs/?limit=200")).json()["results"]) == 51:
                    break
                await asyncio.sleep(0.1)
            took = []
            for _ in range(20):
                began = time.monotonic()
                assert (await session.get("/api/v1/me/")).status_code == 200
                took.append(time.monotonic() - began)
            assert not any(task.done() for task in waiting)
            worker = running.spawn("stand-in", sys.executable, "-m", "tests.api.stand_in")
            answers = await asyncio.gather(*waiting)
            worker.stop()
            running.children.remove(worker)
            return answers, took

    answers, took = asyncio.run(all_at_once())
    assert [answer.status_code for answer in answers] == [201] * 50
    assert all(answer.json()["captions"][0]["text"] == WORDS for answer in answers)
    assert sorted(took)[10] < 10  # with a thread or a connection each, nothing would be answered before they end


def test_it_forgets_a_caller_who_hangs_up_while_waiting(client, running, secret):
    image = upload(client).json()["id"]
    impatient = httpx2.Client(
        base_url=running.url, headers={"Authorization": f"Bearer {secret}"}, timeout=1, trust_env=False
    )
    for seed in range(5):
        with pytest.raises(httpx2.ReadTimeout):
            impatient.post(f"/api/v1/images/{image}/jobs/?wait=60", json={"seed": seed, "top_k": 3})
    impatient.close()
    assert client.get("/api/v1/me/").status_code == 200
    assert len(client.get(f"/api/v1/images/{image}/jobs/").json()["results"]) == 6


def test_it_takes_a_key_again_from_a_caller_who_hung_up_while_waiting(client, running, secret):
    sent = {"content": factories.picture(), "headers": {**JPEG, "Idempotency-Key": "hung-up"}}
    bearer = {"Authorization": f"Bearer {secret}"}
    impatient = httpx2.Client(base_url=running.url, headers=bearer, timeout=2, trust_env=False)
    with impatient, pytest.raises(httpx2.ReadTimeout):
        impatient.post("/api/v1/images/?wait=6", **sent)
    answer = client.post("/api/v1/images/?wait=6", **sent)
    assert answer.status_code == 202, answer.text  # not 409: nobody holds the key any more
    assert "Idempotency-Replayed" not in answer.headers
    replayed = client.post("/api/v1/images/?wait=6", **sent)
    assert (replayed.status_code, replayed.content) == (202, answer.content)
    assert replayed.headers["Idempotency-Replayed"] == "true"


# --- Bodies --------------------------------------------------------------------------------------------------------


def pieces(data: bytes) -> Iterator[bytes]:
    """Send without a Content-Length, as programs do that do not know how much will come."""
    for start in range(0, len(data), 500):
        yield data[start : start + 500]


def test_it_takes_bodies_in_chunks(client):
    raw = client.post("/api/v1/images/", content=pieces(factories.picture()), headers=JPEG)
    assert raw.status_code == 201, raw.text
    form = httpx2.Request("POST", "http://x/", files={"file": ("a.jpg", factories.picture())}, data={"num_beams": "2"})
    chunked = client.post(
        "/api/v1/images/", content=pieces(form.read()), headers={"Content-Type": form.headers["Content-Type"]}
    )
    assert chunked.status_code == 201, chunked.text
    assert chunked.json()["jobs"][0]["chosen"] == {"num_beams": 2}
    words = client.post(
        f"/api/v1/images/{raw.json()['id']}/captions/",
        content=pieces(b'{"text": "in chunks"}'),
        headers={"Content-Type": "application/json"},
    )
    assert words.status_code == 201, words.text


def exchange(running: Desk, head: str, body: Iterable[bytes] = ()) -> tuple[int, dict[str, Any], int]:
    """Speak HTTP by hand; give the status, the JSON of the answer, and how many bytes of the body could be sent."""
    host, port = running.url.removeprefix("http://").split(":")
    sent = 0
    with socket.create_connection((host, int(port)), timeout=60) as line:
        line.sendall(f"POST /api/v1/images/ HTTP/1.1\r\nHost: {host}\r\n{head}\r\n\r\n".encode("latin1"))
        line.setblocking(False)
        answer = b""
        end = time.monotonic() + 60
        for piece in body:
            rest = piece
            while rest and time.monotonic() < end and not answer:
                with contextlib.suppress(BlockingIOError):
                    count = line.send(rest)
                    rest, sent = rest[count:], sent + count
                with contextlib.suppress(BlockingIOError):
                    answer += line.recv(65536)
            if answer:
                break
        line.settimeout(60)
        while b"\r\n\r\n" not in answer or not answer.rstrip().endswith(b"}"):
            answer += line.recv(65536)
    first, _, text = answer.partition(b"\r\n\r\n")
    return int(first.split()[1]), json.loads(text), sent


def test_it_refuses_a_declared_size_before_the_body_comes(running):
    status, body, _ = exchange(running, "Content-Type: image/jpeg\r\nContent-Length: 10000000000")
    assert (status, body["errors"][0]["code"], body["type"]) == (413, "file_too_large", "client_error")
    assert body["request_id"]


def test_it_refuses_an_endless_body_once_it_is_too_large(running):
    def endless() -> Iterator[bytes]:
        piece = b"x" * MIB
        for _ in range(500):
            yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"

    status, body, sent = exchange(running, "Content-Type: image/jpeg\r\nTransfer-Encoding: chunked", endless())
    assert (status, body["errors"][0]["code"]) == (413, "file_too_large")
    assert 50 * MIB < sent < 150 * MIB


@pytest.mark.parametrize("kind", ["image/jpeg; x*=nonsense''y", "multipart/form-data; boundary*=nonsense''y"])
def test_it_refuses_a_content_type_that_nobody_can_read(running, kind):
    status, body, _ = exchange(running, f"Content-Type: {kind}\r\nContent-Length: 0")
    assert (status, body["errors"][0]["code"]) == (400, "bad_request")


def peak_memory(pid: int) -> int:
    """Give the most memory that a process has had, in bytes."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(line) * 1024


@pytest.mark.parametrize("as_form", [False, True])
def test_it_never_holds_an_upload_in_memory(running, client, as_form):
    upload(client)
    web = next(child for child in running.children if child.name == "web").process.pid
    before = peak_memory(web)
    big = b"\xff\xd8\xff\xe0" + bytes(40 * MIB)

    def send(_: int) -> int:
        if as_form:
            return client.post("/api/v1/images/", files={"file": ("big.jpg", big)}).status_code
        return upload(client, data=big).status_code

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(send, range(4))) == {400}
    assert peak_memory(web) - before < 60 * MIB  # four times 40 MiB came


def test_it_keeps_the_same_bytes_once_however_many_come_at_once(running, client, secret):
    data = factories.picture()

    def send(_: int) -> tuple[int, str]:
        with running.client(secret) as own:
            answer = upload(own, "?num_beams=2", data)
            return answer.status_code, answer.json()["id"]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(16)))
    assert sorted(status for status, _ in answers) == [200] * 15 + [201]
    (image,) = {image for _, image in answers}
    assert len(client.get(f"/api/v1/images/{image}/jobs/").json()["results"]) == 1


def test_it_opens_no_event_stream_with_a_token(running, client):
    with running.client() as nobody:
        without = nobody.get("/events/").status_code
    assert client.get("/events/").status_code == without != 200


# --- The guide and the page ----------------------------------------------------------------------------------------


class Shell:
    """Understands as much of a shell and of curl as docs/api.md uses."""

    def __init__(self, running: Desk, folder: Path) -> None:
        self.running, self.folder = running, folder
        self.names: dict[str, str] = {}
        self.asked = 0

    def run(self, line: str) -> None:
        name, _, value = line.partition("=")
        if line.startswith("DESK="):
            self.names["DESK"] = self.running.url
        elif line.startswith("TOKEN="):
            arguments = shlex.split(value.removeprefix("$(").partition("|")[0])
            assert arguments[:2] == ["python", "manage.py"]
            self.names["TOKEN"] = self.running.run(*arguments[2:]).stdout.splitlines()[-1]
        elif line.startswith("IMAGE="):
            self.names["IMAGE"] = json.loads((self.folder / "answer.json").read_text())["id"]
        else:
            assert line.startswith("curl -s "), name
            self.curl(shlex.split(line)[2:])

    def curl(self, words: list[str]) -> None:
        words = [re.sub(r"\$(\w+)", lambda found: self.names[found[1]], word) for word in words]
        headers: dict[str, str] = {}
        options: dict[str, Any] = {}
        form: dict[str, str] = {}
        target, url = None, ""
        remaining = iter(words)
        for word in remaining:
            if word == "-H":
                key, _, value = next(remaining).partition(": ")
                headers[key] = value
            elif word == "--data-binary":
                options["content"] = (self.folder / next(remaining).removeprefix("@")).read_bytes()
            elif word == "-d":
                options["content"] = next(remaining).encode()
            elif word == "-F":
                key, _, value = next(remaining).partition("=")
                if value.startswith("@"):
                    options["files"] = {key: (value[1:], (self.folder / value[1:]).read_bytes())}
                else:
                    form[key] = value
            elif word in {"-o", ">"}:
                target = next(remaining)
            else:
                assert not url
                url = word
        if form:
            options["data"] = form
        method = "POST" if options else "GET"
        answer = httpx2.request(method, url, headers=headers, timeout=90, trust_env=False, **options)
        assert answer.is_success, (url, answer.text)
        self.asked += 1
        if target:
            (self.folder / target).write_bytes(answer.content)


def test_it_does_what_the_guide_says(running, secret, stand_in, tmp_path):
    data = factories.picture()
    (tmp_path / "harbour.jpg").write_bytes(data)
    shell = Shell(running, tmp_path)
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").strip().splitlines():
            shell.run(line)
    assert shell.asked == 8
    assert json.loads((tmp_path / "answer.json").read_text())["caption"]["text"] == WORDS
    assert (tmp_path / "original.jpg").read_bytes() == data
    with running.client(shell.names["TOKEN"]) as client:
        shown = client.get(f"/api/v1/images/{shell.names['IMAGE']}/").json()
    assert shown["published_caption"]["text"] == "A harbour at dusk, seen from the pier."


def test_it_shows_every_operation_in_a_browser_without_breaking_the_csp(running):
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{running.url}/api/docs/")
        page.wait_for_selector(".opblock")
        shown = page.locator(".opblock").count()
        page.locator(".opblock-summary-control").first.click()
        page.wait_for_selector(".opblock-body")
        browser.close()
    assert shown == len(operations())
    assert not complaints

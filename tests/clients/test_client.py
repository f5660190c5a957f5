"""Both clients before a real desk."""

from __future__ import annotations

import asyncio
import hashlib
import uuid

import httpx2
import pytest

import captiondesk
from captiondesk import AsyncClient, Client, Retries
from tests.clients.conftest import in_a_loop

OTHER = {"do_sample": True, "seed": 7, "num_captions": 2}


def test_it_uploads_and_waits_for_the_caption(client, scene, tmp_path):
    data, words = scene()
    path = tmp_path / "scene.jpg"
    path.write_bytes(data)
    image = client.images.upload(path, wait=60)
    assert image.caption is not None
    assert (image.caption.text, image.filename, image.state) == (words, "scene.jpg", "draft")
    assert client.images.upload(data, filename="again.jpg").id == image.id
    assert client.images.download(image.id) == data
    assert client.images.download(image.id, "thumbnail")[:4] == b"RIFF"


def test_it_takes_a_decision_back(client, scene):
    image = client.images.upload(scene()[0], wait=60)
    client.reviews.edit(image.id, "Three shapes.", language="en")
    assert client.images.get(image.id).published_caption.text == "Three shapes."
    client.reviews.undo(image.id)
    assert client.images.get(image.id).published_caption is None
    client.reviews.reject(image.id, reason="wrong")
    assert client.images.get(image.id).state == "rejected"
    assert [one.decision for one in client.images.reviews(image.id)] == ["reject", "undo", "edit"]


def test_it_is_handed_drafts_and_decides_on_what_it_saw(client, scene):
    image = client.images.upload(scene()[0], wait=60)
    (turn,) = client.reviews.next(5)
    assert turn.image.id == image.id
    client.reviews.approve(image.id, caption=turn.drafts[0].id, seen=turn.seen)
    with pytest.raises(captiondesk.Conflict) as caught:
        client.reviews.reject(image.id, seen=turn.seen)
    assert caught.value.code == "already_decided"
    assert client.reviews.next() == []


def test_it_has_captions_made_again_with_parameters(client, scene):
    image = client.images.upload(scene()[0], wait=60, num_beams=2)
    job = client.images.caption(image.id, **OTHER)
    done = client.jobs.wait(job.id, seconds=60)
    assert (done.state, len(done.captions)) == ("done", 2)
    assert len(list(client.images.captions(image.id))) == 3
    assert [one.id for one in client.jobs.list(image=image.id, state=["done", "failed"])] == [
        one.id for one in client.images.jobs(image.id)
    ]
    with pytest.raises(captiondesk.ApiError) as caught:
        client.jobs.cancel(job.id)
    assert caught.value.status == 409
    with pytest.raises(captiondesk.InvalidRequest) as caught:
        client.images.caption(image.id, num_beams=99)
    assert (caught.value.code, caught.value.attr) == ("invalid_parameter", "num_beams")


def test_it_goes_through_all_pages(client, scene):
    made = {client.images.upload(scene()[0]).id for _ in range(5)}
    found = [one.id for one in client.images.list(page_size=2)]
    assert len(found) == 5
    assert set(found) == made
    assert {one.id for one in client.images.list(ordering="oldest", state=["draft", "queued", "drafting"])} == made


def test_it_searches(client, scene):
    first, second = (client.images.upload(scene()[0], wait=60) for _ in range(2))
    client.images.change(first.id, title="Lighthouse", tags=["coast"])
    assert [one.id for one in client.images.list(q="lighthouse")] == [first.id]
    assert [one.id for one in client.images.list(q="-tag:coast")] == [second.id]
    assert [tag.name for tag in client.tags.list()] == ["coast"]
    with pytest.raises(captiondesk.InvalidRequest) as caught:
        list(client.images.list(q="state:nonsense"))
    assert caught.value.attr == "q"
    saved = client.searches.save("Coast", "tag:coast")
    assert [one.query for one in client.searches.list()] == ["tag:coast"]
    client.searches.delete(saved.id)


def test_it_fills_albums(client, scene):
    image = client.images.upload(scene()[0])
    album = client.albums.make_or_find("Harbour  2026")
    assert client.albums.make_or_find("Harbour  2026").id == album.id
    assert client.albums.add(album.id, [image.id]).added == 1
    assert [one.id for one in client.images.list(album=album.id)] == [image.id]
    assert client.albums.remove(album.id, [image.id]).removed == 1
    assert client.albums.make_link(album.id, days=1).url.startswith("http")
    client.albums.delete(album.id)
    assert list(client.albums.list()) == []


def test_it_puts_pictures_into_the_trash_and_back(client, scene):
    image = client.images.upload(scene()[0])
    client.images.delete(image.id)
    assert [one.id for one in client.images.list(deleted=True)] == [image.id]
    assert client.images.recover(image.id).deleted_at is None


def test_it_says_who_asks_and_which_models_answer(client):
    assert client.me().username.startswith("person")
    assert [model.is_demo for model in client.models.list()] == [True]
    assert client.quality().method


def test_it_raises_what_the_desk_says(client, running):
    with pytest.raises(captiondesk.NotFound) as caught:
        client.images.get(uuid.uuid4())
    assert (caught.value.code, caught.value.status) == ("not_found", 404)
    assert uuid.UUID(caught.value.request_id)
    with pytest.raises(captiondesk.NotAuthenticated), Client(running.url, "cdesk_wrong") as stranger:
        stranger.me()
    with pytest.raises(captiondesk.ApiError) as caught:
        client.images.upload(b"no picture at all", filename="x.jpg")
    assert caught.value.status in (400, 415)
    with pytest.raises(FileNotFoundError):
        client.images.upload("/nowhere/x.jpg")


class Leaky(httpx2.HTTPTransport):
    """A line that breaks: each PATCH whose number is in `breaks` arrives, and its answer gets lost."""

    def __init__(self, *breaks: int) -> None:
        super().__init__()
        self.breaks, self.patches, self.sent = breaks, 0, 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = super().handle_request(request)
        if request.method == "PATCH":
            self.patches += 1
            self.sent += int(request.headers["content-length"])
            if self.patches in self.breaks:
                answer.read()
                answer.close()
                raise httpx2.ReadError("the line broke")
        return answer


def test_it_sends_a_file_in_pieces_over_a_line_that_breaks(running, token, scene):
    data, _ = scene()
    line, told = Leaky(1, 3), []
    with Client(running.url, token, http=httpx2.Client(transport=line), retries=Retries(first=0.01)) as client:
        pieces = client.uploads.send(
            data, filename="scene.jpg", piece_bytes=1000, progress=lambda sent, of: told.append((sent, of))
        )
        assert pieces.state == "done"
        image = client.images.get(pieces.image)
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert line.sent == len(data)  # what had arrived was not sent again
    assert told == [(sent, len(data)) for sent in [*range(0, len(data), 1000), len(data)]]


def test_it_goes_on_where_an_upload_was_left(client, scene):
    data, _ = scene()
    begun: list[str] = []

    class Left(Exception):
        pass

    def leave(sent: int, of: int) -> None:
        if sent >= 2000:
            raise Left

    with pytest.raises(Left):
        client.uploads.send(data, filename="scene.jpg", piece_bytes=1000, progress=leave, begun=begun.append)
    assert client.uploads.get(begun[0]).offset == 2000
    told: list[int] = []
    done = client.uploads.send(
        data, filename="scene.jpg", upload=begun[0], piece_bytes=1000, progress=lambda sent, of: told.append(sent)
    )
    assert (str(done.id), done.state, told[0]) == (begun[0], "done", 2000)
    again = client.uploads.send(data, filename="scene.jpg", upload=uuid.uuid4())  # an id that nobody knows
    assert (again.state, again.image) == ("known", done.image)


def test_it_hands_a_file_in_through_the_storage(client, scene):
    data, _ = scene()
    begun = client.uploads.begin_presigned("scene.jpg", len(data), folder="Day 1")
    assert begun.address is not None
    with pytest.raises(captiondesk.ApiError) as early:
        client.uploads.complete(begun.upload.id)
    assert early.value.code == "upload_not_there"
    there = httpx2.put(str(begun.address.url), content=data, headers=begun.address.headers, trust_env=False)
    assert there.status_code == 200, there.text
    done = client.uploads.complete(begun.upload.id)
    assert (done.state, done.folder) == ("done", "Day 1")
    assert client.images.get(done.image).sha256 == hashlib.sha256(data).hexdigest()


def test_it_begins_anew_what_was_refused(client):
    begun: list[str] = []
    for upload in (None, "refused"):
        with pytest.raises(captiondesk.UploadRefused):
            client.uploads.send(b"no picture", filename="x.jpg", upload=upload and begun[0], begun=begun.append)
    assert len(set(begun)) == 2


def test_it_uploads_a_picture_in_pieces_and_waits(client, scene):
    data, words = scene()
    image = client.images.upload(data, filename="scene.jpg", resumable=True, wait=60)
    assert image.caption is not None
    assert image.caption.text == words
    with pytest.raises(captiondesk.UploadRefused) as caught:
        client.images.upload(b"nothing " * 100, filename="x.jpg", resumable=True)
    assert caught.value.code
    with pytest.raises(ValueError, match="no generation parameters"):
        client.images.upload(data, resumable=True, num_beams=2)


def test_it_does_all_of_it_without_blocking_an_event_loop(running, token, scene):
    (one, words), (two, _), (three, _) = scene(), scene(), scene()

    async def work() -> None:
        async with AsyncClient(running.url, token) as client:
            images = await asyncio.gather(
                client.images.upload(one, wait=60),
                client.images.upload(two, wait=60, num_beams=2),
                client.images.upload(three, filename="three.jpg", resumable=True, wait=60),
            )
            assert all(image.caption for image in images)
            assert images[0].caption.text == words
            found = [image.id async for image in client.images.list(page_size=2)]
            assert set(found) == {image.id for image in images}
            job = await client.images.caption(images[0].id, **OTHER)
            assert (await client.jobs.wait(job.id, seconds=60)).state == "done"
            turns = await client.reviews.next(3)
            assert len(turns) == 3
            approved = await client.reviews.approve(images[0].id)
            assert approved.state == "approved"
            with pytest.raises(captiondesk.NotFound):
                await client.jobs.get(uuid.uuid4())
            assert (await client.me()).images["approved"] == 1

    in_a_loop(work())


def test_it_takes_captions_out_and_in_again(client, scene):
    image = client.images.upload(scene()[0], wait=60)
    client.reviews.edit(image.id, "Words that a person wrote.")
    tasks = client.images.export("label-studio", ids=[image.id])
    assert b"Words that a person wrote." in tasks
    again = client.images.import_captions(tasks.replace(b"a person wrote", b"somebody mended"))
    assert (again.written, again.unmatched) == (1, [])
    assert "Words that somebody mended." in [one.text for one in client.images.captions(image.id)]
    assert client.images.export("csv").startswith(b"\xef\xbb\xbf") or b"," in client.images.export("csv")

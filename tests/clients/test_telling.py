"""Bulk jobs, streams, webhooks, guarded changes and pictures by address, before a real desk."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from contextlib import aclosing, closing

import pytest

import captiondesk
from captiondesk import AsyncClient, Client, Retries, verify_webhook
from tests.clients.conftest import in_a_loop
from tests.clients.scripted import CUT, Said, refusal, serving
from tests.harness import until

NOBODY = uuid.UUID("0198c0de-0000-7000-8000-000000000000")


def test_it_does_one_thing_to_many_pictures(client, scene):
    images = [client.images.upload(scene()[0], wait=60).id for _ in range(3)]
    begun = client.bulk.tag([*images, NOBODY], add=["coast"])
    assert (begun.action, begun.total) == ("tag", 4)
    done = client.bulk.wait(begun.id, seconds=60)
    assert (done.state, done.done, [(one.image, one.code) for one in done.failures]) == (
        "done",
        3,
        [(NOBODY, "not_found")],
    )
    asked = client.bulk.caption(images[:1], num_captions=2, num_beams=2)
    approved, rejected = client.bulk.approve(images[:2]), client.bulk.reject(images[2:], reason="vague")
    for job in (asked, approved, rejected):
        assert client.bulk.wait(job.id, seconds=60).failures == []
    assert [client.images.get(one).state for one in images[1:]] == ["approved", "rejected"]
    assert len(list(client.images.jobs(images[0]))) == 2
    gone = client.bulk.wait(client.bulk.delete(images).id, seconds=60)
    assert gone.done == 3
    assert list(client.images.list()) == []
    assert [one.id for one in client.bulk.list(page_size=2)][-1] == begun.id
    assert client.bulk.get(gone.id) == gone
    with pytest.raises(captiondesk.Conflict) as caught:
        client.bulk.cancel(gone.id)
    assert caught.value.code == "job_not_open"
    with pytest.raises(captiondesk.InvalidRequest) as caught:
        client.bulk.approve([])
    assert caught.value.code == "bulk_empty"


def test_it_hears_what_happens(client, scene):
    image = client.images.upload(scene()[0], filename="a.jpg", wait=60)
    client.images.delete(image.id)
    with closing(client.events(after=str(uuid.UUID(int=0)))) as events:
        heard = [next(events) for _ in range(3)]
    assert [one.type for one in heard] == ["image.created", "caption.created", "image.deleted"]
    assert {one.data.image for one in heard} == {image.id}
    assert heard[0].data.filename == "a.jpg"
    assert heard[1].data.captions[0].text == image.caption.text
    client.images.recover(image.id)
    client.reviews.reject(image.id, reason="vague")
    with closing(client.events(after=heard[-1].id)) as events:
        # What happened within ten seconds before is told again to whoever begins anew.
        rejected = next(one for one in events if one.type == "caption.rejected")
    assert (rejected.data.image, rejected.data.decision, rejected.data.reason) == (image.id, "reject", "vague")


def test_it_hears_how_a_job_goes(client, scene):
    image = client.images.upload(scene()[0])
    states = [job.state for job in client.jobs.events(image.jobs[0].id)]
    assert states[-1] == "done"
    assert len(set(states)) == len(states)
    with pytest.raises(captiondesk.NotFound):
        next(client.jobs.events(NOBODY))


def test_it_hears_without_blocking_an_event_loop(running, token, scene):
    async def work() -> None:
        async with AsyncClient(running.url, token) as client:

            async def listen() -> list[str]:
                async with aclosing(client.events()) as events:
                    return [event.type async for event in take(events, 2)]

            listening = asyncio.create_task(listen())
            await asyncio.sleep(1)
            image = await client.images.upload(scene()[0])
            states = [job.state async for job in client.jobs.events(image.jobs[0].id)]
            assert states[-1] == "done"
            assert await asyncio.wait_for(listening, 60) == ["image.created", "caption.created"]
            bulk = await client.bulk.approve([image.id])
            assert (await client.bulk.wait(bulk.id, seconds=60)).done == 1

    async def take(events, number):
        for _ in range(number):
            yield await anext(events)

    in_a_loop(work())


def test_it_reads_what_a_webhook_is_told(client, elsewhere, scene):
    with serving(Said(500, {}), Said(200, {}), port=elsewhere) as server:
        made = client.webhooks.make("Shop", f"{server.url}/hook", ["image.created"])
        assert made.signing_secret.startswith("whsec_")
        assert client.webhooks.get(made.id).events == ["image.created"]
        assert [one.id for one in client.webhooks.list()] == [made.id]
        sent = client.webhooks.test(made.id)
        image = client.images.upload(scene()[0], filename="a.jpg")
        until(lambda: len(server.asked) >= 3, seconds=60, what="two messages came, one of them again")
        told = [verify_webhook(made.signing_secret, one.headers, one.body) for one in server.asked]
    assert {one.type for one in told} == {"webhook.test", "image.created"}
    (created,) = {one.id: one for one in told if one.type == "image.created"}.values()
    assert (created.data.image, created.data.filename) == (image.id, "a.jpg")
    assert len({one.id for one in told}) == 2

    def delivered() -> bool:
        return all(one.state == "delivered" for one in client.webhooks.deliveries(made.id))

    until(delivered, seconds=30, what="both are noted")
    (tested,) = [one for one in client.webhooks.deliveries(made.id) if one.id == sent.id]
    assert tested.attempts[-1].status == 200
    changed = client.webhooks.change(made.id, name="Store", events=["job.failed", "image.deleted"])
    assert (changed.name, changed.events, changed.is_on) == ("Store", ["image.deleted", "job.failed"], True)
    assert client.webhooks.replay(made.id, sent.id).state == "pending"
    assert client.webhooks.rotate(made.id).signing_secret != made.signing_secret
    assert client.webhooks.change(made.id, is_on=False).off == "person"
    client.webhooks.delete(made.id)
    assert list(client.webhooks.list()) == []


def test_it_changes_only_what_nobody_changed_since(client, scene):
    image = client.images.upload(scene()[0], wait=60)
    seen = client.images.get(image.id)
    assert seen.etag
    assert "etag" not in json.dumps(seen.model_dump(mode="json"))
    client.images.change(image.id, title="Harbour", if_match=seen)
    with pytest.raises(captiondesk.ChangedMeanwhile) as caught:
        client.images.change(image.id, title="Pier", if_match=seen.etag)
    assert (caught.value.code, caught.value.status) == ("changed_meanwhile", 412)
    with pytest.raises(captiondesk.ChangedMeanwhile):
        client.images.delete(image.id, if_match=seen)
    assert client.images.get(image.id).title == "Harbour"
    client.images.delete(image.id, if_match=client.images.get(image.id))

    album = client.albums.get(client.albums.make("Harbour").id)
    client.albums.rename(album.id, "Pier", if_match=album)
    with pytest.raises(captiondesk.Conflict):
        client.albums.delete(album.id, if_match=album)
    client.albums.delete(album.id, if_match=client.albums.get(album.id).etag)


def test_it_changes_nothing_unguarded_for_lack_of_an_etag(client, scene):
    client.images.upload(scene()[0])
    (listed,) = client.images.list()
    for mark in (listed, listed.etag):
        with pytest.raises(ValueError, match="no etag"):
            client.images.change(listed.id, title="x", if_match=mark)
    assert client.images.get(listed.id).title == ""


def test_it_does_not_blame_others_when_its_own_answer_got_lost():
    script = [CUT, refusal(412, "changed_meanwhile")]
    with (
        serving(*script) as server,
        Client(server.url, "t", retries=Retries(first=0.01)) as client,
        pytest.raises(captiondesk.ConnectionFailed, match="Look at it again"),
    ):
        client.images.change(NOBODY, title="x", if_match='"abc"')
    assert [one.headers["if-match"] for one in server.asked] == ['"abc"'] * 2


def test_it_adds_a_picture_by_its_address(client, elsewhere, scene):
    data, words = scene()
    with serving(Said(200, data, {"Content-Type": "image/jpeg"}), port=elsewhere) as server:
        image = client.images.add_by_url(f"{server.url}/shapes.jpg", wait=60, num_beams=4)
    assert (image.filename, image.caption and image.caption.text) == ("shapes.jpg", words)
    with pytest.raises(captiondesk.InvalidRequest) as caught:
        client.images.add_by_url("http://10.0.0.1/x.jpg")
    assert caught.value.code == "address_refused"


def test_it_says_what_its_token_opens(client):
    assert client.me().token.scopes == ["admin"]


def test_it_does_not_wait_for_a_bulk_job_for_ever(client, scene):
    job = client.bulk.delete([client.images.upload(scene()[0]).id])
    began = time.monotonic()
    try:
        client.bulk.wait(job.id, seconds=0)
    except captiondesk.WaitedTooLong:
        assert time.monotonic() - began < 10
    assert client.bulk.wait(job.id, seconds=60).done == 1

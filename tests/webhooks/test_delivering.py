"""Messages of webhooks: what they say, how they are signed, how they are tried again, and when that ends."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import transaction
from django.utils import timezone
from standardwebhooks import Webhook as Reference
from standardwebhooks.webhooks import WebhookVerificationError

from captions import delivering, jobs, outbox, review, sealing, tasks, trash, webhooks
from captions.errors import DeskError
from captions.models import AccountEvent, Image, Webhook, WebhookAttempt, WebhookDelivery
from captions.models.webhook import EventType
from tests import factories
from tests.outbound.conftest import Answers

ALL = list(EventType.values)


@pytest.fixture
def hook(owner: User, server: Answers) -> tuple[Webhook, str]:
    return webhooks.make(owner=owner, name="receiver", url=server.url("/in"), events=ALL)


def told(server: Answers) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, _, body in server.asked]


def happen(owner: User) -> None:
    """Let something happen, without a picture's whole way."""
    outbox.note(
        type=EventType.CAPTION_CREATED, owner_id=owner.pk, image_id=factories.make_image(owner).pk, data={"n": 1}
    )


def come_due() -> None:
    WebhookDelivery.objects.filter(state="pending").update(due_at=timezone.now() - timedelta(seconds=1))


def test_it_tells_a_picture_s_whole_life(owner, server, hook):
    image = factories.receive(owner)
    job = factories.make_drafts(image, "a boat")[0].job
    image.refresh_from_db()
    review.approve(image=image, reviewer=owner)
    review.undo(image=image, reviewer=owner)
    image.refresh_from_db()
    review.reject(image=image, reviewer=owner, reason="wrong")
    trash.discard(image=image, by=owner)
    trash.recover(image=image, by=owner)
    while delivering.deliver():
        pass
    heard = told(server)
    assert sorted(one["type"] for one in heard) == sorted(
        ["image.created", "caption.created", "caption.approved", "review.undone", "caption.rejected",
         "image.deleted", "image.recovered"]
    )  # fmt: skip
    assert {one["data"]["image"] for one in heard} == {str(image.pk)}
    by_type = {one["type"]: one["data"] for one in heard}
    assert by_type["caption.created"]["captions"][0]["text"] == "a boat"
    assert by_type["caption.created"]["job"] == str(job.pk)
    assert by_type["caption.approved"]["published_caption"] == by_type["caption.approved"]["caption"]["id"]
    assert by_type["review.undone"]["published_caption"] is None
    assert by_type["caption.rejected"]["reason"] == "wrong"


def test_it_tells_of_a_job_that_failed_for_good(owner, server, hook):
    running = factories.run(factories.make_job(factories.make_image(owner)))
    jobs.fail(job_id=running.pk, attempt=running.attempt, code="model_failed", detail="inside", worker_fault="input")
    delivering.deliver()
    failed = next(one for one in told(server) if one["type"] == "job.failed")
    assert failed["data"]["error"]["code"] == "model_failed"
    assert "inside" not in json.dumps(failed)


def test_it_tells_nothing_of_what_was_rolled_back(owner, server, hook):
    with transaction.atomic():
        happen(owner)
        transaction.set_rollback(True)
    assert delivering.deliver() == 0
    assert not AccountEvent.objects.exists()


def test_it_signs_as_the_reference_library_checks(owner, server, hook):
    happen(owner)
    assert delivering.deliver() == 1
    _, path, headers, body = server.asked[0]
    assert path == "/in"
    assert headers["Content-Type"] == "application/json"
    assert Reference(hook[1]).verify(body, headers)["type"] == "caption.created"
    with pytest.raises(WebhookVerificationError):
        Reference(hook[1]).verify(body.replace(b"1", b"2"), headers)
    with pytest.raises(WebhookVerificationError):
        Reference("whsec_" + "A" * 43 + "=").verify(body, headers)


def test_it_signs_with_both_secrets_for_a_day_after_a_change(owner, server, hook):
    new = webhooks.rotate(webhook=hook[0])
    happen(owner)
    delivering.deliver()
    _, _, headers, body = server.asked[0]
    for secret in (hook[1], new):
        Reference(secret).verify(body, headers)
    Webhook.objects.update(old_secret_until=timezone.now() - timedelta(seconds=1))
    happen(owner)
    delivering.deliver()
    _, _, headers, body = server.asked[1]
    Reference(new).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Reference(hook[1]).verify(body, headers)


def test_it_keeps_no_secret_that_can_be_read_in_the_database(owner, hook, settings):
    stored = Webhook.objects.values_list("secret", flat=True).get()
    assert hook[1].removeprefix("whsec_") not in stored
    assert len(webhooks.keys(hook[0])[0]) == 32
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another-" + "k" * 50
    assert len(webhooks.keys(hook[0])[0]) == 32
    settings.SECRET_KEY_FALLBACKS = []
    happen(owner)
    assert delivering.deliver() == 0
    assert WebhookAttempt.objects.get().error == "webhook_secret_unknown"


def test_it_tells_only_the_owner_and_only_what_was_asked_for(owner, stranger, server):
    webhooks.make(owner=stranger, name="another's", url=server.url("/spy"), events=ALL)
    webhooks.make(owner=owner, name="narrow", url=server.url("/narrow"), events=["image.deleted"])
    happen(owner)
    delivering.deliver()
    assert server.asked == []


@pytest.mark.parametrize("answer", [(500, {}, [b"no"]), (404, {}, [b""]), (302, {"Location": "/else"}, [b""])])
def test_it_tries_again_with_the_same_id_and_body(owner, server, hook, answer):
    server.script["/in"] = answer
    happen(owner)
    assert delivering.deliver() == 0
    assert delivering.deliver() == 0  # not at once
    assert len(server.asked) == 1
    server.script["/in"] = (204, {}, [])
    come_due()
    assert delivering.deliver() == 1
    first, second = server.asked
    assert first[2]["webhook-id"] == second[2]["webhook-id"]
    assert first[3] == second[3]
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.tries, delivery.due_at) == ("delivered", 2, None)
    assert [attempt.status for attempt in delivery.attempts.all()] == [answer[0], 204]
    assert Webhook.objects.get().failing_since is None


def test_it_gives_up_after_a_day_of_tries(owner, server, hook):
    server.script["/in"] = (500, {}, [b"broken"])
    happen(owner)
    waited = 0.0
    for _ in range(20):
        come_due()
        before = timezone.now()
        delivering.deliver()
        delivery = WebhookDelivery.objects.get()
        if delivery.state != "pending":
            break
        waited += (delivery.due_at - before).total_seconds()
    assert delivery.state == "failed"
    assert delivery.tries == 8 == len(server.asked)
    assert 22 * 3600 < waited < 27 * 3600
    assert {attempt.answer for attempt in delivery.attempts.all()} == {"broken"}


def test_it_can_send_what_was_given_up_again(owner, server, hook):
    happen(owner)
    delivering.deliver()
    delivery = WebhookDelivery.objects.get()
    assert webhooks.replay(delivery=delivery).state == "pending"
    with pytest.raises(DeskError, match="webhook_on_its_way"):
        webhooks.replay(delivery=delivery)
    assert delivering.deliver() == 1
    assert server.asked[0][2]["webhook-id"] == server.asked[1][2]["webhook-id"]


def test_it_sends_a_test_message(server, hook):
    webhooks.send_test(webhook=hook[0])
    delivering.deliver()
    assert told(server)[0]["type"] == "webhook.test"


def test_it_sends_one_test_message_at_a_time(server, hook):
    webhooks.send_test(webhook=hook[0])
    with pytest.raises(DeskError, match="webhook_on_its_way"):
        webhooks.send_test(webhook=hook[0])
    delivering.deliver()
    webhooks.send_test(webhook=hook[0])
    hook[0].delete()
    with pytest.raises(DeskError, match="not_found"):
        webhooks.send_test(webhook=hook[0])


def test_it_forgets_test_messages_and_is_not_kept_from_it_by_one(owner, server, hook):
    webhooks.send_test(webhook=hook[0])
    happen(owner)
    delivering.deliver()
    webhooks.send_test(webhook=hook[0])
    WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=4))
    AccountEvent.objects.update(created_at=timezone.now() - timedelta(days=4))
    outbox.tidy()
    assert not AccountEvent.objects.exists()
    assert WebhookDelivery.objects.get().state == "pending"


def test_it_keeps_each_secret_that_it_gave_out_for_a_day(hook):
    stale = Webhook.objects.get()
    first = webhooks.rotate(webhook=hook[0])
    webhooks.rotate(webhook=stale)  # asked for at the same moment
    assert sealing.unseal(Webhook.objects.get().old_secret) == first
    stale.delete()
    with pytest.raises(DeskError, match="not_found"):
        webhooks.rotate(webhook=hook[0])


def test_it_switches_off_what_is_gone(owner, server, hook):
    server.script["/in"] = (410, {}, [b""])
    happen(owner)
    delivering.deliver()
    now = Webhook.objects.get()
    assert now.off == "gone"
    assert WebhookDelivery.objects.get().state == "failed"
    happen(owner)
    assert WebhookDelivery.objects.count() == 1
    with pytest.raises(DeskError, match="webhook_off"):
        webhooks.send_test(webhook=now)
    webhooks.change(webhook=now, is_on=True)
    happen(owner)
    assert WebhookDelivery.objects.count() == 2


def test_it_switches_off_what_fails_for_five_days_and_tells_the_owner(
    owner, server, hook, django_capture_on_commit_callbacks
):
    server.script["/in"] = (500, {}, [b""])
    happen(owner)
    delivering.deliver()
    assert Webhook.objects.get().is_on
    Webhook.objects.update(failing_since=timezone.now() - timedelta(days=5, minutes=1))
    come_due()
    with django_capture_on_commit_callbacks(execute=True):
        delivering.deliver()
    assert Webhook.objects.get().off == "failing"
    assert mail.outbox[0].to == ["olga@example.org"]
    assert "receiver" in mail.outbox[0].subject


def test_it_lets_no_dead_address_hold_up_another(owner, server):
    webhooks.make(owner=owner, name="slow", url=server.url("/slow"), events=ALL)
    webhooks.make(owner=owner, name="good", url=server.url("/good"), events=ALL)
    server.script["/slow"] = (200, {}, [2.0, b""])
    for _ in range(6):
        happen(owner)
    delivering.deliver(budget_seconds=0.1)
    paths = [path for _, path, _, _ in server.asked]
    assert paths.count("/slow") == paths.count("/good") == 2


def test_it_lets_nobody_with_many_slow_addresses_hold_up_another_person(owner, stranger, server):
    for number in range(6):
        webhooks.make(owner=stranger, name=f"slow {number}", url=server.url("/slow"), events=ALL)
    server.script["/slow"] = (200, {}, [2.0, b""])
    for _ in range(10):
        happen(stranger)
    come_due()
    webhooks.make(owner=owner, name="good", url=server.url("/good"), events=ALL)
    happen(owner)
    delivering.deliver(budget_seconds=0.1)
    paths = [path for _, path, _, _ in server.asked]
    assert (paths.count("/good"), len(paths)) == (1, delivering.AT_ONCE)


def test_it_asks_no_address_inside_the_network(owner, settings):
    for url in ("http://127.0.0.1/", "http://169.254.169.254/latest/", "http://10.0.0.1/", "ftp://example.org/", "x"):
        with pytest.raises(DeskError, match="address_"):
            webhooks.make(owner=owner, name="inside", url=url, events=ALL)
    # A name that leads inside is found out when it is asked.
    webhooks.make(owner=owner, name="inside", url="http://localhost/", events=ALL)
    happen(owner)
    delivering.deliver()
    assert WebhookAttempt.objects.get().error == "address_refused"


def test_it_does_not_send_what_another_process_is_sending(owner, server, hook):
    happen(owner)
    chosen = delivering._claim()
    assert len(chosen) == 1
    assert delivering.deliver() == 0
    assert server.asked == []


def test_it_forgets_events_after_three_days_but_not_what_is_on_its_way(owner, server, hook):
    happen(owner)
    AccountEvent.objects.update(created_at=timezone.now() - timedelta(days=4))
    outbox.tidy()
    assert AccountEvent.objects.count() == 1
    delivering.deliver()
    outbox.tidy()
    assert not AccountEvent.objects.exists()
    assert not WebhookDelivery.objects.exists()


def test_it_is_sent_by_the_timetable(owner, server, hook):
    happen(owner)
    tasks.deliver()
    assert len(server.asked) == 1


def test_it_erases_events_with_their_picture(owner, hook):
    happen(owner)
    image = Image.objects.get()
    factories.make_trash(image)
    Image.objects.update(deleted_at=timezone.now() - timedelta(days=400))
    trash.purge(older_than_days=30)
    assert not AccountEvent.objects.exists()

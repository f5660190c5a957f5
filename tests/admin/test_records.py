"""The rest of the admin: jobs can be retried and cancelled, everything else is only read."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User

from captions import jobs, tokens
from captions.models import ApiToken, Caption, CaptionJob, Image, Review, Worker
from tests.factories import make_caption, make_image


@pytest.fixture
def operator(client, db) -> User:
    user = User.objects.create_user("otto", password="correct-horse-battery", is_staff=True)
    user.groups.add(Group.objects.get(name="operators"))
    client.force_login(user)
    return user


def act(client, model: str, action: str, row) -> str:
    answer = client.post(
        f"/admin/captions/{model}/", {"action": action, "_selected_action": [str(row.pk)]}, follow=True
    )
    return answer.content.decode()


def test_it_cancels_and_retries_jobs(client, operator, owner):
    job = jobs.request(image=make_image(owner), chosen={}).job
    assert "Cancelled: 1." in act(client, "captionjob", "cancel_selected", job)
    job.refresh_from_db()
    assert job.state == CaptionJob.State.CANCELLED
    assert "it cannot be cancelled" in act(client, "captionjob", "cancel_selected", job)
    assert "Queued again: 1." in act(client, "captionjob", "retry_selected", job)
    job.refresh_from_db()
    assert job.state == CaptionJob.State.QUEUED


def test_it_shows_a_job_with_its_history(client, operator, owner):
    job = jobs.request(image=make_image(owner), chosen={}).job
    page = client.get(f"/admin/captions/captionjob/{job.pk}/change/").content.decode()
    assert "queued" in page
    assert 'name="_save"' not in page


def test_it_revokes_a_token(client, operator, owner):
    token, secret = tokens.mint(user=owner, name="script")
    assert "Revoked 1." in act(client, "apitoken", "revoke", token)
    assert tokens.find(secret) is None


def test_it_never_shows_a_digest(client, operator, owner):
    token, _ = tokens.mint(user=owner, name="script")
    page = client.get(f"/admin/captions/apitoken/{token.pk}/change/").content.decode()
    assert token.digest not in page


@pytest.mark.parametrize("model", [Image, CaptionJob, Caption, Review, Worker, ApiToken])
def test_it_lets_nobody_write_rows_by_hand(client, owner, model):
    boss = User.objects.create_superuser("boss", password="correct-horse-battery")
    client.force_login(boss)
    make_caption(make_image(owner), text="a red circle")
    name = model._meta.model_name
    assert client.get(f"/admin/captions/{name}/").status_code == 200
    assert client.get(f"/admin/captions/{name}/add/").status_code == 403
    row = model.objects.first()
    if row is not None:
        assert client.post(f"/admin/captions/{name}/{row.pk}/change/", {"text": "x"}).status_code == 403
        assert client.post(f"/admin/captions/{name}/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_it_has_one_login_with_its_limits():
    assert "secure_admin_login" in repr(admin.site.login) or hasattr(admin.site.login, "__wrapped__")


def test_it_answers_every_page_under_a_strict_policy(client, operator, owner):
    make_caption(make_image(owner), text="a red circle")
    for name in ("", "captions/image/", "captions/captionjob/", "captions/drafttoreview/", "captions/review/"):
        answer = client.get(f"/admin/{name}")
        assert answer.status_code == 200
        assert "unsafe-inline" not in answer["Content-Security-Policy"]
        page = answer.content.decode()
        assert "<style" not in page
        assert ' style="' not in page
        assert " onclick=" not in page

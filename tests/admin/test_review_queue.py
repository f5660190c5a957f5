"""The admin's queue of drafts: approve, approve edited, reject; one or many; every decision is a Review row."""

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse

from captions.models import Caption, Image, Review
from tests.factories import make_caption, make_image

QUEUE = "/admin/captions/drafttoreview/"


@pytest.fixture
def reviewer(db) -> User:
    user = User.objects.create_user("rita", password="correct-horse-battery", is_staff=True)
    user.groups.add(Group.objects.get(name="reviewers"))
    return user


@pytest.fixture
def desk(client, reviewer):
    client.force_login(reviewer)
    return client


def draft(owner: User, text: str) -> Image:
    image = make_image(owner)
    make_caption(image, text=text)
    image.refresh_from_db()
    assert image.state == Image.State.DRAFT
    return image


def form(*images: Image, action: str = "approve_selected", **changed: str) -> dict[str, object]:
    """Give what the browser sends: every row's words and what was seen, the chosen rows and the action."""
    rows: dict[str, object] = {"action": action, "_selected_action": [str(image.pk) for image in images]}
    for image in images:
        rows[f"words-{image.pk}"] = changed.get(str(image.pk), image.caption.text)
        rows[f"seen-{image.pk}"] = str(image.caption_id)
    return rows


def test_it_lists_only_drafts_oldest_first_with_thumbnail_and_words(desk, owner):
    first, second = draft(owner, "a red circle"), draft(owner, "a blue star")
    make_image(owner)
    page = desk.get(QUEUE).content.decode()
    assert page.index("a red circle") < page.index("a blue star")
    assert page.count("<textarea") == 2
    assert reverse("thumbnail", args=[first.pk]) in page
    assert f'alt="Picture {second.number}"' in page


def test_it_approves_many_at_once_and_records_who(desk, owner, reviewer):
    images = [draft(owner, f"picture {n}") for n in range(3)]
    answer = desk.post(QUEUE, form(*images), follow=True)
    assert "Approved 3 pictures." in answer.content.decode()
    assert {(r.reviewer, r.decision) for r in Review.objects.all()} == {(reviewer, "approve")}
    for image in images:
        image.refresh_from_db()
        assert image.published_caption == image.caption
        assert image.state == Image.State.APPROVED


def test_it_records_an_edit_where_the_words_were_changed(desk, owner, reviewer):
    kept, mended = draft(owner, "a red circle"), draft(owner, "a bleu star")
    desk.post(QUEUE, form(kept, mended, **{str(mended.pk): "a blue star"}))
    decisions = dict(Review.objects.values_list("image__number", "decision"))
    assert decisions == {kept.number: "approve", mended.number: "edit"}
    edited = Caption.objects.get(kind="edited")
    assert (edited.text, edited.author, edited.parent_id) == ("a blue star", reviewer, mended.caption_id)


def test_it_rejects_with_the_reason_chosen(desk, owner):
    image = draft(owner, "two lemons")
    desk.post(QUEUE, {**form(image, action="reject_selected"), "reason": "count"})
    review = Review.objects.get()
    assert (review.decision, review.reason) == ("reject", "count")
    image.refresh_from_db()
    assert image.state == Image.State.REJECTED


@pytest.mark.parametrize(("verb", "state"), [("approve", "approved"), ("reject", "rejected")])
def test_it_decides_on_one_image_by_its_own_button(desk, owner, verb, state):
    image, other = draft(owner, "a red circle"), draft(owner, "a blue star")
    answer = desk.post(QUEUE, {**form(image, other), "_selected_action": [], "decide": f"{verb} {image.pk}"})
    assert answer.status_code == 302
    image.refresh_from_db()
    other.refresh_from_db()
    assert (image.state, other.state) == (state, "draft")


def test_it_keeps_the_others_when_one_has_other_words_by_now(desk, owner):
    stale, fresh = draft(owner, "a red circle"), draft(owner, "a blue star")
    sent = form(stale, fresh)
    make_caption(stale, text="a red disc")
    page = desk.post(QUEUE, sent, follow=True).content.decode()
    assert f"Picture {stale.number}: Somebody decided on this picture in the meantime." in page
    assert list(Review.objects.values_list("image__number", flat=True)) == [fresh.number]


def test_it_refuses_empty_words_and_loses_nothing(desk, owner):
    image = draft(owner, "a red circle")
    page = desk.post(QUEUE, form(image, **{str(image.pk): "  "}), follow=True).content.decode()
    assert "A caption needs at least one word." in page
    assert not Review.objects.exists()


@pytest.mark.parametrize("query", ["model=demo", "score=high", "format=PNG", "q=circle", "created_at__year=2026"])
def test_it_filters_and_searches(desk, owner, query):
    draft(owner, "a red circle")
    assert desk.get(f"{QUEUE}?{query}").status_code == 200


def test_it_finds_by_words(desk, owner):
    draft(owner, "a red circle")
    draft(owner, "a blue star")
    page = desk.get(f"{QUEUE}?q=star").content.decode()
    assert "a blue star" in page
    assert "a red circle" not in page


def test_it_is_closed_to_everybody_else(client, owner):
    image = draft(owner, "a red circle")
    staff = User.objects.create_user("sam", password="correct-horse-battery", is_staff=True)
    for user, status in ((None, 302), (owner, 302), (staff, 403)):
        client.logout()
        if user:
            client.force_login(user)
        assert client.get(QUEUE).status_code == status
        assert client.post(QUEUE, form(image)).status_code == status
    assert not Review.objects.exists()


def test_it_shows_what_a_payload_says_as_text(desk, owner):
    draft(owner, "</textarea><script>alert(1)</script>")
    page = desk.get(QUEUE).content.decode()
    assert "<script>alert(1)" not in page

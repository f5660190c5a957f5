"""The gallery: cards in every state, chips, pages, and acts on several pictures."""

from __future__ import annotations

import re
from itertools import chain

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from captions import jobs, review
from captions.models import Image, Worker
from tests.web import builders
from tests.web.conftest import HTMX

LOOK = re.compile(r'data-look="(\w+)"')
NUMBER = re.compile(r'<span class="number">(\d+)</span>')


LOOKS = ["empty", "wait", "queue", "run", "cancelled", "failed", "rejected", "approved", "approved", "draft"]


def text(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def numbers(client: Client, path: str) -> list[int]:
    return [int(number) for number in NUMBER.findall(text(client, path))]


def test_it_sends_strangers_to_the_login_page(client: Client, db: None) -> None:
    answer = client.get("/")
    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/login/?next=/"


def test_it_says_the_next_step_when_it_is_empty(olga: Client) -> None:
    page = text(olga, "/")
    assert "Add your first pictures" in page
    assert "Nothing" not in page.split("Add your first pictures")[1][:200].split(".")[0]


def test_it_offers_a_sharper_picture_where_there_is_one(olga: Client, owner: User) -> None:
    image = builders.row(owner)  # no medium rendition
    Image.objects.update(thumbnail_width=480, thumbnail_height=360)
    assert "srcset" not in text(olga, "/")
    for width, height in ((480, 360), (800, 600)):
        Image.objects.update(medium_width=width, medium_height=height)
        offers = f'srcset="/images/{image.pk}/thumbnail/ 480w, /images/{image.pk}/medium/ {width}w" sizes="'
        assert (offers in text(olga, "/")) == (width > 480)


def test_it_shows_every_state_of_a_card(olga: Client, owner: User) -> None:
    made = builders.every_state(owner)
    page = text(olga, "/")
    assert LOOK.findall(page) == LOOKS
    for said in (
        "Nobody has asked for a caption yet.",
        "No worker serves the model “another-model” now. The picture is safe, keeps its place and starts by itself",
        "in the queue. A draft should be here in about",
        "The caption is being written and should be here",
        "You stopped this.",
        "Reading this picture stopped the worker twice, so it was set aside.",
        "<code>poison_image</code>, attempt 1",
        "Rejected by you: wrong count",
        "Edited and approved by you",
        "Drafted by the demo captioner, approved by you",
        "Demo captioner, score 0.90",
    ):
        assert said in page, said
    assert f'alt="Picture {made["draft"].number}, no approved caption yet, file {made["draft"].filename}"' in page
    assert 'alt="A large star."' in page


ACTS = {
    "draft": ["approve", "editor", "reasons"],
    "approved": ["editor"],
    "rejected": ["again", "editor"],
    "failed": ["retry", "editor"],
    "cancelled": ["again", "editor"],
    "queue": ["cancel"],
    "run": ["cancel"],
    "wait": ["again", "cancel"],
    "empty": ["again", "editor"],
}


def test_it_offers_the_acts_of_the_state(olga: Client, owner: User) -> None:
    made = builders.every_state(owner)
    page = text(olga, "/")
    for look, acts in ACTS.items():
        form = page.split(f'id="acts-{made[look].pk}"')[1].split("</form>")[0]
        assert re.findall(rf'hx-(?:post|get)="/images/{made[look].pk}/(\w+)/', form) == acts, look


def test_it_says_that_no_worker_runs(olga: Client, owner: User) -> None:
    builders.every_state(owner)
    Worker.objects.all().delete()
    page = text(olga, "/")
    assert "No worker is running. Pictures are safe and keep their place." in page
    assert "No worker is running. The picture is safe" in page


def test_it_shows_the_notice_of_the_demo_model_on_every_page(olga: Client, owner: User) -> None:
    image = builders.every_state(owner)["draft"]
    for path in ("/", f"/images/{image.pk}/", "/trash/", "/account/", "/account/tokens/", "/accounts/password/change/"):
        page = text(olga, path)
        assert builders.NOTICE in page
        assert "Demo model" in page


def test_it_counts_by_state(olga: Client, owner: User) -> None:
    builders.every_state(owner)
    page = re.sub(r"<[^>]+>", " ", text(olga, "/").split('id="chips"')[1].split("</nav>")[0])
    counted = re.findall(r"([A-Z][a-z]+(?: [a-z]+)?)\s+(\d+)", page)
    assert counted == [
        ("All", "10"), ("Draft", "1"), ("Approved", "2"), ("Rejected", "1"), ("In work", "3"), ("Failed", "1"),
        ("Without caption", "2"),
    ]  # fmt: skip


def test_it_filters_by_chip(olga: Client, owner: User) -> None:
    builders.every_state(owner)
    assert set(LOOK.findall(text(olga, "/?show=open"))) == {"wait", "queue", "run"}
    assert LOOK.findall(text(olga, "/?show=failed")) == ["failed"]
    assert LOOK.findall(text(olga, "/?show=what-is-this"))[0] == "empty"


def test_it_says_what_an_empty_filter_means(olga: Client, owner: User) -> None:
    builders.row(owner)
    assert "Every draft has a decision" in text(olga, "/?show=draft")


def test_it_shows_nobody_elses_pictures(stranger_browser: Client, owner: User) -> None:
    builders.every_state(owner)
    assert numbers(stranger_browser, "/") == []


def rows(owner: User, count: int) -> None:
    """Add pictures of one moment: only their ids order them."""
    for _ in range(count):
        builders.row(owner)
    Image.objects.update(created_at=timezone.now())


def all_pages(client: Client, between: object = None) -> list[list[int]]:
    path, pages = "/", []
    while path:
        page = text(client, path)
        pages.append([int(number) for number in NUMBER.findall(page)])
        found = re.search(r'hx-get="(/\?after=[^"]+)" hx-target="#more"', page)
        path = found[1] if found else ""
        if callable(between):
            between()
    return pages


def test_it_gives_every_picture_once_over_all_pages(olga: Client, owner: User) -> None:
    rows(owner, 60)
    pages = all_pages(olga)
    assert [len(page) for page in pages] == [24, 24, 12]
    assert sorted(chain(*pages)) == list(range(1, 61))


def test_it_skips_and_repeats_nothing_while_pictures_arrive(olga: Client, owner: User) -> None:
    rows(owner, 50)
    pages = all_pages(olga, between=lambda: builders.row(owner))
    seen = list(chain(*pages))
    assert len(seen) == len(set(seen))
    assert set(range(1, 51)) <= set(seen)


def test_it_gives_only_cards_for_a_further_page(olga: Client, owner: User) -> None:
    rows(owner, 30)
    path = re.search(r'hx-get="(/\?after=[^"]+)"', text(olga, "/"))[1]
    page = text(olga, path, **HTMX)
    assert "<html" not in page
    assert len(NUMBER.findall(page)) == 6


@pytest.mark.parametrize("mark", ["x", "%F0%9F%92%A9", "MjAyNnx4", "A" * 500])
def test_it_explains_a_mark_that_it_cannot_read(olga: Client, mark: str) -> None:
    answer = olga.get(f"/?after={mark}")
    assert answer.status_code == 400
    assert "Start again from the newest pictures." in answer.content.decode()


def test_it_reads_a_page_with_a_fixed_number_of_queries(
    olga: Client, owner: User, django_assert_max_num_queries: object
) -> None:
    builders.every_state(owner)
    with django_assert_max_num_queries(19):  # type: ignore[operator]  # pytest-django's fixture is a context manager
        olga.get("/")
    for _ in range(10):
        jobs.request(image=builders.row(owner), chosen={})
    with django_assert_max_num_queries(19):  # type: ignore[operator]  # as above
        olga.get("/")


def test_it_approves_several_drafts_at_once(olga: Client, owner: User) -> None:
    made = builders.every_state(owner)
    ids = [made["draft"].pk, made["failed"].pk, made["empty"].pk]
    page = olga.post("/images/several/", {"act": "approve", "image": ids}, follow=True).content.decode()
    assert "Approved the drafts of 1 picture. 2 pictures stayed as they were." in page
    made["draft"].refresh_from_db()
    assert made["draft"].state == Image.State.APPROVED


def test_it_deletes_several_and_brings_them_back(olga: Client, owner: User) -> None:
    ids = [builders.row(owner).pk for _ in range(2)]
    page = olga.post("/images/several/", {"act": "discard", "image": ids}, follow=True).content.decode()
    assert "2 pictures went into the trash." in page
    assert Image.objects.filter(deleted_at__isnull=True).count() == 0
    undo = re.search(r'action="(/images/several/\?act=recover[^"]+)"', page)[1].replace("&amp;", "&")
    assert "2 pictures came back." in olga.post(undo, follow=True).content.decode()
    assert Image.objects.filter(deleted_at__isnull=True).count() == 2


def test_it_leaves_foreign_pictures_alone_in_bulk(stranger_browser: Client, owner: User) -> None:
    image = builders.drafted(builders.row(owner))
    for act in ("approve", "again", "discard", "recover"):
        stranger_browser.post("/images/several/", {"act": act, "image": [image.pk]})
    before = image.state
    image.refresh_from_db()
    assert (image.state, image.deleted_at) == (before, None)


def test_it_gives_the_parts_of_open_cards(olga: Client, owner: User) -> None:
    image = builders.row(owner)
    builders.worker()
    builders.drafted(image)
    page = text(olga, f"{reverse('cards')}?id={image.pk}&id=nonsense", **HTMX)
    for part in ("state", "bar", "words", "acts"):
        assert re.search(rf'id="{part}-{image.pk}"[^>]* hx-swap-oob="true"', page), part
    assert 'id="tally"' in page
    assert 'id="chips"' in page
    assert page.count("data-live") == 2


def test_it_says_who_decided_what(olga: Client, owner: User, stranger: User) -> None:
    stranger.is_superuser = True
    stranger.save(update_fields=["is_superuser"])
    image = builders.drafted(builders.row(owner))
    review.approve(image=image, reviewer=stranger)
    assert "Drafted by the demo captioner, approved by stranger" in text(olga, "/")

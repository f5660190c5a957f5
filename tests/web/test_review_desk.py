"""The review desk's pages: every act is a form that leads to the next picture, and nothing typed is lost."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from captions import review, review_queue
from captions.models import Album, AlbumImage, Image, Review, ReviewLease, ReviewPolicy, SecondReview
from captions.models.clock import DatabaseTime
from tests import factories

JSON = {"Accept": "application/json"}


@pytest.fixture
def rita(db: None) -> User:
    """Somebody who reviews everybody's pictures."""
    return factories.make_person("rita", "reviewers")


@pytest.fixture
def desk(rita: User) -> Client:
    """A browser in which rita is logged in."""
    return factories.browser_of(rita)


@pytest.fixture
def drafts(owner: User) -> list[Image]:
    """Three drafts, oldest first."""
    return [factories.make_image(owner, "draft", text=f"boat {number}") for number in range(3)]


def current(page: str) -> str:
    return re.search(r'id="turn" data-image="([\w-]+)"', page).group(1)


def number(page: str) -> int:
    return int(re.search(r'data-number="(\d+)"', page).group(1))


def fields(page: str) -> dict[str, str]:
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.split("data-turn>")[1]))
    chosen = re.search(r'name="caption" id="pick\d" value="([\w-]+)"[^>]* checked', page)
    return {**found, "caption": chosen.group(1)}


def see(desk: Client, query: str = "") -> str:
    return desk.get(f"/review/{query}").content.decode()


def act(desk: Client, page: str, what: str = "decide", **values: str):
    address = f"/review/{current(page)}/{what}/"
    return desk.post(address, {**fields(page), **values}, follow=True)


def somebody_else_has(image: Image) -> User:
    """Let the lease run out and another reviewer take the picture."""
    other = factories.make_person(f"other{image.number}", "reviewers")
    ReviewLease.objects.filter(image=image).update(until=DatabaseTime(after=-1))
    review_queue.take(reviewer=other, count=1)
    assert ReviewLease.objects.get(image=image).reviewer == other
    return other


def test_it_shows_the_next_picture_with_its_draft(desk, drafts):
    page = see(desk)
    assert "boat 0" in page
    assert "Review picture 1" in page
    assert "0 of 3" in page


def test_it_asks_who_is_there(drafts):
    assert Client().get("/review/").url.startswith("/accounts/login/")


def test_it_shows_the_same_picture_when_loaded_again(desk, drafts):
    assert current(see(desk)) == current(see(desk))


def test_it_leads_from_an_approval_to_the_next_picture(desk, drafts):
    answer = act(desk, see(desk), decision="approve")
    page = answer.content.decode()
    assert answer.redirect_chain[-1][0] == "/review/"
    assert "boat 1" in page
    assert "Approved picture 1." in page
    assert "1 of 3" in page
    drafts[0].refresh_from_db()
    assert drafts[0].published_caption.text == "boat 0"


def test_it_opens_the_editor_without_script(desk, drafts):
    page = see(desk, "?do=edit")
    assert re.search(r'<div class="edit" data-doing="edit">', page)
    answer = act(desk, page, decision="edit", text="A blue boat.")
    assert "Edited and approved picture 1." in answer.content.decode()
    drafts[0].refresh_from_db()
    assert drafts[0].published_caption.text == "A blue boat."


def test_it_opens_the_reasons_without_script(desk, drafts):
    page = see(desk, "?do=reject")
    assert '<fieldset class="edit" data-doing="reject">' in page
    where = re.search(r'value="count" formaction="([^"]+)"', page).group(1)
    desk.post(where, {**fields(page), "reason": "count"})
    made = Review.objects.get()
    assert (made.decision, made.reason) == ("reject", "count")


def test_it_approves_another_draft_that_is_chosen(desk, owner):
    image = factories.make_image(owner)
    second = factories.make_drafts(image, "first", "second")[1]
    act(desk, see(desk), decision="approve", caption=str(second.pk))
    image.refresh_from_db()
    assert image.published_caption == second


def test_it_brings_a_skipped_picture_at_the_end(desk, drafts):
    seen = [number(see(desk))]
    seen += [number(act(desk, see(desk), "skip").content.decode()) for _ in range(3)]
    assert seen == [1, 2, 3, 1]


def test_it_takes_back_several_decisions_in_a_row(desk, drafts):
    for _ in range(2):
        act(desk, see(desk), decision="approve")
    for back in (2, 1):
        page = desk.post("/review/undo/", follow=True).content.decode()
        assert number(page) == back
        assert f"The decision on picture {back} is taken back." in page
    assert not Image.objects.filter(state="approved").exists()


def test_it_shows_the_picture_and_the_words_again_when_somebody_else_has_it(desk, drafts):
    page = see(desk)
    somebody_else_has(drafts[0])
    answer = act(desk, page, decision="edit", text="My own <words>")
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "My own &lt;words&gt;</textarea>" in page
    assert "somebody else has it now" in page
    assert current(page) == str(drafts[0].pk)


def test_it_keeps_the_words_when_somebody_decided_in_the_meantime(desk, drafts, owner):
    page = see(desk)
    review.approve(image=drafts[0], reviewer=owner)
    answer = act(desk, page, decision="edit", text="My own words")
    assert answer.status_code == 409
    assert "My own words</textarea>" in answer.content.decode()
    assert "Somebody decided on this picture in the meantime." in answer.content.decode()


def test_it_keeps_the_words_when_the_picture_is_gone(desk, drafts):
    page = see(desk)
    factories.make_trash(drafts[0])
    assert "My own words</textarea>" in act(desk, page, decision="edit", text="My own words").content.decode()


def test_it_keeps_the_editor_open_over_an_empty_caption(desk, drafts):
    answer = act(desk, see(desk), decision="edit", text="...")
    assert answer.status_code == 400
    assert "A caption needs at least one word." in answer.content.decode()


def test_it_says_so_when_nothing_is_left(desk):
    page = see(desk)
    assert "Every draft has a decision." in page
    assert "0 of 0" in page


def test_it_answers_script_with_the_next_pictures(desk, drafts):
    held = current(see(desk))
    told = desk.post("/review/next/", {"n": "10", "keep": [held]}, headers=JSON).json()
    assert [turn["id"] for turn in told["turns"]] == [str(image.pk) for image in drafts[1:]]
    assert told["lost"] == []
    assert told["left"] == 3
    assert "boat 1" in told["turns"][0]["turn"]
    assert "thumbnail" in told["turns"][0]["film"]


def test_it_tells_script_which_pictures_are_lost(desk, drafts):
    held = current(see(desk))
    somebody_else_has(drafts[0])
    assert desk.post("/review/next/", {"n": "0", "keep": [held]}, headers=JSON).json()["lost"] == [held]


def test_it_answers_script_about_a_decision_and_its_undo(desk, drafts):
    page = see(desk)
    where = f"/review/{current(page)}/decide/"
    told = desk.post(where, {**fields(page), "decision": "approve"}, headers=JSON).json()
    back = desk.post("/review/undo/", {"decision": told["decision"]}, headers=JSON).json()
    assert back["turn"]["id"] == str(drafts[0].pk)
    assert f'name="seen" value="{Review.objects.get(decision="undo").pk}"' in back["turn"]["turn"]


def test_it_refuses_script_with_words_and_code(desk, drafts):
    page = see(desk)
    somebody_else_has(drafts[0])
    answer = desk.post(f"/review/{current(page)}/decide/", {**fields(page), "decision": "approve"}, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "with_another_reviewer")
    answer = desk.post("/review/next/", {"keep": ["nonsense"]}, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_it_gives_back_what_the_page_had_when_it_is_left(desk, drafts):
    held = current(see(desk))
    assert desk.post("/review/leave/", {"keep": [held]}).status_code == 204
    assert not ReviewLease.objects.exists()


def test_it_shows_strangers_nothing(stranger_browser, drafts):
    assert "Every draft has a decision." in see(stranger_browser)
    image = drafts[0].pk
    answer = stranger_browser.post(f"/review/{image}/decide/", {"decision": "approve"}, headers=JSON)
    assert answer.status_code == 404
    assert stranger_browser.post(f"/review/{image}/skip/").status_code == 404
    assert stranger_browser.post("/review/next/", {"keep": [image]}, headers=JSON).json()["lost"] == [str(image)]
    assert not ReviewLease.objects.exists()


def test_it_reviews_one_album(desk, drafts, owner):
    album = Album.objects.create(owner=owner, name="Harbour")
    AlbumImage.objects.create(album=album, image=drafts[2])
    page = see(desk, f"?album={album.pk}")
    assert number(page) == 3
    assert "0 of 1" in page
    answer = act(desk, page, decision="approve")
    assert f"album={album.pk}" in answer.redirect_chain[-1][0]
    assert "No draft in the album “Harbour” waits for you." in answer.content.decode()


def test_it_answers_404_for_an_album_of_others(stranger_browser, owner):
    album = Album.objects.create(owner=owner, name="Harbour")
    assert stranger_browser.get(f"/review/?album={album.pk}").status_code == 404
    assert stranger_browser.get("/review/?album=nonsense").status_code == 404


def test_it_hides_a_second_review_among_drafts(desk, owner):
    ReviewPolicy.objects.create(pk=1, second_review_share=1)
    image = factories.make_image(owner, "draft", text="a boat")
    review.edit(image=image, reviewer=owner, text="a secret correction")
    page = see(desk)
    assert "a boat" in page
    assert "secret" not in page
    act(desk, page, decision="reject", reason="vague")
    made = SecondReview.objects.get()
    assert (made.decision, made.agrees) == ("reject", False)
    image.refresh_from_db()
    assert image.state == "approved"


def test_it_puts_review_with_its_count_into_the_navigation(desk, drafts):
    page = desk.get("/").content.decode()
    assert re.search(r'href="/review/">Review <span id="tally"><span class="tally">3<', page)


def test_it_sums_up_decisions_agreement_and_reasons(desk, rita, drafts, owner):
    ReviewPolicy.objects.create(pk=1, second_review_share=1)
    review.approve(image=drafts[0], reviewer=rita)
    review.reject(image=drafts[1], reviewer=rita, reason="count")
    review.reject(image=drafts[2], reviewer=owner, reason="my own words")
    row = SecondReview.objects.get(image=drafts[0])
    review_queue.decide(image=drafts[0], reviewer=owner, verdict=review_queue.Verdict("approve"), second=row)
    page = desk.get("/review/summary/").content.decode()
    assert '<strong class="num">3 decisions</strong> stand.' in page
    assert "Wrong count" in page
    assert "Something else" in page
    assert "100 %" in page
    assert "rita" in page
    assert "olga" in page


def test_it_shows_others_only_their_own_figures(olga, rita, drafts):
    review.approve(image=drafts[0], reviewer=rita)
    page = olga.get("/review/summary/").content.decode()
    assert "rita" not in page
    assert "Nobody decided anything in this time." in page


def test_it_lets_operators_set_the_share_of_second_reviews(desk):
    assert 'name="share"' not in desk.get("/review/summary/").content.decode()
    assert desk.post("/review/summary/", {"share": "20"}).status_code == 403
    operator = factories.browser_of(factories.make_person("oscar", "operators"))
    assert operator.post("/review/summary/", {"share": "12,5 %"}, follow=True).status_code == 200
    assert ReviewPolicy.objects.get().second_review_share == 0.125
    refused = operator.post("/review/summary/", {"share": "many"})
    assert refused.status_code == 400
    assert "Choose a share from 0 to 100 per cent." in refused.content.decode()

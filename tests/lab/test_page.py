"""The lab's pages: the whole way of a trial by forms alone."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from captions.models import Trial
from tests.jobs.conftest import make_image
from tests.lab.test_lab import drafted
from tests.web.builders import worker

WAYS = {"A-preset": "quick", "B-preset": "careful", "C-preset": "none"}


@pytest.fixture
def begun(olga: Client, owner: User) -> Trial:
    """A trial of two pictures, begun by the form."""
    worker()
    ids = [str(make_image(owner).pk) for _ in range(2)]
    olga.post("/lab/new/", {**WAYS, "name": "Two ways", "image": ids})
    return Trial.objects.get()


def test_it_invites_to_a_first_trial_and_lists_those_that_are(olga: Client, begun: Trial) -> None:
    assert "Two ways" in olga.get("/lab/").content.decode()
    begun.delete()
    assert "No trial yet" in olga.get("/lab/").content.decode()


def test_it_offers_the_pictures_that_were_selected_in_the_gallery(olga: Client, owner: User) -> None:
    chosen, other = make_image(owner), make_image(owner)
    answer = olga.post("/images/several/", {"act": "try", "image": [str(chosen.pk)]}, follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain[0][0] == f"/lab/new/?image={chosen.pk}"
    assert f'value="{chosen.pk}" checked' in page
    assert f'value="{other.pk}">' in page


def test_it_asks_for_pictures_where_there_are_none(olga: Client) -> None:
    assert "Add pictures first" in olga.get("/lab/new/").content.decode()


def test_it_shows_a_form_again_as_it_was_with_what_is_wrong(olga: Client, owner: User) -> None:
    image = make_image(owner)
    sent = {**WAYS, "name": "Two ways", "image": [str(image.pk)], "B-num_beams": "99"}
    answer = olga.post("/lab/new/", sent)
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "Choose a number from 1 to 8." in page
    assert 'value="99"' in page
    assert 'value="Two ways"' in page
    assert not Trial.objects.exists()
    assert (
        "trial_arms_alike" in olga.post("/lab/new/", {**sent, "B-num_beams": "", "B-preset": "quick"}).content.decode()
    )


def test_it_names_no_way_until_the_names_are_shown(olga: Client, begun: Trial) -> None:
    drafted()
    path = f"/lab/{begun.pk}/"
    page = olga.get(path).content.decode()
    assert "Quick" not in page
    assert "Careful" not in page
    votes = dict(re.findall(r'name="(vote-[^"]+)" id="[^"]+" value="([^"]+)"', page))
    assert len(votes) == 2
    olga.post(f"{path}vote/", votes)
    assert begun.votes.count() == 2
    olga.post(f"{path}reveal/")
    page = olga.get(path).content.decode()
    assert "Who won" in page
    assert "Careful" in page


def test_it_counts_before_it_applies_the_winner(olga: Client, owner: User, begun: Trial) -> None:
    drafted()
    path, arm, image = f"/lab/{begun.pk}/", begun.arms.all()[0], begun.images.all()[0]
    assert olga.get(f"{path}apply/{arm.pk}/").status_code == 404
    olga.post(f"{path}vote/", {f"vote-{image.pk}": str(arm.pk)})
    olga.post(f"{path}reveal/")
    make_image(owner)
    assert "Draft 3 pictures" in olga.get(f"{path}apply/{arm.pk}/").content.decode()
    answer = olga.post(f"{path}apply/{arm.pk}/", follow=True).content.decode()
    assert "3 pictures went into the queue." in answer
    caption = re.search(r'name="caption" value="([^"]+)"', answer)
    assert caption
    answer = olga.post(f"{path}take-over/", {"caption": caption[1]}, follow=True).content.decode()
    assert "wait for a decision" in answer


def test_it_says_why_names_cannot_be_shown_yet(olga: Client, begun: Trial) -> None:
    assert "trial_without_votes" in olga.post(f"/lab/{begun.pk}/reveal/", follow=True).content.decode()


def test_it_is_not_there_for_somebody_else(stranger_browser: Client, begun: Trial) -> None:
    arm = begun.arms.all()[0]
    for part in ("", "live/", f"apply/{arm.pk}/"):
        assert stranger_browser.get(f"/lab/{begun.pk}/{part}").status_code == 404
    for part in ("vote/", "reveal/", "take-over/", "discard/", f"apply/{arm.pk}/"):
        assert stranger_browser.post(f"/lab/{begun.pk}/{part}").status_code == 404


def test_it_answers_with_parts_while_captions_are_on_their_way(olga: Client, begun: Trial) -> None:
    page = olga.get(f"/lab/{begun.pk}/").content.decode()
    assert "2 pictures are still being drafted" in page
    assert 'hx-trigger="every 2s"' in page
    drafted()
    parts = olga.get(f"/lab/{begun.pk}/live/").content.decode()
    assert "every 2s" not in parts
    assert 'id="trial-poll"' in parts


def test_it_deletes_a_trial(olga: Client, begun: Trial) -> None:
    assert "The trial is gone" in olga.post(f"/lab/{begun.pk}/discard/", follow=True).content.decode()
    assert not Trial.objects.exists()

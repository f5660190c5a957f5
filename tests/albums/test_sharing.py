"""Sharing: what each role opens, what it does not, and links for people without an account."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from captions import albums, events, jobs, permissions, review, selectors, trash
from captions.errors import DeskError
from captions.models import Album, AlbumLink, AlbumShare
from tests.albums.test_albums import code_of
from tests.factories import make_image, make_job, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(owner):
    return make_image(owner, "draft")


@pytest.fixture
def album(owner, image):
    made = albums.make(owner=owner, name="Harbour")
    albums.add(album=made, images=[image.pk])
    return made


def test_it_opens_pictures_to_whoever_it_is_shared_with(album, image, stranger, owner):
    other = make_image(owner)
    assert code_of(selectors.image, stranger, image.pk) == "not_found"
    albums.share(album=album, with_whom="stranger", role="view")
    assert selectors.image(stranger, image.pk) == image
    assert selectors.captions(stranger, image).count() == 1
    assert selectors.caption(stranger, image.caption_id) == image.caption
    assert code_of(selectors.image, stranger, other.pk) == "not_found"


@pytest.mark.parametrize(
    ("role", "may_caption", "may_review"), [("view", False, False), ("caption", True, False), ("review", True, True)]
)
def test_it_lets_each_role_do_what_it_says(album, image, stranger, role, may_caption, may_review):
    albums.share(album=album, with_whom="stranger", role=role)
    rights = permissions.rights_on(stranger, image)
    assert (rights.may_see, rights.may_caption, rights.may_review, rights.is_owner) == (
        True,
        may_caption,
        may_review,
        False,
    )
    assert selectors.captionable(stranger).exists() == may_caption
    assert selectors.reviewable(stranger).exists() == selectors.to_review(stranger).exists() == may_review


def test_it_lets_a_reviewer_of_the_album_decide_and_nobody_less(album, image, stranger):
    shared = albums.share(album=album, with_whom="stranger", role="caption")
    assert code_of(review.approve, image=image, reviewer=stranger) == "not_found"
    albums.change_role(share=shared, role="review")
    assert review.approve(image=image, reviewer=stranger).reviewer == stranger


def test_it_counts_the_best_of_several_shares(album, image, owner, stranger):
    second = albums.make(owner=owner, name="Second")
    albums.add(album=second, images=[image.pk])
    albums.share(album=album, with_whom="stranger", role="review")
    albums.share(album=second, with_whom="stranger", role="view")
    assert permissions.may_review(stranger, image)
    assert list(selectors.visible(stranger)) == [image]  # once, though two albums hold it


def test_it_ends_with_the_share_the_album_and_the_place(album, image, owner, stranger):
    shared = albums.share(album=album, with_whom="stranger", role="review")
    albums.end_share(share=shared)
    assert not permissions.may_see(stranger, image)
    albums.share(album=album, with_whom="stranger", role="review")
    albums.remove(album=album, images=[image.pk])
    assert not permissions.may_see(stranger, image)
    albums.add(album=album, images=[image.pk])
    albums.delete(album=album)
    assert not permissions.may_see(stranger, image)


def test_it_shows_nobody_else_what_lies_in_the_trash(album, image, owner, stranger):
    albums.share(album=album, with_whom="stranger", role="review")
    trash.discard(image=image, by=owner)
    assert code_of(selectors.image, stranger, image.pk) == "not_found"
    assert code_of(trash.recover, image=image, by=stranger) == "not_found"


def test_it_keeps_originals_and_albums_for_their_owner(album, image, stranger):
    albums.share(album=album, with_whom="stranger", role="review")
    assert code_of(selectors.own_image, stranger, image.pk) == "not_found"
    assert selectors.album(stranger, album.pk) == album
    assert code_of(selectors.own_album, stranger, album.pk) == "not_found"


def test_it_shows_jobs_to_readers_and_lets_captioners_stop_them(album, image, stranger):
    job = make_job(image, chosen={"seed": 3})
    assert code_of(selectors.job, stranger, job.pk) == "not_found"
    shared = albums.share(album=album, with_whom="stranger", role="view")
    assert selectors.job(stranger, job.pk) == job
    assert code_of(selectors.job, stranger, job.pk, role="caption") == "not_found"
    albums.change_role(share=shared, role="caption")
    assert selectors.job(stranger, job.pk, role="caption") == job


def test_it_opens_nothing_to_an_account_that_is_switched_off(album, image, stranger):
    albums.share(album=album, with_whom="stranger", role="review")
    stranger.is_active = False
    assert not permissions.may_see(stranger, image)


def test_it_tells_the_pages_of_everybody_it_is_shared_with(
    album, image, owner, stranger, monkeypatch, django_capture_on_commit_callbacks, django_assert_max_num_queries
):
    albums.share(album=album, with_whom="stranger", role="view")
    told = []
    monkeypatch.setattr(events, "publish", lambda *, owner_id, event: told.append((owner_id, event["image"])))
    with django_capture_on_commit_callbacks(execute=True):
        jobs.request(image=image, chosen={"seed": 9})
    assert told == [(owner.pk, str(image.pk)), (stranger.pk, str(image.pk))]


def test_it_judges_many_pictures_with_three_queries_at_most(owner, stranger, django_assert_max_num_queries):
    album = albums.make(owner=owner, name="Many")
    images = [make_image(owner) for _ in range(6)]
    albums.add(album=album, images=[image.pk for image in images])
    albums.share(album=album, with_whom="stranger", role="caption")
    with django_assert_max_num_queries(3):
        assert all(right.may_caption for right in permissions.rights(stranger, images).values())


# --- With whom -----------------------------------------------------------------------------------------------------


def test_it_shares_once_and_changes_the_role_the_second_time(album, stranger):
    albums.share(album=album, with_whom="stranger", role="view")
    albums.share(album=album, with_whom="stranger@example.org", role="caption")
    [shared] = AlbumShare.objects.filter(album=album)
    assert (shared.user, shared.role) == (stranger, "caption")


def test_it_believes_no_address_that_somebody_only_claims(album, stranger):
    EmailAddress.objects.create(user=stranger, email="stranger@example.org", verified=False)
    assert code_of(albums.share, album=album, with_whom="stranger@example.org", role="view") == "person_unknown"
    EmailAddress.objects.update(verified=True)
    assert albums.share(album=album, with_whom="Stranger@Example.org", role="view").user == stranger


def test_it_takes_no_user_name_for_somebody_elses_address(album, stranger):
    thief = make_person("stranger@example.org")
    thief.email = ""
    thief.save()
    assert albums.share(album=album, with_whom="stranger@example.org", role="view").user == stranger
    EmailAddress.objects.create(user=stranger, email="stranger@example.org", verified=False)
    assert code_of(albums.share, album=album, with_whom="stranger@example.org", role="view") == "person_unknown"
    stranger.delete()
    assert albums.share(album=album, with_whom="stranger@example.org", role="view").user == thief


@pytest.mark.parametrize(
    ("whom", "role", "code"),
    [
        ("nobody", "view", "person_unknown"),
        ("", "view", "person_unknown"),
        ("olga", "view", "share_with_yourself"),
        ("stranger", "own", "role_unknown"),
    ],
)
def test_it_refuses_shares_that_make_no_sense(album, stranger, whom, role, code):
    assert code_of(albums.share, album=album, with_whom=whom, role=role) == code


def test_it_does_not_guess_between_two_with_one_address(album):
    for person in (make_person(), make_person()):
        person.email = "both@example.org"
        person.save()
    assert code_of(albums.share, album=album, with_whom="both@example.org", role="view") == "person_unknown"


# --- Links ---------------------------------------------------------------------------------------------------------


def test_it_keeps_only_the_fingerprint_of_a_links_secret(album, owner):
    link, secret = albums.make_link(album=album, by=owner, days=7)
    assert link.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(list(AlbumLink.objects.values_list()))
    assert timedelta(days=6) < link.expires_at - timezone.now() <= timedelta(days=7, minutes=1)


def test_it_follows_a_link_and_notes_the_use(album, owner):
    link, secret = albums.make_link(album=album, by=owner, days=1)
    assert albums.follow_link(secret) == album
    link.refresh_from_db()
    assert link.last_used_at
    before = link.last_used_at
    albums.follow_link(secret)  # within the same minute nothing is written
    link.refresh_from_db()
    assert link.last_used_at == before


@pytest.mark.parametrize("days", [0, -1, 366])
def test_it_lets_a_link_live_a_day_to_a_year(album, owner, days):
    assert code_of(albums.make_link, album=album, by=owner, days=days) == "link_days_out_of_range"


def test_it_ends_links_by_time_by_hand_and_with_the_album(album, owner):
    link, secret = albums.make_link(album=album, by=owner, days=1)
    AlbumLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert code_of(albums.follow_link, secret) == "link_ended"
    link, secret = albums.make_link(album=album, by=owner, days=1)
    assert albums.revoke_link(link=link)
    assert not albums.revoke_link(link=link)
    assert code_of(albums.follow_link, secret) == "link_ended"
    link, secret = albums.make_link(album=album, by=owner, days=1)
    albums.delete(album=Album.objects.get(pk=album.pk))
    assert code_of(albums.follow_link, secret) == "not_found"


def test_it_ends_links_of_an_account_that_is_switched_off(album, owner):
    _, secret = albums.make_link(album=album, by=owner, days=1)
    owner.is_active = False
    owner.save(update_fields=["is_active"])
    assert code_of(albums.follow_link, secret) == "link_ended"


@pytest.mark.parametrize("secret", ["", "short", "x" * 43, "é" * 43, "x" * 5000])
def test_it_knows_no_secret_that_it_did_not_make(album, secret):
    with pytest.raises(DeskError, match="not_found"):
        albums.follow_link(secret)

"""The review queue hands every draft to one person at a time, and a decision needs no luck."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from captions import review, review_queue
from captions.errors import DeskError
from captions.models import Album, AlbumImage, AlbumShare, Caption, Image, Review, ReviewLease
from captions.review_queue import Order, Turn, Verdict
from tests import factories
from tests.jobs.conftest import at_once
from tests.review.conftest import expire


def take(reviewer: User, count: int = 10, **options) -> list[Image]:
    return [turn.image for turn in review_queue.take(reviewer=reviewer, count=count, **options)]


def one(reviewer: User, **options) -> Turn:
    return review_queue.take(reviewer=reviewer, count=1, **options)[0]


def approve(turn: Turn, reviewer: User, **options) -> Review:
    verdict = Verdict("approve", caption=turn.shown, seen=turn.seen)
    return review_queue.decide(image=turn.image, reviewer=reviewer, verdict=verdict, **options)


def code(call, *args, **kwargs) -> str:
    with pytest.raises(DeskError) as refused:
        call(*args, **kwargs)
    return refused.value.code


def test_it_hands_out_the_least_sure_first_and_those_without_a_quality_last(drafts, rita):
    a, b, c, d, e, f = drafts
    assert take(rita) == [e, b, c, a, d, f]


def test_it_hands_out_the_oldest_first_when_asked(drafts, rita):
    assert take(rita, order=Order.OLDEST) == drafts


def test_it_never_hands_two_people_the_same_picture(drafts, rita, rob):
    first, second = take(rita, 4), take(rob, 4)
    assert len(first) == 4
    assert len(second) == 2
    assert not {*first} & {*second}


def test_it_hands_out_the_same_again_when_asked_again(drafts, rita):
    assert take(rita, 3) == take(rita, 3)


def test_it_leaves_out_what_the_page_has_already(drafts, rita):
    first = take(rita, 2)
    following = take(rita, 2, besides=[image.pk for image in first])
    assert not {*first} & {*following}


def test_it_hands_a_picture_to_others_when_its_lease_ran_out(drafts, rita, rob):
    held = take(rita, 6)
    assert take(rob) == []
    expire(*held[:2])
    assert take(rob) == held[:2]
    assert take(rita) == held[2:]


def test_it_hands_a_picture_to_others_when_it_is_given_back(drafts, rita, rob):
    held = take(rita, 6)
    review_queue.give_back(reviewer=rita, images=[held[0].pk])
    assert take(rob) == held[:1]


def test_it_gives_back_nobody_elses(drafts, rita, rob):
    held = take(rita, 6)
    review_queue.give_back(reviewer=rob, images=[image.pk for image in held])
    assert take(rob) == []


def test_it_renews_what_nobody_else_has(drafts, rita, rob):
    held = take(rita, 3)
    expire(*held)
    gone = take(rob, 1)[0]
    assert review_queue.renew(reviewer=rita, images=[image.pk for image in held]) == {
        image.pk for image in held if image != gone
    }


def test_it_takes_up_a_lease_that_was_swept_away(drafts, rita):
    held = take(rita, 1)[0]
    expire(held)
    review_queue.tidy()
    assert not ReviewLease.objects.exists()
    assert review_queue.renew(reviewer=rita, images=[held.pk]) == {held.pk}


def test_it_leases_nothing_that_is_not_theirs_to_review(drafts, stranger):
    assert review_queue.renew(reviewer=stranger, images=[image.pk for image in drafts]) == set()
    assert take(stranger) == []


def test_it_hands_out_skipped_pictures_last_in_the_order_of_skipping(drafts, rita):
    a, b, c, d, e, f = drafts
    assert take(rita, last=[b.pk, e.pk]) == [c, a, d, f, b, e]


def test_it_hands_out_nothing_that_is_decided_or_thrown_away(drafts, rita, owner):
    review.approve(image=drafts[0], reviewer=owner)
    factories.make_trash(drafts[1])
    assert {*take(rita)} == {*drafts[2:]}


def test_it_hands_owners_their_own_drafts(drafts, owner, stranger):
    other = factories.make_image(stranger, "draft")
    assert take(stranger) == [other]
    assert {*take(owner)} == {*drafts}


def test_it_hands_out_one_album_only(drafts, owner, rita):
    album = Album.objects.create(owner=owner, name="Harbour")
    for image in (drafts[3], drafts[0]):
        AlbumImage.objects.create(album=album, image=image)
    assert take(rita, album=album.pk) == [drafts[0], drafts[3]]
    assert review_queue.waiting(rita, album=album) == 2


def test_it_knows_no_album_of_somebody_who_shares_nothing(drafts, owner, stranger):
    album = Album.objects.create(owner=owner, name="Harbour")
    AlbumImage.objects.create(album=album, image=drafts[0])
    assert code(take, stranger, album=album.pk) == "not_found"
    assert code(take, stranger, album=uuid4()) == "not_found"
    AlbumShare.objects.create(album=album, user=stranger, role="caption")
    assert code(take, stranger, album=album.pk) == "not_found"


def test_it_goes_album_by_album_when_asked(drafts, owner, rita):
    a, b, c, d, e, f = drafts
    for name, images in (("Zoo", [e]), ("Airport", [a, f])):
        album = Album.objects.create(owner=owner, name=name)
        AlbumImage.objects.bulk_create([AlbumImage(album=album, image=image) for image in images])
    assert take(rita, order=Order.ALBUM) == [a, f, e, b, c, d]
    assert [album.name for album in review_queue.albums(rita)] == ["Airport", "Zoo"]


def test_it_offers_the_drafts_of_the_run_best_first(owner, rita):
    image = factories.make_image(owner)
    factories.make_drafts(image, "an older one")
    drafts = factories.make_drafts(image, *(f"draft {number}" for number in range(7)))
    turn = one(rita)
    assert turn.shown == drafts[0]
    assert list(turn.drafts) == drafts[:5]


def test_it_asks_as_many_queries_for_ten_pictures_as_for_two(drafts, rita):
    for image in drafts:
        factories.make_review(image, "approve")
        factories.make_review(image, "undo")
    counts = []
    for count in (2, 6):
        ReviewLease.objects.all().delete()
        with CaptureQueriesContext(connection) as asked:
            assert len(take(rita, count, mix=False)) == count  # whether a second review is looked for is chance
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_it_ends_the_lease_with_the_decision(drafts, rita):
    turn = one(rita)
    made = approve(turn, rita)
    assert (made.decision, made.reviewer) == ("approve", rita)
    assert not ReviewLease.objects.exists()


def test_it_takes_an_edit_and_a_rejection(drafts, rita):
    turn = one(rita)
    review_queue.decide(image=turn.image, reviewer=rita, verdict=Verdict("edit", turn.shown, text="A blue boat."))
    other = one(rita)
    review_queue.decide(image=other.image, reviewer=rita, verdict=Verdict("reject", other.shown, reason="count"))
    assert list(Review.objects.order_by("id").values_list("decision", "reason")) == [("edit", ""), ("reject", "count")]
    assert Caption.objects.filter(text="A blue boat.", kind="edited").count() == 1


def test_it_takes_the_same_decision_once_when_it_is_sent_twice(drafts, rita):
    turn = one(rita)
    assert approve(turn, rita) == approve(turn, rita)


def test_it_lets_a_late_reviewer_decide_while_nobody_else_has_the_picture(drafts, rita):
    turn = one(rita)
    expire(turn.image)
    assert approve(turn, rita).reviewer == rita


def test_it_refuses_a_late_reviewer_when_somebody_else_has_the_picture(drafts, rita, rob):
    turn = one(rita)
    expire(turn.image)
    assert one(rob).image == turn.image
    assert code(approve, turn, rita) == "with_another_reviewer"
    assert not Review.objects.exists()


def test_it_refuses_what_somebody_decided_elsewhere_in_the_meantime(drafts, rita, owner):
    turn = one(rita)
    review.reject(image=turn.image, reviewer=owner, reason="vague")
    assert code(approve, turn, rita) == "already_decided"


def test_it_refuses_a_decision_it_does_not_know(drafts, rita):
    turn = one(rita)
    assert code(review_queue.decide, image=turn.image, reviewer=rita, verdict=Verdict("undo")) == "bad_request"


def test_it_takes_back_several_decisions_in_a_row(drafts, rita):
    made = []
    for _ in range(3):
        turn = one(rita)
        made.append(approve(turn, rita))
    for decision in reversed(made):
        assert review_queue.last_decision(rita) == decision
        assert review_queue.undo(reviewer=rita, decision=decision.pk) == decision.image
    assert review_queue.last_decision(rita) is None
    assert review_queue.waiting(rita) == 6
    assert {*take(rita, 3)} == {decision.image for decision in made}


def test_it_takes_a_decision_back_once_when_it_is_sent_twice(drafts, rita):
    decision = approve(one(rita), rita)
    review_queue.undo(reviewer=rita, decision=decision.pk)
    review_queue.undo(reviewer=rita, decision=decision.pk)
    assert Review.objects.filter(decision="undo").count() == 1


def test_it_takes_back_nobody_elses_decision(drafts, rita, rob):
    decision = approve(one(rita), rita)
    assert code(review_queue.undo, reviewer=rob, decision=decision.pk) == "nothing_to_undo"
    assert code(review_queue.undo, reviewer=rita, decision="nonsense") == "nothing_to_undo"


def test_it_takes_back_no_decision_that_another_one_followed(drafts, rita, owner):
    decision = approve(one(rita), rita)
    factories.make_review(decision.image, "reject", reviewer=owner)
    assert code(review_queue.undo, reviewer=rita, decision=decision.pk) == "nothing_to_undo"


@pytest.mark.usefixtures("transactional_db")
def test_it_lets_eight_reviewers_decide_two_hundred_drafts_once_each():
    owner = factories.make_person("olga")
    reviewers = [factories.make_person(f"reviewer{number}", "reviewers") for number in range(8)]
    for _ in range(200):
        factories.make_image(owner, "draft")

    def work(reviewer: User) -> list[tuple[str, str]]:
        decided: list[tuple[str, str]] = []
        while turns := review_queue.take(reviewer=reviewer, count=5):
            for turn in turns:
                made = approve(turn, reviewer)
                decided.append((str(turn.image.pk), str(made.pk)))
        return decided

    answers = at_once(*[partial(work, reviewer) for reviewer in reviewers])
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    pictures = [picture for answer in answers for picture, _ in answer]
    assert len(pictures) == len({*pictures}) == Review.objects.count() == 200
    assert Image.objects.filter(state="approved").count() == 200
    assert not ReviewLease.objects.exists()


@pytest.mark.usefixtures("transactional_db")
def test_it_leaves_nothing_undecided_when_leases_run_out_all_the_time(settings):
    settings.REVIEW_LEASE_SECONDS = 0.02
    owner = factories.make_person("olga")
    reviewers = [factories.make_person(f"reviewer{number}", "reviewers") for number in range(4)]
    for _ in range(40):
        factories.make_image(owner, "draft")

    def work(reviewer: User) -> set[str]:
        refused = set()
        while turns := review_queue.take(reviewer=reviewer, count=4):
            for turn in turns:
                try:
                    approve(turn, reviewer)
                except DeskError as error:
                    refused.add(error.code)
        return refused

    answers = at_once(*[partial(work, reviewer) for reviewer in reviewers])
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert set().union(*answers) <= {"with_another_reviewer", "already_decided"}
    assert Review.objects.count() == Image.objects.filter(state="approved").count() == 40

"""Discarded images lie in the trash with all their words until they are recovered or swept away."""

import datetime

import pytest
from django.db import connection
from django.utils import timezone

from captions import media, selectors, trash
from captions.errors import DeskError
from captions.models import Caption, CaptionJob, Image, JobEvent, Review
from tests import factories
from tests.ingest.conftest import files_in

pytestmark = pytest.mark.usefixtures("store")


def code(call, **kwargs) -> str:
    with pytest.raises(DeskError) as refused:
        call(**kwargs)
    return refused.value.code


def test_it_discards_and_recovers_with_all_words(owner):
    image = factories.make_image(owner, "approved", text="a boat")
    gone = trash.discard(image=image, by=owner)
    assert gone.deleted_at is not None
    assert code(selectors.image, user=owner, id=image.pk) == "not_found"
    assert list(selectors.trash(owner)) == [image]
    back = trash.recover(image=image, by=owner)
    assert (back.deleted_at, back.state, back.published_caption.text) == (None, "approved", "a boat")


def test_it_does_the_same_thing_twice_without_harm(owner):
    image = factories.make_image(owner)
    assert trash.recover(image=image, by=owner).deleted_at is None
    first = trash.discard(image=image, by=owner).deleted_at
    assert trash.discard(image=image, by=owner).deleted_at == first


def test_it_cancels_what_waits_and_what_runs(owner):
    image = factories.make_image(owner, "queued")
    running = factories.run(factories.make_job(image, chosen={"num_beams": 2}))
    assert trash.discard(image=image, by=owner).state == "cancelled"
    assert set(CaptionJob.objects.values_list("state", flat=True)) == {"cancelled"}
    assert CaptionJob.objects.get(pk=running.pk).attempt == running.attempt + 1
    assert JobEvent.objects.filter(note=f"cancelled by {owner.username}").count() == 2
    assert code(factories.make_job, image=image) == "not_found"


def test_it_is_for_the_owner_and_for_operators(owner, stranger):
    image = factories.make_image(owner)
    for person in (stranger, factories.make_person("", "reviewers")):
        assert code(trash.discard, image=image, by=person) == "not_found"
        assert code(trash.recover, image=image, by=person) == "not_found"
    assert trash.discard(image=image, by=factories.make_person("", "operators")).deleted_at


def full_image(owner) -> Image:
    """A picture with one of everything, some of which points to each other."""
    image = factories.make_image(owner, "approved", files=True)
    factories.make_review(image, "edit", text="a red boat")
    factories.make_review(image, "undo")
    factories.make_caption(image, "by hand")
    factories.make_drafts(image, "one", "two")
    factories.make_failure(image)
    from captions import ledger

    ledger.restore(caption=Caption.objects.filter(image=image).last(), author=owner)
    return image


def test_it_purges_rows_and_files_of_what_lay_there_long_enough(owner, store):
    old, young, living = (full_image(owner) for _ in range(3))
    for image, days in ((old, 31), (young, 29)):
        trash.discard(image=image, by=owner)
        Image.objects.filter(pk=image.pk).update(deleted_at=timezone.now() - datetime.timedelta(days=days))
    assert trash.purge(older_than_days=30) == 1
    assert set(Image.objects.all()) == {young, living}
    assert not any(model.objects.filter(image=old.pk).exists() for model in (Caption, Review, CaptionJob))
    assert not any((store / "media" / name).exists() for name in media.names(old))
    assert len(files_in(store / "media")) == 8
    assert media.is_complete(young)
    assert trash.purge(older_than_days=30) == 0
    assert Caption.objects.filter(image=living).count() == Caption.objects.filter(image=young).count() > 4


def test_it_purges_more_than_it_takes_at_once(owner, monkeypatch):
    monkeypatch.setattr(trash, "_AT_ONCE", 3)
    for _ in range(7):
        factories.make_trash(factories.make_image(owner))
    assert trash.purge(older_than_days=0) == 7
    assert not Image.objects.exists()


def test_it_purges_what_has_no_files_any_more(owner):
    factories.make_trash(factories.make_image(owner))
    assert trash.purge(older_than_days=0) == 1


@pytest.mark.usefixtures("transactional_db")
def test_it_purges_once_when_two_sweep_at_once():
    from tests.jobs.conftest import at_once

    owner = factories.make_person("olga")
    for _ in range(20):
        factories.make_trash(factories.make_image(owner, "draft"))
    results = at_once(*[lambda: trash.purge(older_than_days=0)] * 4)
    assert sum(results) == 20, results
    assert not Image.objects.exists()


@pytest.mark.usefixtures("transactional_db")
def test_it_keeps_the_database_s_own_rules_while_it_purges():
    """Constraints are checked at the commit: only a real one shows that none is broken."""
    owner = factories.make_person("olga")
    trash.discard(image=full_image(owner), by=owner)
    assert trash.purge(older_than_days=0) == 1
    connection.check_constraints()

"""The first start makes one owner and takes in the examples; later starts change nothing."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from captions.first_start import make_owner, take_in
from captions.models import CaptionJob, Image
from tests.factories import picture

EXAMPLES = Path(__file__).resolve().parents[2] / "worker" / "demo" / "examples"


@pytest.mark.django_db
def test_it_makes_one_owner_with_a_password_that_works():
    first = make_owner()
    assert first is not None
    owner, password = first
    assert owner.check_password(password)
    assert owner.is_superuser
    assert set(owner.groups.values_list("name", flat=True)) == {"reviewers", "operators"}
    assert owner.account.has_first_password
    assert make_owner() is None


@pytest.mark.django_db
def test_it_makes_nobody_where_somebody_is(owner):
    assert make_owner() is None
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_takes_in_three_examples_and_asks_for_their_captions(owner):
    assert take_in(owner=owner, examples=EXAMPLES) == 3
    assert Image.objects.filter(state="queued").count() == 3
    assert CaptionJob.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_it_goes_on_when_an_example_cannot_be_read(owner, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"not a picture")
    (tmp_path / "b.jpg").write_bytes(picture())
    assert take_in(owner=owner, examples=tmp_path) == 1

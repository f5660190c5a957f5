"""Pages of the gallery, down and up: every picture once, whatever the page's size and wherever one begins."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captions import selectors
from captions.errors import DeskError
from captions.models import Image
from captions.web.paging import mark_of, page_of
from tests.web import builders
from tests.web.conftest import HTMX


@pytest.fixture
def rows(owner: User) -> list[Image]:
    """Seven pictures, newest first; some were added at the very same moment."""
    made = [builders.row(owner) for _ in range(7)]
    same = made[3].created_at
    Image.objects.filter(pk__in=[made[2].pk, made[4].pk]).update(created_at=same)
    return list(selectors.images(owner))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(start=st.integers(0, 6), size=st.integers(1, 8))
def test_it_gives_every_picture_once_down_and_up(owner: User, rows: list[Image], start: int, size: int) -> None:
    pictures = selectors.images(owner)
    mark = mark_of(rows[start])
    below, after = [], mark
    while after:
        page = page_of(pictures, after=after, size=size)
        below += page.rows
        after = page.after
    above, before = [], mark
    while before:
        page = page_of(pictures, before=before, size=size)
        above = [*page.rows, *above]
        before = page.before
    assert [image.pk for image in [*above, rows[start], *below]] == [image.pk for image in rows]


def test_it_says_where_the_page_above_ends(owner: User, rows: list[Image]) -> None:
    pictures = selectors.images(owner)
    assert page_of(pictures, size=3).before == ""
    assert page_of(pictures, after=mark_of(rows[2]), size=3).before == mark_of(rows[3])
    assert page_of(pictures, before=mark_of(rows[0]), size=3).rows == []


def test_it_refuses_a_mark_that_nobody_gave(owner: User) -> None:
    with pytest.raises(DeskError):
        page_of(selectors.images(owner), before="nonsense", size=3)


def test_it_offers_both_directions_from_the_middle(olga: Client, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captions.web.gallery.PAGE", 2)
    rows = [builders.row(owner) for _ in range(6)][::-1]
    address = f"/?after={mark_of(rows[1])}"
    page = olga.get(address).content.decode()
    assert 'id="newer"' in page
    assert 'id="more"' in page
    part = olga.get(address, headers=HTMX).content.decode()
    assert 'id="newer"' not in part
    assert 'id="more"' in part
    part = olga.get(f"/?before={mark_of(rows[4])}", headers=HTMX).content.decode()
    assert 'id="newer"' in part
    assert 'id="more"' not in part
    assert part.index(str(rows[2].pk)) < part.index(str(rows[3].pk))


def test_it_remembers_the_layout(olga: Client, owner: User) -> None:
    builders.row(owner)
    assert 'class="sheet cards"' in olga.get("/").content.decode()
    olga.post("/preferences/", {"view": "rows", "next": "/"})
    page = olga.get("/").content.decode()
    assert 'class="sheet rows"' in page
    assert "frame r-135" in page
    olga.post("/preferences/", {"view": "sideways"})
    assert 'class="sheet rows"' in olga.get("/").content.decode()


def test_it_rejects_several_drafts_at_once(olga: Client, owner: User) -> None:
    made = builders.every_state(owner)
    ids = [made["draft"].pk, made["approved"].pk]
    page = olga.post("/images/several/", {"act": "reject", "image": ids}, follow=True).content.decode()
    assert "Rejected the drafts of 1 picture. 1 picture stayed as it was." in page
    made["approved"].refresh_from_db()
    assert made["approved"].state == Image.State.APPROVED

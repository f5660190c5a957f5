"""The search page: results, marks, chips, the form of filters, saved searches."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from captions.models import Album, AlbumImage, SavedSearch
from tests import factories
from tests.web import builders
from tests.web.conftest import HTMX
from tests.web.test_gallery import NUMBER, numbers, text


def search(client: Client, query: str, **more: str) -> str:
    answer = client.get("/search/", {"q": query, **more})
    assert answer.status_code == 200, answer.content[-500:]
    return answer.content.decode()


def found(client: Client, query: str) -> list[int]:
    return [int(number) for number in NUMBER.findall(search(client, query))]


@pytest.fixture
def boats(owner: User) -> None:
    factories.make_image(owner, "draft", text="two red boats & a <b>dog</b>", filename="harbour-1.jpg")
    factories.make_image(owner, "approved", text="a blue boat", filename="harbour-2.jpg")
    factories.make_image(owner, "empty", filename="boat.jpg")


def test_it_shows_results_best_first(olga: Client, boats: None) -> None:
    assert found(olga, "boat") == [2, 1, 3]
    assert "3 pictures. Best first." in search(olga, "boat")


def test_it_marks_words_and_escapes_the_rest(olga: Client, boats: None) -> None:
    page = search(olga, "boat dog")
    assert "two red <mark>boats</mark> &amp; a &lt;b&gt;<mark>dog</mark>&lt;/b&gt;" in page


def test_it_marks_the_beginning_of_a_word_and_near_words(olga: Client, boats: None) -> None:
    assert "<mark>blue</mark>" in search(olga, "bl")
    page = search(olga, "harbuor")
    assert "No picture has these words. These come near:" in page
    assert "File: <mark>harbour</mark>-1.jpg" in page


def test_it_says_where_a_file_name_has_the_word(olga: Client, boats: None) -> None:
    assert "File: <mark>boat</mark>.jpg" in search(olga, "boat")
    assert "<mark>" not in text(olga, "/")


def test_it_gives_each_part_as_a_chip_that_can_be_removed(olga: Client, boats: None) -> None:
    page = search(olga, 'boat state:draft -"big dog"')
    chips = re.findall(r'<a class="chip on" href="([^"]+)">(.*?) <span', page)
    assert chips == [
        ("/search/?q=state%3Adraft+-%22big+dog%22", "boat"),
        ("/search/?q=boat+-%22big+dog%22", "state:draft"),
        ("/search/?q=boat+state%3Adraft", "-&quot;big dog&quot;"),
    ]


def test_it_writes_the_form_of_filters_into_the_search(olga: Client, owner: User) -> None:
    AlbumImage.objects.create(album=Album.objects.create(owner=owner, name="Spring intake"), image=builders.row(owner))
    form = {
        "filters": "1", "q": "boat state:failed -state:empty added:2026",
        "state": ["draft", "approved"], "no": "caption",
        "added": "7d", "album": "Spring intake", "score": "> 0.5", "width": "",
    }  # fmt: skip
    answer = olga.get("/search/", form)
    assert answer.status_code == 302
    page = text(olga, answer["Location"])
    written = re.findall(r'<a class="chip on" href="[^"]+">(.*?) <span', page)
    assert written == [
        "boat", "-state:empty", "state:draft,approved", "no:caption", "added:7d", "album:&quot;Spring intake&quot;",
        "score:&gt;0.5",
    ]  # fmt: skip
    assert 'value="draft" checked' in page
    assert '<option value="Spring intake" selected>' in page
    assert '<option value="7d" selected>' in page


def test_it_says_what_it_cannot_read_and_keeps_the_words(olga: Client) -> None:
    answer = olga.get("/search/", {"q": "boat colour:red"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "There is no filter “colour”." in page
    assert "<code>search_field_unknown</code>" in page
    assert 'value="boat colour:red"' in page


def test_it_forbids_searching_others_pictures(olga: Client, stranger: User) -> None:
    answer = olga.get("/search/", {"q": "owner:stranger"})
    assert answer.status_code == 400
    assert "Only reviewers and operators may search other people" in answer.content.decode()


def test_it_shows_a_reviewer_what_owner_finds(stranger_browser: Client, stranger: User, boats: None) -> None:
    factories.make_person("rita", "reviewers")
    stranger.groups.set(User.objects.get(username="rita").groups.all())
    assert found(stranger_browser, "boat") == []
    assert found(stranger_browser, "boat owner:olga") == [2, 1, 3]


def test_it_suggests_what_to_leave_out(olga: Client, boats: None) -> None:
    page = search(olga, "boat state:failed")
    assert "No picture has all of this" in page
    assert '<a href="/search/?q=boat">Without state:failed</a>' in page


def test_it_explains_the_language_before_anything_is_searched(olga: Client) -> None:
    page = search(olga, "")
    assert '<details class="seek-help" open>' in page
    assert "<code>score:&gt;0.8</code>" in page
    assert 'id="sheet"' not in page


def test_it_gives_every_result_once_over_all_pages(olga: Client, owner: User) -> None:
    for _ in range(30):
        builders.row(owner)
    for query in ("picture", "state:empty", "-dog"):
        page = search(olga, query)
        more = re.search(r'hx-get="([^"]+)" hx-target="#more"', page)[1].replace("&amp;", "&")
        rest = text(olga, more, **HTMX)
        assert "<html" not in rest
        both = [int(number) for number in NUMBER.findall(page) + NUMBER.findall(rest)]
        assert sorted(both) == list(range(1, 31)), query
        assert numbers(olga, more) == [int(number) for number in NUMBER.findall(rest)]


def test_it_reads_a_page_with_a_fixed_number_of_queries(
    olga: Client, owner: User, django_assert_max_num_queries: object
) -> None:
    builders.every_state(owner)
    with django_assert_max_num_queries(27):  # type: ignore[operator]  # pytest-django's fixture is a context manager
        search(olga, "picture")
    for _ in range(10):
        builders.row(owner)
    with django_assert_max_num_queries(27):  # type: ignore[operator]  # as above
        search(olga, "picture")


@pytest.mark.parametrize("mark", ["x", "%F0%9F%92%A9", "A" * 300])
def test_it_explains_a_mark_that_it_cannot_read(olga: Client, mark: str) -> None:
    answer = olga.get(f"/search/?q=boat&after={mark}")
    assert answer.status_code == 400
    assert "cannot be found" in answer.content.decode()


def test_it_goes_to_the_login_page(client: Client, db: None) -> None:
    assert client.get("/search/?q=boat")["Location"].startswith("/accounts/login/")


def test_it_saves_renames_and_deletes_a_search(olga: Client, owner: User) -> None:
    page = olga.post("/search/saved/", {"name": "Drafts", "q": " state:DRAFT   boat "}, follow=True).content.decode()
    assert "Saved the search “Drafts”." in page
    kept = SavedSearch.objects.get(owner=owner)
    assert kept.query == "state:draft boat"
    assert '<a href="/search/?q=state%3Adraft%20boat">Drafts</a>' in page
    olga.post(f"/search/saved/{kept.pk}/rename/", {"name": "To do", "q": ""})
    kept.refresh_from_db()
    assert kept.name == "To do"
    page = olga.post(f"/search/saved/{kept.pk}/delete/", {"q": ""}, follow=True).content.decode()
    assert not SavedSearch.objects.exists()
    undo = re.search(r'action="(/search/saved/\?name[^"]+)"', page)[1].replace("&amp;", "&")
    olga.post(undo)
    assert SavedSearch.objects.get().query == "state:draft boat"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"name": "", "q": "boat"}, "saved_search_name"),
        ({"name": "x" * 121, "q": "boat"}, "saved_search_name"),
        ({"name": "a", "q": ""}, "saved_search_empty"),
        ({"name": "a", "q": "state:x"}, "search_value_unknown"),
        ({"name": "taken", "q": "boat"}, "saved_search_taken"),
    ],
)
def test_it_says_why_a_search_is_not_saved(olga: Client, owner: User, form: dict[str, str], code: str) -> None:
    SavedSearch.objects.create(owner=owner, name="taken", query="dog")
    page = olga.post("/search/saved/", form, follow=True).content.decode()
    assert f"<code>{code}</code>" in page
    assert SavedSearch.objects.count() == 1


def test_it_keeps_saved_searches_to_their_owner(stranger_browser: Client, owner: User) -> None:
    kept = SavedSearch.objects.create(owner=owner, name="mine", query="dog")
    assert stranger_browser.post(f"/search/saved/{kept.pk}/rename/", {"name": "x"}).status_code == 404
    assert stranger_browser.post(f"/search/saved/{kept.pk}/delete/").status_code == 404
    assert "mine" not in search(stranger_browser, "")


def test_it_counts_no_further_than_people_read(owner: User, olga: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from captions import counts

    monkeypatch.setattr(counts, "MOST", 2)
    for _ in range(3):
        builders.row(owner)
    page = re.sub(r"<[^>]+>", "", text(olga, "/").split('id="chips"')[1].split("</nav>")[0])
    assert "All 2+" in page
    assert str(counts.by_state(owner)["empty"]) == "2+"

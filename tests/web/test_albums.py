"""Pages of albums, tags, sharing and links."""

from __future__ import annotations

import pytest
from django.core.cache import caches
from django.test import Client
from django.urls import reverse

from captions import about, albums, selectors, tags
from captions.models import Album, AlbumLink, AlbumShare, Image
from tests.factories import make_image
from tests.web.conftest import HTMX

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(owner):
    return make_image(owner, "draft", text="a boat on water")


@pytest.fixture
def album(owner, image):
    made = albums.make(owner=owner, name="Harbour")
    albums.add(album=made, images=[image.pk])
    return made


def html(answer):
    return answer.content.decode()


def test_it_lists_own_and_shared_albums(olga, stranger_browser, album, stranger):
    assert "Harbour" in html(olga.get("/albums/"))
    assert "Make your first album" in html(stranger_browser.get("/albums/"))
    albums.share(album=album, with_whom="stranger", role="view")
    assert "shared by olga" in html(stranger_browser.get("/albums/"))


def test_it_makes_renames_and_deletes_an_album(olga, owner):
    made = olga.post("/albums/make/", {"name": "Sea"}, follow=True)
    album = Album.objects.get()
    assert "Nothing lies here yet" in html(made)
    assert "already have an album" in html(olga.post("/albums/make/", {"name": "Sea"}, follow=True))
    olga.post(reverse("album_rename", args=[album.pk]), {"name": "Ocean"})
    assert Album.objects.get().name == "Ocean"
    assert "Its pictures stay" in html(olga.post(reverse("album_delete", args=[album.pk]), follow=True))
    assert not Album.objects.exists()


def test_it_adds_takes_out_and_tags_selected_pictures(olga, owner, album):
    images = [make_image(owner).pk for _ in range(2)]
    olga.post("/albums/add/", {"image": images, "album": album.pk})
    olga.post("/albums/add/", {"image": images, "name": "New one"})
    assert selectors.images_of(Album.objects.get(name="New one")).count() == 2
    assert selectors.images_of(album).count() == 3
    olga.post(reverse("album_remove", args=[album.pk]), {"image": images})
    assert selectors.images_of(album).count() == 1
    olga.post("/tags/add/", {"image": images, "tags": "sea, Sky"})
    assert [(tag.name, tag.pictures) for tag in selectors.tags(owner)] == [("sea", 2), ("sky", 2)]
    assert "Select pictures first" in html(olga.post("/tags/add/", {"tags": "sea"}, follow=True))
    assert "At most 1000" in html(olga.post("/albums/add/", {"image": ["x"] * 1001, "name": "a"}, follow=True))


@pytest.mark.parametrize(("role", "acts"), [("view", ()), ("caption", ("Edit",)), ("review", ("Approve", "Edit"))])
def test_it_offers_what_the_role_allows(stranger_browser, stranger, album, image, role, acts):
    albums.share(album=album, with_whom="stranger", role=role)
    page = html(stranger_browser.get(reverse("album", args=[album.pk])))
    assert "Shared by olga" in page
    assert "a boat on water" in page
    for act in ("Approve <kbd", "Edit <kbd"):
        assert (act in page) == (act.split()[0] in acts)
    assert "Links" not in page
    assert html(stranger_browser.get(reverse("image", args=[image.pk]))).count("Caption again</summary>") == (
        role != "view"
    )


def test_it_obeys_the_role_when_somebody_posts_all_the_same(stranger_browser, stranger, album, image):
    shared = albums.share(album=album, with_whom="stranger", role="view")
    words = {"text": "mine", "approve": "no", "place": "page"}
    assert stranger_browser.post(reverse("write", args=[image.pk]), words, headers=HTMX).status_code == 404
    assert stranger_browser.post(reverse("approve", args=[image.pk]), headers=HTMX).status_code == 404
    albums.change_role(share=shared, role="caption")
    assert stranger_browser.post(reverse("write", args=[image.pk]), words, headers=HTMX).status_code == 200
    assert stranger_browser.post(reverse("approve", args=[image.pk]), headers=HTMX).status_code == 404
    assert stranger_browser.get(reverse("original", args=[image.pk])).status_code == 404
    assert stranger_browser.post(reverse("tag", args=[image.pk]), {"tags": "x"}, headers=HTMX).status_code == 404


@pytest.mark.parametrize("name", ["album", "album_rename", "album_delete", "album_remove", "album_share", "album_link"])
def test_it_answers_404_for_an_album_of_somebody_else(stranger_browser, album, name):
    address = reverse(name, args=[album.pk])
    answer = stranger_browser.get(address) if name == "album" else stranger_browser.post(address, {"name": "x"})
    assert answer.status_code == 404
    assert Album.objects.get().name == "Harbour"


def test_it_shares_changes_and_ends(olga, stranger, stranger_browser, album):
    olga.post(reverse("album_share", args=[album.pk]), {"user": "stranger", "role": "view"})
    share = AlbumShare.objects.get()
    address = reverse("album_share_change", args=[album.pk, share.pk])
    olga.post(address, {"role": "review"})
    assert AlbumShare.objects.get().role == "review"
    assert stranger_browser.post(address, {"act": "end"}).status_code == 404
    assert "Nobody here has" in html(olga.post(reverse("album_share", args=[album.pk]), {"user": "x"}, follow=True))
    stranger_browser.post(reverse("album_leave", args=[album.pk]))
    assert not AlbumShare.objects.exists()


def test_it_gives_cards_of_a_shared_album_without_the_galleries_sums(stranger_browser, stranger, album, image):
    albums.share(album=album, with_whom="stranger", role="review")
    here = {**HTMX, "HX-Current-URL": f"http://testserver{reverse('album', args=[album.pk])}"}
    page = html(stranger_browser.get(f"/cards/?id={image.pk}", headers=here))
    assert f"words-{image.pk}" in page
    assert 'id="chips"' not in page


# --- Links ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def secret(album, owner):
    caches["throttle"].clear()
    return albums.make_link(album=album, by=owner, days=7)[1]


def test_it_shows_a_links_address_once(olga, album):
    made = olga.post(reverse("album_link", args=[album.pk]), {"days": "7"})
    assert "/shared/" in html(made)
    assert made["Cache-Control"] == "no-store"
    assert "/shared/" not in html(olga.get(reverse("album", args=[album.pk])))
    assert "1 to 365" in html(olga.post(reverse("album_link", args=[album.pk]), {"days": "٧"}, follow=True))


def test_it_shows_outsiders_approved_words_and_no_drafts(secret, album, owner, image):
    approved = make_image(owner, "approved", text="a red buoy", title="Buoy", filename="secret-place.jpg")
    albums.add(album=album, images=[approved.pk])
    about.describe(image=approved, by=owner, text="Ein langer Text.", language="de")
    page = html(Client().get(f"/shared/{secret}/"))
    assert 'alt="a red buoy"' in page
    assert "Buoy" in page
    assert 'lang="de"' in page
    assert "a boat on water" not in page
    assert "No approved caption yet." in page
    assert "secret-place" not in page


def test_it_keeps_outsiders_pages_out_of_engines_caches_and_referrers(secret):
    answer = Client().get(f"/shared/{secret}/")
    assert "noindex" in answer["X-Robots-Tag"]
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "private, no-store"


def test_it_sends_outsiders_renditions_of_the_albums_pictures_only(secret, album, owner):
    inside, outside = make_image(owner, files=True), make_image(owner, files=True)
    albums.add(album=album, images=[inside.pk])
    for kind in ("thumbnail", "screen"):
        assert Client().get(f"/shared/{secret}/{inside.pk}/{kind}/").status_code == 200
        assert Client().get(f"/shared/{secret}/{outside.pk}/{kind}/").status_code == 404
    assert Client().get(f"/shared/{secret}/{inside.pk}/original/").status_code == 404
    assert Client().post(f"/shared/{secret}/").status_code == 405


def test_it_says_plainly_that_a_link_has_ended(secret, olga, album):
    link = AlbumLink.objects.get()
    olga.post(reverse("album_link_revoke", args=[album.pk, link.pk]))
    answer = Client().get(f"/shared/{secret}/")
    assert answer.status_code == 410
    assert "This link has ended" in html(answer)
    assert "noindex" in answer["X-Robots-Tag"]
    assert Client().get(f"/shared/{'x' * 43}/").status_code == 404


def test_it_slows_down_who_asks_too_often(secret, settings):
    settings.SHARED_LINKS_PER_MINUTE = 2
    codes = [Client().get(f"/shared/{secret}/").status_code for _ in range(4)]
    assert 429 in codes
    caches["throttle"].clear()


# --- Words beside the caption --------------------------------------------------------------------------------------


def test_it_edits_words_beside_the_caption_in_place(olga, owner, image):
    post = lambda act, **data: olga.post(  # noqa: E731  # one line, used below only
        reverse(act, args=[image.pk]), {"place": "page", **data}, headers=HTMX
    )
    assert "Harbour at dusk" in html(post("entitle", title="Harbour at dusk"))
    assert "Its alt text is empty" in html(post("decorate", decorative="yes"))
    assert "Called decorative" in html(olga.get(reverse("image", args=[image.pk])))
    assert Image.objects.get().state == "approved"
    post("decorate", decorative="no")
    assert Image.objects.get().state == "draft"
    assert "Ein Steg" in html(post("describe", text="Ein Steg", language="de"))
    assert "Shorten it" in html(post("entitle", title="x" * 201))
    assert "low tide" in html(post("tag", tags="Sea, low tide"))
    post("untag", tag="sea")
    assert [tag.name for tag in selectors.tags_of(owner, image)] == ["low tide"]
    assert "Quay" in html(post("place", name="Quay"))
    post("displace", album=str(Album.objects.get().pk))
    assert not selectors.albums_of(owner, image)


def test_it_takes_the_language_of_words_from_the_editor(olga, image):
    words = {"text": "Ein Boot", "language": "DE", "caption": str(image.caption_id)}
    olga.post(reverse("edit", args=[image.pk]), words)
    published = Image.objects.get().published_caption
    assert (published.text, published.language) == ("Ein Boot", "de")
    assert 'lang="de">Ein Boot' in html(olga.get("/"))
    refused = olga.post(reverse("edit", args=[image.pk]), {**words, "language": "no such tag"}, headers=HTMX)
    assert "language tag" in html(refused)


def test_it_gives_decorative_pictures_an_empty_alt(olga, owner, image):
    about.set_decorative(image=image, by=owner, is_decorative=True)
    page = html(olga.get("/"))
    assert 'alt=""' in page
    assert "Decorative. Its alt text is empty." in page


def test_it_renames_and_deletes_tags(olga, stranger_browser, owner, image):
    tags.mark(owner=owner, images=[image.pk], names=["sea"])
    [tag] = selectors.tags(owner)
    assert stranger_browser.post(reverse("tag_change", args=[tag.pk]), {"name": "x"}).status_code == 404
    olga.post(reverse("tag_change", args=[tag.pk]), {"name": "Ocean"})
    assert "ocean" in html(olga.get("/tags/"))
    olga.post(reverse("tag_change", args=[tag.pk]), {"act": "delete"})
    assert "No tag yet" in html(olga.get("/tags/"))


def test_it_shows_an_album_with_a_fixed_number_of_queries(olga, owner, album, django_assert_max_num_queries):
    albums.add(album=album, images=[make_image(owner, "draft").pk for _ in range(6)])
    with django_assert_max_num_queries(30):
        olga.get(reverse("album", args=[album.pk]))

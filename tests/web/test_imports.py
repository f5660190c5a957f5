"""Import pages: what they announce, show and do, and for whom."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from captions import checking, imports, uploads
from captions.models import Album, AlbumImage, Import, Upload
from captions.uploads import Announced
from tests import factories
from tests.ingest.conftest import store
from tests.web.conftest import HTMX

__all__ = ["store"]
pytestmark = pytest.mark.usefixtures("store")


def batch_of(owner: User, *folders: str) -> Import:
    """Make an import with an arrived picture in each folder."""
    batch, _ = uploads.announce(owner=owner, announced=[])
    for folder in folders:
        data = factories.picture()
        announced = Announced("a.jpg", len(data), folder=folder)
        upload = uploads.create(owner=owner, announced=announced, batch=batch)
        checking.start(upload=uploads.append(upload=upload, offset=0, data=io.BytesIO(data), size=len(data)))
    return batch


def announce(browser: Client, *files: object, **more: object) -> object:
    return browser.post("/imports/announce/", json.dumps({"files": files, **more}), content_type="application/json")


def test_it_notes_what_a_page_is_going_to_send(olga: Client, owner: User) -> None:
    told = announce(olga, ["a.jpg", "Day 1", 100, "print"], ["b.jpg", "", 1 << 40, "other"]).json()
    upload = Upload.objects.get(owner=owner)
    assert told["files"] == [
        {"id": str(upload.pk), "import": told["import"], "offset": 0, "state": "open"},
        None,  # too large: its sender says so
    ]
    assert told["address"] == f"/imports/{told['import']}/"
    assert announce(olga, ["a.jpg", "Day 1", 100, "print"]).json()["import"] == told["import"]


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"files": 3}', '{"files": [["a"]]}', '{"files": [["a", "", -1, ""]]}',
             '{"files": [["a", "", true, ""]]}', '{"files": [[1, "", 1, ""]]}', "[" * 5000],
)  # fmt: skip
def test_it_refuses_what_it_cannot_read(olga: Client, body: str) -> None:
    answer = olga.post("/imports/announce/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_it_takes_five_hundred_at_once_and_no_more(olga: Client) -> None:
    files = [[f"{n}.jpg", "", 10, f"print {n}"] for n in range(501)]
    assert announce(olga, *files).status_code == 413
    assert len(announce(olga, *files[:500]).json()["files"]) == 500


def test_it_hides_imports_of_others(olga: Client, stranger_browser: Client, owner: User) -> None:
    batch = batch_of(owner, "Day 1")
    upload = Upload.objects.get()
    for path in ("", "live/"):
        assert olga.get(f"/imports/{batch.pk}/{path}").status_code == 200
        assert stranger_browser.get(f"/imports/{batch.pk}/{path}").status_code == 404
    for path in (f"{batch.pk}/albums/", f"{batch.pk}/give-up/", f"files/{upload.pk}/again/"):
        assert stranger_browser.post(f"/imports/{path}").status_code == 404
    assert stranger_browser.get(f"/imports/files/{upload.pk}/").status_code == 404
    assert announce(stranger_browser, **{"import": str(batch.pk)}).status_code == 404
    assert "No import yet" in stranger_browser.get("/imports/").content.decode()


def test_it_tells_what_is_missing_and_how_to_go_on(olga: Client, owner: User) -> None:
    batch, _ = uploads.announce(owner=owner, announced=[Announced("a.jpg", 10), Announced("b.jpg", 10)])
    page = olga.get(f"/imports/{batch.pk}/").content.decode()
    assert "Choose the same files again to go on." in page
    assert "2 files have not wholly arrived." in page
    olga.post(f"/imports/{batch.pk}/give-up/")
    assert Upload.objects.count() == 0


def test_it_says_why_with_code_and_offers_to_try_again_where_that_helps(olga: Client, owner: User) -> None:
    batch, _ = uploads.announce(owner=owner, announced=[Announced("a.jpg", 10), Announced("b.jpg", 10)])
    first, second = Upload.objects.order_by("filename")
    Upload.objects.filter(pk=first.pk).update(state="refused", error_code="unknown", may_try_again=True)
    Upload.objects.filter(pk=second.pk).update(state="refused", error_code="truncated_image", error_detail="Half.")
    page = olga.get(f"/imports/{batch.pk}/?show=refused").content.decode()
    assert page.count("Try again<") == 1
    assert "<code>truncated_image</code>" in page
    answer = olga.post(f"/imports/files/{first.pk}/again/", headers=HTMX)
    assert "upload_expired" in answer.content.decode()  # its bytes were never here
    assert olga.post(f"/imports/files/{second.pk}/again/").status_code == 409


def test_it_shows_ten_thousand_files_page_by_page_without_a_query_for_each(
    olga: Client, owner: User, django_assert_max_num_queries
) -> None:
    batch, _ = uploads.announce(owner=owner, announced=[])
    one = {"owner": owner, "batch": batch, "length": 10, "expires_at": batch.created_at}
    Upload.objects.bulk_create((Upload(filename=f"{n}.jpg", **one) for n in range(10_000)), batch_size=500)
    with django_assert_max_num_queries(16):
        page = olga.get(f"/imports/{batch.pk}/").content.decode()
    assert page.count('class="arrival"') == 60
    assert "10000 are not here yet" in page.replace(",", "")
    more = page.split('hx-get="')[-1].split('"')[0].replace("&amp;", "&")
    with django_assert_max_num_queries(10):
        rows = olga.get(more, headers=HTMX).content.decode()
    assert rows.count('class="arrival"') == 60
    named = "&".join(f"id={pk}" for pk in Upload.objects.values_list("pk", flat=True)[:60])
    with django_assert_max_num_queries(10):
        live = olga.get(f"/imports/{batch.pk}/live/?{named}", headers=HTMX).content.decode()
    assert live.count('hx-swap-oob="true"') == 62


def test_it_makes_an_album_of_each_folder_once(olga: Client, owner: User) -> None:
    batch = batch_of(owner, "Day 1", "Day 1", "Day 2", "")
    for _ in range(2):
        olga.post(f"/imports/{batch.pk}/albums/")
    assert list(Album.objects.values_list("name", "owner")) == [("Day 1", owner.pk), ("Day 2", owner.pk)]
    assert AlbumImage.objects.count() == 3


def test_it_shortens_the_name_of_an_album_from_its_beginning() -> None:
    name = imports.album_name("x" * 200 + "/Day 1")
    assert len(name) == 120
    assert name.endswith("/Day 1")


def test_it_puts_no_deleted_picture_into_an_album(olga: Client, owner: User) -> None:
    batch = batch_of(owner, "Day 1")
    olga.post(f"/images/{Upload.objects.get().image_id}/discard/")
    assert imports.folders(batch) == []


def test_it_takes_a_zip_file_by_the_form_too(olga: Client, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "unpack_soon", lambda upload_id: checking.unpack(upload_id=upload_id))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.jpg", factories.picture())
    file = SimpleUploadedFile("trip.zip", made.getvalue(), "application/zip")
    page = olga.post("/images/", {"file": file, "next": "/"}, follow=True).content.decode()
    assert "trip.zip is being opened." in page
    assert Upload.objects.get(parent__filename="trip.zip").state == "done"


@pytest.mark.parametrize("path", ["/imports/", "/imports/announce/", "/imports/0199f3a2-5c1e-7d40-8b21-6a6f0d6f4c11/"])
def test_it_shows_nothing_to_strangers(client: Client, db: None, path: str) -> None:
    assert client.get(path).status_code == 302

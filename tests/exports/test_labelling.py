"""What the exports for labelling tools hold."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
import zipfile
from datetime import timedelta

import pytest
from django.core import signing
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from captions import albums, label_studio, media, picture_links, review, selectors, trash
from captions.exports import rows
from captions.models import AlbumShare
from tests.factories import exported, make_caption, make_drafts, make_image, make_person

pytestmark = pytest.mark.django_db
SITE = "https://desk.example.org"


def tasks(person):
    return json.loads(exported(person, "label-studio"))


def words(results):
    return [text for one in results for result in one["result"] for text in result["value"]["text"]]


# --- Label Studio --------------------------------------------------------------------------------------------------


def test_it_makes_published_words_annotations_and_drafts_predictions(owner):
    image = make_image(owner, filename="sea.jpg")
    make_drafts(image, "an older draft")
    first, _second = make_drafts(image, "a small boat", "a boat")
    review.edit(image=image, reviewer=owner, caption=first, text="A small red boat.")
    [task] = tasks(owner)
    assert words(task["annotations"]) == ["A small red boat."]
    assert words(task["predictions"]) == ["a small boat", "a boat"]
    assert [one["model_version"] for one in task["predictions"]] == ["demo@1", "demo@1"]
    assert [0 < one["score"] <= 1 for one in task["predictions"]] == [True, True]
    [result] = task["annotations"][0]["result"]
    assert (result["from_name"], result["to_name"], result["type"]) == ("caption", "image", "textarea")
    assert task["data"]["id"] == str(image.pk)
    assert (task["data"]["filename"], task["data"]["sha256"]) == ("sea.jpg", image.sha256)


def test_it_fits_the_set_up_that_the_guide_shows():
    control = label_studio.control_in(
        '<View><Image name="image" value="$image"/><TextArea name="caption" toName="image"/></View>'
    )
    assert control == label_studio.Control()


def test_it_offers_words_that_wait_for_a_decision_before_drafts(owner):
    image = make_image(owner, "draft", text="a boat")
    make_caption(image, "A boat at dusk.")
    [task] = tasks(owner)
    assert task["annotations"] == []
    assert words(task["predictions"]) == ["A boat at dusk.", "a boat"]
    assert task["predictions"][0]["model_version"] == "written by hand"
    assert task["predictions"][0]["score"] is None


def test_it_writes_one_list_however_many_pictures_there_are(owner, monkeypatch):
    assert tasks(owner) == []
    monkeypatch.setattr(rows, "CHUNK", 2)
    made = [str(make_image(owner).pk) for _ in range(5)]
    assert [task["data"]["id"] for task in tasks(owner)] == made


def test_it_reads_many_pictures_with_few_queries(owner, django_assert_max_num_queries):
    for _ in range(5):
        make_image(owner, "approved")
    with django_assert_max_num_queries(2):
        exported(owner, "label-studio", selectors.images(owner))


# --- The addresses of pictures -------------------------------------------------------------------------------------


def picture_of(person):
    address = tasks(person)[0]["data"]["image"]
    assert address.startswith(SITE + "/labelled/")
    return address.removeprefix(SITE)


def test_it_gives_addresses_that_show_the_clean_copy_without_a_token(owner):
    image = make_image(owner, files=True)
    answer = Client().get(picture_of(owner))
    assert answer.status_code == 200
    with default_storage.open(media.screen(image)) as screen:
        assert answer.getvalue() == screen.read()
    assert answer["Content-Type"] == "image/webp"
    assert answer["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer["Referrer-Policy"] == "no-referrer"


def test_it_shows_the_picture_only_while_its_person_may_see_it(owner, stranger):
    image = make_image(owner, files=True)
    album = albums.make(owner=owner, name="One")
    albums.add(album=album, images=[image.pk])
    share = albums.share(album=album, with_whom=stranger.get_username(), role=AlbumShare.Role.VIEW)
    mine, shared = picture_of(owner), picture_of(stranger)
    assert Client().get(shared).status_code == 200
    albums.end_share(share=share)
    assert Client().get(shared).status_code == 404
    owner.is_active = False
    owner.save(update_fields=["is_active"])
    assert Client().get(mine).status_code == 404
    owner.is_active = True
    owner.save(update_fields=["is_active"])
    trash.discard(image=image, by=owner)
    assert Client().get(mine).status_code == 404


def test_it_shows_the_picture_for_so_many_days_and_to_no_other_signature(owner, monkeypatch):
    make_image(owner, files=True)
    path = picture_of(owner)
    for wrong in (path.replace("/labelled/", "/labelled/x"), "/labelled/nonsense/", path[:-3] + "/"):
        assert Client().get(wrong).status_code == 404
    later = signing.time.time() + timedelta(days=31).total_seconds()
    monkeypatch.setattr(signing.time, "time", lambda: later)
    assert Client().get(path).status_code == 404


def test_it_leaves_pictures_to_tokens_when_the_operator_says_so(owner, settings):
    image = make_image(owner, files=True)
    open_before = picture_links.address(image, site="", person=owner)
    settings.LABEL_LINK_DAYS = 0
    assert tasks(owner)[0]["data"]["image"] == SITE + reverse("api-image-screen", args=[image.pk])
    assert Client().get(open_before).status_code == 404


# --- CVAT ----------------------------------------------------------------------------------------------------------


def opened(data):
    packed = zipfile.ZipFile(io.BytesIO(data))
    assert packed.testzip() is None
    return packed, ET.fromstring(packed.read("annotations.xml"))


def test_it_packs_pictures_with_their_words_as_tags(owner):
    image = make_image(owner, "draft", files=True, filename="sea.jpg", text="a boat")
    review.edit(image=image, reviewer=owner, text='Masts < 3 & a "boat".')
    packed, annotations = opened(exported(owner, "cvat"))
    assert annotations.findtext("version") == "1.1"
    assert annotations.findtext("meta/task/size") == "1"
    assert annotations.findtext("meta/task/labels/label/name") == "caption"
    assert annotations.findtext("meta/task/labels/label/attributes/attribute/name") == "text"
    [one] = annotations.findall("image")
    assert one.attrib == {"id": "0", "name": f"{image.sha256}/sea.jpg", "width": "64", "height": "48"}
    [tag] = one.findall("tag")
    assert tag.attrib == {"label": "caption", "source": "manual"}
    assert [(value.get("name"), value.text) for value in tag] == [("text", 'Masts < 3 & a "boat".')]
    with default_storage.open(media.original(image)) as original:
        assert packed.read(f"images/{image.sha256}/sea.jpg") == original.read()


def test_it_marks_drafts_as_made_by_a_machine_and_leaves_wordless_pictures_without_a_tag(owner):
    make_image(owner, "draft", files=True, text="a boat")
    make_image(owner, files=True)
    _, annotations = opened(exported(owner, "cvat"))
    draft, empty = annotations.findall("image")
    assert draft.find("tag").get("source") == "auto"
    assert empty.find("tag") is None


def test_it_packs_others_clean_copies_under_their_names(owner):
    reviewer = make_person("rita", "reviewers")
    image = make_image(owner, "approved", files=True)
    packed, annotations = opened(exported(reviewer, "cvat"))
    name = f"{owner.pk} olga/{image.sha256}/000001.webp"
    assert annotations.find("image").get("name") == name
    with default_storage.open(media.screen(image)) as screen:
        assert packed.read(f"images/{name}") == screen.read()


def test_it_leaves_out_a_picture_whose_file_is_missing(owner):
    lost = make_image(owner, files=True)
    make_image(owner, files=True)
    default_storage.delete(media.original(lost))
    packed, annotations = opened(exported(owner, "cvat"))
    assert len(annotations.findall("image")) == 1
    assert annotations.findtext("meta/task/size") == "1"
    assert len(packed.namelist()) == 2


def test_it_writes_nothing_that_xml_cannot_hold(owner):
    make_image(owner, "approved", files=True, text="a\ufffe boat \U0001f6a4")
    _, annotations = opened(exported(owner, "cvat"))
    assert annotations.findtext("image/tag/attribute") == "a boat \U0001f6a4"

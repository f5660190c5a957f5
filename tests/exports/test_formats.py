"""What an export holds, in each format."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import pytest
from django.core.files.storage import default_storage

from captions import about, albums, media, review, selectors, tags
from captions.exports import FORMATS, rows
from captions.models import Image
from tests.factories import exported, make_drafts, make_image, make_person

pytestmark = pytest.mark.django_db


def objects(data):
    return [json.loads(line) for line in data.splitlines()]


def table(data):
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def test_it_tells_of_words_and_where_they_came_from(owner):
    reviewer = make_person("rita", "reviewers")
    image = make_image(owner, filename="sea.jpg")
    first, _ = make_drafts(image, "a small boat", "a boat")
    review.edit(image=image, reviewer=reviewer, caption=first, text="A small red boat.")
    about.describe(image=image, by=owner, text="A long story.")
    tags.mark(owner=owner, names=["sea", "low tide"], images=[image.pk])
    albums.add(album=albums.make(owner=owner, name="Harbour"), images=[image.pk])
    [said] = objects(exported(owner, "jsonl"))
    assert said["text"] == said["alt_text"] == "A small red boat."
    assert (said["kind"], said["author"], said["model"]) == ("edited", "rita", None)
    assert (said["approved_by"], said["approved_by_rule"]) == ("rita", False)
    assert said["approved_at"] >= said["created_at"]
    assert (said["long_description"], said["language"], said["draft"]) == ("A long story.", "en", None)
    assert (sorted(said["tags"]), said["albums"]) == (["low tide", "sea"], ["Harbour"])
    assert (said["id"], said["filename"], said["sha256"]) == (str(image.pk), "sea.jpg", image.sha256)


def test_it_never_passes_a_draft_off_as_approved(owner):
    make_image(owner, "draft", text="a small boat")
    make_image(owner, "rejected", text="two boats")
    make_image(owner)
    draft, rejected, empty = objects(exported(owner, "jsonl"))
    assert (draft["text"], draft["alt_text"], draft["draft"]) == (None, None, "a small boat")
    assert (draft["model"], draft["revision"], draft["score"]) == ("demo", "1", -0.25)
    assert (rejected["text"], rejected["state"], rejected["approved_by"]) == (None, "rejected", None)
    assert (empty["text"], empty["draft"], empty["kind"]) == (None, None, None)


def test_it_gives_a_decorative_picture_empty_alt_text(owner):
    image = make_image(owner)
    about.set_decorative(image=image, by=owner, is_decorative=True)
    assert objects(exported(owner, "jsonl"))[0]["alt_text"] == ""


def test_it_writes_a_table_that_no_spreadsheet_runs(owner):
    make_image(owner, "approved", text='=HYPERLINK("http://example.org")', filename="@sum.jpg")
    make_image(owner, "draft", text="a “boat”, at\ndusk, é")
    first, second = table(exported(owner, "csv"))
    assert (first["text"], first["filename"]) == ('\'=HYPERLINK("http://example.org")', "'@sum.jpg")
    assert (first["score"], first["is_decorative"], first["draft"]) == ("-0.25", "false", "")
    assert second["draft"].startswith("a “boat”, at")
    assert exported(owner, "csv").startswith(b"\xef\xbb\xbfid,number,")


def test_it_gives_every_picture_once_however_many_there_are(owner, monkeypatch):
    monkeypatch.setattr(rows, "CHUNK", 3)
    made = [str(make_image(owner).pk) for _ in range(7)]
    for images in (None, selectors.images(owner).order_by("-created_at")):
        assert [row["id"] for row in objects(exported(owner, "jsonl", images))] == made
    assert [row["id"] for row in table(exported(owner, "csv"))] == made


def test_it_reads_many_pictures_with_few_queries(owner, django_assert_max_num_queries):
    for _ in range(5):
        make_image(owner, "approved")
    images = selectors.images(owner)
    with django_assert_max_num_queries(9):
        exported(owner, "jsonl", images)


def test_it_packs_own_originals_and_others_clean_copies(owner):
    reviewer = make_person("rita", "reviewers")
    mine = make_image(owner, "approved", files=True, filename="sea: the/best?.html", text="a boat")
    make_image(reviewer, "approved", files=True)
    everything = zipfile.ZipFile(io.BytesIO(exported(reviewer, "zip")))
    assert everything.testzip() is None
    own = [name for name in everything.namelist() if name.startswith("pictures/0")]
    assert own == ["pictures/000001 harbour.jpg"]
    with default_storage.open(media.screen(mine)) as screen:
        assert everything.read(f"pictures/{owner.pk} olga/000001.webp") == screen.read()
    of_owner = zipfile.ZipFile(io.BytesIO(exported(owner, "zip")))
    path = "pictures/000001 sea_ the_best_.html.jpg"
    assert of_owner.namelist() == [path, "metadata.jsonl", "captions.csv"]
    with default_storage.open(media.original(mine)) as original:
        assert of_owner.read(path) == original.read()
    [said] = objects(of_owner.read("metadata.jsonl"))
    assert (said["file_name"], said["text"]) == (path, "a boat")
    assert table(of_owner.read("captions.csv"))[0]["text"] == "a boat"


def test_it_tells_of_the_pictures_it_packed_whatever_is_decided_meanwhile(owner):
    image = make_image(owner, "draft", files=True)
    pieces = FORMATS["zip"].write(owner, selectors.images(owner).filter(state="draft"), address=str)
    begun = next(pieces)
    review.approve(image=image, reviewer=owner)
    packed = zipfile.ZipFile(io.BytesIO(begun + b"".join(pieces)))
    assert [said["state"] for said in objects(packed.read("metadata.jsonl"))] == ["draft"]
    assert len(table(packed.read("captions.csv"))) == 1


def test_it_gives_names_that_every_system_can_write(owner):
    make_image(owner, files=True, filename="港" * 120 + ".jpg")
    packed = zipfile.ZipFile(io.BytesIO(exported(owner, "zip")))
    name = packed.namelist()[0].removeprefix("pictures/")
    assert len(name.encode()) <= 255
    assert name.startswith("000001 港")
    assert name.endswith("港.jpg")


def test_it_packs_the_rest_when_a_file_is_missing(owner):
    lost = make_image(owner, files=True)
    make_image(owner, files=True)
    default_storage.delete(media.original(lost))
    packed = zipfile.ZipFile(io.BytesIO(exported(owner, "zip")))
    assert packed.testzip() is None
    assert [said["number"] for said in objects(packed.read("metadata.jsonl"))] == [2]
    assert len(table(packed.read("captions.csv"))) == 2


def test_it_says_which_rule_approved(owner):
    image = make_image(owner, "draft")
    review.approve_by_rule(image=image, author=owner)
    [said] = objects(exported(owner, "jsonl", Image.objects.filter(pk=image.pk)))
    assert (said["approved_by_rule"], said["approved_by"]) == (True, "olga")

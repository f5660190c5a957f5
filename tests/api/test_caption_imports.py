"""Captions that come back from labelling tools."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from django.core.management import CommandError, call_command

from captions import albums, labels, review, selectors, tokens, xml_reading
from captions.api.views import caption_imports
from captions.models import AlbumShare, Caption, Image, Review
from tests.api.conftest import Api, codes
from tests.factories import exported, make_caption, make_drafts, make_image, make_person, picture, receive

XML = "application/xml"


def area(*texts, name="caption", kind="textarea"):
    return {"id": "x1", "from_name": name, "to_name": "image", "type": kind, "value": {"text": list(texts)}}


def annotation(*results, **more):
    return {"id": 5, "completed_by": 1, "result": list(results), "was_cancelled": False, "ground_truth": False, **more}


def task(data, *annotations):
    """Write a task as Label Studio exports it."""
    return {"id": 1, "data": data, "annotations": list(annotations), "predictions": [], "file_upload": None}


def said(image, text, **data):
    return task({"image": "https://example.org/x.jpg", "id": str(image.pk), **data}, annotation(area(text)))


def cvat(*images):
    return f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>{"".join(images)}</annotations>'


def tagged(name, text, source="manual", attribute="text", label="caption"):
    inner = f'<tag label="{label}" source="{source}"><attribute name="{attribute}">{text}</attribute></tag>'
    return f'<image id="0" name="{name}" width="64" height="48">{inner}</image>'


def bring(client, body, query="", content_type="application/json"):
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return client.raw(f"imports/captions/{query}", data, content_type)


def counts(answer):
    assert answer.status_code == 200, answer.content
    body = answer.json()
    return {name: value for name, value in body.items() if value and name != "unmatched"}


def words(image):
    return list(image.captions.order_by("id").values_list("text", "kind"))


# --- Label Studio --------------------------------------------------------------------------------------------------


def test_it_adds_words_as_the_persons_and_overwrites_nothing(api, owner):
    image = make_image(owner, "approved", text="a small boat")
    assert counts(bring(api, [said(image, "  A red\nboat. ")])) == {"written": 1}
    assert words(image) == [("a small boat", "generated"), ("A red boat.", "imported")]
    imported = image.captions.get(kind="imported")
    assert (imported.author, imported.language) == (owner, "en")
    image.refresh_from_db()
    assert image.published_caption.text == "a small boat"


def test_it_writes_nothing_twice(api, owner):
    image = make_image(owner, "draft", text="a small boat")
    file = [said(image, "a small boat"), said(image, "A red boat.")]
    assert counts(bring(api, file)) == {"written": 1, "known": 1}
    make_caption(image, "Something newer.")
    assert counts(bring(api, file)) == {"known": 2}
    assert image.captions.count() == 3


def test_it_publishes_the_words_when_told_to(api, owner):
    drafted, other = make_image(owner, "draft", text="a small boat"), make_image(owner, "approved", text="a lamp")
    file = [said(drafted, "a small boat"), said(other, "A green lamp.")]
    assert counts(bring(api, file, "?approve=true")) == {"written": 1, "known": 1, "approved": 2}
    for image, text in ((drafted, "a small boat"), (other, "A green lamp.")):
        image.refresh_from_db()
        assert (image.state, image.published_caption.text) == ("approved", text)
    assert counts(bring(api, file, "?approve=true")) == {"known": 2}
    assert Review.objects.filter(image=drafted).count() == 1


def test_it_publishes_the_last_of_several_words_and_what_counts_as_the_truth_before_others(api, owner):
    image = make_image(owner)
    file = [
        task(
            {"id": str(image.pk)},
            annotation(area("the truth"), ground_truth=True),
            annotation(area("one", "two")),
            annotation(area("skipped"), was_cancelled=True),
        )
    ]
    assert counts(bring(api, file, "?approve=true")) == {"written": 3, "approved": 1}
    image.refresh_from_db()
    assert image.published_caption.text == "the truth"
    assert [text for text, _ in words(image)] == ["one", "two", "the truth"]


def test_it_takes_the_text_area_called_caption_before_others(api, owner):
    first, second = make_image(owner), make_image(owner)
    notes, choices = area("a note", name="notes"), area("x", kind="choices")
    file = [
        task({"id": str(first.pk)}, annotation(notes, area("a boat"), choices)),
        task({"id": str(second.pk)}, annotation(notes, choices)),
    ]
    bring(api, file)
    assert [text for text, _ in words(first) + words(second)] == ["a boat", "a note"]


def test_it_takes_one_text_that_is_no_list(api, owner):
    image = make_image(owner)
    result = {**area(), "value": {"text": "a boat"}}
    assert counts(bring(api, task({"id": str(image.pk)}, annotation(result)))) == {"written": 1}


@pytest.mark.parametrize(
    "data",
    [
        {"image": "s3://bucket/folder/harbour%20one.jpg"}, {"image": "https://example.org/a/harbour%20one.jpg?x=1"},
        {"image": "/data/upload/3/1f3b5c7d-harbour one.jpg"}, {"photo": "/data/local-files/?d=in/harbour%20one.jpg"},
        {"filename": "harbour one.jpg", "image": "https://example.org/other.jpg"},
    ],
)  # fmt: skip
def test_it_finds_a_picture_by_the_name_of_its_file(api, owner, data):
    image = make_image(owner, filename="harbour one.jpg")
    assert counts(bring(api, [task(data, annotation(area("a boat")))])) == {"written": 1}
    assert words(image) == [("a boat", "imported")]


def test_it_finds_a_picture_by_its_sha256(api, owner):
    image = make_image(owner)
    for data in ({"sha256": image.sha256.upper()}, {"image": f"https://example.org/{image.sha256}.jpg"}):
        bring(api, [task(data, annotation(area("a boat")))])
    assert words(image) == [("a boat", "imported")]


def test_it_guesses_no_picture(api, owner, stranger):
    make_image(owner, filename="twice.jpg")
    make_image(owner, filename="twice.jpg")
    make_image(owner, filename="mine.jpg")
    foreign = make_image(stranger, filename="foreign.jpg")
    file = [
        task({"image": "twice.jpg"}, annotation(area("a boat"))),
        task({"image": "absent.jpg"}, annotation(area("a boat"))),
        said(foreign, "a boat", filename="foreign.jpg", sha256=foreign.sha256),
        task({"image": "mine.jpg", "sha256": "0" * 64}, annotation(area("a boat"))),
    ]
    answer = bring(api, file).json()
    assert (answer["written"], answer["left"]) == (0, 4)
    assert [(one["picture"], one["code"]) for one in answer["unmatched"]] == [
        ("twice.jpg", "label_ambiguous"), ("absent.jpg", "label_unmatched"), ("foreign.jpg", "label_unmatched"),
        ("mine.jpg", "label_unmatched"),
    ]  # fmt: skip
    assert not Caption.objects.exists()


def test_it_goes_on_after_words_that_cannot_be_taken(api, owner):
    image = make_image(owner)
    answer = bring(api, [said(image, "x" * 2001), said(image, "..."), said(image, "a boat")]).json()
    assert [one["code"] for one in answer["unmatched"]] == ["caption_too_long", "caption_empty"]
    assert answer["written"] == 1


def test_it_takes_names_that_no_database_does(api, owner):
    make_image(owner, filename="harbour.jpg")
    file = [
        task({"image": name}, annotation(area("a \ud800boat"))) for name in ("har\x00bour\ud800.jpg", "\x00", "//[")
    ]
    answer = bring(api, file).json()
    assert (answer["written"], answer["left"]) == (1, 2)


def test_it_names_the_first_fifty_of_those_that_it_left(api, owner):
    file = [task({"image": f"{number}.jpg"}, annotation(area("a boat"))) for number in range(60)]
    answer = bring(api, file).json()
    assert (answer["left"], len(answer["unmatched"])) == (60, 50)


def test_it_keeps_to_the_rights_on_shared_pictures(owner, stranger, api_of):
    image = make_image(owner)
    album = albums.make(owner=owner, name="One")
    albums.add(album=album, images=[image.pk])
    share = albums.share(album=album, with_whom=stranger.get_username(), role=AlbumShare.Role.VIEW)
    other, file = api_of(stranger), [said(image, "a boat")]
    assert counts(bring(other, file)) == {"left": 1}
    albums.change_role(share=share, role=AlbumShare.Role.CAPTION)
    assert bring(other, file, "?approve=true").json()["unmatched"][0]["code"] == "not_found"
    assert not image.captions.exists()
    assert counts(bring(other, file)) == {"written": 1}
    assert image.captions.get().author == stranger
    albums.change_role(share=share, role=AlbumShare.Role.REVIEW)
    assert counts(bring(other, file, "?approve=true")) == {"known": 1, "approved": 1}


def test_it_gives_reviewers_no_right_to_write_on_others_pictures(owner, api_of):
    image = make_image(owner, "draft")
    assert counts(bring(api_of(make_person("rita", "reviewers")), [said(image, "a boat")])) == {"left": 1}


def test_it_needs_the_scope_of_decisions_to_publish(owner):
    image = make_image(owner)
    narrow = Api(tokens.mint(user=owner, name="narrow", scopes=["captions:write"])[1])
    assert codes(bring(narrow, [said(image, "a boat")], "?approve=true")) == [("scope_missing", None)]
    assert counts(bring(narrow, [said(image, "a boat")], "?approve=false")) == {"written": 1}


def test_it_notes_the_language_of_the_words(api, owner):
    image = make_image(owner)
    bring(api, [said(image, "Ein Boot")], "?language=de")
    assert image.captions.get().language == "de"


# --- CVAT ----------------------------------------------------------------------------------------------------------


def test_it_reads_tags_of_cvat(api, owner):
    image = make_image(owner, filename="harbour.jpg")
    other = make_image(owner, filename="x.jpg")
    file = cvat(
        tagged("in/harbour.jpg", "Masts &lt; 3 &amp; a boat."),
        tagged(f"{other.sha256}/whatever.jpg", "a lamp", attribute="caption", label="any"),
        tagged("in/harbour.jpg", "brown", attribute="colour"),
        '<image id="2" name="harbour.jpg"><box label="a"><attribute name="text">no caption</attribute></box></image>',
        '<track><attribute name="text">nor this</attribute></track>',
    )
    assert counts(bring(api, file, content_type=XML)) == {"written": 2}
    assert words(image) == [("Masts < 3 & a boat.", "imported")]
    assert words(other) == [("a lamp", "imported")]


def test_it_passes_over_drafts_that_nobody_touched(api, owner):
    image = make_image(owner, filename="harbour.jpg")
    file = cvat(tagged("harbour.jpg", "a draft", "auto"), tagged("harbour.jpg", "mended", "semi-auto"))
    assert counts(bring(api, file, content_type=XML)) == {"written": 1, "drafts": 1}
    assert words(image) == [("mended", "imported")]


def zipped(name, data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return file.getvalue()


def test_it_opens_the_zip_file_of_cvat(api, owner):
    make_image(owner, filename="harbour.jpg")
    file = zipped("annotations.xml", cvat(tagged("harbour.jpg", "a boat")))
    assert counts(bring(api, file, content_type="application/zip")) == {"written": 1}


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE annotations [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    "]><annotations>&b;</annotations>"
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><annotations>&f;</annotations>'


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (b"", "labels_empty"), (b"hello", "labels_unreadable"), (b"[", "labels_unreadable"), (b"[]", "labels_empty"),
        (b"[1]", "labels_unreadable"), (b'[{"data": 1}]', "labels_unreadable"), (b'{"a": 1}', "labels_unreadable"),
        (b"[" * 100_000, "labels_unreadable"), (b'[{"data": {}}]', "labels_empty"), (b"\xff\xfe[", "labels_unreadable"),
        (b'[{"data": {}, "annotations": [{"result": [{"type": "textarea", "value": 7}, 3]}, 4]}]', "labels_empty"),
        (b"<annotations>", "xml_unreadable"), (b"<html/>", "labels_unreadable"), (b"<annotations/>", "labels_empty"),
        (b"<annotations>" + b"<a>" * 200 + b"</a>" * 200 + b"</annotations>", "xml_unreadable"),
        (b'<?xml version="1.0" encoding="nonsense"?><annotations/>', "xml_unreadable"),
        (b"<annotations>&nothing;</annotations>", "xml_unreadable"),
        (LAUGHS.encode(), "xml_declares_type"), (OUTSIDE.encode(), "xml_declares_type"),
        (b'<!DOCTYPE annotations SYSTEM "http://example.org/x.dtd"><annotations/>', "xml_declares_type"),
        (LAUGHS.replace('"1.0"', '"1.0" encoding="utf-16"').encode("utf-16"), "labels_unreadable"),
        (b"PK\x03\x04broken", "labels_unreadable"), (zipped("other.xml", "<annotations/>"), "labels_unreadable"),
        (zipped("annotations.xml", LAUGHS), "xml_declares_type"),
    ],
)  # fmt: skip
def test_it_says_what_is_wrong_with_a_file(api, file, expected):
    answer = bring(api, file, content_type="application/octet-stream")
    assert answer.status_code == 400
    assert [code for code, _ in codes(answer)] == [expected]


def test_it_takes_a_bounded_number_and_size(api, owner, monkeypatch):
    image = make_image(owner)
    monkeypatch.setattr(caption_imports, "MOST", 1)
    answer = bring(api, [said(image, "a boat"), said(image, "two boats")])
    assert (answer.status_code, codes(answer)) == (413, [("labels_too_many", None)])
    assert not image.captions.exists()
    monkeypatch.setattr(caption_imports, "INLINE_BYTES", 1000)
    for file, kind in (
        (b" " * 1001, "application/json"),
        (zipped("annotations.xml", b"<a>" * 9000), "application/zip"),
    ):
        answer = bring(api, file, content_type=kind)
        assert (answer.status_code, codes(answer)) == (413, [("body_too_large", None)])


@pytest.mark.parametrize(
    ("query", "expected"),
    [("?approve=yes", ("invalid", "approve")), ("?aprove=true", ("unknown_parameter", "aprove")),
     ("?approve=", ("blank", "approve")), ("?approve=true&approve=false", ("repeated", "approve")),
     ("?language=nonsense!", ("language_unknown", "language"))],
)  # fmt: skip
def test_it_refuses_other_parameters(api, owner, query, expected):
    image = make_image(owner)
    assert codes(bring(api, [said(image, "a boat")], query)) == [expected]
    assert not image.captions.exists()


def test_it_stops_before_proxies_give_up_and_goes_on_the_next_time(api, owner, monkeypatch):
    file = [said(make_image(owner), "a boat") for _ in range(3)]
    monkeypatch.setattr(caption_imports, "SECONDS", -1)
    assert counts(bring(api, file)) == {"waiting": 3}
    monkeypatch.setattr(caption_imports, "SECONDS", 40)
    assert counts(bring(api, file)) == {"written": 3}


def test_it_reads_a_bounded_number_of_elements(api, owner, monkeypatch):
    monkeypatch.setattr(xml_reading, "MOST_ELEMENTS", 4)
    file = cvat(tagged("harbour.jpg", "a boat"))
    assert codes(bring(api, file, content_type=XML)) == [("body_too_large", None)]
    assert labels.read(io.BytesIO(file.encode()), most_bytes=1000)


def test_it_takes_a_file_of_a_form(api, owner):
    image = make_image(owner)
    file = io.BytesIO(json.dumps([said(image, "a boat")]).encode())
    file.name = "project-1.json"
    answer = api.post("/api/v1/imports/captions/?approve=true", {"file": file})
    assert counts(answer) == {"written": 1, "approved": 1}
    assert codes(api.post("/api/v1/imports/captions/", {"other": "x"})) == [("invalid", "file")]


def test_it_answers_a_request_that_is_sent_again_from_what_was_kept(api, owner):
    body = json.dumps([said(make_image(owner), "a boat")]).encode()
    sent = {"headers": {"Idempotency-Key": "once"}}
    first, second = (
        api.generic("POST", "/api/v1/imports/captions/", body, content_type="application/json", **sent) for _ in "12"
    )
    assert first.json() == second.json()
    assert first.json()["written"] == 1


# --- There and back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["label-studio", "cvat"])
def test_it_brings_the_words_of_one_desk_to_the_same_pictures_of_another_account(owner, stranger, other, format):
    pictures = [picture() for _ in range(3)]
    mine = [receive(owner, data, filename="harbour.jpg") for data in pictures]
    make_drafts(mine[0], "a small boat")
    review.approve(image=Image.objects.get(pk=mine[0].pk), reviewer=owner)
    make_drafts(mine[1], "a boat")
    review.edit(image=Image.objects.get(pk=mine[1].pk), reviewer=owner, text='„Masts“ < 3 & "a" boat.')
    make_drafts(mine[2], "only a draft")
    theirs = [receive(stranger, data, filename="other.jpg") for data in reversed(pictures)][::-1]
    file = exported(owner, format, selectors.images(owner))
    answer = bring(other, file, "?approve=true", "application/octet-stream")
    assert {**counts(answer), "drafts": 0} == {"written": 2, "approved": 2, "drafts": 0}
    for before, after in zip(mine[:2], theirs[:2], strict=True):
        before.refresh_from_db()
        after.refresh_from_db()
        assert after.published_caption.text == before.published_caption.text
        assert after.published_caption.author == stranger
    assert not theirs[2].captions.exists()


# --- The command ---------------------------------------------------------------------------------------------------


def test_the_command_brings_a_file_in_and_counts(owner, tmp_path, capsys):
    image = make_image(owner)
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps([said(image, "a boat"), task({"image": "absent.jpg"}, annotation(area("a lamp")))]))
    call_command("import_captions", str(file), "--owner", "olga", "--approve", "--language", "en-GB")
    told = capsys.readouterr()
    assert told.out == "1 written, 0 known already, 1 approved, 0 drafts passed over, 1 not taken.\n"
    assert told.err.startswith("absent.jpg: No picture of yours has this name.")
    image.refresh_from_db()
    assert (image.published_caption.text, image.published_caption.language) == ("a boat", "en-GB")


def test_the_command_says_what_is_wrong(owner, tmp_path):
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("hello")
    for arguments, words_of_it in (
        ((wrong, "--owner", "olga"), r"\(labels_unreadable\)"), ((wrong, "--owner", "nobody"), "no active account"),
        ((tmp_path / "absent", "--owner", "olga"), "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(CommandError, match=words_of_it):
            call_command("import_captions", *map(str, arguments))


def test_it_takes_as_many_as_it_says():
    assert caption_imports.MOST == 2000
    with pytest.raises(labels.DeskError, match="labels_too_many"):
        labels.read(io.BytesIO(cvat(*[tagged("a.jpg", "a boat")] * 3).encode()), most_bytes=10_000, most=2)

"""The page of one picture, and what can be done there."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from captions import jobs, ledger, review
from captions.models import Caption, CaptionJob, Image, Review
from tests.web import builders
from tests.web.conftest import HTMX

State = Image.State


def text(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.content[:300]
    return answer.content.decode()


def do(client: Client, image: Image, act: str, query: str = "", **form: object) -> str:
    """Press a button as a browser with script does, and give the parts that come back."""
    answer = client.post(f"/images/{image.pk}/{act}/{query}", form, headers=HTMX)
    assert answer.status_code == 200, answer.content[:300]
    image.refresh_from_db()
    return answer.content.decode()


@pytest.fixture
def draft(owner: User) -> Image:
    """A picture with three drafts."""
    builders.worker()
    return builders.drafted(builders.row(owner), "A red ring.", "A red circle.", "A ring.")


def test_it_shows_every_state(olga: Client, owner: User) -> None:
    for look, image in builders.every_state(owner).items():
        page = text(olga, f"/images/{image.pk}/")
        assert f'data-look="{"approved" if look == "edited" else look}"' in page


def test_it_lists_the_other_drafts_with_their_scores(olga: Client, draft: Image) -> None:
    page = text(olga, f"/images/{draft.pk}/")
    assert re.findall(r"score </span>(0\.\d\d)", page) == ["0.90", "0.82", "0.74"]
    assert "The score is the model’s own guess at how well the words fit, from 0 to 1." in page


def test_it_approves_the_chosen_draft(olga: Client, draft: Image) -> None:
    second = Caption.objects.get(image=draft, rank=2)
    page = do(olga, draft, "approve", caption=second.pk, seen="", place="page")
    assert draft.state == State.APPROVED
    assert draft.published_caption == second
    assert f"Approved picture {draft.number}." in page
    assert f'action="/images/{draft.pk}/undo/"' in page
    assert f'id="words-{draft.pk}"' in page


def test_it_answers_a_card_with_the_parts_of_the_card(olga: Client, draft: Image) -> None:
    page = do(olga, draft, "approve", caption=draft.caption_id, seen="", next="/?show=draft")
    assert f'id="acts-{draft.pk}"' in page
    assert 'id="versions"' not in page
    assert 'aria-current="true"><i class="dot draft"></i>Draft' in page


def test_it_goes_back_where_the_form_was_without_script(olga: Client, draft: Image) -> None:
    answer = olga.post(f"/images/{draft.pk}/approve/", {"next": "/?show=draft"})
    assert answer.status_code == 302
    assert answer["Location"] == "/?show=draft"
    page = text(olga, "/")
    assert f"Approved picture {draft.number}." in page
    assert f'action="/images/{draft.pk}/undo/"' in page


@pytest.mark.parametrize("address", ["https://example.org/", "//example.org", "javascript:alert(1)", "/\\example.org"])
def test_it_never_sends_people_to_another_site(olga: Client, draft: Image, address: str) -> None:
    answer = olga.post(f"/images/{draft.pk}/approve/", {"next": address})
    assert answer["Location"] == "/"


def test_it_edits_and_approves(olga: Client, draft: Image) -> None:
    do(olga, draft, "edit", text="A  crimson ring.", caption=draft.caption_id, seen="")
    assert draft.state == State.APPROVED
    assert draft.published_caption.text == "A crimson ring."
    assert Review.objects.get(image=draft).decision == Review.Decision.EDIT


def test_it_only_saves_when_that_was_asked(olga: Client, draft: Image) -> None:
    page = do(olga, draft, "edit", text="A crimson ring.", caption=draft.caption_id, approve="no")
    assert draft.state == State.DRAFT
    assert draft.caption.text == "A crimson ring."
    assert "They wait for a decision." in page
    assert "data-undo" not in page


def test_it_explains_words_that_cannot_be_kept(olga: Client, draft: Image) -> None:
    answer = olga.post(f"/images/{draft.pk}/edit/", {"text": "  ", "caption": draft.caption_id}, headers=HTMX)
    assert answer.status_code == 400
    assert "A caption needs at least one word." in answer.content.decode()
    assert "<code>caption_empty</code>" in answer.content.decode()


def test_it_writes_by_hand_and_approves(olga: Client, owner: User) -> None:
    image = builders.row(owner)
    do(olga, image, "write", text="Written by a person.")
    assert image.state == State.APPROVED
    assert image.published_caption.kind == Caption.Kind.WRITTEN


def test_it_rejects_with_a_reason_and_takes_it_back(olga: Client, draft: Image) -> None:
    page = do(olga, draft, "reject", reason="vague", caption=draft.caption_id, seen="")
    assert draft.state == State.REJECTED
    assert "Rejected by you: too vague" in page
    assert do(olga, draft, "undo")
    assert draft.state == State.DRAFT


def test_it_does_not_overrule_somebody_elses_decision_unawares(olga: Client, draft: Image, stranger: User) -> None:
    stranger.groups.add(Group.objects.get(name="reviewers"))
    review.reject(image=draft, reviewer=stranger, reason="wrong")
    answer = olga.post(f"/images/{draft.pk}/approve/", {"seen": ""}, headers=HTMX)
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "Somebody decided on this picture in the meantime." in page
    assert "Rejected by stranger" in page


def test_it_restores_earlier_words(olga: Client, draft: Image) -> None:
    first = draft.caption
    do(olga, draft, "edit", text="A crimson ring.", caption=first.pk, approve="no")
    do(olga, draft, "restore", caption=first.pk)
    assert draft.caption.kind == Caption.Kind.RESTORED
    assert draft.caption.text == first.text


def test_it_refuses_a_caption_of_another_picture(olga: Client, owner: User, draft: Image) -> None:
    other = builders.drafted(builders.row(owner))
    for raw in (str(other.caption_id), "nonsense"):
        answer = olga.post(f"/images/{draft.pk}/approve/", {"caption": raw}, headers=HTMX)
        assert answer.status_code == 400
        assert "That caption belongs to another picture." in answer.content.decode()


def test_it_captions_again_with_what_was_chosen(olga: Client, draft: Image) -> None:
    form = {"panel": "1", "tuned": "1", "num_captions": "3", "num_beams": "4", "max_length": "16", "temperature": "1.0"}
    do(olga, draft, "again", place="page", **form)
    job = CaptionJob.objects.filter(image=draft).order_by("-id").first()
    assert job.params == {"num_captions": 3}


def test_it_takes_the_presets_values_without_script(olga: Client, draft: Image) -> None:
    form = {"panel": "1", "tuned": "", "preset": "varied", "num_captions": "1", "num_beams": "4", "top_p": "1.0"}
    do(olga, draft, "again", place="page", **form)
    job = CaptionJob.objects.filter(image=draft).order_by("-id").first()
    assert job.params == {"do_sample": True, "num_beams": 1, "top_p": 0.9, "num_captions": 3}


def test_it_marks_the_settings_that_cannot_be_used(olga: Client, draft: Image) -> None:
    before = CaptionJob.objects.count()
    form = {"panel": "1", "tuned": "1", "max_length": "640", "temperature": "9", "do_sample": "on"}
    answer = olga.post(f"/images/{draft.pk}/again/", {**form, "place": "page"}, headers=HTMX)
    page = answer.content.decode()
    assert answer.status_code == 400
    assert CaptionJob.objects.count() == before
    assert "2 settings cannot be used." in page
    assert "Choose a number from 4 to 64." in page
    assert re.search(r'id="knob-max_length-why">.*?<label', page, re.S)
    assert 'value="640"' in page
    whole = olga.post(f"/images/{draft.pk}/again/", form)
    assert whole.status_code == 400
    assert "Every version" in whole.content.decode()


def test_it_reads_every_knob_and_preset_from_one_place(olga: Client, draft: Image) -> None:
    from captions.params import KNOBS, PRESETS

    page = text(olga, f"/images/{draft.pk}/")
    for knob in KNOBS:
        assert re.search(rf'name="{knob.name}"', page), knob.name
        assert knob.label in page
    assert re.findall(r'name="preset" value="(\w+)"', page) == list(PRESETS)


def test_it_fills_the_panel_from_an_earlier_draft(olga: Client, draft: Image) -> None:
    page = text(olga, f"/images/{draft.pk}/?like={draft.caption_id}")
    assert re.search(r'name="num_captions" value="3"', page)
    assert re.search(r'name="seed" value="7"', page)


def test_it_stops_and_retries(olga: Client, owner: User) -> None:
    made = builders.every_state(owner)
    do(olga, made["run"], "cancel")
    assert made["run"].state == State.CANCELLED
    do(olga, made["failed"], "retry")
    assert made["failed"].state == State.QUEUED


def test_it_asks_another_model_instead(olga: Client, owner: User) -> None:
    image = builders.every_state(owner)["wait"]
    do(olga, image, "again", "?instead=1")
    assert image.state == State.QUEUED
    assert [job.model for job in CaptionJob.objects.filter(image=image, state="queued")] == [""]


def test_it_says_when_there_is_nothing_to_stop(olga: Client, draft: Image) -> None:
    answer = olga.post(f"/images/{draft.pk}/cancel/", headers=HTMX)
    assert answer.status_code == 409
    assert "This job has ended, so it cannot be cancelled." in answer.content.decode()


def test_it_shows_every_caption_ever_made_with_its_provenance(olga: Client, owner: User, draft: Image) -> None:
    ledger.write(image=draft, author=owner, text="By hand.")
    review.edit(
        image=draft, reviewer=owner, text="A crimson ring there.", caption=Caption.objects.get(image=draft, rank=1)
    )
    jobs.cancel(job=jobs.request(image=draft, chosen={"seed": 5}).job, by=owner)
    page = text(olga, f"/images/{draft.pk}/").split('id="versions"')[1].split("</ol>\n<dl")[0]
    for caption in Caption.objects.filter(image=draft).exclude(kind="edited"):
        assert caption.text in page
    assert '<del><span class="unseen">removed: </span>red ring.</del>' in page
    assert '<ins><span class="unseen">added: </span>crimson ring there.</ins>' in page
    for said in (
        "Edited and approved",
        "Written by hand",
        "3 drafts",
        "seed 7",
        "search width 4",
        "0123456",
        "Cancelled",
    ):
        assert said in page, said


def test_it_leads_to_the_neighbours(olga: Client, owner: User) -> None:
    old, middle, new = (builders.row(owner) for _ in range(3))
    page = text(olga, f"/images/{middle.pk}/")
    assert f'href="/images/{new.pk}/" rel="prev"' in page
    assert f'href="/images/{old.pk}/" rel="next"' in page


def test_it_escapes_what_models_and_people_write(olga: Client, owner: User) -> None:
    image = builders.drafted(builders.row(owner), "<script>alert(1)</script> & co", "</p><img src=x onerror=alert(1)>")
    Image.objects.filter(pk=image.pk).update(filename='"><script>x</script>.png')
    for path in ("/", f"/images/{image.pk}/", f"/images/{image.pk}/editor/", f"/images/{image.pk}/reasons/"):
        page = text(olga, path, **(HTMX if "ed" in path else {}))
        assert "<script>alert" not in page
        assert "<script>x" not in page
        assert "<img src=x" not in page


def test_it_puts_a_picture_into_the_trash_and_back(olga: Client, draft: Image) -> None:
    answer = olga.post(f"/images/{draft.pk}/discard/", follow=True)
    page = answer.content.decode()
    assert f"Picture {draft.number} is in the trash." in page
    assert f'action="/images/{draft.pk}/recover/"' in page
    assert "Bring it back" in text(olga, "/trash/")
    assert f"Picture {draft.number} is in the trash" in text(olga, f"/images/{draft.pk}/")
    olga.post(f"/images/{draft.pk}/recover/", {"next": "/trash/"})
    assert "The trash is empty" in text(olga, "/trash/")


GETS = ("", "live/", "editor/", "reasons/", "thumbnail/", "medium/", "screen/", "original/")
POSTS = ("approve", "edit", "write", "reject", "undo", "restore", "again", "cancel", "retry", "discard", "recover")


def test_it_hides_pictures_from_everybody_else(stranger_browser: Client, draft: Image) -> None:
    for part in GETS:
        assert stranger_browser.get(f"/images/{draft.pk}/{part}").status_code == 404, part
    for act in POSTS:
        answer = stranger_browser.post(f"/images/{draft.pk}/{act}/", {"text": "Mine now.", "caption": draft.caption_id})
        assert answer.status_code == 404, act
    draft.refresh_from_db()
    assert (draft.state, draft.deleted_at, draft.captions.count()) == (State.DRAFT, None, 3)


def test_it_answers_the_same_for_what_does_not_exist(olga: Client, draft: Image) -> None:
    for part in GETS:
        assert olga.get(f"/images/{uuid4()}/{part}").status_code == 404


def test_it_lets_reviewers_decide_and_change_nothing_else(
    stranger_browser: Client, stranger: User, owner: User
) -> None:
    stranger.groups.add(Group.objects.get(name="reviewers"))
    image = builders.drafted(builders.row(owner), "A red ring.", "A ring.")
    page = text(stranger_browser, f"/images/{image.pk}/")
    assert 'id="again"' not in page
    assert "Download" not in page
    for act in ("write", "restore", "again", "cancel", "retry", "discard"):
        form = {"text": "Mine now.", "caption": str(image.caption_id)}
        answer = stranger_browser.post(f"/images/{image.pk}/{act}/", form, headers=HTMX)
        assert answer.status_code == 404, act
    assert stranger_browser.get(f"/images/{image.pk}/original/").status_code == 404
    do(stranger_browser, image, "approve", caption=image.caption_id)
    assert image.state == State.APPROVED


def test_it_serves_the_files_of_a_picture(olga: Client, owner: User) -> None:
    image = builders.picture(owner)
    for kind in ("thumbnail", "medium", "screen", "original"):
        answer = olga.get(f"/images/{image.pk}/{kind}/")
        assert answer.status_code == 200
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert ("attachment" in answer["Content-Disposition"]) == (kind == "original")

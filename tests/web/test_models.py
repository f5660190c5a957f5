"""Choosing among several models on the page of a picture."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from captions import jobs, review
from captions.drafts import Draft
from captions.errors import FAILURES
from captions.models import CaptionJob, Image, Worker
from captions.params import GenerationParams
from tests.web import builders
from tests.web.conftest import HTMX

VIT = "nlpconnect/vit-gpt2-image-captioning"
EACH = ("*", False, "Each of them, side by side")
PANEL = {"panel": "1", "tuned": "1", "num_captions": "1", "num_beams": "4", "max_length": "16", "place": "page"}


@pytest.fixture
def picture(owner: User) -> Image:
    """A picture with a draft, while the demo model alone is served."""
    builders.worker(defaults={"max_length": 16})
    return builders.drafted(builders.row(owner))


@pytest.fixture
def second() -> Worker:
    """A second model, for whoever asks for it."""
    return builders.worker(
        name="second", model=VIT, title="ViT-GPT2: everyday photographs", is_demo=False, takes_any=False,
        names=[VIT, "vit-gpt2"], defaults={"max_length": 30}, seconds_per_image=4.0,
    )  # fmt: skip


def options(page: str) -> list[tuple[str, bool, str]]:
    found = re.findall(r'<option value="([^"]*)"( selected)?>([^<]*)</option>', page)
    return [(value, bool(selected), label) for value, selected, label in found]


def page_of(browser: Client, image: Image, query: str = "") -> str:
    return browser.get(f"/images/{image.pk}/{query}").content.decode()


def newest_job(image: Image) -> CaptionJob:
    return CaptionJob.objects.filter(image=image).latest("created_at")


def test_it_offers_no_choice_while_one_model_is_served(olga: Client, picture: Image) -> None:
    assert 'name="model"' not in page_of(olga, picture)


def test_it_offers_the_models_that_are_served_the_usual_one_first(olga: Client, picture: Image, second: Worker) -> None:
    page = page_of(olga, picture)
    assert options(page) == [("", True, "Demo captioner"), (VIT, False, "ViT-GPT2: everyday photographs"), EACH]
    assert '<label for="panel-model">Model</label>' in page
    assert 'aria-describedby="panel-model-help"' in page
    Worker.objects.update(takes_any=True)
    assert [(value, label) for value, _, label in options(page_of(olga, picture))] == [
        ("", "Whichever is free first"), (VIT, "ViT-GPT2: everyday photographs"), ("demo", "Demo captioner"),
        ("*", "Each of them, side by side"),
    ]  # fmt: skip


def test_it_asks_the_model_that_was_chosen_with_its_own_usual_values(
    olga: Client, picture: Image, second: Worker
) -> None:
    # Without script the knobs still show the demo model's values; left alone, they are not chosen.
    olga.post(f"/images/{picture.pk}/again/", {**PANEL, "model": VIT, "shown_for": ""})
    job = newest_job(picture)
    assert (job.model, job.params) == (VIT, {})
    olga.post(f"/images/{picture.pk}/again/", {**PANEL, "model": VIT, "shown_for": VIT, "max_length": "16"})
    assert newest_job(picture).params == {"max_length": 16}


def test_it_shows_a_model_s_usual_values_and_keeps_what_was_moved(olga: Client, picture: Image, second: Worker) -> None:
    asked = {**PANEL, "model": VIT, "shown_for": "", "num_beams": "7"}
    panel = olga.get(f"/images/{picture.pk}/settings/", asked, headers=HTMX).content.decode()
    assert panel.startswith('<form id="panel"')
    assert re.search(r'name="max_length" value="30"', panel)
    assert re.search(r'name="num_beams" value="7"', panel)
    assert re.search(rf'name="shown_for" value="{VIT}"', panel)
    assert (VIT, True, "ViT-GPT2: everyday photographs") in options(panel)
    assert "About 4 seconds." in panel
    broken = olga.get(f"/images/{picture.pk}/settings/", {**asked, "num_beams": "99"}, headers=HTMX)
    assert re.search(r'name="num_beams" value="4"', broken.content.decode())


def test_it_starts_from_the_model_of_an_earlier_draft(olga: Client, picture: Image, second: Worker) -> None:
    Worker.objects.filter(name="shown").update(takes_any=False)
    Worker.objects.filter(name="second").update(takes_any=True)
    page = page_of(olga, picture, f"?like={picture.caption_id}")
    assert options(page) == [("", False, "ViT-GPT2: everyday photographs"), ("demo", True, "Demo captioner"), EACH]


def test_it_says_at_once_that_the_model_has_gone(olga: Client, picture: Image) -> None:
    before = CaptionJob.objects.count()
    answer = olga.post(f"/images/{picture.pk}/again/", {**PANEL, "model": VIT}, headers=HTMX)
    assert answer.status_code == 409
    assert f"No worker serves the model “{VIT}” now. Choose “demo”, or leave the model out." in answer.content.decode()
    assert CaptionJob.objects.count() == before


def test_it_says_on_page_and_card_that_a_job_waits_for_its_model(olga: Client, owner: User, second: Worker) -> None:
    image = builders.row(owner)
    olga.post(f"/images/{image.pk}/again/", {**PANEL, "model": "vit-gpt2"})
    assert "No worker serves" not in page_of(olga, image)
    second.delete()
    for page in (page_of(olga, image), olga.get("/").content.decode()):
        assert "No worker serves the model “vit-gpt2” now. The picture is safe, keeps its place" in page
        assert "Waits for a worker" in page


def test_it_says_so_beside_approved_words_too(olga: Client, owner: User, picture: Image, second: Worker) -> None:
    review.approve(image=picture, reviewer=owner)
    olga.post(f"/images/{picture.pk}/again/", {**PANEL, "model": VIT})
    assert "More drafts are on their way." in page_of(olga, picture)
    second.delete()
    for page in (page_of(olga, picture), olga.get("/").content.decode()):
        assert f"More drafts are asked for. No worker serves the model “{VIT}” now." in page
    olga.post(f"/images/{picture.pk}/again/?instead=1")
    assert newest_job(picture).model == ""
    assert "More drafts are on their way." in page_of(olga, picture)


def handed_in(job: CaptionJob, model: str, text: str) -> None:
    """Let a worker that serves `model` take the job and hand in words."""
    [held] = jobs.claim(limit=1, worker=f"for {model}", models=[model], lease_seconds=3600, takes_any=False)
    assert held.pk == job.pk
    params = GenerationParams(num_beams=4)
    drafts = [Draft(text, -0.2)]
    assert jobs.complete(
        job_id=held.pk, attempt=held.attempt, candidates=drafts, model=model, revision="1", params=params, seed=None
    )


def columns_of(page: str) -> list[str]:
    """Give the text of each column of “Models side by side”."""
    block = re.search(r'<ul class="versus">(.*?)</ul>', page, re.S)
    columns = re.findall(r"<li>(.*?)</li>", block[1], re.S) if block else []
    return [" ".join(re.sub(r"<[^>]*>", " ", column).split()) for column in columns]


def test_it_asks_each_model_and_shows_their_words_side_by_side(
    olga: Client, owner: User, picture: Image, second: Worker
) -> None:
    assert columns_of(page_of(olga, picture)) == []
    olga.post(f"/images/{picture.pk}/again/", {**PANEL, "model": "*", "shown_for": "*", "num_beams": "5"})
    asked = list(CaptionJob.objects.filter(image=picture, state=CaptionJob.State.QUEUED).order_by("id"))
    assert [(job.model, job.params) for job in asked] == [("demo", {"num_beams": 5}), (VIT, {"num_beams": 5})]
    demo, vit = columns_of(page_of(olga, picture))
    assert demo.startswith("Demo captioner A red ring on a blue background.")
    assert "Waits in the queue." in demo
    assert vit == "vit-gpt2-image-captioning Waits in the queue."
    handed_in(asked[1], VIT, "a red hoop")
    handed_in(asked[0], "demo", "a ring")
    page = page_of(olga, picture)
    demo, vit = columns_of(page)
    assert demo.startswith("Demo captioner a ring Longest 16 pieces, search width 4, score 0.82")
    assert vit.startswith("vit-gpt2-image-captioning a red hoop")
    chosen = re.search(r'name="caption" value="([^"]+)">Approve these words<span class="unseen"> \(vit-gpt2', page)
    olga.post(f"/images/{picture.pk}/approve/", {"caption": chosen[1], "seen": "", "place": "page"}, headers=HTMX)
    picture.refresh_from_db()
    assert picture.published_caption.text == "a red hoop"
    assert columns_of(page_of(olga, picture))[1].endswith("Approved")


def test_it_asks_no_model_when_one_of_them_cannot_be_asked(
    olga: Client, picture: Image, second: Worker, settings: Any
) -> None:
    before = CaptionJob.objects.count()
    settings.QUEUE_LIMIT_PER_OWNER = 1
    answer = olga.post(f"/images/{picture.pk}/again/", {**PANEL, "model": "*"}, headers=HTMX)
    assert answer.status_code == 429
    assert CaptionJob.objects.count() == before


def test_it_says_in_its_column_why_a_model_failed(olga: Client, picture: Image, second: Worker) -> None:
    job = jobs.request(image=picture, chosen={}, model=VIT).job
    [held] = jobs.claim(limit=1, worker="second", models=[VIT], lease_seconds=3600, takes_any=False)
    jobs.fail(job_id=job.pk, attempt=held.attempt, code="no_words", worker_fault="input")
    assert columns_of(page_of(olga, picture))[1] == f"vit-gpt2-image-captioning {FAILURES['no_words'].words}"

"""Decisions to learn from, in numbers: rows made in bulk, as services would have left them."""

from __future__ import annotations

import random
from collections.abc import Callable

from django.contrib.auth.models import User

from captions import jobs, ledger
from captions.drafts import Draft
from captions.models import Caption, CaptionJob, Image, Review
from captions.models.identifiers import uuid7
from captions.params import GenerationParams
from tests import factories

WORDS = ["boat", "dog", "mat", "hill", "lamp", "tree", "road", "cup", "hat", "bird"]


def draft(image: Image, *candidates: Draft, model: str = "demo") -> Caption:
    """Let a worker hand in candidates, best first, and give the best."""
    running = factories.run(factories.make_job(image, chosen={"seed": next(factories._counter)}))
    assert jobs.complete(
        job_id=running.pk,
        attempt=running.attempt,
        candidates=candidates,
        model=model,
        revision="1",
        params=GenerationParams(),
        seed=1,
    )
    image.refresh_from_db()
    return Caption.objects.get(job_id=running.pk, rank=1)


def draft_of(image: Image, score: float = -0.3, text: str = "a small boat on calm water") -> Caption:
    """Let a worker hand in one candidate of a score."""
    return draft(image, Draft(text, score))


def decide_on_many(
    owner: User, number: int, chance: Callable[[float], float], *, seed: int = 1, model: str = "demo"
) -> None:
    """Add decided drafts of random scores; each was approved by the `chance` of its score, else rejected."""
    pick = random.Random(seed)
    first = factories._row(owner, files=False)
    rows, captions, reviews, asked = [], [], [], []
    for place in range(number):
        image = Image(**{f.attname: getattr(first, f.attname) for f in Image._meta.concrete_fields})
        image.id, image.number, image.sha256 = uuid7(), 100_000 * seed + place, f"{seed:032x}{place:032x}"
        score = -3 * pick.random()
        job = CaptionJob(image=image, owner=owner, state="done", params_digest=str(place), batch_key="x")
        words = Caption(
            image=image, text=" ".join(pick.sample(WORDS, 6)), kind="generated", job=job, rank=1, score=score,
            model=model,
        )  # fmt: skip
        decision = "approve" if pick.random() < chance(score) else "reject"
        rows.append(image)
        asked.append(job)
        captions.append(words)
        reviews.append(Review(image=image, caption=words, reviewer=owner, decision=decision))
    for made in (rows, asked, captions, reviews):
        type(made[0]).objects.bulk_create(made, batch_size=500)
    published = [review for review in reviews if review.decision == "approve"]
    for review in published:
        review.image.state, review.image.caption, review.image.published_caption = "approved", *[review.caption] * 2
    Image.objects.bulk_update(
        [review.image for review in published], ["state", "caption", "published_caption"], batch_size=200
    )


def settle_all() -> None:
    """Bring every summary up to date."""
    for pk in Image.objects.values_list("pk", flat=True):
        ledger.settle(image_id=pk)

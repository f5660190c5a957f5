"""What tests start from: people, pictures with real files, jobs, drafts, decisions and workers.

Everything goes through the services that the product uses, so that no test starts from a state that cannot be.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.test import Client
from PIL import Image as Pillow
from PIL import ImageDraw

from captions import ingest, jobs, ledger, media, picture_links, review, selectors, trash, wordindex
from captions.drafts import Draft
from captions.exports import FORMATS
from captions.models import Account, Caption, CaptionJob, Image, Review, Worker
from captions.models.clock import DatabaseTime
from captions.params import GenerationParams, Value, complete

_counter = itertools.count(1)


def make_person(name: str = "", *groups: str, **fields: Any) -> User:
    """Make a user, in the groups named ("reviewers", "operators"). The password is correct-horse-battery."""
    name = name or f"person{next(_counter)}"
    user = User.objects.create(username=name, email=f"{name}@example.org", password=_hashed(), **fields)
    user.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
    return user


@cache
def _hashed() -> str:
    """Hash the password once: doing it well takes most of a second."""
    return make_password("correct-horse-battery")


def browser_of(person: User) -> Client:
    """Give a browser in which a person is logged in."""
    browser = Client()
    browser.force_login(person)
    return browser


def confirmed(browser: Client) -> Client:
    """Let the person in a browser type the password again, as steps that change who gets in ask for."""
    answer = browser.post("/accounts/reauthenticate/", {"password": "correct-horse-battery", "next": "/account/"})
    assert answer.status_code == 302
    return browser


def picture(
    *, width: int = 64, height: int = 48, colour: str = "navy", format: str = "JPEG", mark: int | None = None
) -> bytes:
    """Draw a picture and give its file; each call's is another one unless `mark` is the same."""
    drawn = Pillow.new("RGB", (width, height), colour)
    draw = ImageDraw.Draw(drawn)
    draw.ellipse((width // 4, height // 4, width // 2, height // 2), fill="gold")
    number = next(_counter) * 65_537 + os.getpid() if mark is None else mark
    for bit in range(32):  # pixels that survive JPEG, so that files differ
        if number >> bit & 1:
            draw.rectangle((bit % 8 * 4, bit // 8 * 4, bit % 8 * 4 + 3, bit // 8 * 4 + 3), fill="white")
    file = io.BytesIO()
    drawn.save(file, format)
    return file.getvalue()


def receive(owner: User, data: bytes | None = None, *, filename: str = "harbour.jpg", **options: Any) -> Image:
    """Take a picture in through the real decoder; asks for no captions unless `chosen` is given."""
    return ingest.receive(owner=owner, file=io.BytesIO(data or picture()), filename=filename, **options).image


def make_image(
    owner: User,
    state: str = "empty",
    *,
    text: str = "a small boat on calm water at dusk",
    files: bool = False,
    **fields: Any,
) -> Image:
    """Add a picture in one of Image.State's states, with `text` as its words where it has any.

    The row alone is fast; with `files` small real files are stored too. `fields` override the row's.
    """
    image = _row(owner, files=files, **fields)
    _lead_to(state, image, text)
    return Image.objects.select_related("owner", "caption", "published_caption").get(pk=image.pk)


def make_job(image: Image, *, chosen: Mapping[str, Value] | None = None, **options: Any) -> CaptionJob:
    """Ask for captions of a picture; the job waits in the queue."""
    return jobs.request(image=image, chosen=chosen or {}, **options).job


def run(job: CaptionJob, *, worker: str = "tests", lease_seconds: float = 60) -> CaptionJob:
    """Lease a waiting job to `worker`, past the queue's order."""
    CaptionJob.objects.filter(pk=job.pk).update(
        state="running", attempt=job.attempt + 1, leased_by=worker, lease_until=DatabaseTime(after=lease_seconds),
        started_at=DatabaseTime(),
    )  # fmt: skip
    ledger.settle(image_id=job.image_id)
    return CaptionJob.objects.select_related("image").get(pk=job.pk)


def finish(
    job: CaptionJob, *texts: str, model: str = "demo", revision: str = "1", seed: int | None = 7
) -> list[Caption]:
    """Lease a waiting job and hand in its candidates, best first."""
    running = run(job)
    assert jobs.complete(
        job_id=job.pk,
        attempt=running.attempt,
        candidates=[Draft(text, -0.25 - rank, 9) for rank, text in enumerate(texts)],
        model=model,
        revision=revision,
        params=complete(job.params, defaults=GenerationParams()),
        seed=seed,
    )
    return list(Caption.objects.filter(job=job).order_by("rank"))


def make_drafts(image: Image, *texts: str, **options: Any) -> list[Caption]:
    """Let a model draft captions for a picture, best first."""
    return finish(make_job(image, chosen={"seed": next(_counter)}), *(texts or ("a small boat on water",)), **options)


def make_failure(image: Image, code: str = "model_failed") -> CaptionJob:
    """Let a job of a picture fail for good."""
    running = run(make_job(image, chosen={"seed": next(_counter)}))
    assert jobs.fail(job_id=running.pk, attempt=running.attempt, code=code, worker_fault="input")
    return CaptionJob.objects.get(pk=running.pk)


def make_caption(image: Image, text: str = "a boat", *, author: User | None = None) -> Caption:
    """Write a caption by hand."""
    return ledger.write(image=image, author=author or image.owner, text=text)


def make_review(image: Image, decision: str = "approve", *, reviewer: User | None = None, **options: Any) -> Review:
    """Decide on a picture's caption: approve, edit (give `text`), reject or undo."""
    return getattr(review, decision)(image=image, reviewer=reviewer or image.owner, **options)


def exported(person: User, format: str, images: QuerySet[Image] | None = None) -> bytes:
    """Give the file of an export: of what the person may see, or of some `images`."""
    chosen = selectors.visible(person) if images is None else images
    address = partial(picture_links.address, site="https://desk.example.org", person=person)
    return b"".join(FORMATS[format].write(person, chosen, address=address))


def make_trash(image: Image) -> Image:
    """Put a picture into its owner's trash."""
    return trash.discard(image=image, by=image.owner)


def make_worker(name: str = "", **fields: Any) -> Worker:
    """Announce a ready worker, as its heartbeat does."""
    facts = {"state": "ready", "model": "demo", "revision": "1", "device": "cpu", "precision": "fp32",
             "seen_at": DatabaseTime()}  # fmt: skip
    made = Worker.objects.create(name=name or f"worker{next(_counter)}", **{**facts, **fields})
    return Worker.objects.get(pk=made.pk)


def _row(owner: User, *, files: bool, **fields: Any) -> Image:
    account, _ = Account.objects.get_or_create(user=owner)
    account.last_number += 1
    account.save(update_fields=["last_number"])
    sides = {"width": 64, "height": 48}
    size = {f"{of}{side}": sides[side] for of in ("", "thumbnail_", "medium_", "screen_") for side in sides}
    data = picture() if files else str(next(_counter)).encode() + str(os.getpid()).encode()
    image = Image.objects.create(
        **{
            "owner": owner,
            "number": account.last_number,
            "filename": "harbour.jpg",
            "sha256": hashlib.sha256(data).hexdigest(),
            "format": "JPEG",
            "bytes": len(data),
            **size,
            **fields,
        }
    )
    wordindex.refresh(image_ids=[image.pk])
    if files:
        small = picture(format="WEBP")
        for name in media.names(image):
            default_storage.save(name, ContentFile(data if name == media.original(image) else small))
    return image


def _lead_to(state: str, image: Image, text: str) -> None:
    if state in ("draft", "approved", "rejected"):
        make_drafts(image, text)
    if state == "approved":
        review.approve(image=image, reviewer=image.owner)
    elif state == "rejected":
        review.reject(image=image, reviewer=image.owner, reason="wrong")
    elif state == "failed":
        make_failure(image)
    elif state in ("queued", "drafting", "cancelled"):
        job = make_job(image)
        if state == "drafting":
            run(job)
        elif state == "cancelled":
            jobs.cancel(job=job, by=image.owner)

"""Pictures in every state a card can have, made by the services that make them in earnest."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable
from datetime import timedelta
from itertools import count

from django.contrib.auth.models import User
from django.utils import timezone
from PIL import Image as Picture

from captions import ingest, jobs, review, wordindex
from captions.drafts import Draft
from captions.models import Account, CaptionJob, Image, Worker
from captions.params import GenerationParams
from tests import factories

MODEL = "demo"
NOTICE = "A demo model is answering, and it only knows coloured shapes."
_numbers = count(1)


def file(number: int | None = None, size: tuple[int, int] = (80, 60)) -> io.BytesIO:
    """Give a PNG file whose colour is its number, so that no two are the same bytes."""
    number = next(_numbers) if number is None else number
    made = io.BytesIO()
    Picture.new("RGB", size, (number >> 8 & 255, number & 255, 128)).save(made, "PNG")
    made.seek(0)
    made.name = f"picture-{number}.png"
    return made


def picture(owner: User, size: tuple[int, int] = (80, 60)) -> Image:
    """Take in a picture without asking for captions."""
    upload = file(size=size)
    return ingest.receive(owner=owner, file=upload, filename=upload.name).image


def row(owner: User) -> Image:
    """Add a picture's row without its files: enough for every page but the picture itself, and quick."""
    account, _ = Account.objects.get_or_create(user=owner)
    account.last_number += 1
    account.save(update_fields=["last_number"])
    sizes = {"width": 80, "height": 60, "thumbnail_width": 80, "thumbnail_height": 60, "screen_width": 80}
    made = Image.objects.create(
        owner=owner,
        number=account.last_number,
        filename=f"picture-{account.last_number}.png",
        sha256=secrets.token_hex(32),
        format=Image.Format.PNG,
        bytes=1000,
        screen_height=60,
        **sizes,
    )
    wordindex.refresh(image_ids=[made.pk])
    return made


def worker(**values: object) -> Worker:
    """Put down a worker that serves the demo model."""
    ready = {
        "state": Worker.State.READY,
        "model": MODEL,
        "is_demo": True,
        "notice": NOTICE,
        "seconds_per_image": 0.8,
        "seen_at": timezone.now() + timedelta(minutes=10),
    }
    name = values.pop("name", "shown")
    return Worker.objects.update_or_create(name=name, defaults={**ready, **values})[0]


def held(image: Image, **params: object) -> CaptionJob:
    """Ask for captions, and let a worker hold the job."""
    # Not by claiming: on a desk that several tests share, other pictures wait before this one.
    return factories.run(factories.make_job(image, chosen=params), worker="shown", lease_seconds=3600)


def drafted(image: Image, *texts: str) -> Image:
    """Let a worker hand in candidates for an image."""
    texts = texts or ("A red ring on a blue background.",)
    job = held(image, num_captions=len(texts))
    jobs.complete(
        job_id=job.pk,
        attempt=job.attempt,
        candidates=[Draft(text, -0.1 * (place + 1)) for place, text in enumerate(texts)],
        model=MODEL,
        revision="0123456789abcdef",
        params=GenerationParams(num_captions=len(texts), num_beams=max(4, len(texts))),
        seed=7,
    )
    image.refresh_from_db()
    return image


def failed(image: Image, code: str = "poison_image") -> Image:
    """Let a worker fail with an image."""
    job = held(image)
    jobs.fail(job_id=job.pk, attempt=job.attempt, code=code, worker_fault="input")
    image.refresh_from_db()
    return image


def every_state(owner: User, picture: Callable[[User], Image] = row) -> dict[str, Image]:
    """Make one picture in each state, named by the looks of their cards, oldest first."""
    worker()
    made = {"draft": drafted(picture(owner), "A red ring on a blue background.", "A red circle.", "A ring.")}
    made["approved"] = drafted(picture(owner), "A green star.")
    review.approve(image=made["approved"], reviewer=owner)
    made["edited"] = drafted(picture(owner), "A small star.")
    review.edit(image=made["edited"], reviewer=owner, text="A large star.")
    made["rejected"] = drafted(picture(owner), "Two stars.")
    review.reject(image=made["rejected"], reviewer=owner, reason="count")
    made["failed"] = failed(picture(owner))
    made["cancelled"] = picture(owner)
    jobs.cancel(job=jobs.request(image=made["cancelled"], chosen={}).job, by=owner)
    made["run"] = picture(owner)
    held(made["run"])
    made["queue"] = picture(owner)
    jobs.request(image=made["queue"], chosen={})
    made["wait"] = picture(owner)
    passing = worker(name="passing", model="another-model", is_demo=False)
    jobs.request(image=made["wait"], chosen={}, model="another-model")
    passing.delete()
    made["empty"] = picture(owner)
    for image in made.values():
        image.refresh_from_db()
    return made

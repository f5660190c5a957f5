"""Tasks for Label Studio: published words are an annotation, a model's drafts are predictions to start from.

The shape is that of https://labelstud.io/guide/tasks#Basic-Label-Studio-JSON-format. The project needs a labelling
set-up with an Image and a TextArea as `captions.label_studio.Control` names them (docs/labelling.md shows it).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet

from captions import label_studio
from captions.exports.rows import chunks
from captions.models import Caption, Image

_CONTROL = label_studio.Control()


def write(user: User, images: QuerySet[Image], *, address: Callable[[Image], str]) -> Iterator[bytes]:
    """Give one list of tasks; `address` gives that of a picture."""
    before = "[\n"
    for portion in chunks(images):
        drafts = _drafts([image.pk for image in portion])
        tasks = [_task(image, drafts.get(image.pk, []), address(image)) for image in portion]
        yield (before + ",\n".join(json.dumps(task, ensure_ascii=False) for task in tasks)).encode()
        before = ",\n"
    yield b"[]\n" if before == "[\n" else b"\n]\n"


def _task(image: Image, drafts: Sequence[Caption], address: str) -> dict[str, Any]:
    published = image.published_caption
    return {
        "data": {
            "image": address,
            "id": str(image.pk),
            "sha256": image.sha256,
            "filename": image.filename,
            "title": image.title,
            "state": image.state,
        },
        "annotations": [{"result": label_studio.result(published, _CONTROL)}] if published else [],
        "predictions": [label_studio.prediction(image, draft, _CONTROL) for draft in _offered(image, drafts)],
    }


def _offered(image: Image, drafts: Sequence[Caption]) -> list[Caption]:
    """Give what people may start from: words that wait for a decision, then the newest job's drafts."""
    shown = image.caption
    waiting = [shown] if shown and shown.pk != image.published_caption_id and not shown.model else []
    return [*waiting, *drafts]


def _drafts(images: Sequence[UUID]) -> dict[UUID, list[Caption]]:
    """Give the drafts of each picture's newest job that has any, best first; one query."""
    found: dict[UUID, list[Caption]] = {}
    drafts = Caption.objects.filter(
        image__in=images, kind=Caption.Kind.GENERATED, purpose=Caption.Purpose.ALT
    ).order_by("image_id", "-job_id", "rank")
    for draft in drafts:
        of_image = found.setdefault(draft.image_id, [])
        if not of_image or of_image[0].job_id == draft.job_id:
            of_image.append(draft)
    return found

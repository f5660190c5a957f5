"""What several models say about one picture, one column a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from captions.errors import FAILURES
from captions.models import Caption, CaptionJob, Image
from captions.selectors import Serving
from captions.web import wording
from captions.web.history import settings_words

COLUMNS: Final = 4


@dataclass(frozen=True)
class Column:
    """One model: its best draft of its newest run, and `says`, what its newest job is doing or why it failed."""

    model: str
    caption: Caption | None = None
    settings: str = ""
    says: str = ""
    is_bad: bool = False
    is_published: bool = False


def columns(image: Image, *, captions: Iterable[Caption], jobs: Iterable[CaptionJob], serving: Serving) -> list[Column]:
    """Give a column for each model that drafted or is asked to, by name; none while there is nothing to compare.

    Of more than `COLUMNS` models those asked last are shown.
    """
    best = {}
    for caption in sorted(captions, key=lambda caption: caption.id):
        if caption.kind == Caption.Kind.GENERATED and caption.purpose == Caption.Purpose.ALT and caption.rank == 1:
            best[caption.model] = caption
    newest = {}
    for job in sorted(jobs, key=lambda job: job.id):
        if job.model:
            found = serving.find(job.model)
            newest[found.name if found else job.model] = job
    asked = {model: caption.id for model, caption in best.items()}
    asked |= {model: max(job.id, asked.get(model, job.id)) for model, job in newest.items() if _counts(job)}
    if len(asked) < 2:
        return []
    latest = sorted(asked, key=lambda model: asked[model])[-COLUMNS:]
    shown = sorted(latest, key=lambda model: wording.captioner(model, first=True).casefold())
    return [_column(image, model, best.get(model), newest.get(model)) for model in shown]


def _counts(job: CaptionJob) -> bool:
    return job.is_open or job.state == CaptionJob.State.FAILED


def _column(image: Image, model: str, caption: Caption | None, job: CaptionJob | None) -> Column:
    says, is_bad = "", False
    if job is not None and job.state == CaptionJob.State.QUEUED:
        says = _("Waits in the queue.")
    elif job is not None and job.state == CaptionJob.State.RUNNING:
        says = _("Is being drafted.")
    elif job is not None and job.state == CaptionJob.State.FAILED and (caption is None or caption.id < job.id):
        failure = FAILURES.get(job.error_code, FAILURES["unknown"])
        says, is_bad = failure.words, True
    return Column(
        model=wording.captioner(model, first=True),
        caption=caption,
        settings=settings_words(caption) if caption else "",
        says=says,
        is_bad=is_bad,
        is_published=caption is not None and caption.id == image.published_caption_id,
    )

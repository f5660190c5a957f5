"""Words that people wrote in a labelling tool become captions of the pictures here.

They are added and change nothing: words that a picture has already are not written twice, so the same file can be
brought in again. Each text is a transaction of its own; whatever stops an import half way, the rest is brought in by
doing it again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from captions import languages, ledger, review, selectors
from captions.errors import DeskError
from captions.labels import Label
from captions.models import Image

#: Texts whose pictures are looked up at once.
_AT_ONCE: Final = 300


@dataclass(frozen=True, slots=True)
class Left:
    """A text that was not taken: what its file calls the picture, and why."""

    picture: str
    code: str
    detail: str


@dataclass(slots=True)
class Outcome:
    """What became of a file's texts.

    `known` were there already; `drafts` are a machine's, which nobody touched; for `waiting` time was too short.
    """

    written: int = 0
    known: int = 0
    approved: int = 0
    drafts: int = 0
    waiting: int = 0
    left: list[Left] = field(default_factory=list)


def bring_in(
    *,
    by: User,
    labels: Sequence[Label],
    approve: bool = False,
    language: str = languages.DEFAULT,
    seconds: float | None = None,
) -> Outcome:
    """Add texts to the pictures that `by` may write words for, as that person's; with `approve` publish them.

    Of several texts for one picture all are added and the last is published. A text whose picture is not there, or not
    to be approved by this person, is left. After `seconds` the rest waits for the file to be brought in again. Raises
    DeskError `language_unknown`.
    """
    began = time.monotonic()
    tag, outcome = languages.clean(language), Outcome()
    outcome.drafts = sum(label.is_draft for label in labels)
    wanted = [label for label in labels if not label.is_draft]
    for start in range(0, len(wanted), _AT_ONCE):
        portion = wanted[start : start + _AT_ONCE]
        pictures = _Pictures(by, portion)
        found = [pictures.find(label) for label in portion]
        last = {image.pk: place for place, image in enumerate(found) if isinstance(image, Image)}
        for place, (label, image) in enumerate(zip(portion, found, strict=True)):
            if seconds is not None and time.monotonic() - began > seconds:
                outcome.waiting = len(wanted) - start - place
                return outcome
            try:
                if isinstance(image, str):
                    raise DeskError(image)
                _add(by, image, label, tag, approve and last[image.pk] == place, outcome)
            except DeskError as error:
                outcome.left.append(Left(label.picture, error.code, error.detail))
    return outcome


def _add(by: User, image: Image, label: Label, language: str, approve: bool, outcome: Outcome) -> None:
    with transaction.atomic():  # words that may not be approved as asked are not left lying about
        caption, is_new = ledger.bring_in(image=image, author=by, text=label.text, language=language)
        if approve and not Image.objects.filter(pk=image.pk, published_caption=caption).exists():
            review.approve(image=image, reviewer=by, caption=caption)
            outcome.approved += 1
    outcome.written += is_new
    outcome.known += not is_new


class _Pictures:
    """The pictures that some texts name, among those that a person may write words for; three queries."""

    def __init__(self, person: User, labels: Sequence[Label]) -> None:
        self._person = person
        reach = selectors.captionable(person)
        self._by_id: dict[UUID, Image] = reach.in_bulk({label.id for label in labels if label.id})
        self._by_sha256: dict[str, Image] = {}
        for image in reach.filter(sha256__in={label.sha256 for label in labels if label.sha256}):
            if image.owner_id == person.pk or image.sha256 not in self._by_sha256:
                self._by_sha256[image.sha256] = image  # one's own before a shared one of the same bytes
        self._by_name: dict[str, list[Image]] = {}
        for image in reach.filter(filename__in={name for label in labels for name in label.filenames}):
            self._by_name.setdefault(image.filename, []).append(image)

    def find(self, label: Label) -> Image | str:
        """Give a text's picture, or the code of why there is none."""
        if label.id is not None and label.id in self._by_id:
            return self._by_id[label.id]
        if label.sha256:
            return self._by_sha256.get(label.sha256) or "label_unmatched"
        for name in label.filenames:
            several = self._by_name.get(name, [])
            own = [image for image in several if image.owner_id == self._person.pk] or several
            if own:
                return own[0] if len(own) == 1 else "label_ambiguous"
        return "label_unmatched"

"""Every version of one picture's words, newest first, as the image page tells it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, User
from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from captions.errors import FAILURES
from captions.models import Caption, CaptionJob, Image, ImageChange, Review
from captions.web import wording
from captions.web.difference import Piece, difference


@dataclass(frozen=True)
class Entry:
    """One line of the timeline.

    `deed` is set in bold, `who` follows it. `caption` are its words; `pieces` show what changed against `compared`.
    `drafts` are further candidates of the same job. `note` is its provenance sentence, `revision` stands in it.
    """

    at: datetime
    deed: str
    who: str = ""
    mark: str = ""
    caption: Caption | None = None
    is_struck: bool = False
    pieces: Sequence[Piece] = ()
    compared: str = ""
    drafts: Sequence[Caption] = ()
    note: str = ""
    revision: str = ""
    can_restore: bool = False
    order: int = 0
    extra: dict[str, str] = field(default_factory=dict)


def history(
    image: Image,
    *,
    captions: Iterable[Caption],
    reviews: Iterable[Review],
    jobs: Iterable[CaptionJob],
    viewer: User,
    changes: Iterable[ImageChange] = (),
) -> list[Entry]:
    """Tell everything that happened to the words of `image`, newest first."""
    listed = sorted(captions, key=lambda caption: (caption.created_at, caption.id))
    entries = [
        *_by_people(image, listed, viewer),
        *_by_models(image, listed),
        *(_decision(image, review, viewer) for review in reviews),
        *(_ended(job) for job in jobs if job.state in (CaptionJob.State.FAILED, CaptionJob.State.CANCELLED)),
        *(_changed(change, viewer) for change in changes),
        Entry(
            at=image.created_at,
            deed=_("Added"),
            who=_by(image.owner, viewer),
            note=image.filename,
            order=-1,
        ),
    ]
    # Several rows of one act carry nearly one time: a decision stands above the words it decided on.
    return sorted(entries, key=lambda entry: (entry.at, entry.order), reverse=True)


def _by_people(image: Image, captions: Sequence[Caption], viewer: User) -> list[Entry]:
    numbers = {caption.id: _("version %(number)s") % {"number": number} for number, caption in enumerate(captions, 1)}
    on_show = {image.caption_id, *[one.id for one in captions if one.purpose == Caption.Purpose.LONG][-1:]}
    return [
        Entry(
            at=caption.created_at,
            deed=_deed(caption),
            who=_by(caption.author, viewer),
            caption=caption,
            pieces=_pieces(caption),
            compared=_compared(caption, numbers),
            can_restore=caption.id not in on_show,
            order=1,
        )
        for caption in captions
        if caption.kind != Caption.Kind.GENERATED
    ]


def _by(person: AbstractBaseUser | None, viewer: User) -> str:
    return _("by %(name)s") % {"name": wording.person(person, viewer=viewer)}


def _deed(caption: Caption) -> str:
    if caption.purpose == Caption.Purpose.LONG:
        return {
            Caption.Kind.EDITED: _("Long description edited"),
            Caption.Kind.RESTORED: _("Long description restored"),
        }.get(Caption.Kind(caption.kind), _("Long description written"))
    return str(_DEEDS[Caption.Kind(caption.kind)])


def _changed(change: ImageChange, viewer: User) -> Entry:
    """Tell of a change of the title, of the decorative switch, or of a long description that was taken away."""
    subject = ImageChange.Subject(change.subject)
    if subject is ImageChange.Subject.DECORATIVE:
        deed = _("Called decorative") if change.after else _("Not decorative any more")
    elif subject is ImageChange.Subject.TITLE:
        deed = _("Titled") if change.after else _("Title taken away")
    else:
        deed = _("Long description taken away")
    note = change.after if subject is ImageChange.Subject.TITLE else ""
    who = _by(change.by, viewer)
    mark = "ok" if subject is ImageChange.Subject.DECORATIVE and change.after else ""
    return Entry(at=change.created_at, deed=deed, who=who, mark=mark, note=note, order=2)


def _by_models(image: Image, captions: Sequence[Caption]) -> list[Entry]:
    generated = [caption for caption in captions if caption.kind == Caption.Kind.GENERATED]
    generated.sort(key=lambda caption: (str(caption.job_id), caption.rank or 0))
    return [_drafts(image, list(group)) for _job, group in groupby(generated, key=lambda caption: caption.job_id)]


def _drafts(image: Image, group: Sequence[Caption]) -> Entry:
    best = group[0]
    return Entry(
        at=best.created_at,
        deed=ngettext("%(number)s draft", "%(number)s drafts", len(group)) % {"number": len(group)},
        who=_("from %(model)s") % {"model": wording.captioner(best.model)},
        caption=best,
        drafts=group[1:],
        note=settings_words(best),
        revision=best.revision.removeprefix("local:")[:7],
        can_restore=best.id != image.caption_id,
    )


def settings_words(caption: Caption) -> str:
    """Say with what a draft was made, in the words of the panel."""
    params = caption.params
    parts = [_("longest %(pieces)s pieces") % {"pieces": params["max_length"]}] if "max_length" in params else []
    if params.get("do_sample"):
        parts.append(_("by chance, boldness %(boldness)s") % {"boldness": localize(params.get("temperature", 1))})
        tail = {"words": params.get("top_k", 50), "share": localize(params.get("top_p", 1))}
        parts.append(_("likeliest %(words)s words, share %(share)s") % tail)
    elif "num_beams" in params:
        parts.append(_("search width %(width)s") % {"width": params["num_beams"]})
    if caption.seed is not None:
        parts.append(_("seed %(seed)s") % {"seed": caption.seed})
    score = wording.score(caption.score)
    if score:
        parts.append(_("score %(score)s") % {"score": score})
    words = ", ".join(parts)
    return words[:1].upper() + words[1:]


def _decision(image: Image, review: Review, viewer: User) -> Entry:
    who = _by(review.reviewer, viewer)
    decision = Review.Decision(review.decision)
    if decision is Review.Decision.REJECT:
        why = wording.reason(review)
        return Entry(
            at=review.created_at,
            deed=_("Rejected"),
            who=f"{who}: {why}" if why else who,
            mark="no",
            caption=review.caption,
            is_struck=True,
            order=2,
        )
    if decision is Review.Decision.UNDO:
        return Entry(at=review.created_at, deed=_("Decision taken back"), who=who, order=2)
    if review.is_automatic:
        who = _("by %(rule)s") % {"rule": wording.rule(review, viewer=viewer)}
    is_published = image.published_caption_id == review.caption_id
    return Entry(
        at=review.created_at,
        deed=_("Approved") if decision is Review.Decision.APPROVE else _("Edited and approved"),
        who=who,
        mark="ok",
        caption=review.caption if decision is Review.Decision.APPROVE else None,
        note=_("Published. Used for alt text and by the API.") if is_published else "",
        order=2,
    )


def _ended(job: CaptionJob) -> Entry:
    if job.state == CaptionJob.State.CANCELLED:
        return Entry(at=job.finished_at or job.created_at, deed=_("Cancelled"), who=_("before a caption was there"))
    failure = FAILURES.get(job.error_code)
    return Entry(
        at=job.finished_at or job.created_at,
        deed=_("Failed"),
        mark="bad",
        note=failure.words if failure else "",
        extra={"code": job.error_code},
    )


_DEEDS = {
    Caption.Kind.EDITED: gettext_lazy("Edited"),
    Caption.Kind.WRITTEN: gettext_lazy("Written by hand"),
    Caption.Kind.IMPORTED: gettext_lazy("Imported"),
    Caption.Kind.RESTORED: gettext_lazy("Restored"),
    Caption.Kind.GENERATED: gettext_lazy("Drafted"),
}


def _pieces(caption: Caption) -> list[Piece]:
    if caption.kind != Caption.Kind.EDITED or caption.parent is None:
        return []
    return difference(caption.parent.text, caption.text)


def _compared(caption: Caption, numbers: dict[UUID, str]) -> str:
    if caption.parent is None:
        return ""
    parent = caption.parent
    if parent.kind == Caption.Kind.GENERATED:
        words = {"number": parent.rank, "model": wording.captioner(parent.model)}
        return _("draft %(number)s from %(model)s") % words
    return numbers.get(parent.id, _("an earlier version"))

"""The caption lab's pages: begin a trial, vote without knowing which way wrote what, see who won, apply it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from captions import lab, selectors
from captions.errors import DeskError, problem_words
from captions.models import Caption, Image, Trial, TrialArm
from captions.params import KNOBS, PRESETS, Knob, ParamsInvalid, parse
from captions.web import panel, wording
from captions.web.context import serving_of
from captions.web.doors import PersonRequest, person_only

OFFERED: Final = 20
CHECKED: Final = 6
LEFT_OUT: Final = "none"
#: The knobs that a way of captioning may set beside its preset.
SHOWN: Final[tuple[Knob, ...]] = tuple(
    knob for knob in KNOBS if knob.name in {"max_length", "num_beams", "do_sample", "temperature", "top_k", "top_p"}
)


@dataclass(frozen=True, slots=True)
class Field:
    """One knob of one way on the form: its name there, and what was typed."""

    knob: Knob
    name: str
    value: str
    problem: str


@dataclass(frozen=True, slots=True)
class Way:
    """One of the three ways on the form. `preset` is "none" when it is left out."""

    letter: str
    model: str
    preset: str
    may_be_left_out: bool
    fields: Sequence[Field]

    @property
    def has_more(self) -> bool:
        """Whether the part that is folded away has anything in it."""
        return any(field.value or field.problem for field in self.fields)


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of one picture: what was written there, and, once the names are shown, by which way."""

    arm: TrialArm
    letter: str
    caption: Caption | None
    is_chosen: bool
    score: str


@dataclass(frozen=True, slots=True)
class Row:
    """One picture of a trial."""

    image: Image
    cells: Sequence[Cell]
    is_voted: bool
    is_none: bool

    @property
    def is_ready(self) -> bool:
        """Whether every column has its words: a vote before that would not be blind to what is quick."""
        return all(cell.caption for cell in self.cells)


@person_only
@require_GET
def index(request: PersonRequest) -> HttpResponse:
    """List the person's trials."""
    trials = lab.of(request.user).prefetch_related("arms", "votes")[:100]
    return render(request, "lab/index.html", {"trials": trials})


@person_only
@require_http_methods(["GET", "POST"])
def new(request: PersonRequest) -> HttpResponseBase:
    """Show the form of a new trial, or begin one."""
    if request.method == "POST":
        try:
            trial = lab.start(
                by=request.user,
                name=request.POST.get("name", ""),
                images=_images(request, request.POST.getlist("image")),
                arms=_arms(request.POST),
            )
        except _WaysRefused as refused:
            return _form(request, request.POST.getlist("image"), refused.problems, status=400)
        except DeskError as refused:
            messages.warning(request, refused.detail, extra_tags=refused.code)
            return _form(request, request.POST.getlist("image"), {}, status=refused.failure.status)
        return redirect("trial", trial.pk)
    return _form(request, request.GET.getlist("image"), {})


@person_only
@require_GET
def page(request: PersonRequest, trial_id: UUID) -> HttpResponse:
    """Show one trial."""
    trial = lab.one(request.user, trial_id)
    return render(request, "lab/trial.html", _context(request, trial))


@person_only
@require_GET
def live(request: PersonRequest, trial_id: UUID) -> HttpResponse:
    """Give the rows as they are now, while captions are on their way."""
    trial = lab.one(request.user, trial_id)
    return render(request, "lab/parts.html", {**_context(request, trial), "oob": True})


@person_only
@require_POST
def vote(request: PersonRequest, trial_id: UUID) -> HttpResponseBase:
    """Take the votes that the form holds: one, or, without script, all of them."""
    trial = lab.one(request.user, trial_id)
    for image in trial.images.all():
        choice = request.POST.get(f"vote-{image.pk}", "")
        if choice:
            lab.vote(by=request.user, trial=trial, image_id=image.pk, arm_id=_arm_id(choice))
    if request.htmx:
        return render(request, "lab/tally.html", {**_context(request, trial), "oob": True})
    return redirect("trial", trial_id)


@person_only
@require_POST
def reveal(request: PersonRequest, trial_id: UUID) -> HttpResponseBase:
    """Show the names."""
    try:
        lab.reveal(by=request.user, trial=lab.one(request.user, trial_id))
    except DeskError as refused:
        _say_no(request, refused)
    return redirect("trial", trial_id)


@person_only
@require_http_methods(["GET", "POST"])
def apply(request: PersonRequest, trial_id: UUID, arm_id: UUID) -> HttpResponseBase:
    """Count what applying a way would do; when confirmed, do it."""
    trial = lab.one(request.user, trial_id)
    arm = trial.arms.filter(pk=arm_id).first()
    if arm is None or trial.revealed_at is None:
        raise DeskError("not_found")
    if request.method == "GET":
        return render(
            request, "lab/apply.html", {"trial": trial, "arm": arm, "plan": lab.plan(by=request.user, arm=arm)}
        )
    try:
        asked = lab.apply(by=request.user, arm=arm)
    except DeskError as refused:
        _say_no(request, refused)
        return redirect("trial_apply", trial_id, arm_id)
    words = ngettext("%(count)d picture went into the queue.", "%(count)d pictures went into the queue.", asked)
    messages.success(request, words % {"count": asked})
    return redirect("trial", trial_id)


@person_only
@require_POST
def take_over(request: PersonRequest, trial_id: UUID) -> HttpResponseBase:
    """Make one caption of the trial its picture's newest draft."""
    trial = lab.one(request.user, trial_id)
    try:
        made = lab.take_over(by=request.user, trial=trial, caption_id=UUID(request.POST.get("caption", "")))
    except ValueError:
        raise DeskError("not_found") from None
    words = _("The words are the newest of picture %(number)d and wait for a decision.")
    messages.success(request, words % {"number": made.image.number})
    return redirect("trial", trial_id)


@person_only
@require_POST
def discard(request: PersonRequest, trial_id: UUID) -> HttpResponseBase:
    """Remove a trial."""
    lab.discard(by=request.user, trial=lab.one(request.user, trial_id))
    messages.success(request, _("The trial is gone. Its pictures stay as they were."))
    return redirect("lab")


# --- The form --------------------------------------------------------------------------------------------------------


class _WaysRefused(Exception):
    """Settings that cannot be used: by letter and knob, one sentence each."""

    def __init__(self, problems: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__()
        self.problems = problems


def _arms(form: Any) -> list[lab.ArmWish]:
    """Read the ways that were not left out. Raises _WaysRefused."""
    wishes, problems = [], {}
    for letter in lab.LETTERS:
        preset, model = form.get(f"{letter}-preset", LEFT_OUT), form.get(f"{letter}-model", "")[:200]
        if preset == LEFT_OUT:
            continue
        typed = {knob.name: form[name] for knob in SHOWN if form.get(name := f"{letter}-{knob.name}", "") != ""}
        try:
            chosen = parse({**PRESETS.get(preset, {}), **typed, "num_captions": 1})
        except ParamsInvalid as refused:
            problems[letter] = {name: problem_words(words) for name, words in refused.problems.items()}
            continue
        wishes.append(lab.ArmWish(_name_of(preset, model, typed), model, chosen))
    if problems:
        raise _WaysRefused(problems)
    return wishes


def _name_of(preset: str, model: str, typed: Mapping[str, str]) -> str:
    parts = [str(panel.PRESET_NAMES.get(preset, preset)), *(f"{name} {value}" for name, value in typed.items())]
    named = ", ".join(parts)
    return f"{wording.captioner(model, first=True)}: {named}" if model else named


def _form(
    request: PersonRequest, chosen: Sequence[str], problems: Mapping[str, Mapping[str, str]], *, status: int = 200
) -> HttpResponse:
    wanted = {image.pk for image in _images(request, chosen)}
    pictures = list(selectors.images(request.user).filter(pk__in=wanted)[: Trial.MOST_PICTURES])
    if len(pictures) < OFFERED:
        others = selectors.images(request.user).exclude(pk__in=wanted)
        pictures += list(others[: OFFERED - len(pictures)])
    checked = wanted or {image.pk for image in pictures[:CHECKED]}
    serving = serving_of(request)
    context = {
        "pictures": [(image, image.pk in checked) for image in pictures],
        "ways": [_way(letter, request.POST, problems.get(letter, {})) for letter in lab.LETTERS],
        "presets": [(name, panel.PRESET_NAMES.get(name, name)) for name in PRESETS],
        "models": panel.choices(serving),
        "name": request.POST.get("name", ""),
        "most": Trial.MOST_PICTURES,
        "problems": sum(len(found) for found in problems.values()),
    }
    return render(request, "lab/new.html", context, status=status)


def _way(letter: str, form: Any, problems: Mapping[str, str]) -> Way:
    usual = {"A": "quick", "B": "careful"}.get(letter, LEFT_OUT)
    fields = [
        Field(knob, name, form.get(name, ""), problems.get(knob.name, ""))
        for knob in SHOWN
        for name in [f"{letter}-{knob.name}"]
    ]
    preset = form.get(f"{letter}-preset", usual)
    return Way(letter, form.get(f"{letter}-model", ""), preset, letter == lab.LETTERS[-1], fields)


def _images(request: PersonRequest, raw: Sequence[str]) -> list[Image]:
    """Give those of the person's pictures that were named, one too many at most: a service refuses that."""
    ids = []
    for word in raw[: 5 * Trial.MOST_PICTURES]:
        try:
            ids.append(UUID(word))
        except ValueError:
            continue
    return list(selectors.images(request.user).filter(pk__in=ids)[: Trial.MOST_PICTURES + 1])


# --- One trial -------------------------------------------------------------------------------------------------------


def _context(request: PersonRequest, trial: Trial) -> dict[str, Any]:
    arms = list(trial.arms.all())
    captions = lab.best_captions(trial)
    votes = {vote.image_id: vote for vote in trial.votes.filter(voter=request.user)}
    rows = [_row(trial, image, arms, captions, votes) for image in trial.images.order_by("-created_at", "-id")]
    failed = trial.arms.filter(entries__job__state__in=("failed", "cancelled")).distinct().exists()
    return {
        "trial": trial,
        "rows": rows,
        "voted": sum(row.is_voted for row in rows),
        "waiting": sum(not row.is_ready for row in rows),
        "has_failed": failed,
        "scores": lab.scores(trial) if trial.revealed_at else [],
    }


def _row(
    trial: Trial,
    image: Image,
    arms: Sequence[TrialArm],
    captions: Mapping[tuple[UUID, UUID], Caption],
    votes: Mapping[UUID, Any],
) -> Row:
    voted = votes.get(image.pk)
    cells = []
    for letter, arm in zip(lab.LETTERS, lab.columns(trial, image.pk, arms), strict=False):
        caption = captions.get((arm.pk, image.pk))
        is_chosen = voted is not None and voted.arm_id == arm.pk
        score = wording.score(caption.score) if caption and trial.revealed_at else ""
        cells.append(Cell(arm, letter, caption, is_chosen, score))
    return Row(image, cells, voted is not None, voted is not None and voted.arm_id is None)


def _arm_id(choice: str) -> UUID | None:
    if choice == LEFT_OUT:
        return None
    try:
        return UUID(choice)
    except ValueError:
        raise DeskError("bad_request") from None


def _say_no(request: PersonRequest, refused: DeskError) -> None:
    if refused.code == "not_found":
        raise refused
    messages.warning(request, refused.detail, extra_tags=refused.code)

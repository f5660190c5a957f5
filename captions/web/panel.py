"""The parameter panel: every knob of captions.params as a form field, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from captions.params import KNOBS, PRESETS, GenerationParams, Knob, ParamsInvalid, Value, complete, parse
from captions.selectors import ServedModel, Serving
from captions.web import wording

NAMES = frozenset(knob.name for knob in KNOBS)
EACH = "*"  #: the choice that asks every served model; no model can be called so
PRESET_NAMES = {"quick": gettext_lazy("Quick"), "careful": gettext_lazy("Careful"), "varied": gettext_lazy("Varied")}


@dataclass(frozen=True)
class Setting:
    """One knob with the value that the panel shows. `problem` is the sentence above it when it was refused."""

    knob: Knob
    value: Any
    default: Any = None
    is_asleep: bool = False
    problem: str = ""

    @property
    def id(self) -> str:
        """The id of its form field."""
        return f"knob-{self.knob.name}"

    @property
    def kind(self) -> str:
        """The sort of its form field."""
        if self.knob.kind is bool:
            return "checkbox"
        return "number" if self.knob.name == "seed" else "range"

    @property
    def shown(self) -> str:
        """The value as a person reads it: the unit is said, a fraction keeps its places."""
        if self.is_asleep:
            return _("Off")
        if isinstance(self.value, float):
            return wording.decimal(self.value, places(self.knob))
        if self.value is None:
            return ""
        unit = self.unit_of_one if self.value in (1, "1") else self.unit
        return f"{self.value} {unit}".strip()

    @property
    def unit(self) -> str:
        """What its number counts, in words."""
        return _(self.knob.unit) if self.knob.unit else ""

    @property
    def unit_of_one(self) -> str:
        """A single one of what its number counts."""
        return _(self.knob.unit_of_one) if self.knob.unit_of_one else ""

    @property
    def written(self) -> str:
        """The value as a form field holds it."""
        return "" if self.value is None else str(self.value)

    @property
    def places(self) -> int:
        """How many decimal places its values have."""
        return places(self.knob)


@dataclass(frozen=True)
class Choice:
    """One model that can be asked for. `model` is what a job asks for; "" leaves it to whoever takes such jobs."""

    model: str
    label: str


@dataclass(frozen=True)
class Panel:
    """The whole panel: knobs always in sight, the rest, and the preset that the values amount to.

    `models` is empty unless there is something to choose; `model` is the one chosen, `shown_for` the one whose defaults
    the knobs show.
    """

    in_sight: list[Setting]
    behind: list[Setting]
    preset: str
    drafts: int
    problems: Mapping[str, str]
    models: Sequence[Choice] = ()
    model: str = ""
    shown_for: str = ""

    @property
    def presets(self) -> list[tuple[str, str, str]]:
        """Name, label and values of each preset; the values are JSON for the script that moves the sliders."""
        return [(name, str(PRESET_NAMES.get(name, name.title())), _values(name)) for name in PRESETS]

    @property
    def behind_has_problem(self) -> bool:
        """Whether the part that is folded away must be open to show what is wrong."""
        return any(setting.problem for setting in self.behind)


def panel_of(
    *,
    defaults: GenerationParams,
    chosen: Mapping[str, Any] | None = None,
    problems: Mapping[str, str] | None = None,
    models: Sequence[Choice] = (),
    model: str = "",
    shown_for: str | None = None,
) -> Panel:
    """Build the panel for a model's defaults with what a person chose on top, refused values included."""
    ground = defaults.as_dict()
    values: dict[str, Any] = {**ground, **(chosen or {})}
    awake = values.get("do_sample") in (True, "on", "true", "1")
    wrong = problems or {}
    settings = [
        Setting(
            knob,
            values[knob.name],
            default=ground[knob.name],
            is_asleep=bool(knob.wakes_with) and not awake,
            problem=wrong.get(knob.name, ""),
        )
        for knob in KNOBS
    ]
    return Panel(
        in_sight=[setting for setting in settings if setting.knob.always_in_sight],
        behind=[setting for setting in settings if not setting.knob.always_in_sight],
        preset=_preset_of(values, defaults),
        drafts=_drafts(values),
        problems=wrong,
        models=models,
        model=model,
        shown_for=model if shown_for is None else shown_for,
    )


def choices(serving: Serving, *, may_each: bool = False) -> list[Choice]:
    """Give the models to choose among, the usual one first; none when there is only one.

    `may_each`: all of them at once can be chosen too.
    """
    if len(serving.served) < 2:
        return []
    usual = [one for one in serving.served if one.takes_any]
    first = [Choice("", _("Whichever is free first"))] if len(usual) > 1 else []
    named = [Choice("" if one.takes_any and not first else one.name, _label(one)) for one in serving.served]
    return [*first, *named, *([Choice(EACH, _("Each of them, side by side"))] if may_each else [])]


def asked_for(serving: Serving, model: str) -> list[str]:
    """Give what a job each has to ask for when a person chose `model` in the panel."""
    if model != EACH:
        return [model]
    return [one.name for one in serving.served] or [""]


def choice_of(serving: Serving, model: str) -> str:
    """Give the choice that asks for what `model` names: the panel's first one when it is not among them."""
    offered = [choice.model for choice in choices(serving)]
    if model == EACH and offered:
        return EACH
    found = serving.find(model) if model else None
    if found and found.name in offered:
        return found.name
    return offered[0] if offered else ""


def _label(one: ServedModel) -> str:
    return one.title or wording.captioner(one.name, first=True)


def read(form: Mapping[str, str], *, defaults: GenerationParams) -> dict[str, Value]:
    """Give what a person chose: the knobs that differ from the model's defaults. Raises ParamsInvalid.

    Without script the preset's radio button cannot move the sliders, so its values stand in for those left alone; with
    script the sliders say it all, and the form says so in its field `tuned`.
    """
    sent = {knob.name: form[knob.name] for knob in KNOBS if form.get(knob.name, "") != ""}
    if "do_sample" not in sent:
        sent["do_sample"] = "false"
    ground = defaults.as_dict()
    moved = {name: value for name, value in _parsed(sent).items() if value != ground[name]}
    if not form.get("tuned"):
        moved = {**PRESETS.get(form.get("preset", ""), {}), **moved}
    return parse({name: value for name, value in moved.items() if value != ground[name]})


def _parsed(sent: Mapping[str, str]) -> dict[str, Value]:
    """Read the form as a whole: sliders left at the width of a model count as chosen only when they differ."""
    try:
        return parse(sent)
    except ParamsInvalid as refused:
        # The width is on every form; a person who only asked for more drafts has not chosen the width they saw.
        if set(refused.problems) == {"num_beams"} and "num_captions" in sent:
            return parse({name: value for name, value in sent.items() if name != "num_beams"}) | _own_width(sent)
        raise


def _own_width(sent: Mapping[str, str]) -> dict[str, Value]:
    return parse({"num_beams": sent["num_beams"]})


def _preset_of(values: Mapping[str, Any], defaults: GenerationParams) -> str:
    """Name the preset that gives exactly these values on this model, or "" when none does."""
    for name, preset in PRESETS.items():
        whole = complete(preset, defaults=defaults).as_dict()
        if all(str(whole[key]) == str(values.get(key)) for key in whole if key != "seed"):
            return name
    return ""


def _values(name: str) -> str:
    return json.dumps(dict(PRESETS[name]))


def _drafts(values: Mapping[str, Any]) -> int:
    try:
        return int(values.get("num_captions") or 1)
    except (TypeError, ValueError):
        return 1


def places(knob: Knob) -> int:
    """Give the decimal places of a knob's step: 0.05 has two."""
    step = f"{knob.step:g}" if knob.step else "1"
    return len(step.partition(".")[2])

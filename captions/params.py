"""GenerationParams: every generation knob once, with range, default and words.

Pages, API, admin and command line all read it here. What a person chose (`parse`) is kept apart from what runs
(`complete`): a knob nobody chose takes the default of the model that answers, and models differ in theirs.
Pure Python without Django, so that the engine's benchmark and a notebook can use it too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final


def _(words: str) -> str:
    """Mark words for the catalogue. Pages translate them: this module has no Django."""
    return words


class Problem(str):
    """A sentence about a wrong value. It keeps its pattern and values, so that pages can say it in another language."""

    pattern: str
    values: dict[str, Any]

    def __new__(cls, pattern: str, **values: Any) -> Problem:
        """Write the sentence in English."""
        problem = super().__new__(cls, pattern % values)
        problem.pattern, problem.values = pattern, values
        return problem


@dataclass(frozen=True, slots=True)
class Knob:
    """One generation parameter: what it may be, and what to tell a person about it.

    `kind` is int, float or bool. `unit` names what the number counts, `unit_of_one` a single one. `wakes_with` names a
    bool knob without which this one has no effect.
    """

    name: str
    kind: type
    default: int | float | bool | None
    label: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    unit: str = ""
    wakes_with: str = ""
    always_in_sight: bool = False
    unit_of_one: str = ""


KNOBS: Final[tuple[Knob, ...]] = (
    Knob(
        "num_captions",
        int,
        1,
        _("Drafts"),
        _("How many captions to offer. More take a little longer."),
        1,
        5,
        1,
        _("captions"),
        always_in_sight=True,
        unit_of_one=_("caption"),
    ),
    Knob(
        "max_length",
        int,
        16,
        _("Longest caption"),
        _("Where the model must stop. 32 pieces is about 24 words."),
        4,
        64,
        1,
        _("pieces"),
        always_in_sight=True,
        unit_of_one=_("piece"),
    ),
    Knob(
        "num_beams",
        int,
        4,
        _("Search width"),
        _(
            "How many sentences are followed at once. Wider is safer and slower. Never less than the number of drafts, "
            "unless words are picked by chance."
        ),
        1,
        8,
        1,
        _("sentences"),
        always_in_sight=True,
        unit_of_one=_("sentence"),
    ),
    Knob(
        "temperature",
        float,
        1.0,
        _("Boldness"),
        _("Low repeats the likely words, high takes chances."),
        0.1,
        2.0,
        0.1,
        wakes_with="do_sample",
        always_in_sight=True,
    ),
    Knob(
        "top_k",
        int,
        50,
        _("Likeliest words kept"),
        _("Only this many words are considered at each step. 0 keeps all."),
        0,
        200,
        1,
        _("words"),
        "do_sample",
        always_in_sight=True,
        unit_of_one=_("word"),
    ),
    Knob(
        "top_p",
        float,
        1.0,
        _("Share of likelihood kept"),
        _("Drops the unlikely tail of words. Lower is tamer."),
        0.05,
        1.0,
        0.05,
        wakes_with="do_sample",
        always_in_sight=True,
    ),
    Knob(
        "do_sample",
        bool,
        False,
        _("Take chances"),
        _("Picks words by chance instead of always the likeliest. Wakes boldness and the two settings after it."),
    ),
    Knob(
        "repetition_penalty",
        float,
        1.0,
        _("Repetition brake"),
        _("Makes words already used less likely. 1 is off."),
        1.0,
        2.0,
        0.05,
    ),
    Knob(
        "no_repeat_ngram_size",
        int,
        0,
        _("No repeated runs of"),
        _("The same run of words cannot come twice. 0 is off."),
        0,
        5,
        1,
        _("words"),
        unit_of_one=_("word"),
    ),
    Knob(
        "seed",
        int,
        None,
        _("Seed"),
        _("The same seed and settings give the same captions again. Empty picks one."),
        0,
        2**31 - 1,
        1,
    ),
)
KNOB: Final[Mapping[str, Knob]] = {knob.name: knob for knob in KNOBS}


class ParamsInvalid(ValueError):
    """Parameters out of range. `problems` maps a parameter's name to one sentence for the user."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {words}" for name, words in problems.items()))
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True)
class GenerationParams:
    """How captions are generated. Lengths count the model's tokens, start token included. Build it with `complete`."""

    max_length: int = 16
    num_beams: int = 4
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 50
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    num_captions: int = 1
    seed: int | None = field(default=None)

    def as_dict(self) -> dict[str, int | float | bool | None]:
        """Give all ten parameters, ready for JSON."""
        return asdict(self)


Value = int | float | bool
PRESETS: Final[Mapping[str, Mapping[str, Value]]] = {
    "quick": {"num_beams": 1},
    "careful": {"num_beams": 4},
    "varied": {"do_sample": True, "num_beams": 1, "top_p": 0.9, "num_captions": 3},
}

SHAPE: Final = ("do_sample", "num_beams", "num_captions")

_TRUE: Final = {"true", "1", "on", "yes"}
_FALSE: Final = {"false", "0", "off", "no", ""}


def parse(given: Mapping[str, Any], *, strict: bool = False) -> dict[str, Value]:
    """Read what a person chose from JSON values or form strings; absent and empty mean "not chosen".

    Raises ParamsInvalid with one sentence per wrong parameter; with `strict` also for names that are no parameter.
    """
    problems: dict[str, str] = {}
    chosen: dict[str, Value] = {}
    for knob in KNOBS:
        if knob.name not in given or given[knob.name] is None or given[knob.name] == "":
            continue
        try:
            chosen[knob.name] = _read(knob, given[knob.name])
        except ValueError as error:
            problems[knob.name] = error.args[0]
    if strict:
        problems |= {str(name): Problem(_("This is not a generation parameter.")) for name in given if name not in KNOB}
    problems |= _contradiction(chosen)
    if problems:
        raise ParamsInvalid(problems)
    return chosen


def complete(chosen: Mapping[str, Value], *, defaults: GenerationParams | None = None) -> GenerationParams:
    """Fill what nobody chose from `defaults`, those of the model that answers."""
    params = replace(defaults or GenerationParams(), **chosen)  # type: ignore[arg-type]  # `parse` checked every type
    # Beam search cannot give more drafts than it follows sentences; a width nobody chose follows the drafts.
    if not params.do_sample and params.num_beams < params.num_captions:
        params = replace(params, num_beams=params.num_captions)
    return params


def defaults_from(published: Mapping[str, Any]) -> GenerationParams:
    """Read a model's published defaults; what it does not say, or says out of range, stays at ours."""
    usable: dict[str, Value] = {}
    for name in KNOB.keys() & published.keys():
        try:
            usable |= parse({name: published[name]})
        except ParamsInvalid:
            continue
    return complete(usable)


def digest(chosen: Mapping[str, Value]) -> str:
    """Give a hash (hex, 64 characters) equal for equal choices: one open job per image, model and digest."""
    return hashlib.sha256(json.dumps(dict(chosen), sort_keys=True).encode()).hexdigest()


def batch_key(chosen: Mapping[str, Value], *, model: str = "") -> str:
    """Give a key (hex, 16 characters) that jobs share when one batch of the engine can hold them well.

    The engine steps through a batch with the same number of sentences for every picture; everything else may differ
    from picture to picture.
    """
    shape = {name: chosen[name] for name in SHAPE if name in chosen}
    return hashlib.sha256(f"{model}\n{digest(shape)}".encode()).hexdigest()[:16]


def _contradiction(chosen: Mapping[str, Value]) -> dict[str, str]:
    drafts = chosen.get("num_captions", 1)
    if not chosen.get("do_sample") and "num_beams" in chosen and chosen["num_beams"] < drafts:
        words = _("Choose at least %(drafts)s, the number of drafts, or turn on “Take chances”.")
        return {"num_beams": Problem(words, drafts=drafts)}
    return {}


def _read(knob: Knob, raw: Any) -> int | float | bool:
    if knob.kind is bool:
        return _read_bool(raw)
    number = _read_number(knob, raw)
    assert knob.minimum is not None
    assert knob.maximum is not None
    if not knob.minimum <= number <= knob.maximum:
        raise ValueError(_out_of_range(_("Choose a number from %(low)s to %(high)s."), knob))
    return number


def _read_bool(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(Problem(_("Choose true or false.")))


def _read_number(knob: Knob, raw: Any) -> int | float:
    whole = knob.kind is int
    words = (
        _("Choose a whole number from %(low)s to %(high)s.")
        if whole
        else _("Choose a number from %(low)s to %(high)s.")
    )
    message = _out_of_range(words, knob)
    if isinstance(raw, bool):
        raise ValueError(message)
    try:
        number = float(raw) if not whole or isinstance(raw, float) else int(str(raw).strip())
    except (TypeError, ValueError, OverflowError):
        raise ValueError(message) from None
    if number != number or (whole and number != int(min(max(number, -1e18), 1e18))):
        raise ValueError(message)
    return int(number) if whole else float(number)


def _out_of_range(words: str, knob: Knob) -> Problem:
    return Problem(words, low=_plain(knob.minimum or 0), high=_plain(knob.maximum or 0))


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


assert {knob.name for knob in KNOBS} == {entry.name for entry in fields(GenerationParams)}, "a knob without its words"

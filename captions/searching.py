"""The language of the search field, on pages and in the API alike: text to a `Query`, and back.

Nothing here knows a database, and no text makes it raise: what cannot be read is kept in `Query.problems`. Writing a
query down and reading it again gives the same terms.

    query   := group*                     all must match
    group   := term ("OR" term)*          any of these matches
    term    := ["-"] (word | "quoted words" | field:value | field:"quoted value")

The last word also matches the beginning of longer words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from captions.models import Image
from captions.plain import one_line

LONGEST: Final = 1000  # SavedSearch.query holds as much
MOST_TERMS: Final = 40
SHORTEST_PREFIX: Final = 2

_TOKEN: Final = re.compile(r"[^\W_]+")
_FIELD: Final = re.compile(r"(-?)([^\W\d_]+):(.*)", re.DOTALL)
_PLAIN_VALUE: Final = re.compile(r"[^\s\"]+")


# --- What a query is made of ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """A word, or several that must stand side by side; `tokens` are what is looked up."""

    text: str
    is_quoted: bool = False
    negated: bool = False

    @property
    def tokens(self) -> tuple[str, ...]:
        """The words as the index knows them."""
        return tuple(tokens(self.text))

    def __str__(self) -> str:
        return ("-" if self.negated else "") + (_quote(self.text) if self.is_quoted else self.text)


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers or times from `low` to `high`; None is no end, `*_open` leaves the end itself out."""

    low: float | datetime | None = None
    high: float | datetime | None = None
    low_open: bool = False
    high_open: bool = False


@dataclass(frozen=True, slots=True)
class Ago:
    """The time since so many seconds ago."""

    seconds: int


Meaning = str | tuple[str, ...] | Span | Ago


@dataclass(frozen=True, slots=True)
class Filter:
    """A `field:value`: the value as it is written, and what it means."""

    field: str
    value: str
    meaning: Meaning
    negated: bool = False

    def __str__(self) -> str:
        value = self.value if _PLAIN_VALUE.fullmatch(self.value) else _quote(self.value)
        return f"{'-' if self.negated else ''}{self.field}:{value}"


Term = Words | Filter


@dataclass(frozen=True, slots=True)
class Group:
    """Terms of which one must match; all of one kind."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " OR ".join(map(str, self.terms))

    @property
    def is_of_words(self) -> bool:
        """Whether it is looked up in the index of words."""
        return isinstance(self.terms[0], Words)


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of a query that cannot be read: a code of `captions.errors`, the part, and words for whoever typed it."""

    code: str
    part: str
    words: str


@dataclass(frozen=True)
class Query:
    """A search as it was understood."""

    groups: tuple[Group, ...] = ()
    problems: tuple[Problem, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return " ".join(map(str, self.groups))

    def __bool__(self) -> bool:
        return bool(self.groups)

    @property
    def filters(self) -> tuple[Group, ...]:
        """The groups that are read from the picture's row."""
        return tuple(group for group in self.groups if not group.is_of_words)

    @property
    def words(self) -> tuple[Group, ...]:
        """The groups that are looked up in the index of words."""
        return tuple(group for group in self.groups if group.is_of_words)

    @cached_property
    def wanted(self) -> tuple[Words, ...]:
        """The words that a picture is found by."""
        return tuple(
            term for group in self.words for term in group.terms if isinstance(term, Words) and not term.negated
        )

    @property
    def prefix(self) -> Words | None:
        """The last word, when longer words that begin with it match as well."""
        last = self.groups[-1].terms[-1] if self.groups else None
        if not isinstance(last, Words) or last.is_quoted or last.negated or len(last.tokens[-1]) < SHORTEST_PREFIX:
            return None
        return last

    @property
    def is_ranked(self) -> bool:
        """Whether some results fit better than others: with words to find, not only words to leave out."""
        return any(not term.negated for group in self.words for term in group.terms)

    def without(self, place: int) -> Query:
        """Give the query without its group number `place`."""
        return Query(tuple(group for at, group in enumerate(self.groups) if at != place))


# --- Words ---------------------------------------------------------------------------------------------------------


def fold(text: str) -> str:
    """Give `text` in lower case and without accents, so that “Zürich” is found by “zurich”."""
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = "".join(mark for mark in parts if not unicodedata.combining(mark))
    return unicodedata.normalize("NFKC", kept).casefold()


def tokens(text: str) -> list[str]:
    """Give the words of `text` as the index holds them: `IMG_2034-harbour.jpg` is img, 2034, harbour, jpg.

    They are cut here and not in the database, so that both databases find the same.
    """
    return _TOKEN.findall(fold(text))


def ending(word: str) -> str:
    """Give a word without its commonest English endings: near enough to mark what stemming found."""
    for end in ("ings", "ing", "edly", "ed", "ies", "es", "s", "ly", "e", "y"):
        if word.endswith(end) and len(word) - len(end) >= 3:
            return word[: -len(end)]
    return word


# --- Reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of the text: `value` without quotes; `head` is what stands before a quote."""

    text: str
    head: str = ""
    quoted: str | None = None


def parse(text: str) -> Query:
    """Read a query. Never raises: problems are in the answer, one for each part that cannot be read."""
    clean = one_line(text)
    if len(clean) > LONGEST:
        words = _("A search may have %(most)s characters. Shorten it.") % {"most": LONGEST}
        return Query(problems=(Problem("search_too_long", "", words),))
    reader = _Reader()
    for piece in _pieces(clean):
        reader.take(piece)
    return reader.finish(clean)


class _Reader:
    """Puts pieces together into groups."""

    def __init__(self) -> None:
        self.groups: list[list[Term]] = []
        self.problems: list[Problem] = []
        self._joins = False
        self._ended_with_term = False

    def take(self, piece: _Piece) -> None:
        """Read one piece."""
        if piece.text == "OR":
            self._joins = self._ended_with_term
            return
        term = self._term(piece)
        if term is None:
            return
        if self._joins and (words := _why_not_joined(self.groups[-1][-1], term)):
            self.problems.append(Problem("search_unclear", f"{self.groups[-1][-1]} OR {term}", words))
        elif self._joins:
            self.groups[-1].append(term)
        else:
            self.groups.append([term])
        self._joins, self._ended_with_term = False, True

    def finish(self, clean: str) -> Query:
        """Give the query."""
        if clean and not self.groups and not self.problems:
            words = _("There is no letter or digit in “%(part)s” to search for.") % {"part": clean}
            self.problems.append(Problem("search_unclear", clean, words))
        if sum(map(len, self.groups)) > MOST_TERMS:
            words = _("A search may have %(most)s words and filters. Leave some out.") % {"most": MOST_TERMS}
            return Query(problems=(Problem("search_too_long", "", words),))
        return Query(tuple(Group(tuple(terms)) for terms in self.groups), tuple(self.problems))

    def _term(self, piece: _Piece) -> Term | None:
        found = _FIELD.fullmatch(piece.head if piece.quoted is not None else piece.text)
        if found:
            return self._filter(piece, found)
        if piece.quoted is not None:
            words = Words(piece.quoted, is_quoted=True, negated=piece.head == "-")
        else:
            negated = piece.text.startswith("-")
            words = Words(piece.text[1:] if negated else piece.text, negated=negated)
        return words if words.tokens else None

    def _filter(self, piece: _Piece, found: re.Match[str]) -> Filter | None:
        name, value = found[2].lower(), piece.quoted if piece.quoted is not None else found[3]
        if name not in FIELDS:
            words = _(
                "There is no filter “%(name)s”. Choose one of %(names)s, or put the words in quotes to find them."
            )
            self.problems.append(
                Problem("search_field_unknown", piece.text, words % {"name": found[2], "names": ", ".join(FIELDS)})
            )
            return None
        try:
            read, meaning = FIELDS[name].read(value.strip())
        except ValueError:
            words = _("“%(part)s” cannot be read. Write it like %(example)s.")
            example = FIELDS[name].example
            self.problems.append(
                Problem("search_value_unknown", piece.text, words % {"part": piece.text, "example": example})
            )
            return None
        return Filter(name, read, meaning, negated=bool(found[1]))


def _why_not_joined(before: Term, after: Term) -> str:
    """Say why two terms cannot stand on the two sides of one OR; "" when they can."""
    if type(before) is not type(after):
        return _("One OR cannot join words with a filter. Join words with words, or filters with filters.")
    if isinstance(before, Words) and (before.negated or after.negated):
        return _("A word with a minus cannot stand beside OR. Write it apart, after a space.")
    return ""


def _pieces(text: str) -> Iterable[_Piece]:
    """Cut at white space that is not within quotes; a quote that is not closed reaches to the end."""
    at, end = 0, len(text)
    while at < end:
        if text[at].isspace():
            at += 1
            continue
        begin = at
        while at < end and not text[at].isspace() and not _opens_quote(text, begin, at):
            at += 1
        if at == end or text[at].isspace():
            yield _Piece(text[begin:at])
            continue
        head = text[begin:at]
        quoted, at = _unquote(text, at + 1)
        yield _Piece(text[begin:at], head, quoted)


def _opens_quote(text: str, begin: int, at: int) -> bool:
    """Whether a quote opens here: at the beginning of a piece, after its minus, or after its colon."""
    if text[at] != '"':
        return False
    found = _FIELD.fullmatch(text[begin:at])
    return text[begin:at] in ("", "-") or bool(found and not found[3])


def _unquote(text: str, at: int) -> tuple[str, int]:
    kept = []
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and text[at + 1 : at + 2] in ('"', "\\"):
            at += 1
        kept.append(text[at])
        at += 1
    return "".join(kept), min(at + 1, len(text))


def _quote(text: str) -> str:
    inside = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


# --- Fields --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """One filter: how its value is read, an example, and what it is for. `read` raises ValueError."""

    read: Callable[[str], tuple[str, Meaning]]
    example: str
    help: str | Promise


_NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,9})?|\.\d{1,9}", re.ASCII)
_UNITS: Final = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
_SIZE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([kmg]?b?)", re.IGNORECASE | re.ASCII)
_AGO: Final = re.compile(r"(\d{1,4})([hdw])", re.ASCII)
_SECONDS: Final = {"h": 3600, "d": 86400, "w": 7 * 86400}
_DAY: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8})*", re.IGNORECASE | re.ASCII)

STATES: Final = tuple(Image.State.values)
FORMATS: Final = tuple(value.lower() for value in Image.Format.values)


def _choice(known: tuple[str, ...]) -> Callable[[str], tuple[str, Meaning]]:
    """Read one or several of `known`, separated by commas."""

    def read(value: str) -> tuple[str, Meaning]:
        chosen = tuple(dict.fromkeys(_ALIASES.get(one.strip(), one.strip()) for one in value.lower().split(",")))
        if not chosen or set(chosen) - set(known):
            raise ValueError(value)
        return ",".join(chosen), chosen

    return read


_ALIASES: Final = {"jpg": "jpeg", "tif": "tiff", "heic": "heif"}


def _name(value: str) -> tuple[str, Meaning]:
    if not value:
        raise ValueError(value)
    return value, value


def _language(value: str) -> tuple[str, Meaning]:
    if not _LANGUAGE.fullmatch(value) or len(value) > 35:
        raise ValueError(value)
    return value.lower(), value.lower()


def _plain_number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _share(text: str) -> float:
    number = _plain_number(text)
    if number > 1:
        raise ValueError(text)
    return number


def _bytes(text: str) -> float:
    found = _SIZE.fullmatch(text)
    unit = found[2].lower() if found else ""
    if found is None or (unit + "b" if unit in ("k", "m", "g") else unit) not in _UNITS:
        raise ValueError(text)
    return float(found[1]) * _UNITS[unit + "b" if unit in ("k", "m", "g") else unit]


def _number(one: Callable[[str], float]) -> Callable[[str], tuple[str, Meaning]]:
    """Read `5`, `>5`, `>=5`, `<5`, `<=5` or `5..9`."""

    def read(value: str) -> tuple[str, Meaning]:
        text = value.lower().replace(" ", "")
        low, dots, high = text.partition("..")
        if dots:
            span = Span(one(low), one(high))
            if one(low) > one(high):
                raise ValueError(value)
            return text, span
        sign, rest = _sign(text)
        number = one(rest)
        if sign.startswith(">"):
            return text, Span(low=number, low_open=sign == ">")
        if sign.startswith("<"):
            return text, Span(high=number, high_open=sign == "<")
        return text, Span(number, number)

    return read


def _sign(text: str) -> tuple[str, str]:
    for sign in (">=", "<=", ">", "<"):
        if text.startswith(sign):
            return sign, text[len(sign) :]
    return "", text


def _added(value: str) -> tuple[str, Meaning]:
    """Read a day, month or year, two of them with dots between, one with a sign, or a time ago."""
    text = value.lower().replace(" ", "")
    ago = _AGO.fullmatch(text)
    if ago:
        return text, Ago(int(ago[1]) * _SECONDS[ago[2]])
    low, dots, high = text.partition("..")
    if dots:
        begin, end = _day(low)[0], _day(high)[1]
        if begin >= end:
            raise ValueError(value)
        return text, Span(begin, end, high_open=True)
    sign, rest = _sign(text)
    begin, end = _day(rest)
    spans = {
        "": Span(begin, end, high_open=True),
        ">": Span(low=end),
        ">=": Span(low=begin),
        "<": Span(high=begin, high_open=True),
        "<=": Span(high=end, high_open=True),
    }
    return text, spans[sign]


def _day(text: str) -> tuple[datetime, datetime]:
    """Give where a day, month or year begins and where it ends. Raises ValueError."""
    found = _DAY.fullmatch(text)
    if not found:
        raise ValueError(text)
    year, month, day = (int(part) if part else None for part in found.groups())
    if year is None or not 1900 <= year <= 9000:
        raise ValueError(text)
    begin = date(year, 1 if month is None else month, 1 if day is None else day)
    if month is None:
        end = date(year + 1, 1, 1)
    elif day is None:
        end = date(year + month // 12, month % 12 + 1, 1)
    else:
        end = begin + timedelta(days=1)
    return _midnight(begin), _midnight(end)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


_IS: Final = ("captioned", "edited", "decorative")

FIELDS: Final[dict[str, Field]] = {
    "state": Field(_choice(STATES), "state:draft", gettext_lazy("the picture's state; several with commas")),
    "model": Field(_name, "model:demo", gettext_lazy("the model that drafted the words on show")),
    "score": Field(
        _number(_share), "score:>0.8", gettext_lazy("the model's own guess at how well the words fit, 0 to 1")
    ),
    "quality": Field(
        _number(_share), "quality:<0.5", gettext_lazy("how likely a reviewer approves the draft unchanged, 0 to 1")
    ),
    "width": Field(_number(_plain_number), "width:>2000", gettext_lazy("pixels from left to right")),
    "height": Field(_number(_plain_number), "height:600..1200", gettext_lazy("pixels from top to bottom")),
    "megapixels": Field(_number(_plain_number), "megapixels:>=12", gettext_lazy("millions of pixels")),
    "bytes": Field(
        _number(_bytes), "bytes:>2mb", gettext_lazy("the size of the file: a number, or one with kb, mb or gb")
    ),
    "format": Field(_choice(FORMATS), "format:jpeg", gettext_lazy("the format of the file; several with commas")),
    "added": Field(
        _added,
        "added:2026-11",
        gettext_lazy("when it was added (UTC): a year, month or day, two of them with .. between, or 12h, 7d, 4w ago"),
    ),
    "owner": Field(
        _name, "owner:olga", gettext_lazy("whose pictures, * for everybody's; reviewers and operators only")
    ),
    "album": Field(_name, 'album:"Spring intake"', gettext_lazy("pictures in this album of yours")),
    "tag": Field(_name, "tag:harbour", gettext_lazy("pictures with this tag of yours")),
    "is": Field(_choice(_IS), "is:edited", gettext_lazy("captioned, edited (a person's own words), or decorative")),
    "no": Field(_choice(("caption",)), "no:caption", gettext_lazy("pictures without any words")),
    "lang": Field(_language, "lang:en", gettext_lazy("the language of the words on show")),
}

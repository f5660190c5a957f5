"""A search becomes pictures: filters by the rows of pictures, words by the database's own index.

Matches of words are ranked, but never more than the newest `RANKED` of them: a word that half of all pictures have
would else cost a look at half of all pictures. Those come first, best first; older matches follow, newest first. A
page's mark holds where the ranked ones ended, so that pictures which arrive meanwhile move nothing.

When nothing has the words, pictures with nearly the same words are given instead (`Page.is_near`).
"""

from __future__ import annotations

import base64
import binascii
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, transaction
from django.db.models import BooleanField, Exists, F, Field, FloatField, Func, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from captions.errors import DeskError
from captions.models import Album, AlbumImage, Caption, Image, ImageTag, SearchWords, Tag, Worker
from captions.models.clock import DatabaseTime
from captions.permissions import is_reviewer
from captions.searching import Ago, Filter, Group, Query, Span, Term, Words, parse

RANKED: Final = 1000
#: The same beside filters, where more pictures are looked at for each that matches.
RANKED_OF_SOME: Final = 100
#: What a word weighs, PostgreSQL's classes D to A: nothing of ours, the file name, caption and tags, the title.
WEIGHTS: Final = "{0.1, 0.3, 0.7, 1.0}"
#: From here on two words count as nearly the same; 1 is the same (pg_trgm's word_similarity).
NEAR: Final = 0.45
_NEAR_LOOKED_AT: Final = 300

Person = User | AnonymousUser


@dataclass(frozen=True, slots=True)
class Page:
    """One page of results, best first, and the mark after which the next one starts, "" on the last.

    `total` counts all results, up to as many as are ranked; `is_more` says that there are more than that. `is_near`
    says that no picture has the words themselves.
    """

    rows: Sequence[Image]
    after: str
    total: int
    is_more: bool
    is_near: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A search that was understood, and the pictures it is made in; nothing is read from the database yet.

    `is_whole` says that `images` are all living pictures of `owner_id`, or of everybody: the index has no others, so
    that nothing needs to be looked up beside it.
    """

    query: Query
    images: QuerySet[Image]
    owner_id: int | None = None
    is_whole: bool = False

    @property
    def is_ranked(self) -> bool:
        """Whether some results fit better than others; then `page` gives them, else `rows`, newest first."""
        return self.query.is_ranked

    @property
    def rows(self) -> QuerySet[Image]:
        """All results, in the order of `images`."""
        if not self.query.words:
            return self.images
        if not self.is_ranked:
            unwanted = SearchWords.objects.filter(_Index(self.query).unwanted(), image_id=OuterRef("pk"))
            return self.images.filter(~Exists(unwanted))
        return self.images.filter(pk__in=SearchWords.objects.filter(_Index(self.query).match()).values("image_id"))

    def within(self, images: QuerySet[Image]) -> Found:
        """Give the same search among other pictures."""
        return replace(self, images=images, is_whole=False)

    def page(self, *, after: str, size: int) -> Page:
        """Give the page after the mark `after`, best first. Raises DeskError `page_unknown`."""
        return _Ranking(self).page(_Mark.read(after) if after else None, size)


def search(user: Person, text: str, images: QuerySet[Image]) -> Found:
    """Understand a search of `user` in `images`, which hold everybody's living pictures.

    Raises DeskError with a code that begins with `search_`, and the part of the search that it is about in its words.
    """
    query = parse(text)
    if query.problems:
        first = query.problems[0]
        raise DeskError(first.code, detail=first.words, attr="q")
    # Nobody leaves their own pictures by “owner:me OR state:draft”: only reviewers' searches may look further.
    asks_further = any(term.field == "owner" for term in _filters(query))
    owner_id = None if asks_further and is_reviewer(user) else user.pk
    if owner_id is not None:
        images = images.filter(owner_id=owner_id)
    return Found(query, _Filters(user).apply(query, images), owner_id, is_whole=not query.filters)


def _filters(query: Query) -> list[Filter]:
    return [term for group in query.filters for term in group.terms if isinstance(term, Filter)]


# --- Filters -------------------------------------------------------------------------------------------------------


class _Filters:
    """Turns filters into conditions on the rows of images, for one person."""

    def __init__(self, user: Person) -> None:
        self.user = user

    def apply(self, query: Query, images: QuerySet[Image]) -> QuerySet[Image]:
        if any(term.field == "megapixels" for term in _filters(query)):
            images = images.annotate(pixels=Cast("width", FloatField()) * F("height"))
        for group in query.filters:
            images = images.filter(reduce(or_, [self._condition(term) for term in group.terms]))
        return images

    def _condition(self, term: Term) -> Q:
        assert isinstance(term, Filter)
        read = getattr(self, f"_{term.field}", None)
        condition: Q = read(term) if read else _within(_COLUMNS[term.field], term)
        return ~condition if term.negated else condition

    def _state(self, term: Filter) -> Q:
        return Q(state__in=term.meaning)

    def _format(self, term: Filter) -> Q:
        assert isinstance(term.meaning, tuple)
        return Q(format__in=[name.upper() for name in term.meaning])

    def _model(self, term: Filter) -> Q:
        """Find a model by its name, or by the last part of it as cards show it."""
        wanted = str(term.meaning).lower()
        known = {name for row in Worker.objects.values_list("model", "names") for name in (row[0], *(row[1] or ()))}
        names = {name for name in known if name and wanted in (name.lower(), name.lower().rpartition("/")[2])}
        return Q(caption__model__in=sorted({str(term.meaning), *names}))

    def _score(self, term: Filter) -> Q:
        """People see e to the power of the mean log-probability that is kept."""
        assert isinstance(term.meaning, Span)
        return _span("caption__score", replace(term.meaning, low=_log(term.meaning.low), high=_log(term.meaning.high)))

    def _megapixels(self, term: Filter) -> Q:
        assert isinstance(term.meaning, Span)
        low, high = (None if end is None else float(end) * 1e6 for end in (term.meaning.low, term.meaning.high))  # type: ignore[arg-type]  # a filter of numbers
        return _span("pixels", replace(term.meaning, low=low, high=high))

    def _added(self, term: Filter) -> Q:
        if isinstance(term.meaning, Ago):
            return Q(created_at__gte=DatabaseTime(after=-term.meaning.seconds))
        return _within("created_at", term)

    def _is(self, term: Filter) -> Q:
        mine = [Caption.Kind.EDITED, Caption.Kind.WRITTEN]
        conditions = {
            "captioned": Q(caption__isnull=False),
            "edited": Q(caption__kind__in=mine),
            "decorative": Q(is_decorative=True),
        }
        return reduce(or_, [conditions[name] for name in term.meaning])  # type: ignore[union-attr]  # names it knows

    def _no(self, term: Filter) -> Q:
        return Q(caption__isnull=True)

    def _lang(self, term: Filter) -> Q:
        """A language also stands for its regions."""
        wanted = str(term.meaning)
        return Q(caption__language__iexact=wanted) | Q(caption__language__istartswith=f"{wanted}-")

    def _owner(self, term: Filter) -> Q:
        name = str(term.meaning)
        if name == self.user.get_username() and not term.negated:
            return Q(owner_id=self.user.pk)
        if not is_reviewer(self.user):
            raise DeskError("search_not_yours", attr="q")
        if name == "*":
            return Q(owner_id__isnull=False)
        owner = User.objects.filter(username=name).values_list("pk", flat=True).first()
        if owner is None:
            raise _unknown(_("Nobody here is called “%(name)s”. Check the name in %(part)s."), name, term)
        return Q(owner_id=owner)

    def _album(self, term: Filter) -> Q:
        name = str(term.meaning)
        ids = list(Album.objects.filter(owner_id=self.user.pk, name__iexact=name).values_list("pk", flat=True))
        if not ids:
            raise _unknown(_("You have no album called “%(name)s”. Check the name in %(part)s."), name, term)
        return Q(Exists(AlbumImage.objects.filter(album__in=ids, image_id=OuterRef("pk"))))

    def _tag(self, term: Filter) -> Q:
        name = str(term.meaning)
        ids = list(Tag.objects.filter(owner_id=self.user.pk, name__iexact=name).values_list("pk", flat=True))
        if not ids:
            raise _unknown(_("You have no tag called “%(name)s”. Check the name in %(part)s."), name, term)
        return Q(Exists(ImageTag.objects.filter(tag__in=ids, image_id=OuterRef("pk"))))


_COLUMNS: Final = {"quality": "quality", "width": "width", "height": "height", "bytes": "bytes"}


def _unknown(words: str, name: str, term: Filter) -> DeskError:
    return DeskError("search_name_unknown", detail=words % {"name": name, "part": str(term)}, attr="q")


def _within(column: str, term: Filter) -> Q:
    assert isinstance(term.meaning, Span)
    return _span(column, term.meaning)


def _span(column: str, span: Span) -> Q:
    condition = Q()
    if span.low is not None:
        condition &= Q(**{f"{column}__{'gt' if span.low_open else 'gte'}": span.low})
    if span.high is not None:
        condition &= Q(**{f"{column}__{'lt' if span.high_open else 'lte'}": span.high})
    return condition


def _log(share: Any) -> float | None:
    return None if share is None else math.log(share) if share > 0 else -1e9


# --- The index of words --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sql:
    """A piece of SQL with its parameters."""

    text: str
    params: tuple[str, ...] = ()

    def of(self, column: str, around: str, kind: Field[Any, Any]) -> _OnRow:
        """Give `around`, in which {column} stands for a column of SearchWords and {words} for this piece."""
        return _OnRow(around.replace("{words}", self.text), self.params, column=column, output_field=kind)


class _OnRow(Func):
    """SQL about a row of SearchWords, by the name that a query gives the table; Django need not know the column."""

    def __init__(self, text: str, params: tuple[str, ...], *, column: str, output_field: Field[Any, Any]) -> None:
        super().__init__(F("id"), output_field=output_field)
        self.text, self.params, self.column = text, params, column

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[str, ...]]:  # type: ignore[override]  # Func's has options that nobody gives
        """Put the name of the table in."""
        table = compiler.quote_name_unless_alias(self.get_source_expressions()[0].alias)
        return f"({self.text.replace('{column}', f'{table}.{self.column}')})", self.params


class _Index:
    """Asks the database's own index: PostgreSQL's text search, SQLite's FTS5."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.is_postgresql = connection.vendor == "postgresql"

    def match(self) -> Q:
        """Give the condition that a row of SearchWords has the words."""
        wanted, unwanted = self._wanted(), self._unwanted()
        if self.is_postgresql:
            text = _joined(" && ", [*wanted, *(_Sql(f"!!{one.text}", one.params) for one in unwanted)])
            return Q(text.of("vector", "{column} @@ {words}", BooleanField()))
        return _fts5(self._expression(wanted, unwanted))

    def unwanted(self) -> Q:
        """Give the condition that a row has one of the words to be left out."""
        if self.is_postgresql:
            return Q(_joined(" || ", self._unwanted()).of("vector", "{column} @@ {words}", BooleanField()))
        return _fts5(" OR ".join(one.text for one in self._unwanted()))

    def ranked(self, rows: QuerySet[SearchWords], limit: int) -> list[tuple[int, Any, float]]:
        """Give id, image and rank of the newest `limit` of `rows` that match."""
        rows = rows.filter(self.match()).order_by("-id")
        if self.is_postgresql:
            # The words themselves count for more than longer words that begin with the last one.
            pieces = [_joined(" && ", self._wanted(widens=widens)) for widens in (False, True)]
            both = _Sql("", pieces[0].params + pieces[1].params)
            exact, wide = (f"ts_rank('{WEIGHTS}', {{column}}, {piece.text}, 1)" for piece in pieces)
            rank = both.of("vector", f"{exact} + {wide} / 10", FloatField())
            with _without_helpers():
                return list(rows.annotate(rank=rank).values_list("id", "image_id", "rank")[:limit])
        found = list(rows.values_list("id", "image_id")[:limit])
        ranks = self._bm25(found[-1][0], found[0][0]) if found else {}
        return [(id, image_id, ranks.get(id, 0.0)) for id, image_id in found]

    def _bm25(self, first: int, last: int) -> dict[int, float]:
        """Rank the rows from `first` to `last`; FTS5 gives less for what fits better."""
        sql = (
            "SELECT rowid, -bm25(captions_searchindex, 10.0, 5.0, 5.0, 1.0) FROM captions_searchindex "
            "WHERE captions_searchindex MATCH %s AND rowid BETWEEN %s AND %s"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [self._expression(self._wanted(), self._unwanted()), first, last])
            return dict(cursor.fetchall())

    def _wanted(self, *, widens: bool = True) -> list[_Sql]:
        groups = [[term for term in _words(group) if not term.negated] for group in self.query.words]
        joint = " || " if self.is_postgresql else " OR "
        return [_joined(joint, [self._term(term, widens) for term in group]) for group in groups if group]

    def _unwanted(self) -> list[_Sql]:
        return [self._term(term) for group in self.query.words for term in _words(group) if term.negated]

    def _term(self, term: Words, widens: bool = True) -> _Sql:
        cut = " ".join(term.tokens)
        widened = widens and term is self.query.prefix
        if not self.is_postgresql:
            return _Sql(f'("{cut}"*)' if widened else f'("{cut}")')  # letters, digits and spaces only
        if widened and len(term.tokens) == 1:
            return _Sql("(plainto_tsquery('english', %s) || to_tsquery('simple', %s))", (cut, f"'{cut}':*"))
        if widened:
            *before, last = term.tokens
            return _Sql(
                "(phraseto_tsquery('simple', %s) <-> to_tsquery('simple', %s))", (" ".join(before), f"'{last}':*")
            )
        return _Sql("(phraseto_tsquery('english', %s) || phraseto_tsquery('simple', %s))", (cut, cut))

    @staticmethod
    def _expression(wanted: list[_Sql], unwanted: list[_Sql]) -> str:
        text = " AND ".join(one.text for one in wanted)
        return f"({text}) NOT ({' OR '.join(one.text for one in unwanted)})" if unwanted else text


@contextmanager
def _without_helpers() -> Iterator[None]:
    """Let PostgreSQL start no parallel workers: that takes longer than a ranking, which looks at few rows."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        yield


def _words(group: Group) -> Iterable[Words]:
    return (term for term in group.terms if isinstance(term, Words))


def _joined(joint: str, pieces: Sequence[_Sql]) -> _Sql:
    if len(pieces) == 1:
        return pieces[0]
    return _Sql(f"({joint.join(one.text for one in pieces)})", tuple(word for one in pieces for word in one.params))


def _fts5(expression: str) -> Q:
    ids = RawSQL("SELECT rowid FROM captions_searchindex WHERE captions_searchindex MATCH %s", (expression,))
    return Q(pk__in=ids)


# --- Nearly the same words -----------------------------------------------------------------------------------------


class _Near:
    """Finds words with typing errors, and parts of words such as the digits in a file's name, by their trigrams."""

    def __init__(self, query: Query) -> None:
        self.tokens = list(dict.fromkeys(token for term in query.wanted for token in term.tokens if len(token) >= 3))

    def ranked(self, rows: QuerySet[SearchWords], limit: int) -> list[tuple[int, Any, float]]:
        """Give id, image and rank of `limit` rows at most that have something near every word."""
        if not self.tokens:
            return []
        return self._by_pg_trgm(rows, limit) if connection.vendor == "postgresql" else self._by_fts5(rows, limit)

    def _by_pg_trgm(self, rows: QuerySet[SearchWords], limit: int) -> list[tuple[int, Any, float]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('pg_trgm.word_similarity_threshold', %s, false)", [str(NEAR)])
        for token in self.tokens:
            near = _Sql("", (f"%{token}%", token))
            rows = rows.filter(near.of("plain", "{column} LIKE %s OR {column} %%> %s", BooleanField()))
        ranks = " + ".join("word_similarity(%s, {column})" for _ in self.tokens)
        rank = _Sql("", tuple(self.tokens)).of("plain", f"({ranks}) / {len(self.tokens)}", FloatField())
        return list(rows.annotate(rank=rank).order_by("-rank", "-id").values_list("id", "image_id", "rank")[:limit])

    def _by_fts5(self, rows: QuerySet[SearchWords], limit: int) -> list[tuple[int, Any, float]]:
        """Let FTS5 propose rows that share trigrams with each word, and look at each of those."""
        asked = " AND ".join(
            "(" + " OR ".join(f'"{part}"' for part in sorted(_inner(token))) + ")" for token in self.tokens
        )
        sql = (
            "SELECT rowid FROM captions_searchtrigrams WHERE captions_searchtrigrams MATCH %s "
            "AND rowid IN (SELECT U0.id FROM ({own}) U0) ORDER BY rank LIMIT %s"
        )
        own, params = rows.order_by().values("id").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(sql.replace("{own}", own), [asked, *params, _NEAR_LOOKED_AT])
            ids = [row[0] for row in cursor.fetchall()]
        found = []
        for id, image_id, plain in SearchWords.objects.filter(pk__in=ids).values_list("id", "image_id", "plain"):
            nearness = [closeness(token, plain) for token in self.tokens]
            if min(nearness) >= NEAR:
                found.append((id, image_id, sum(nearness) / len(nearness)))
        return sorted(found, key=lambda row: (-row[2], -row[0]))[:limit]


def closeness(token: str, text: str) -> float:
    """Say how near `token` comes to a word of `text`, from 0 to 1: the share of its trigrams that the word has."""
    if token in text:
        return 1.0
    own = _trigrams(token)
    return max((len(own & _trigrams(word)) / len(own) for word in set(text.split())), default=0.0)


def _trigrams(word: str) -> set[str]:
    """Cut as pg_trgm does: two spaces stand before a word, one after it."""
    padded = f"  {word} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


def _inner(word: str) -> set[str]:
    return {word[at : at + 3] for at in range(len(word) - 2)}


# --- Pages ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a page ends: the last row's id and rank (none among the older matches), and where the ranked ones begin."""

    id: int
    rank: float | None
    begin: int
    is_near: bool

    def __str__(self) -> str:
        rank = "" if self.rank is None else repr(self.rank)
        raw = f"{'~' if self.is_near else '='}|{self.begin}|{rank}|{self.id}"
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, mark: str) -> _Mark:
        """Read a mark. Raises DeskError `page_unknown`."""
        try:
            kind, begin, rank, id = (
                base64.urlsafe_b64decode((mark + "=" * (-len(mark) % 4)).encode()).decode().split("|")
            )
            made = cls(int(id), float(rank) if rank else None, int(begin), kind == "~")
            if max(made.id, made.begin) >= 2**63 or min(made.id, made.begin) < 0 or kind not in "=~":
                raise ValueError(mark)
            if made.rank is not None and not math.isfinite(made.rank):
                raise ValueError(mark)
        except (ValueError, binascii.Error):  # also UnicodeError, which is a ValueError
            raise DeskError("page_unknown") from None
        return made


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Puts the pages of one search together."""

    found: Found

    @property
    def most(self) -> int:
        """How many matches are ranked."""
        return RANKED if self.found.is_whole else RANKED_OF_SOME

    def page(self, mark: _Mark | None, size: int) -> Page:
        if mark is None:
            return self._first(size)
        if mark.is_near:
            return self._after(mark, self._near(), size)
        if mark.rank is None:
            return self._older(mark, [], size)
        # Those of the first page, and what has arrived since.
        rows = _Index(self.found.query).ranked(self._rows().filter(id__gte=mark.begin), 3 * self.most)
        return self._after(mark, rows, size)

    def _first(self, size: int) -> Page:
        rows = _Index(self.found.query).ranked(self._rows(), self.most + 1)
        is_more, rows = len(rows) > self.most, rows[: self.most]
        is_near = not rows
        if is_near:
            rows = self._near()
        begin = rows[-1][0] if is_more else 0
        page = self._after(_Mark(0, None, begin, is_near), rows, size)
        return replace(page, total=len(rows), is_more=is_more)

    def _near(self) -> list[tuple[int, Any, float]]:
        query, rows = self.found.query, self._rows()
        if any(term.negated for group in query.words for term in _words(group)):
            rows = rows.exclude(_Index(query).unwanted())
        return _Near(query).ranked(rows, self.most)

    def _after(self, mark: _Mark, rows: list[tuple[int, Any, float]], size: int) -> Page:
        """Give the ranked rows that follow the mark, and older ones when they do not fill the page."""
        rows = sorted(rows, key=_best_first)
        page = rows[_begin(rows, mark) :][: size + 1]
        if len(page) <= size and mark.begin:
            return self._older(replace(mark, id=mark.begin, rank=None), page, size)
        more = len(page) > size
        page = page[:size]
        after = str(replace(mark, id=page[-1][0], rank=page[-1][2])) if more else ""
        return self._page([row[1] for row in page], after, mark)

    def _older(self, mark: _Mark, before: list[tuple[int, Any, float]], size: int) -> Page:
        """Fill the page with matches that are too old to be ranked, newest first."""
        rows = self._rows().filter(_Index(self.found.query).match(), id__lt=mark.id).order_by("-id")
        older = list(rows.values_list("id", "image_id")[: size + 1 - len(before)])
        more = len(before) + len(older) > size
        older = older[: size - len(before)]
        last = older[-1][0] if older else mark.begin
        after = str(replace(mark, id=last, rank=None)) if more else ""
        return self._page([row[1] for row in before] + [row[1] for row in older], after, mark)

    def _page(self, ids: list[Any], after: str, mark: _Mark) -> Page:
        shown = {image.pk: image for image in self.found.images.filter(pk__in=ids)}
        rows = [shown[pk] for pk in ids if pk in shown]
        return Page(rows, after, len(rows), is_more=bool(after), is_near=mark.is_near)

    def _rows(self) -> QuerySet[SearchWords]:
        """Give what the pictures of the search are found by."""
        rows = SearchWords.objects.all()
        if not self.found.is_whole:
            rows = rows.filter(image__in=self.found.images.order_by().values("pk"))
        return rows if self.found.owner_id is None else rows.filter(owner_id=self.found.owner_id)


def _best_first(row: tuple[int, Any, float]) -> tuple[float, int]:
    return -row[2], -row[0]


def _begin(rows: list[tuple[int, Any, float]], mark: _Mark) -> int:
    """Give where the rows after the mark begin: after its own row, wherever that stands by now."""
    if mark.rank is None:
        return 0
    for at, row in enumerate(rows):
        if row[0] == mark.id:
            return at + 1
    return bisect_right(rows, (-mark.rank, -mark.id), key=_best_first)

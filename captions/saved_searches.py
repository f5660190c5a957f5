"""Searches that people come back to."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from captions import accounts
from captions.errors import DeskError
from captions.models import SavedSearch
from captions.plain import one_line
from captions.searching import parse

MOST: Final = 100
LONGEST_NAME: Final = 120


def save(*, owner: User, name: str, query: str) -> SavedSearch:
    """Keep a search under a name. The same name with the same search is kept once.

    Raises DeskError `saved_search_name`, `saved_search_empty`, `saved_search_taken`, `saved_search_limit`, or one whose
    code begins with `search_` when the search cannot be read.
    """
    named, written = _name(name), _query(query)
    with transaction.atomic():
        accounts.hold(owner)
        known = SavedSearch.objects.filter(owner=owner, name=named).first()
        if known is not None:
            if known.query == written:
                return known
            raise DeskError("saved_search_taken", attr="name")
        if SavedSearch.objects.filter(owner=owner).count() >= MOST:
            raise DeskError("saved_search_limit")
        return SavedSearch.objects.create(owner=owner, name=named, query=written)


def change(*, search: SavedSearch, name: str | None = None, query: str | None = None) -> SavedSearch:
    """Give a saved search another name, another search, or both. Raises the DeskErrors of `save`."""
    search.name = search.name if name is None else _name(name)
    search.query = search.query if query is None else _query(query)
    try:
        with transaction.atomic():
            search.save(update_fields=["name", "query"])
    except IntegrityError:
        raise DeskError("saved_search_taken", attr="name") from None
    return search


def delete(*, search: SavedSearch) -> None:
    """Forget a saved search; the pictures stay as they are."""
    search.delete()


def _name(name: str) -> str:
    clean = one_line(name)
    if not clean or len(clean) > LONGEST_NAME:
        raise DeskError("saved_search_name", attr="name")
    return clean


def _query(query: str) -> str:
    """Give the search as it is written in one way only."""
    read = parse(query)
    if read.problems:
        raise DeskError(read.problems[0].code, detail=read.problems[0].words, attr="query")
    if not read:
        raise DeskError("saved_search_empty", attr="query")
    return str(read)[:1000]

"""How many pictures a person has, counted only as far as people read on: “10,000+” costs the same at any size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.utils.formats import number_format

from captions.models import Image

MOST: Final = 10_000

Person = User | AnonymousUser


@dataclass(frozen=True, slots=True)
class Counted:
    """A number, or "at least so many". Templates treat it as they treat a number."""

    number: int = 0
    is_more: bool = False

    def __str__(self) -> str:
        if not self.is_more:
            return str(self.number)
        return f"{number_format(self.number, force_grouping=True)}+"

    def __bool__(self) -> bool:
        return self.number > 0

    def __float__(self) -> float:
        return float(self.number)

    def __add__(self, other: Counted) -> Counted:
        number = self.number + other.number
        is_more = self.is_more or other.is_more or number > MOST
        return Counted(min(number, MOST) if is_more else number, is_more)


def total(counts: Iterable[Counted]) -> Counted:
    """Add up."""
    return sum(counts, start=Counted())


def by_state(user: Person, *states: str) -> dict[str, Counted]:
    """Count a person's living pictures in these states, or in every one; each state up to `MOST`."""
    wanted = states or tuple(Image.State.values)
    # Django cannot limit the parts of one query; the index image_counted answers each part without the rows.
    one = (
        "(SELECT count(*) FROM (SELECT 1 FROM captions_image "
        "WHERE owner_id = %s AND state = %s AND deleted_at IS NULL LIMIT %s) AS few)"
    )
    params = [part for state in wanted for part in (user.pk, state, MOST + 1)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join([one] * len(wanted))}", params)
        row = cursor.fetchone()
    return {state: Counted(min(number, MOST), number > MOST) for state, number in zip(wanted, row, strict=True)}

"""Who may do what with a picture: owners with their own, two groups with everybody's, and whom an album is shared with.

An album's share gives its role on the pictures that lie in the album, as long as they lie there. Originals, the
trash, tags and albums themselves stay with the owner whatever the role.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q, QuerySet

from captions.models import AlbumImage, AlbumShare, Image

REVIEWERS: Final = "reviewers"
OPERATORS: Final = "operators"
SERVICES: Final = "services"  # accounts for programs, see captions.service_accounts
Role = AlbumShare.Role
Person = User | AnonymousUser
#: Each role includes those before it.
_ROLES: Final = (Role.VIEW, Role.CAPTION, Role.REVIEW)


@dataclass(frozen=True, slots=True)
class Rights:
    """What one person may do with one picture."""

    may_see: bool = False
    may_caption: bool = False
    may_review: bool = False
    is_owner: bool = False


_ALL: Final = Rights(may_see=True, may_caption=True, may_review=True, is_owner=True)


def is_reviewer(user: Person) -> bool:
    """Whether a person decides on everybody's captions: reviewers, operators and superusers."""
    return _is_in(user, REVIEWERS, OPERATORS)


def is_operator(user: Person) -> bool:
    """Whether a person looks after everybody's jobs and decisions: operators and superusers."""
    return _is_in(user, OPERATORS)


def rights(user: Person, images: Collection[Image]) -> dict[UUID, Rights]:
    """Give what a person may do with each picture; no query for their own, two at most for others', however many."""
    found = {image.pk: _ALL if image.owner_id == user.pk else Rights() for image in images}
    others = [pk for pk, right in found.items() if not right.is_owner]
    if not user.is_active:
        return dict.fromkeys(found, Rights())
    if not others:
        return found
    decides = is_reviewer(user)
    roles = _best_roles(user, others)
    for pk in others:
        reach = _ROLES.index(roles[pk]) if pk in roles else -1
        found[pk] = Rights(may_see=decides or reach >= 0, may_caption=reach >= 1, may_review=decides or reach >= 2)
    return found


def rights_on(user: Person, image: Image) -> Rights:
    """Give what a person may do with one picture."""
    return rights(user, [image])[image.pk]


def may_see(user: Person, image: Image) -> bool:
    """Whether a person may see a picture and its captions."""
    return rights_on(user, image).may_see


def may_caption(user: Person, image: Image) -> bool:
    """Whether a person may ask for captions of a picture and write words for it."""
    return rights_on(user, image).may_caption


def may_review(user: Person, image: Image) -> bool:
    """Whether a person may see a picture and decide on its captions."""
    return rights_on(user, image).may_review


def may_discard(user: Person, image: Image) -> bool:
    """Whether a person may put a picture into the trash and take it out again."""
    return user.is_active and (image.owner_id == user.pk or is_operator(user))


def own_or_shared(user: Person, role: str, *, image: str = "") -> Q:
    """Give the condition that a picture is the person's own or shared with them for at least `role`.

    `image` is the path from the rows to their picture, "" when they are pictures. Whoever has no share, nearly
    everybody, gets the plain condition that the indexes of owners answer.
    """
    path = f"{image}__" if image else ""
    own = Q(**{f"{path}owner_id": user.pk})
    albums = list(shares_of(user, role).values_list("album_id", flat=True)) if user.pk else []
    if not albums:
        return own
    lying = AlbumImage.objects.filter(album_id__in=albums).values("image_id")
    return own | Q(**{f"{path}pk__in": lying})


def shares_of(user: Person, role: str = Role.VIEW) -> QuerySet[AlbumShare]:
    """Give the shares that let a person do at least `role`."""
    return AlbumShare.objects.filter(user_id=user.pk or 0, role__in=_ROLES[_ROLES.index(Role(role)) :])


def readers(images: Iterable[UUID]) -> dict[UUID, set[int]]:
    """Give, of pictures that are shared, the ids of the people they are shared with; one query."""
    found: dict[UUID, set[int]] = {}
    shares = AlbumShare.objects.filter(album__places__image__in=list(images)).order_by()
    for image_id, user_id in shares.values_list("album__places__image_id", "user_id"):
        found.setdefault(image_id, set()).add(user_id)
    return found


def _best_roles(user: Person, images: Collection[UUID]) -> dict[UUID, Role]:
    best: dict[UUID, Role] = {}
    shares = AlbumShare.objects.filter(user_id=user.pk or 0, album__places__image__in=images).order_by()
    for image_id, role in shares.values_list("album__places__image_id", "role"):
        if image_id not in best or _ROLES.index(Role(role)) > _ROLES.index(best[image_id]):
            best[image_id] = Role(role)
    return best


def _is_in(user: Person, *groups: str) -> bool:
    if not user.is_active:
        return False
    return user.is_superuser or user.groups.filter(name__in=groups).exists()

"""Albums: making and filling them, sharing them with people, and links for people without an account.

An album holds its owner's own pictures. Deleting an album leaves the pictures; putting a picture into the trash leaves
its places, so that it comes back where it was. Only the owner changes an album; with whom it is shared is `AlbumShare`.

A link's secret is 256 random bits; only its SHA-256 is kept, so whoever reads the database opens no album.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q

from captions.errors import DeskError
from captions.models import Album, AlbumImage, AlbumLink, AlbumShare, Image
from captions.models.clock import DatabaseTime, database_now
from captions.plain import has_a_word, one_line

log = structlog.get_logger(__name__)

MOST_PICTURES: Final = 1000
LONGEST_NAME: Final = 120  # characters; Album.name holds as much
LONGEST_DAYS: Final = 365
USED_EVERY_SECONDS: Final = 60
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_STALE: Final = Q(last_used_at=None) | Q(last_used_at__lt=DatabaseTime(after=-USED_EVERY_SECONDS))


# --- Albums --------------------------------------------------------------------------------------------------------


def make(*, owner: User, name: str) -> Album:
    """Make an empty album. Raises DeskError `album_name_empty`, `album_name_too_long`, `album_name_taken`."""
    words = _clean(name)
    try:
        with transaction.atomic():
            return Album.objects.create(owner=owner, name=words)
    except IntegrityError:
        raise DeskError("album_name_taken", attr="name") from None


def make_or_find(*, owner: User, name: str) -> Album:
    """Give the person's album of this name, made when there is none. Raises DeskError as `make` does for names."""
    words = _clean(name)
    album, _ = Album.objects.get_or_create(owner=owner, name=words)
    return album


def rename(*, album: Album, name: str) -> Album:
    """Call an album something else. Raises DeskError as `make` does."""
    album.name = _clean(name)
    try:
        with transaction.atomic():
            album.save(update_fields=["name"])
    except IntegrityError:
        raise DeskError("album_name_taken", attr="name") from None
    return album


def delete(*, album: Album) -> None:
    """Delete an album with its shares and links; its pictures stay."""
    Album.objects.filter(pk=album.pk).delete()
    log.info("album_deleted", album=str(album.pk), user_id=album.owner_id)


def add(*, album: Album, images: Collection[UUID]) -> int:
    """Put pictures of the album's owner into it, and give how many are new there.

    Pictures that are somebody else's, or in the trash, are passed over. Whoever adds the same picture at the same
    moment ends with one place, too. Raises DeskError `too_many_pictures`, `not_found` when the album is gone.
    """
    with transaction.atomic():
        # The lock makes the count right when two add at once, and an album cannot go away in between.
        held = Album.objects.select_for_update(no_key=True).filter(pk=album.pk).first()
        if held is None:
            raise DeskError("not_found")
        pictures = own_pictures(held.owner_id, images)
        there = AlbumImage.objects.filter(album=held, image_id__in=pictures).values_list("image_id", flat=True)
        fresh = sorted(set(pictures) - set(there))
        places = [AlbumImage(album=held, image_id=image) for image in fresh]
        AlbumImage.objects.bulk_create(places, ignore_conflicts=True, batch_size=500)
    return len(fresh)


def remove(*, album: Album, images: Collection[UUID]) -> int:
    """Take pictures out of an album, and give how many were there. The pictures stay. DeskError `too_many_pictures`."""
    _check_number(images)
    return AlbumImage.objects.filter(album=album, image_id__in=list(images)).delete()[0]


def own_pictures(owner_id: int, images: Collection[UUID]) -> list[UUID]:
    """Give those of `images` that are the person's own and not in the trash. Raises DeskError `too_many_pictures`."""
    _check_number(images)
    own = Image.objects.filter(pk__in=list(images), owner_id=owner_id, deleted_at__isnull=True).order_by()
    return list(own.values_list("pk", flat=True))


# --- Shares --------------------------------------------------------------------------------------------------------


def share(*, album: Album, with_whom: str, role: str) -> AlbumShare:
    """Share an album with the person of this user name or e-mail address; one who has it already gets the new role.

    Raises DeskError `person_unknown`, `share_with_yourself`, `role_unknown`.
    """
    chosen = _role(role)
    person = _person(with_whom)
    if person.pk == album.owner_id:
        raise DeskError("share_with_yourself", attr="user")
    shared, _ = AlbumShare.objects.update_or_create(album=album, user=person, defaults={"role": chosen})
    log.info("album_shared", album=str(album.pk), user_id=person.pk, role=chosen)
    return shared


def change_role(*, share: AlbumShare, role: str) -> AlbumShare:
    """Let a person do more or less with an album. Raises DeskError `role_unknown`."""
    share.role = _role(role)
    share.save(update_fields=["role"])
    log.info("album_shared", album=str(share.album_id), user_id=share.user_id, role=share.role)
    return share


def end_share(*, share: AlbumShare) -> None:
    """Stop sharing an album with a person; what they wrote and decided stays."""
    AlbumShare.objects.filter(pk=share.pk).delete()
    log.info("album_share_ended", album=str(share.album_id), user_id=share.user_id)


def _person(named: str) -> User:
    """Find whom a user name or an e-mail address means. An address counts once its owner has confirmed it.

    Else anybody could sign up with another's address and be shown what was meant for them. One that an operator wrote
    into the account, without the person claiming it, counts as well.
    """
    name = one_line(named)
    active = User.objects.filter(is_active=True)
    people = list(active.filter(username=name))
    if "@" in name:
        # A user name may look like an address, too: that of somebody else, who is meant.
        claims = EmailAddress.objects.filter(email__iexact=name)
        named_so = active.filter(Q(email__iexact=name) | Q(pk__in=claims.values("user_id")))
        confirmed = list(active.filter(pk__in=claims.filter(verified=True).values("user_id"))[:2])
        written = list(named_so.exclude(pk__in=claims.filter(verified=False).values("user_id"))[:2])
        people = confirmed or written or ([] if named_so.exclude(username=name).exists() else people)
    if len(people) != 1:
        raise DeskError("person_unknown", attr="user")
    return people[0]


def _role(role: str) -> str:
    if role not in AlbumShare.Role.values:
        raise DeskError("role_unknown", attr="role")
    return role


# --- Links ---------------------------------------------------------------------------------------------------------


def make_link(*, album: Album, by: User, days: int) -> tuple[AlbumLink, str]:
    """Make an address of an album for people without an account, and give it with its secret, shown this once.

    Raises DeskError `link_days_out_of_range` unless `days` is 1 to 365.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise DeskError("link_days_out_of_range", attr="days")
    secret = secrets.token_urlsafe(32)
    ends = database_now() + timedelta(days=days)
    link = AlbumLink.objects.create(album=album, created_by=by, digest=_digest(secret), expires_at=ends)
    log.info("album_link_made", album=str(album.pk), link=str(link.pk), user_id=by.pk, expires_at=ends.isoformat())
    return link, secret


def revoke_link(*, link: AlbumLink) -> bool:
    """End a link at once, for good. False when it had been revoked before."""
    ended = AlbumLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=DatabaseTime())
    if ended:
        log.info("album_link_revoked", album=str(link.album_id), link=str(link.pk))
    return bool(ended)


def follow_link(secret: str) -> Album:
    """Give the album that a link's secret opens, and note the use, at most once a minute.

    Raises DeskError `not_found` when there never was such a link, `link_ended` when it is over or its owner's account
    is switched off.
    """
    if not _SECRET.fullmatch(secret):
        raise DeskError("not_found")
    links = AlbumLink.objects.filter(digest=_digest(secret)).select_related("album__owner")
    lives = Q(expires_at__gt=DatabaseTime(), revoked_at=None, album__owner__is_active=True)
    link = links.annotate(is_live=lives, is_stale=_STALE).first()
    if link is None:
        raise DeskError("not_found")
    if not link.is_live:
        raise DeskError("link_ended")
    if link.is_stale:
        _note_use(link)
    return link.album


def _note_use(link: AlbumLink) -> None:
    try:
        with transaction.atomic():
            AlbumLink.objects.filter(_STALE, pk=link.pk).update(last_used_at=DatabaseTime())
    except OperationalError:
        # A database too busy to write may still answer reads: the page must not fail for this note.
        log.warning("album_link_use_not_noted", link=str(link.pk))


def _digest(secret: str) -> str:
    # A fast hash is right here: 256 random bits cannot be guessed, unlike a password.
    return hashlib.sha256(secret.encode()).hexdigest()


# --- Inside --------------------------------------------------------------------------------------------------------


def _clean(name: str) -> str:
    words = one_line(name)
    if not has_a_word(words):
        raise DeskError("album_name_empty", attr="name")
    if len(words) > LONGEST_NAME:
        raise DeskError("album_name_too_long", attr="name")
    return words


def _check_number(images: Collection[UUID]) -> None:
    if len(images) > MOST_PICTURES:
        raise DeskError("too_many_pictures", attr="images")

"""Which rows a list shows. Every name and lookup is listed here; nothing of a request is ever passed on as a lookup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import Field
from django.utils.translation import gettext as _

from captions.models import CaptionJob, Image


def _within_calendar(moment: datetime) -> None:
    """Refuse times that no database can store once they are turned into UTC."""
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValidationError(_("Choose a time between the years 1 and 9999.")) from None


class Moment(django_filters.IsoDateTimeFilter):
    """A point in time, ISO 8601, in UTC when no zone is given."""

    @property
    def field(self) -> Field:
        """Give the form field, with the limits of the calendar."""
        field: Field = super().field
        if _within_calendar not in field.validators:
            field.validators = [*field.validators, _within_calendar]
        return field

    def filter(self, rows: QuerySet[Any], value: datetime | None) -> QuerySet[Any]:
        """Compare in UTC: PostgreSQL falls over offsets such as +20:16, which ISO 8601 allows."""
        return super().filter(rows, value and value.astimezone(UTC))  # type: ignore[no-any-return]  # untyped library


_TRUE_FALSE: Final = {"true": True, "false": False}


class TrueFalse(django_filters.TypedChoiceFilter):
    """`true` or `false`. django-filter's own takes any other word for "not asked", so that a typo shows everything."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=[(word, word) for word in _TRUE_FALSE], coerce=_TRUE_FALSE.get, **options)


class Chance(django_filters.NumberFilter):
    """A number from 0 to 1."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=1, **options)


class ImageFilter(django_filters.FilterSet):
    """Filters of the list of pictures."""

    state = django_filters.MultipleChoiceFilter(
        choices=Image.State.choices, help_text="Pictures in this state; give it several times for several states."
    )
    format = django_filters.MultipleChoiceFilter(
        choices=Image.Format.choices, help_text="Pictures of this format; give it several times for several formats."
    )
    q = django_filters.CharFilter(
        method="searched",
        help_text="A search in the language of the search field, such as `boat state:draft`. With words to find, the "
        "best come first, unless `ordering` is given.",
    )
    created_after = Moment(field_name="created_at", lookup_expr="gte", help_text="Uploaded at this time or later.")
    created_before = Moment(field_name="created_at", lookup_expr="lt", help_text="Uploaded before this time.")
    has_caption = TrueFalse(field_name="caption", method="with_caption", help_text="Whether the picture has any words.")
    album = django_filters.UUIDFilter(
        method="in_album", help_text="Pictures of this album, other people's too when it is shared with you."
    )
    tag = django_filters.CharFilter(method="with_tag", help_text="Pictures with this tag of yours.")
    deleted = TrueFalse(method="in_trash", help_text="`true` lists the trash instead.")

    quality_min = Chance(field_name="quality", lookup_expr="gte", help_text="Drafts of this quality score or more.")
    quality_max = Chance(field_name="quality", lookup_expr="lte", help_text="Drafts of this quality score or less.")

    class Meta:
        model = Image
        fields: list[str] = []

    def with_caption(self, images: QuerySet[Image], name: str, value: bool | None) -> QuerySet[Image]:
        """Keep pictures with, or without, words."""
        return images if value is None else images.filter(caption__isnull=not value)

    def in_album(self, images: QuerySet[Image], name: str, value: UUID | None) -> QuerySet[Image]:
        """Leave the rows alone: the view has chosen the album's pictures, because they are another selector."""
        return images

    def with_tag(self, images: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        """Keep pictures that the person tagged so."""
        user = self.request.user
        word = value.lstrip("#").strip().lower()
        return images.filter(marks__tag__owner_id=user.pk, marks__tag__name=word) if word else images.none()

    def searched(self, images: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        """Leave the rows alone: the view has searched already."""
        return images

    def in_trash(self, images: QuerySet[Image], name: str, value: bool | None) -> QuerySet[Image]:
        """Leave the rows alone: the view has chosen between pictures and trash, because they are two selectors."""
        return images


class JobFilter(django_filters.FilterSet):
    """Filters of the list of jobs."""

    state = django_filters.MultipleChoiceFilter(
        choices=CaptionJob.State.choices, help_text="Jobs in this state; give it several times for several states."
    )
    image = django_filters.UUIDFilter(field_name="image_id", help_text="Jobs of this picture.")
    created_after = Moment(field_name="created_at", lookup_expr="gte", help_text="Asked for at this time or later.")
    created_before = Moment(field_name="created_at", lookup_expr="lt", help_text="Asked for before this time.")

    class Meta:
        model = CaptionJob
        fields: list[str] = []

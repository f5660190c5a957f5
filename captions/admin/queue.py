"""The review queue: drafts beside their pictures; approve, approve edited or reject, one or many at once."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from captions import permissions, review
from captions.errors import DeskError
from captions.models import DraftToReview, Image, Review

if TYPE_CHECKING:
    Base = admin.ModelAdmin[DraftToReview]
else:
    Base = admin.ModelAdmin


class ReasonForm(ActionForm):
    """Adds the reason of a rejection to the bar of bulk actions."""

    reason = forms.ChoiceField(
        choices=[("", "no reason"), *Review.Reason.choices], required=False, label="Reason for a rejection"
    )


class ScoreFilter(admin.SimpleListFilter):
    """Filters by the model's own guess, as the mean probability of a token (e to the score)."""

    title = "score"
    parameter_name = "score"
    BOUNDS = {"low": (None, -0.69), "middle": (-0.69, -0.22), "high": (-0.22, None)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the three ranges."""
        return [("low", "below 0.50"), ("middle", "0.50 to 0.80"), ("high", "0.80 and above")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep images whose shown caption has a score in the range."""
        low, high = self.BOUNDS.get(self.value() or "", (None, None))
        if low is not None:
            queryset = queryset.filter(caption__score__gte=low)
        if high is not None:
            queryset = queryset.filter(caption__score__lt=high)
        return queryset


class ModelFilter(admin.SimpleListFilter):
    """Filters by the model that drafted the shown caption."""

    title = "model"
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """List the models that drafted something that waits."""
        names = model_admin.get_queryset(request).order_by().values_list("caption__model", flat=True).distinct()
        return [(name, name) for name in names if name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep images whose shown caption is by that model."""
        return queryset.filter(caption__model=self.value()) if self.value() else queryset


def picture(image: Image, size: int = 220) -> SafeString:
    """Give the thumbnail as a link to the image's page; `size` is its longer edge in CSS pixels."""
    scale = min(1.0, size / max(image.thumbnail_width, image.thumbnail_height))
    return format_html(
        '<a href="{}"><img src="{}" width="{}" height="{}" alt="Picture {}" loading="lazy"></a>',
        reverse("image", args=[image.pk]),
        reverse("thumbnail", args=[image.pk]),
        round(image.thumbnail_width * scale),
        round(image.thumbnail_height * scale),
        image.number,
    )


@admin.register(DraftToReview)
class ReviewQueueAdmin(Base):
    """Every image whose newest words nobody has decided on, oldest first."""

    list_display = ("shown_picture", "words", "about", "decide")
    list_display_links = None
    list_filter = (ModelFilter, ScoreFilter, "format", ("owner", admin.RelatedOnlyFieldListFilter), "created_at")
    list_select_related = ("caption", "owner")
    list_per_page = 25
    search_fields = ("caption__text", "filename", "=number", "owner__username")
    ordering = ("created_at", "id")
    date_hierarchy = "created_at"
    actions = ("approve_selected", "reject_selected")
    action_form = ReasonForm
    show_full_result_count = False

    # Who may do what: the queue is for whoever may review, whatever model permissions say.
    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the queue to reviewers."""
        return _may_review_all(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let reviewers look."""
        return _may_review_all(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts are made by models only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """There is no form: a decision is an action."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is deleted here."""
        return False

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Guard the bulk actions."""
        return _may_review_all(request.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DraftToReview]:
        """Give the drafts outside the trash."""
        return super().get_queryset(request).filter(state=Image.State.DRAFT, deleted_at=None, caption__isnull=False)

    @admin.display(description="Picture")
    def shown_picture(self, image: DraftToReview) -> SafeString:
        """The thumbnail."""
        return picture(image)

    @admin.display(description="Draft", ordering="caption__text")
    def words(self, image: DraftToReview) -> SafeString:
        """The draft in a field, so that changed words become an edit. `seen` is what the reviewer had before them."""
        assert image.caption is not None
        return format_html(
            '<textarea name="words-{0}" rows="4" maxlength="2000" aria-label="Caption of picture {1}">{2}</textarea>'
            '<input type="hidden" name="seen-{0}" value="{3}">',
            image.pk,
            image.number,
            image.caption.text,
            image.caption.pk,
        )

    @admin.display(description="About", ordering="created_at")
    def about(self, image: DraftToReview) -> SafeString:
        """Number, owner, when it came, who drafted the words, and how sure the model was."""
        assert image.caption is not None
        score = image.caption.score
        return format_html(
            "<strong>{}</strong><br>{}<br>{}<br>{}{}",
            f"Picture {image.number}",
            f"by {image.owner.get_username()}",
            date_format(localtime(image.created_at), "SHORT_DATETIME_FORMAT"),
            image.caption.model or image.caption.get_kind_display(),
            "" if score is None else f", score {exp(score):.2f}",
        )

    @admin.display(description="Decide")
    def decide(self, image: DraftToReview) -> SafeString:
        """Two buttons that decide on this one image."""
        return format_html(
            '<button type="submit" name="decide" value="approve {0}" class="button default">Approve</button> '
            '<button type="submit" name="decide" value="reject {0}" class="button">Reject</button>',
            image.pk,
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Decide on one image when one of its buttons was pressed, else show the list."""
        verb, _, key = request.POST.get("decide", "").partition(" ")
        if request.method == "POST" and verb in {"approve", "reject"} and self.has_review_permission(request):
            chosen = self.get_queryset(request).filter(pk__in=_uuids(key))
            if not chosen:
                self.message_user(request, "Somebody decided on that picture in the meantime.", messages.WARNING)
            (self.approve_selected if verb == "approve" else self.reject_selected)(request, chosen)
            return HttpResponseRedirect(request.get_full_path())
        return super().changelist_view(request, {**(extra_context or {}), "title": "Drafts to review"})

    @admin.action(description="Approve, with the words as they stand in the fields", permissions=["review"])
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[DraftToReview]) -> None:
        """Approve each; where the reviewer changed the words, record an edit."""
        self._decide(request, queryset, _approve, "Approved")

    @admin.action(description="Reject, for the reason chosen", permissions=["review"])
    def reject_selected(self, request: HttpRequest, queryset: QuerySet[DraftToReview]) -> None:
        """Reject each with one reason."""
        self._decide(request, queryset, _reject, "Rejected")

    def _decide(
        self,
        request: HttpRequest,
        queryset: QuerySet[DraftToReview],
        decision: Callable[[HttpRequest, Image], None],
        word: str,
    ) -> None:
        """Decide on each by itself: one that fails keeps its place and says why, the others are done."""
        done = 0
        for image in queryset:
            try:
                decision(request, image)
                done += 1
            except DeskError as error:
                self.message_user(request, f"Picture {image.number}: {error.detail}", messages.ERROR)
        if done:
            self.message_user(request, f"{word} {done} picture{'' if done == 1 else 's'}.", messages.SUCCESS)


def _may_review_all(user: User | AnonymousUser) -> bool:
    return isinstance(user, User) and user.is_active and user.is_staff and permissions.is_reviewer(user)


def _uuids(text: str) -> list[UUID]:
    try:
        return [UUID(text)]
    except ValueError:
        return []


def _seen(request: HttpRequest, image: Image) -> Any:
    """Give the caption the reviewer had before them. Raises DeskError when the image shows another by now."""
    seen = request.POST.get(f"seen-{image.pk}")
    if seen and seen != str(image.caption_id):
        raise DeskError("already_decided")
    return image.caption


def _approve(request: HttpRequest, image: Image) -> None:
    caption = _seen(request, image)
    reviewer: Any = request.user
    words = request.POST.get(f"words-{image.pk}", caption.text).strip()
    if words == caption.text:
        review.approve(image=image, reviewer=reviewer, caption=caption)
    else:
        review.edit(image=image, reviewer=reviewer, text=words, caption=caption)


def _reject(request: HttpRequest, image: Image) -> None:
    reviewer: Any = request.user
    reason = request.POST.get("reason", "")
    if reason not in Review.Reason.values:
        reason = ""
    review.reject(image=image, reviewer=reviewer, caption=_seen(request, image), reason=reason)

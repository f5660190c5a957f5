"""Everything else operators look at. Only jobs can be acted on; the rest is read-only here by design."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from captions import jobs, tokens, trash
from captions.admin.queue import ModelFilter, ScoreFilter, picture
from captions.errors import DeskError
from captions.models import ApiToken, Caption, CaptionJob, Image, JobEvent, Review, Worker

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
    Inline = admin.TabularInline[JobEvent, CaptionJob]
else:
    Base, Inline = admin.ModelAdmin, admin.TabularInline


class ReadOnly(Base):
    """Shows rows and changes none: the product's services are the only writers."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes rows here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes rows here."""
        return False


@admin.register(Image)
class ImageAdmin(ReadOnly):
    """All images with their state and words."""

    list_display = ("shown_picture", "number", "owner", "state", "words", "format", "size", "created_at")
    list_display_links = ("number",)
    list_filter = (
        "state",
        ModelFilter,
        ScoreFilter,
        "format",
        ("owner", admin.RelatedOnlyFieldListFilter),
        "created_at",
    )
    list_select_related = ("caption", "owner")
    search_fields = ("caption__text", "filename", "=number", "owner__username", "sha256")
    date_hierarchy = "created_at"
    actions = ("discard",)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Guard the trash: those who may change images."""
        return request.user.has_perm("captions.change_image")

    @admin.display(description="Picture")
    def shown_picture(self, image: Image) -> SafeString:
        """The thumbnail."""
        return picture(image, size=120)

    @admin.display(description="Caption")
    def words(self, image: Image) -> str:
        """The words a card shows."""
        return image.caption.text if image.caption else ""

    @admin.display(description="Size")
    def size(self, image: Image) -> str:
        """Pixels and bytes."""
        return f"{image.width} × {image.height}, {image.bytes / 1000:.0f} kB"

    @admin.action(description="Put into the trash", permissions=["operate"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Image]) -> None:
        """Put each into the trash, from where it can be taken back."""
        operator: Any = request.user
        done = 0
        for image in queryset:
            try:
                trash.discard(image=image, by=operator)
                done += 1
            except DeskError as error:
                self.message_user(request, f"Picture {image.number}: {error.detail}", messages.WARNING)
        if done:
            self.message_user(request, f"Put {done} into the trash.", messages.SUCCESS)


class EventInline(Inline):
    """The job's history under the job."""

    model = JobEvent
    extra = 0
    can_delete = False
    fields = readonly_fields = ("at", "before", "after", "attempt", "worker", "note")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Events are written by the job's own service."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Events stay as they were written."""
        return False


@admin.register(CaptionJob)
class CaptionJobAdmin(ReadOnly):
    """Jobs with state, attempt, error and timings; retry and cancel."""

    list_display = (
        "created_at", "linked_image", "owner", "state", "attempt", "error_code", "waited", "ran", "model", "leased_by",
    )  # fmt: skip
    list_filter = ("state", "error_code", "lane", "isolate", ("owner", admin.RelatedOnlyFieldListFilter), "created_at")
    list_select_related = ("image", "owner")
    search_fields = ("=id", "image__filename", "=image__number", "owner__username", "error_detail", "leased_by")
    date_hierarchy = "created_at"
    inlines = (EventInline,)
    actions = ("retry_selected", "cancel_selected")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Guard the actions: operators."""
        return request.user.has_perm("captions.change_captionjob")

    @admin.display(description="Picture", ordering="image__number")
    def linked_image(self, job: CaptionJob) -> SafeString:
        """The picture's number as a link."""
        return format_html('<a href="{}">{}</a>', reverse("image", args=[job.image_id]), job.image.number)

    @admin.display(description="Waited")
    def waited(self, job: CaptionJob) -> str:
        """From the request to the last start."""
        return _seconds((job.started_at or job.finished_at or timezone.now()) - job.created_at)

    @admin.display(description="Ran")
    def ran(self, job: CaptionJob) -> str:
        """From the last start to the end."""
        return _seconds((job.finished_at or timezone.now()) - job.started_at) if job.started_at else ""

    @admin.action(description="Try again", permissions=["operate"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[CaptionJob]) -> None:
        """Queue failed and cancelled jobs again."""
        self._each(request, queryset, jobs.retry, "Queued again")

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[CaptionJob]) -> None:
        """Cancel open jobs."""
        self._each(request, queryset, jobs.cancel, "Cancelled")

    def _each(self, request: HttpRequest, queryset: QuerySet[CaptionJob], act: Any, word: str) -> None:
        done = 0
        for job in queryset:
            try:
                act(job=job, by=request.user)
                done += 1
            except DeskError as error:
                self.message_user(request, f"Picture {job.image.number}: {error.detail}", messages.WARNING)
        if done:
            self.message_user(request, f"{word}: {done}.", messages.SUCCESS)


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.1f} s"


@admin.register(Caption)
class CaptionAdmin(ReadOnly):
    """Every caption ever made."""

    list_display = ("created_at", "text", "kind", "image", "model", "score", "rank", "author")
    list_filter = ("kind", "model", "created_at")
    list_select_related = ("image", "author")
    search_fields = ("text", "=image__number", "author__username", "model")
    date_hierarchy = "created_at"


@admin.register(Review)
class ReviewAdmin(ReadOnly):
    """Every decision: who, when, what, why."""

    list_display = ("created_at", "reviewer", "decision", "image", "caption", "reason")
    list_filter = ("decision", ("reviewer", admin.RelatedOnlyFieldListFilter), "created_at")
    list_select_related = ("image", "caption", "reviewer")
    search_fields = ("caption__text", "reviewer__username", "reason", "=image__number")
    date_hierarchy = "created_at"


@admin.register(Worker)
class WorkerAdmin(ReadOnly):
    """What the workers last said about themselves."""

    list_display = (
        "name",
        "state",
        "model",
        "device",
        "precision",
        "seen_at",
        "captioned",
        "fenced",
        "seconds_per_image",
    )
    list_filter = ("state", "is_demo")
    search_fields = ("name", "model")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly):
    """Tokens without their secrets, which nobody can read any more; they can be revoked."""

    list_display = ("name", "hint", "scopes", "user", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("name", "hint", "user__username")
    exclude = ("digest",)
    actions = ("revoke",)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Guard revoking: those who see tokens."""
        return request.user.has_perm("captions.view_apitoken")

    @admin.action(description="Revoke", permissions=["operate"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Make each useless at once."""
        for token in queryset:
            tokens.revoke(token=token)
        self.message_user(request, f"Revoked {len(queryset)}.", messages.SUCCESS)

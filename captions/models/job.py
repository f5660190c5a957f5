"""CaptionJob: one request to generate captions for one image. JobEvent: every change of its state."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from captions.models.identifiers import uuid7
from captions.models.image import Image


class CaptionJob(models.Model):
    """The row is the job; a message on the broker is only a ring that says "look".

        QUEUED ──claim──► RUNNING ──complete──► DONE
          ▲  ▲              │  └──fail──► FAILED ──retry (a person)──► QUEUED
          │  └─retryable────┘
          └──lease expired── (sweep)            QUEUED | RUNNING ──cancel──► CANCELLED

    `attempt` is the fencing token: every claim, cancel and release adds one, and a write-back must name the number it
    was given. `lease_until` is database time. `params` holds what a person chose; the model's defaults fill the rest.
    Every write of a state is in `captions.jobs`.

    `turn` makes the queue fair: an owner's next job takes one turn after their last, and nobody starts before the turn
    being served, so that a backlog of thousands delays another owner's single picture by one place.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    class Lane(models.IntegerChoices):
        INTERACTIVE = 0, _("Interactive")
        BULK = 1, _("Bulk")

    OPEN = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="jobs")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="caption_jobs")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    lane = models.PositiveSmallIntegerField(choices=Lane.choices, default=Lane.INTERACTIVE)
    model = models.CharField(max_length=200, blank=True, help_text="The model asked for; empty takes any that serves.")
    is_trial = models.BooleanField(
        default=False, db_default=False, help_text="Asked by the lab: its captions are compared, not shown as drafts."
    )
    params = models.JSONField(default=dict, blank=True)
    params_digest = models.CharField(max_length=64)
    batch_key = models.CharField(max_length=16)
    turn = models.PositiveBigIntegerField(default=0, help_text="Place in the fair order of its lane; low goes first.")
    attempt = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0, help_text="Transient failures so far; caps the retries.")
    crashes = models.PositiveSmallIntegerField(default=0, help_text="Workers that died while they held this job alone.")
    isolate = models.BooleanField(default=False, help_text="Claim it alone: a worker died with it in its batch.")
    leased_by = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    available_at = models.DateTimeField(null=True, blank=True, help_text="Not to be claimed before; empty means now.")
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "done", "failed", "cancelled"]), name="job_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="running", lease_until__isnull=False)
                | (~Q(state="running") & Q(lease_until__isnull=True)),
                name="job_runs_with_a_lease",
            ),
            models.CheckConstraint(condition=~Q(state="failed") | ~Q(error_code=""), name="job_failed_says_why"),
            models.UniqueConstraint(
                fields=["image", "model", "params_digest", "is_trial"],
                condition=Q(state__in=["queued", "running"]),
                name="job_open_once_per_image_and_params",
            ),
        ]
        indexes = [
            models.Index(fields=["lane", "turn", "id"], name="job_queue", condition=Q(state="queued")),
            models.Index(fields=["owner", "lane", "turn"], name="job_queue_by_owner", condition=Q(state="queued")),
            models.Index(
                fields=["model", "batch_key", "lane", "turn", "id"],
                name="job_queue_by_key",
                condition=Q(state="queued"),
            ),
            models.Index(
                fields=["model", "lane", "turn", "id"], name="job_queue_by_model", condition=Q(state="queued")
            ),
            models.Index(fields=["lease_until"], name="job_leases", condition=Q(state="running")),
            models.Index(fields=["image", "-created_at", "-id"], name="job_of_image"),
            models.Index(fields=["owner", "-created_at", "-id"], name="job_of_owner"),
            models.Index(fields=["state", "-created_at", "-id"], name="job_by_state"),
        ]

    def __str__(self) -> str:
        return f"job {self.id}"

    @property
    def is_open(self) -> bool:
        """Whether it still may end as a caption without anybody asking again."""
        return self.state in self.OPEN


class JobEvent(models.Model):
    """One change of a job's state, written in the same transaction; append-only. `note` says why, for operators."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(CaptionJob, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    before = models.CharField(max_length=10, blank=True)
    after = models.CharField(max_length=10)
    attempt = models.PositiveBigIntegerField()
    worker = models.CharField(max_length=120, blank=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["job", "id"], name="event_of_job")]

    def __str__(self) -> str:
        return f"{self.before or 'new'} → {self.after}"

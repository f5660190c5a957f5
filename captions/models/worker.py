"""Worker: what a caption worker last said about itself."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Worker(models.Model):
    """One row per worker name, renewed by its heartbeat. Times are database time.

    `names` are all by which a job may ask for its model; `takes_any` says whether it takes jobs that ask for none.
    `defaults` are the generation defaults its model publishes; `notice` is the sentence that pages show about the model
    (the demo model's warning), empty when there is nothing to say.
    """

    class State(models.TextChoices):
        STARTING = "starting", _("Loading its model")
        READY = "ready", _("Ready")
        STOPPED = "stopped", _("Stopped")

    name = models.CharField(max_length=120, primary_key=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.STARTING)
    model = models.CharField(max_length=200, blank=True)
    title = models.CharField(max_length=200, blank=True)
    names = models.JSONField(default=list, blank=True)
    takes_any = models.BooleanField(default=True)
    revision = models.CharField(max_length=80, blank=True)
    device = models.CharField(max_length=40, blank=True)
    precision = models.CharField(max_length=10, blank=True)
    is_demo = models.BooleanField(default=False)
    notice = models.CharField(max_length=500, blank=True)
    defaults = models.JSONField(default=dict, blank=True)
    batch_size = models.PositiveSmallIntegerField(default=1)
    seconds_per_image = models.FloatField(null=True, blank=True, help_text="Running mean over recent batches.")
    memory_bytes = models.PositiveBigIntegerField(null=True, blank=True, help_text="In use on its device, all in all.")
    is_draining = models.BooleanField(
        default=False, db_default=False, help_text="An operator asked it to claim nothing more."
    )
    captioned = models.PositiveBigIntegerField(default=0)
    fenced = models.PositiveBigIntegerField(default=0, help_text="Late results dropped because the lease was lost.")
    started_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(db_index=True)
    last_claim_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def pictures_a_minute(self) -> float | None:
        """How many pictures it captions a minute while it works; None until it has said so."""
        return 60 / self.seconds_per_image if self.seconds_per_image else None

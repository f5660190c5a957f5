"""Trial: several ways of captioning tried on the same pictures, and judged without knowing which is which."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from captions.models.caption import Caption
from captions.models.identifiers import uuid7
from captions.models.image import Image
from captions.models.job import CaptionJob


class Trial(models.Model):
    """Up to 20 pictures and two or three arms. `seed` shuffles the columns, differently for every picture."""

    MOST_PICTURES = 20
    MOST_ARMS = 3

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="trials")
    name = models.CharField(max_length=120)
    seed = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    revealed_at = models.DateTimeField(null=True, blank=True, help_text="From then on votes no longer count as blind.")
    images = models.ManyToManyField(Image, related_name="trials")

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


class TrialArm(models.Model):
    """One way of captioning: a model ("" takes the usual one) and the parameters a person chose."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    trial = models.ForeignKey(Trial, on_delete=models.CASCADE, related_name="arms")
    place = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=80)
    model = models.CharField(max_length=200, blank=True)
    params = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["trial", "place"]
        constraints = [models.UniqueConstraint(fields=["trial", "place"], name="trial_arm_has_its_place")]

    def __str__(self) -> str:
        return self.name


class TrialEntry(models.Model):
    """What one arm made of one picture: its job, and then that job's best caption."""

    id = models.BigAutoField(primary_key=True)
    arm = models.ForeignKey(TrialArm, on_delete=models.CASCADE, related_name="entries")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    job = models.ForeignKey(CaptionJob, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["arm", "image"], name="trial_entry_once")]

    def __str__(self) -> str:
        return f"{self.arm_id} on {self.image_id}"


class TrialVote(models.Model):
    """One person's choice for one picture; without an arm: none of them is usable."""

    id = models.BigAutoField(primary_key=True)
    trial = models.ForeignKey(Trial, on_delete=models.CASCADE, related_name="votes")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    arm = models.ForeignKey(TrialArm, on_delete=models.CASCADE, null=True, blank=True, related_name="votes")
    caption = models.ForeignKey(Caption, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    voted_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["trial", "image", "voter"], name="trial_vote_once")]

    def __str__(self) -> str:
        return f"vote in {self.trial_id}"

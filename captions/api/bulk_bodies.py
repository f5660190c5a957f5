"""What the addresses of bulk jobs take and answer."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from captions.api.serializers import IdField, Strict, TextField, parameter_fields
from captions.models import BulkJob

#: Failures that each job of a list is shown with.
LISTED: Final = 10


def _images() -> serializers.ListField:
    return serializers.ListField(child=IdField(), help_text="Ids of pictures, 1,000 at most; each counts once.")


class BulkFailureSerializer(serializers.Serializer[Any]):
    """One picture that was not done."""

    image = serializers.UUIDField()
    code = serializers.CharField(help_text="Stable, for programs.")
    detail = serializers.CharField(help_text="Words for people.")


class BulkJobSerializer(serializers.ModelSerializer[BulkJob]):
    """One thing asked for many pictures. It is done in the background, one picture after the other."""

    total = serializers.SerializerMethodField(help_text="How many pictures it is about.")
    done = serializers.SerializerMethodField(help_text="How many were dealt with and done.")
    failures = serializers.SerializerMethodField(
        help_text=f"Those that were dealt with and could not be done, and why; in a list of jobs the first {LISTED}."
    )
    finished_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = BulkJob
        fields = ["id", "action", "state", "total", "done", "failures", "created_at", "finished_at"]
        read_only_fields = fields

    def get_total(self, job: BulkJob) -> int:
        """Count the pictures."""
        return len(job.images)

    def get_done(self, job: BulkJob) -> int:
        """Count those that were done."""
        return job.position - len(job.failures)

    @extend_schema_field(BulkFailureSerializer(many=True))
    def get_failures(self, job: BulkJob) -> Any:
        """Give them all, or few of a job among others: two hundred jobs with a thousand each would be 28 MB."""
        listed = job.failures if self.parent is None else job.failures[:LISTED]
        return BulkFailureSerializer(listed, many=True).data


class PicturesBody(Strict):
    """Which pictures."""

    images = _images()


class BulkReviewBody(PicturesBody):
    """A decision on what each picture shows."""

    decision = serializers.ChoiceField(choices=["approve", "reject"])
    reason = TextField(required=False, allow_blank=True, max_length=200, help_text="Why; with `reject` only.")


class BulkTagBody(PicturesBody):
    """Tags to put on, and to take off."""

    add = serializers.ListField(child=TextField(), required=False, help_text="20 at most.")
    remove = serializers.ListField(child=TextField(), required=False, help_text="20 at most.")


#: For the schema; `captions.params` judges the values.
BulkCaptionSerializer = inline_serializer("BulkCaption", {"images": _images(), **parameter_fields(of_form=False)})

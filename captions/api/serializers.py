"""What answers look like, and what bodies may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from captions import review_queue, selectors, uploads
from captions.caption_imports import Outcome
from captions.errors import FAILURES, told
from captions.models import (
    Album,
    AlbumLink,
    AlbumShare,
    ApiToken,
    Caption,
    CaptionJob,
    Image,
    Review,
    SavedSearch,
    Tag,
    Upload,
)
from captions.params import KNOBS, complete
from captions.scopes import Scope

# --- Parts of answers ----------------------------------------------------------------------------------------------


class CaptionSerializer(serializers.ModelSerializer[Caption]):
    """Words for a picture and where they came from; never changed once written."""

    image = serializers.UUIDField(source="image_id", help_text="The picture.")
    text = serializers.CharField(help_text="The words.")
    purpose = serializers.ChoiceField(
        choices=Caption.Purpose.choices, help_text="Only words of purpose `alt` are reviewed and published."
    )
    language = serializers.CharField(help_text="BCP 47, as in HTML's `lang`.")
    score = serializers.FloatField(allow_null=True, help_text="Mean log-probability per token, at most 0; drafts only.")
    rank = serializers.IntegerField(allow_null=True, help_text="Place among its job's drafts, from 1; drafts only.")
    model = serializers.SerializerMethodField(help_text="The model that drafted it; null for people's words.")
    revision = serializers.SerializerMethodField(help_text="The model's revision; null for people's words.")
    params = serializers.DictField(help_text="All generation parameters in force; empty for people's words.")
    seed = serializers.IntegerField(allow_null=True, help_text="The seed in force, when words were picked by chance.")
    author = serializers.SerializerMethodField(help_text="Who wrote, edited or restored it; null for drafts.")
    parent = serializers.UUIDField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        source="parent_id", allow_null=True, help_text="The caption that it came from."
    )
    job = serializers.UUIDField(source="job_id", allow_null=True, help_text="The job that drafted it.")

    class Meta:
        model = Caption
        fields = [
            "id",
            "image",
            "text",
            "kind",
            "purpose",
            "language",
            "score",
            "rank",
            "model",
            "revision",
            "params",
            "seed",
            "author",
            "parent",
            "job",
            "created_at",
        ]
        read_only_fields = fields

    def get_model(self, caption: Caption) -> str | None:
        """Give null rather than an empty name."""
        return caption.model or None

    def get_revision(self, caption: Caption) -> str | None:
        """Give null rather than an empty revision."""
        return caption.revision or None

    def get_author(self, caption: Caption) -> str | None:
        """Name the person."""
        return caption.author.get_username() if caption.author else None


class JobErrorSerializer(serializers.Serializer[Any]):
    """Why a job failed."""

    code = serializers.CharField(help_text="Stable, for programs.")
    detail = serializers.CharField(help_text="Words for people.")


class JobNoticeSerializer(serializers.Serializer[Any]):
    """What a waiting job lacks."""

    code = serializers.ChoiceField(choices=selectors.LACKS, help_text="Stable, for programs.")
    detail = serializers.CharField(help_text="Words for people.")


class JobSerializer(serializers.ModelSerializer[CaptionJob]):
    """One request to caption one picture."""

    image = serializers.UUIDField(source="image_id", help_text="The picture.")
    model = serializers.SerializerMethodField(help_text="The model asked for; null takes any that serves.")
    attempt = serializers.IntegerField(help_text="How often it was handed to a worker or taken back.")
    params = serializers.SerializerMethodField(
        help_text="All generation parameters: those it ran with, until then those it would run with."
    )
    chosen = serializers.DictField(source="params", help_text="The parameters somebody chose for it.")
    error = serializers.SerializerMethodField(help_text="Why it failed; null unless it did.")
    notice = serializers.SerializerMethodField(
        help_text="What it lacks while it waits and no worker that runs would take it; null otherwise."
    )
    captions = serializers.SerializerMethodField(help_text="Its drafts, best first.")

    class Meta:
        model = CaptionJob
        fields = [
            "id",
            "image",
            "state",
            "attempt",
            "model",
            "params",
            "chosen",
            "error",
            "notice",
            "captions",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    def get_model(self, job: CaptionJob) -> str | None:
        """Give null rather than an empty name."""
        return job.model or None

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_params(self, job: CaptionJob) -> dict[str, Any]:
        """Give what its drafts were made with, else what was chosen upon the defaults of the model that serves."""
        for draft in job.captions.all():
            return dict(draft.params)
        return complete(job.params, defaults=self._serving.defaults_for(job.model)).as_dict()

    @cached_property
    def _serving(self) -> selectors.Serving:
        """Look at the workers once for a whole page of jobs."""
        return selectors.serving()

    @extend_schema_field(JobErrorSerializer(allow_null=True))
    def get_error(self, job: CaptionJob) -> dict[str, str] | None:
        """Give code and words; the detail kept for operators stays inside."""
        if job.state != CaptionJob.State.FAILED:
            return None
        known = FAILURES.get(job.error_code, FAILURES["unknown"])
        return {"code": job.error_code, "detail": known.words}

    @extend_schema_field(JobNoticeSerializer(allow_null=True))
    def get_notice(self, job: CaptionJob) -> dict[str, str] | None:
        """Say plainly when its place in the queue alone does not bring it on."""
        if job.state != CaptionJob.State.QUEUED:
            return None
        lack = selectors.lack_of(job, self._serving)
        return {"code": lack.code, "detail": lack.words} if lack else None

    @extend_schema_field(CaptionSerializer(many=True))
    def get_captions(self, job: CaptionJob) -> Any:
        """Give the drafts that views have fetched with the job."""
        drafts = sorted(job.captions.all(), key=lambda caption: caption.rank or 0)
        return CaptionSerializer(drafts, many=True, context=self.context).data


class UploadErrorSerializer(serializers.Serializer[Any]):
    """Why a file was refused, or what it waits for."""

    code = serializers.CharField(help_text="Stable, for programs.")
    detail = serializers.CharField(help_text="Words for people.")


class FileSerializer(serializers.ModelSerializer[Upload]):
    """A file that comes in pieces, or one out of a ZIP file."""

    filename = serializers.CharField(help_text="What its sender calls it.")
    folder = serializers.CharField(help_text="The folder that it lay in, as its sender calls it; may be empty.")
    length = serializers.IntegerField(min_value=0, help_text="Bytes of the whole file.")
    offset = serializers.SerializerMethodField(help_text="Bytes that are here; the next piece begins there.")
    error = serializers.SerializerMethodField(help_text="Why it was refused, or what it waits for; else null.")
    image = serializers.UUIDField(source="image_id", allow_null=True, help_text="The picture that it became.")
    parent = serializers.UUIDField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        source="parent_id", allow_null=True, help_text="The ZIP file that it came in."
    )
    batch = serializers.UUIDField(source="batch_id", allow_null=True, help_text="The import that it belongs to.")

    class Meta:
        model = Upload
        fields = [
            "id",
            "filename",
            "folder",
            "length",
            "offset",
            "state",
            "error",
            "image",
            "parent",
            "batch",
            "created_at",
            "expires_at",
        ]
        read_only_fields = fields

    def get_offset(self, upload: Upload) -> int:
        """Give what is on the disk."""
        return uploads.offset_of(upload)

    @extend_schema_field(UploadErrorSerializer(allow_null=True))
    def get_error(self, upload: Upload) -> dict[str, str] | None:
        """Give the code with its words."""
        if not upload.error_code:
            return None
        return {"code": upload.error_code, "detail": told(upload.error_code, upload.error_detail)}


class AddressSerializer(serializers.Serializer[Any]):
    """Where the bytes of one file are put."""

    method = serializers.CharField(help_text="PUT.")
    url = serializers.URLField(help_text="Signed; whoever has it can put this one file there.")
    headers = serializers.DictField(child=serializers.CharField(), help_text="To be sent exactly so.")
    expires_at = serializers.DateTimeField(help_text="Until when the storage takes the file there.")


class PresignedUploadSerializer(serializers.Serializer[Any]):
    """An upload that comes through the storage."""

    upload = FileSerializer()
    address = AddressSerializer(
        allow_null=True, help_text="Where its bytes go; null when they have come already, by the same fingerprint."
    )


class PictureUrlsSerializer(serializers.Serializer[Any]):
    """Where the bytes of a picture are."""

    thumbnail = serializers.URLField(help_text="Small WebP without metadata.")
    medium = serializers.URLField(help_text="Medium WebP without metadata; the large one where there is none.")
    screen = serializers.URLField(help_text="Large WebP without metadata.")
    original = serializers.URLField(allow_null=True, help_text="The bytes as they came; null unless it is yours.")


class AlbumNameSerializer(serializers.Serializer[Any]):
    """An album, named."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class QualityBinSerializer(serializers.Serializer[Any]):
    """Decisions on drafts of about one score."""

    at_least = serializers.FloatField(help_text="The lowest score that belongs here.")
    below = serializers.FloatField(help_text="Where the next bin begins.")
    mean = serializers.FloatField(help_text="Mean score.")
    share = serializers.FloatField(help_text="What share was approved unchanged.")
    low = serializers.FloatField(help_text="Lower bound of the share's 95 % interval.")
    high = serializers.FloatField(help_text="Upper bound of the share's 95 % interval.")
    decisions = serializers.IntegerField()


class QualityOfModelSerializer(serializers.Serializer[Any]):
    """How the score does with one model's drafts."""

    model = serializers.CharField()
    decisions = serializers.IntegerField()
    approved = serializers.IntegerField(help_text="Approved unchanged.")
    mean = serializers.FloatField(help_text="Mean score.")
    brier = serializers.FloatField(help_text="Mean squared difference of score and outcome.")


class QualityThresholdSerializer(serializers.Serializer[Any]):
    """What a rule would have done that approves from one score on."""

    threshold = serializers.FloatField()
    passed = serializers.IntegerField(help_text="Decided drafts that score as much or more.")
    right = serializers.IntegerField(help_text="How many of them people approved unchanged.")
    low = serializers.FloatField(help_text="Lower bound of the 95 % interval of right by passed.")
    high = serializers.FloatField(help_text="Upper bound of the 95 % interval of right by passed.")


class QualitySerializer(serializers.Serializer[Any]):
    """How the quality score was learned, and how right it is on decisions held out from the fit."""

    method = serializers.CharField(help_text="`prior`, a fixed formula, until enough was decided.")
    decisions = serializers.IntegerField(help_text="How many decisions it was learned from.")
    approved = serializers.IntegerField(help_text="How many of them approved the draft unchanged.")
    brier = serializers.FloatField(allow_null=True, help_text="Mean squared difference of score and outcome.")
    fitted_at = serializers.DateTimeField(allow_null=True)
    bins = QualityBinSerializer(many=True, help_text="The reliability diagram.")
    by_model = QualityOfModelSerializer(many=True)
    thresholds = QualityThresholdSerializer(many=True)
    auto_approve_from = serializers.FloatField(
        allow_null=True, help_text="From which score on drafts are approved by rule; null while the rule is off."
    )


class ImageSerializer(serializers.ModelSerializer[Image]):
    """One uploaded picture."""

    owner = serializers.CharField(source="owner.username", help_text="Whose picture it is.")
    number = serializers.IntegerField(help_text="Counts the owner's pictures from 1.")
    width = serializers.IntegerField(help_text="Pixels of the upright picture.")
    height = serializers.IntegerField(help_text="Pixels of the upright picture.")
    frames = serializers.IntegerField(help_text="More than 1 for animations and pages; captions are about the first.")
    bytes = serializers.IntegerField(help_text="Size of the original.")
    sha256 = serializers.CharField(help_text="Of the original's bytes, 64 hexadecimal digits.")
    caption = CaptionSerializer(allow_null=True, help_text="The approved caption, else the newest words.")
    published_caption = CaptionSerializer(allow_null=True, help_text="The approved caption.")
    title = serializers.CharField(help_text="What people call it; may be empty.")
    is_decorative = serializers.BooleanField(help_text="Somebody said that it needs no words: its alt text is empty.")
    alt_text = serializers.SerializerMethodField(
        help_text="For HTML: the approved caption, empty for a decorative picture, null while nobody has decided."
    )
    long_description = serializers.SerializerMethodField(help_text="More than a sentence, by people; null for none.")
    tags = serializers.SerializerMethodField(help_text="Yours only; empty on other people's pictures.")
    albums = serializers.SerializerMethodField(help_text="The albums that it lies in and that you may open.")
    quality = serializers.FloatField(
        allow_null=True,
        help_text="Chance from 0 to 1 that a reviewer approves the draft on show unchanged; null without one.",
    )
    published_by_rule = serializers.SerializerMethodField(
        help_text="Whether the caption was published by a rule alone, and no person has vouched for it."
    )
    deleted_at = serializers.DateTimeField(allow_null=True, help_text="In the trash since then.")
    urls = serializers.SerializerMethodField()

    class Meta:
        model = Image
        fields = [
            "id",
            "number",
            "owner",
            "filename",
            "sha256",
            "format",
            "width",
            "height",
            "frames",
            "bytes",
            "state",
            "caption",
            "published_caption",
            "title",
            "is_decorative",
            "alt_text",
            "long_description",
            "tags",
            "albums",
            "quality",
            "published_by_rule",
            "created_at",
            "deleted_at",
            "urls",
        ]
        read_only_fields = fields

    def get_alt_text(self, image: Image) -> str | None:
        """Give what belongs into `alt`."""
        if image.is_decorative:
            return ""
        return image.published_caption.text if image.published_caption else None

    def get_long_description(self, image: Image) -> str | None:
        """Give the version in force."""
        found = self._beside(image).long.get(image.pk)
        return found.text if found else None

    def get_tags(self, image: Image) -> list[str]:
        """Give their names."""
        return self._beside(image).tags.get(image.pk, [])

    @extend_schema_field(serializers.ListField(child=AlbumNameSerializer()))
    def get_albums(self, image: Image) -> list[dict[str, str]]:
        """Give ids and names."""
        return [{"id": str(key), "name": name} for key, name in self._beside(image).albums.get(image.pk, [])]

    def _beside(self, image: Image) -> selectors.Beside:
        """Look once for a whole page of pictures, unless the view knows what would be found."""
        found: selectors.Beside | None = getattr(self, "_found", self.context.get("beside"))
        if found is None or image.pk not in found.images:
            page = self.parent.instance if isinstance(self.parent, serializers.ListSerializer) else [image]
            found = selectors.beside(self.context["request"].user, [one.pk for one in page or [image]])
            self._found = found
        return found

    def get_published_by_rule(self, image: Image) -> bool:
        """Say whether no person stands behind the published caption."""
        return image.pk in self._beside(image).by_rule

    @extend_schema_field(PictureUrlsSerializer)
    def get_urls(self, image: Image) -> dict[str, str | None]:
        """Give absolute addresses; a file name belongs to the owner, and so does the original."""
        request = self.context["request"]
        mine = image.owner_id == request.user.pk
        return {
            kind: request.build_absolute_uri(reverse(f"api-image-{kind}", args=[image.pk]))
            if mine or kind != "original"
            else None
            for kind in ("thumbnail", "medium", "screen", "original")
        }


class ImageWithJobsSerializer(ImageSerializer):
    """One picture with its jobs, newest first."""

    jobs = JobSerializer(source="recent_jobs", many=True, help_text="Its newest jobs.")

    class Meta(ImageSerializer.Meta):
        fields = [*ImageSerializer.Meta.fields, "jobs"]
        read_only_fields = fields


class ReviewSerializer(serializers.ModelSerializer[Review]):
    """One decision of one person."""

    image = serializers.UUIDField(source="image_id")
    caption = CaptionSerializer(help_text="The caption decided on; after an edit, the corrected one.")
    reviewer = serializers.CharField(source="reviewer.username", help_text="Who decided.")
    undoes = serializers.UUIDField(source="undoes_id", allow_null=True, help_text="The decision that this takes back.")
    is_automatic = serializers.BooleanField(
        help_text="By the rule that the reviewer switched on, not by their own eyes."
    )
    quality = serializers.SerializerMethodField(help_text="The quality score by which the rule approved; else null.")

    class Meta:
        model = Review
        fields = [
            "id",
            "image",
            "caption",
            "reviewer",
            "decision",
            "reason",
            "undoes",
            "is_automatic",
            "quality",
            "created_at",
        ]
        read_only_fields = fields

    def get_quality(self, review: Review) -> float | None:
        """Give the score at the time of the approval."""
        return review.by_rule.quality if hasattr(review, "by_rule") else None


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """The token that asks; its secret is kept nowhere."""

    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), help_text="What it opens; `admin` holds all others."
    )

    class Meta:
        model = ApiToken
        fields = ["name", "hint", "scopes", "created_at", "expires_at"]
        read_only_fields = fields
        extra_kwargs = {"hint": {"help_text": "The first characters of the secret."}}


class SavedSearchSerializer(serializers.ModelSerializer[SavedSearch]):
    """A search that its owner comes back to."""

    name = serializers.CharField(help_text="What its owner calls it; once per person.")
    query = serializers.CharField(help_text="The search, to be given as `q` to `/api/v1/images/`.")

    class Meta:
        model = SavedSearch
        fields = ["id", "name", "query", "created_at"]
        read_only_fields = fields


class ModelSerializer(serializers.Serializer[Any]):
    """One model that workers serve now."""

    name = serializers.CharField(help_text="By which to ask for it: the parameter `model`.")
    names = serializers.ListField(child=serializers.CharField(), help_text="All names that it answers to.")
    title = serializers.CharField(allow_null=True, help_text="What it is, in words; null when nobody has said.")
    revision = serializers.CharField(help_text="Which version of its weights.")
    device = serializers.CharField(help_text="What it runs on; of several workers, the newest one's.")
    precision = serializers.CharField(help_text="How exactly it calculates; of several workers, the newest one's.")
    is_demo = serializers.BooleanField(help_text="The demo model only knows coloured shapes.")
    is_default = serializers.BooleanField(help_text="Whether it also takes jobs that ask for no model.")
    workers = serializers.IntegerField(help_text="How many workers serve it.")
    seconds_per_image = serializers.FloatField(
        allow_null=True, help_text="Mean over its workers' recent pictures; null until there were some."
    )
    defaults = serializers.DictField(help_text="The generation parameters that it takes for those left out.")


class ServiceSerializer(serializers.Serializer[Any]):
    """Which model answers."""

    ready = serializers.BooleanField(help_text="Whether a worker serves a model now.")
    model = serializers.CharField(allow_null=True)
    revision = serializers.CharField(allow_null=True)
    is_demo = serializers.BooleanField(help_text="The demo model only knows coloured shapes.")
    notice = serializers.CharField(allow_blank=True, help_text="What people should know about the model.")


class LimitsSerializer(serializers.Serializer[Any]):
    """What this server takes."""

    max_upload_bytes = serializers.IntegerField()
    max_pixels = serializers.IntegerField(help_text="Width times height times frames.")
    max_frames = serializers.IntegerField()
    formats = serializers.ListField(child=serializers.CharField())


class MeSerializer(serializers.Serializer[Any]):
    """Who asks, what they have, and what answers them."""

    username = serializers.CharField()
    email = serializers.CharField(allow_blank=True)
    is_reviewer = serializers.BooleanField(help_text="Whether you may decide on other people's captions.")
    images = serializers.DictField(child=serializers.IntegerField(), help_text="How many of your pictures, by state.")
    token = TokenSerializer(allow_null=True, help_text="The token that asks; null for a signed-in page.")
    service = ServiceSerializer()
    limits = LimitsSerializer()


# --- Bodies --------------------------------------------------------------------------------------------------------


class Strict(serializers.Serializer[Any]):
    """A body that may hold nothing but its fields: a misspelt one would else be dropped without a word."""

    def to_internal_value(self, data: Any) -> Any:
        """Read the body. Raises ValidationError with one entry per unknown field beside the usual ones."""
        unknown = sorted(str(name) for name in set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        if unknown:
            words = _("There is no such field. It may be %(fields)s.") % {"fields": ", ".join(self.fields)}
            error = serializers.ErrorDetail(words, code="unknown_field")
            raise serializers.ValidationError({name: [error] for name in unknown})
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """A text and nothing else; DRF's own writes numbers down as text."""

    def to_internal_value(self, data: Any) -> str:
        """Read the text. Raises ValidationError."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class IdField(serializers.UUIDField):
    """An id as text; DRF's own takes `false` and every other number for one."""

    def to_internal_value(self, data: Any) -> UUID:
        """Read the id. Raises ValidationError."""
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class SwitchField(serializers.BooleanField):
    """True or false; DRF's own takes `0`, "yes" and the like too."""

    def to_internal_value(self, data: Any) -> bool:
        """Read the switch. Raises ValidationError."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class CountField(serializers.IntegerField):
    """A whole number, which `7.0` is in JSON; DRF's own takes "7" too."""

    def to_internal_value(self, data: Any) -> int:
        """Read the number. Raises ValidationError."""
        if not isinstance(data, int | float) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class SearchToSaveSerializer(Strict):
    """A search to be saved."""

    # Length, spaces and meaning are the service's to judge, in one place for pages and API.
    name = TextField(trim_whitespace=False, allow_blank=True, help_text="At most 120 characters.")
    query = TextField(trim_whitespace=False, allow_blank=True, help_text="In the language of the search field.")


class SearchToChangeSerializer(Strict):
    """What is to change of a saved search; what is left out stays."""

    name = TextField(required=False, trim_whitespace=False, allow_blank=True, help_text="At most 120 characters.")
    query = TextField(
        required=False, trim_whitespace=False, allow_blank=True, help_text="In the language of the search field."
    )


DECISIONS: Final = ("approve", "edit", "reject")


class WordsSerializer(Strict):
    """Words written by hand."""

    # Spaces and length are the ledger's to judge, in one place for pages and API.
    text = TextField(trim_whitespace=False, allow_blank=True, help_text="At most 2,000 characters.")
    language = TextField(required=False, help_text="BCP 47; `en` when left out.")
    purpose = serializers.ChoiceField(
        choices=["alt", "long"], required=False, help_text="`long` writes the long description; it is never reviewed."
    )


class DecisionSerializer(Strict):
    """A decision on a picture's caption."""

    decision = serializers.ChoiceField(choices=DECISIONS)
    caption = IdField(
        required=False, allow_null=True, help_text="The caption decided on; the one the picture shows when left out."
    )
    text = TextField(
        required=False, trim_whitespace=False, allow_blank=True, help_text="The corrected words; with `edit` only."
    )
    language = TextField(required=False, help_text="Of the corrected words, BCP 47; with `edit` only.")
    reason = TextField(required=False, allow_blank=True, max_length=200, help_text="Why; with `reject` only.")
    seen = TextField(
        required=False,
        allow_blank=True,
        max_length=36,
        help_text="The mark that came with the picture from `/api/v1/review/next/`. With it, a decision is refused "
        "when somebody decided in the meantime, or the picture is before another reviewer now.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Hold fields to their decision. Raises ValidationError."""
        decision = attrs["decision"]
        if decision == "edit" and "text" not in attrs:
            raise serializers.ValidationError({"text": _("Give the corrected words.")}, code="required")
        for name, only in (("text", "edit"), ("language", "edit"), ("reason", "reject")):
            if attrs.get(name) and decision != only:
                raise serializers.ValidationError(
                    {name: _("Only a decision “%(decision)s” has this field.") % {"decision": only}}
                )
        return attrs


class NextReviewsSerializer(Strict):
    """What somebody wants to review next."""

    n = CountField(
        required=False, default=10, min_value=1, max_value=review_queue.AT_MOST, help_text="How many pictures at most."
    )
    order = serializers.ChoiceField(
        choices=review_queue.Order.values, required=False, default=review_queue.Order.LEAST_SURE.value,
        help_text="Which come first.",
    )  # fmt: skip
    album = IdField(required=False, allow_null=True, help_text="The pictures of this album only.")


class TurnSerializer(serializers.Serializer[Any]):
    """One picture that is before you alone until its lease runs out."""

    image = ImageSerializer()
    caption = CaptionSerializer(source="shown", help_text="The caption to decide on.")
    drafts = CaptionSerializer(many=True, help_text="What may be approved instead, best first, the caption among them.")
    seen = serializers.CharField(allow_blank=True, help_text="Send it back with the decision.")
    lease_seconds = serializers.SerializerMethodField(help_text="How long nobody else is handed the picture.")

    def get_lease_seconds(self, turn: review_queue.Turn) -> float:
        """Give the length of a lease, the same for all."""
        return float(settings.REVIEW_LEASE_SECONDS)


class AboutSerializer(Strict):
    """What to change about a picture; what is left out stays."""

    title = TextField(required=False, allow_blank=True, help_text="At most 200 characters; empty for none.")
    is_decorative = SwitchField(required=False, help_text="`true` empties its alt text.")
    long_description = TextField(
        required=False, allow_blank=True, trim_whitespace=False, help_text="At most 2,000 characters; empty for none."
    )
    tags = serializers.ListField(
        child=TextField(), required=False, help_text="Exactly these, 20 at most; on your own pictures only."
    )


# --- Albums and tags -----------------------------------------------------------------------------------------------


class AlbumSerializer(serializers.ModelSerializer[Album]):
    """Pictures that their owner put together."""

    owner = serializers.CharField(source="owner.username", help_text="Whose album it is.")
    pictures = serializers.IntegerField(help_text="How many lie in it.")
    role = serializers.SerializerMethodField(help_text="What you may do: `own`, `view`, `caption` or `review`.")

    class Meta:
        model = Album
        fields = ["id", "name", "owner", "pictures", "role", "created_at"]
        read_only_fields = fields

    def get_role(self, album: Album) -> str:
        """Say whether it is the person's own, else the share's role."""
        return "own" if album.owner_id == self.context["request"].user.pk else str(getattr(album, "role", "view"))


class AlbumNameBody(Strict):
    """What an album or a tag is called."""

    name = TextField(allow_blank=True, help_text="At most 120 characters for an album, 60 for a tag.")


class AlbumPicturesBody(Strict):
    """Which pictures to add and to take out; 1,000 each at most. Those that are not yours are passed over."""

    add = serializers.ListField(child=IdField(), required=False)
    remove = serializers.ListField(child=IdField(), required=False)


class AlbumPicturesSerializer(serializers.Serializer[Any]):
    """What became of it."""

    added = serializers.IntegerField(help_text="How many are new in the album.")
    removed = serializers.IntegerField(help_text="How many were taken out.")


class ShareSerializer(serializers.ModelSerializer[AlbumShare]):
    """What a person may do with an album's pictures."""

    user = serializers.CharField(source="user.username", help_text="With whom it is shared.")

    class Meta:
        model = AlbumShare
        fields = ["id", "user", "role", "created_at"]
        read_only_fields = fields


class ShareBody(Strict):
    """With whom to share an album."""

    user = TextField(allow_blank=True, help_text="User name or confirmed e-mail address.")
    role = serializers.ChoiceField(choices=AlbumShare.Role.choices)


class RoleBody(Strict):
    """What a person may do."""

    role = serializers.ChoiceField(choices=AlbumShare.Role.choices)


class LinkSerializer(serializers.ModelSerializer[AlbumLink]):
    """An address for people without an account. Its secret is kept nowhere."""

    created_by = serializers.CharField(source="created_by.username")

    class Meta:
        model = AlbumLink
        fields = ["id", "created_by", "created_at", "expires_at", "last_used_at"]
        read_only_fields = fields


class NewLinkSerializer(LinkSerializer):
    """A new link with its address, given this once."""

    url = serializers.CharField(help_text="Keep it: it cannot be shown again.")

    class Meta(LinkSerializer.Meta):
        fields = [*LinkSerializer.Meta.fields, "url"]
        read_only_fields = fields


class LinkBody(Strict):
    """How long a link lives."""

    days = CountField(min_value=1, max_value=365)


class TagSerializer(serializers.ModelSerializer[Tag]):
    """A word that you find your pictures by."""

    pictures = serializers.IntegerField(help_text="On how many pictures it is.")

    class Meta:
        model = Tag
        fields = ["id", "name", "pictures", "created_at"]
        read_only_fields = fields


class MarkBody(Strict):
    """Which tags to put on which pictures of yours, and which to take off."""

    images = serializers.ListField(child=IdField(), help_text="1,000 at most.")
    add = serializers.ListField(child=TextField(), required=False, help_text="20 at most.")
    remove = serializers.ListField(child=TextField(), required=False, help_text="20 at most.")


class MarkedSerializer(serializers.Serializer[Any]):
    """What became of it."""

    tagged = serializers.IntegerField(help_text="On how many pictures the added tags are now.")
    untagged = serializers.IntegerField(help_text="How many tags were taken off pictures.")


#: How forms and addresses, which have no true and false of their own, may say them.
TRUTHS: Final = ("true", "false", "on", "off", "yes", "no", "1", "0")


def _parameter_field(kind: type, **options: Any) -> serializers.Field[Any, Any, Any, Any]:
    fields = {int: serializers.IntegerField, float: serializers.FloatField, bool: serializers.BooleanField}
    field: serializers.Field[Any, Any, Any, Any] = fields[kind](required=False, **options)
    return field


def parameter_fields(*, of_form: bool) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    """Give one field per generation parameter, for the schema; `captions.params.parse` judges the values."""
    fields: dict[str, serializers.Field[Any, Any, Any, Any]] = {}
    for knob in KNOBS:
        limits = {} if knob.kind is bool else {"min_value": knob.minimum, "max_value": knob.maximum}
        default = "the model decides" if knob.default is None else f"usually {knob.default}"
        words = f"{knob.label}. {knob.help} Left out: {default}."
        if knob.kind is bool and of_form:
            fields[knob.name] = serializers.ChoiceField(choices=TRUTHS, required=False, help_text=words)
        else:
            fields[knob.name] = _parameter_field(knob.kind, allow_null=not of_form, help_text=words, **limits)
    fields["model"] = serializers.CharField(
        required=False,
        allow_blank=True,
        allow_null=not of_form,
        max_length=200,
        help_text="The model to ask for, by one of the names of `/api/v1/models/`; left out, one that is a default.",
    )
    return fields


class LeftSerializer(serializers.Serializer[Any]):
    """A text that was not taken."""

    picture = serializers.CharField(help_text="What the file calls its picture.")
    code = serializers.CharField(help_text="Why, stable, for programs.")
    detail = serializers.CharField(help_text="Why, in words.")


class CaptionImportSerializer(serializers.Serializer[Any]):
    """What became of a file's texts."""

    written = serializers.IntegerField(help_text="New words here.")
    known = serializers.IntegerField(help_text="Words that their pictures had already.")
    approved = serializers.IntegerField(help_text="Of both, how many were published now.")
    drafts = serializers.IntegerField(help_text="A machine's words that nobody touched; they are passed over.")
    waiting = serializers.IntegerField(help_text="Texts for which time was too short: send the file again.")
    left = serializers.SerializerMethodField(help_text="How many were not taken.")
    unmatched = serializers.SerializerMethodField(help_text="The first 50 of them, and why.")

    def get_left(self, outcome: Outcome) -> int:
        """Count all that were not taken."""
        return len(outcome.left)

    @extend_schema_field(LeftSerializer(many=True))
    def get_unmatched(self, outcome: Outcome) -> Any:
        """Give the first of them."""
        return LeftSerializer(outcome.left[:50], many=True).data


def _address_field() -> TextField:
    return TextField(max_length=2048, help_text="Where the picture lies: http or https, open to everybody.")


class NamedPictureBody(serializers.Serializer[Any]):
    """A picture by its address; generation parameters may stand beside it, and are read by `captions.params`."""

    url = _address_field()


class FileToPutBody(Strict):
    """A file that is going to be put into the storage."""

    filename = TextField(max_length=4096, help_text="What you call it; “.zip” at its end makes it an archive.")
    length = CountField(min_value=1, max_value=10**15, help_text="Bytes of the whole file.")
    folder = TextField(required=False, allow_blank=True, max_length=4096, help_text="To name an album by.")
    fingerprint = TextField(
        required=False, allow_blank=True, max_length=200, help_text="Whatever you know the file by, within one import."
    )
    batch = IdField(required=False, help_text="The id of an import of yours.")


NamedPictureSerializer = inline_serializer("NamedPicture", {"url": _address_field(), **parameter_fields(of_form=False)})
JobRequestSerializer = inline_serializer("JobRequest", parameter_fields(of_form=False))
JobFormSerializer = inline_serializer("JobForm", parameter_fields(of_form=True))
UploadSerializer = inline_serializer(
    "Upload", {"file": serializers.FileField(help_text="The picture."), **parameter_fields(of_form=True)}
)
CaptionImportFileSerializer = inline_serializer(
    "CaptionImportFile", {"file": serializers.FileField(help_text="A JSON, XML or ZIP file.")}
)
FAILURE_TYPES: Final = ("validation_error", "client_error", "server_error")
FailureSerializer = inline_serializer(
    "Failure",
    {
        "type": serializers.ChoiceField(choices=FAILURE_TYPES),
        "errors": inline_serializer(
            "FailureEntry",
            {
                "code": serializers.CharField(help_text="Stable, for programs."),
                "detail": serializers.CharField(help_text="Words for people: what is so, then what to do."),
                "attr": serializers.CharField(allow_null=True, help_text="The field or parameter it is about."),
            },
            many=True,
        ),
        "request_id": serializers.CharField(help_text="Quote it when something is our fault."),
    },
)
BINARY: Final = OpenApiTypes.BINARY

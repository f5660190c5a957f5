"""What the desk answers.

Generated from docs/openapi.json by clients/python/generate.py; do not edit.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict

from captiondesk.told import Told


class Address(Told):
    """
    Where the bytes of one file are put.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    expires_at: AwareDatetime
    """
    Until when the storage takes the file there.
    """
    headers: dict[str, str]
    """
    To be sent exactly so.
    """
    method: str
    """
    PUT.
    """
    url: str
    """
    Signed; whoever has it can put this one file there.
    """


class Album(Told):
    """
    Pictures that their owner put together.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    created_at: AwareDatetime
    id: UUID
    name: str
    owner: str
    """
    Whose album it is.
    """
    pictures: int
    """
    How many lie in it.
    """
    role: str
    """
    What you may do: `own`, `view`, `caption` or `review`.
    """


class AlbumName(Told):
    """
    An album, named.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    id: UUID
    name: str


class AlbumPictures(Told):
    """
    What became of it.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    added: int
    """
    How many are new in the album.
    """
    removed: int
    """
    How many were taken out.
    """


class Attempt(Told):
    """
    One try.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    answer: str
    """
    The beginning of its answer.
    """
    created_at: AwareDatetime
    error: str
    """
    The code of why nothing came, such as `address_too_slow`; else empty.
    """
    seconds: float
    status: int | None
    """
    What the address answered; null when nothing came.
    """


class BulkFailure(Told):
    """
    One picture that was not done.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    code: str
    """
    Stable, for programs.
    """
    detail: str
    """
    Words for people.
    """
    image: UUID


class FailureEntry(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    attr: str | None
    """
    The field or parameter it is about.
    """
    code: str
    """
    Stable, for programs.
    """
    detail: str
    """
    Words for people: what is so, then what to do.
    """


class JobError(Told):
    """
    Why a job failed.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    code: str
    """
    Stable, for programs.
    """
    detail: str
    """
    Words for people.
    """


class JobNotice(Told):
    """
    What a waiting job lacks.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    code: Literal["model_not_served", "no_worker", "outside_hours", "queue_paused"] | str
    """
    Stable, for programs.
    """
    detail: str
    """
    Words for people.
    """


class Left(Told):
    """
    A text that was not taken.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    code: str
    """
    Why, stable, for programs.
    """
    detail: str
    """
    Why, in words.
    """
    picture: str
    """
    What the file calls its picture.
    """


class Limits(Told):
    """
    What this server takes.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    formats: list[str]
    max_frames: int
    max_pixels: int
    """
    Width times height times frames.
    """
    max_upload_bytes: int


class Link(Told):
    """
    An address for people without an account. Its secret is kept nowhere.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    created_at: AwareDatetime
    created_by: str
    expires_at: AwareDatetime
    id: UUID
    last_used_at: AwareDatetime | None


class Marked(Told):
    """
    What became of it.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    tagged: int
    """
    On how many pictures the added tags are now.
    """
    untagged: int
    """
    How many tags were taken off pictures.
    """


class Model(Told):
    """
    One model that workers serve now.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    defaults: dict[str, Any]
    """
    The generation parameters that it takes for those left out.
    """
    device: str
    """
    What it runs on; of several workers, the newest one's.
    """
    is_default: bool
    """
    Whether it also takes jobs that ask for no model.
    """
    is_demo: bool
    """
    The demo model only knows coloured shapes.
    """
    name: str
    """
    By which to ask for it: the parameter `model`.
    """
    names: list[str]
    """
    All names that it answers to.
    """
    precision: str
    """
    How exactly it calculates; of several workers, the newest one's.
    """
    revision: str
    """
    Which version of its weights.
    """
    seconds_per_image: float | None
    """
    Mean over its workers' recent pictures; null until there were some.
    """
    title: str | None
    """
    What it is, in words; null when nobody has said.
    """
    workers: int
    """
    How many workers serve it.
    """


class NewLink(Told):
    """
    A new link with its address, given this once.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    created_at: AwareDatetime
    created_by: str
    expires_at: AwareDatetime
    id: UUID
    last_used_at: AwareDatetime | None
    url: str
    """
    Keep it: it cannot be shown again.
    """


class PaginatedAlbumList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[Album]


class PaginatedLinkList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[Link]


class PaginatedModelList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[Model]


class PictureUrls(Told):
    """
    Where the bytes of a picture are.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    medium: str
    """
    Medium WebP without metadata; the large one where there is none.
    """
    original: str | None
    """
    The bytes as they came; null unless it is yours.
    """
    screen: str
    """
    Large WebP without metadata.
    """
    thumbnail: str
    """
    Small WebP without metadata.
    """


class QualityBin(Told):
    """
    Decisions on drafts of about one score.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    at_least: float
    """
    The lowest score that belongs here.
    """
    below: float
    """
    Where the next bin begins.
    """
    decisions: int
    high: float
    """
    Upper bound of the share's 95 % interval.
    """
    low: float
    """
    Lower bound of the share's 95 % interval.
    """
    mean: float
    """
    Mean score.
    """
    share: float
    """
    What share was approved unchanged.
    """


class QualityOfModel(Told):
    """
    How the score does with one model's drafts.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    approved: int
    """
    Approved unchanged.
    """
    brier: float
    """
    Mean squared difference of score and outcome.
    """
    decisions: int
    mean: float
    """
    Mean score.
    """
    model: str


class QualityThreshold(Told):
    """
    What a rule would have done that approves from one score on.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    high: float
    """
    Upper bound of the 95 % interval of right by passed.
    """
    low: float
    """
    Lower bound of the 95 % interval of right by passed.
    """
    passed: int
    """
    Decided drafts that score as much or more.
    """
    right: int
    """
    How many of them people approved unchanged.
    """
    threshold: float


class SavedSearch(Told):
    """
    A search that its owner comes back to.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    created_at: AwareDatetime
    id: UUID
    name: str
    """
    What its owner calls it; once per person.
    """
    query: str
    """
    The search, to be given as `q` to `/api/v1/images/`.
    """


class Secret(Told):
    """
    A new secret.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    old_secret_until: AwareDatetime
    """
    Until then messages are signed by the former one too.
    """
    signing_secret: str
    """
    Begins with `whsec_`. Shown only now.
    """


class Service(Told):
    """
    Which model answers.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    is_demo: bool
    """
    The demo model only knows coloured shapes.
    """
    model: str | None
    notice: str
    """
    What people should know about the model.
    """
    ready: bool
    """
    Whether a worker serves a model now.
    """
    revision: str | None


class Share(Told):
    """
    What a person may do with an album's pictures.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    created_at: AwareDatetime
    id: UUID
    role: Literal["view", "caption", "review"] | str
    user: str
    """
    With whom it is shared.
    """


class StreamedEvent(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    data: str
    """
    JSON.
    """
    event: str
    """
    What it tells of.
    """
    id: str
    """
    For Last-Event-ID.
    """


class Tag(Told):
    """
    A word that you find your pictures by.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    created_at: AwareDatetime
    id: UUID
    name: str
    pictures: int
    """
    On how many pictures it is.
    """


class Token(Told):
    """
    The token that asks; its secret is kept nowhere.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    hint: str
    """
    The first characters of the secret.
    """
    name: str
    scopes: list[Literal["images:read", "images:write", "captions:write", "reviews:write", "admin"] | str]
    """
    What it opens; `admin` holds all others.
    """


class UploadError(Told):
    """
    Why a file was refused, or what it waits for.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    code: str
    """
    Stable, for programs.
    """
    detail: str
    """
    Words for people.
    """


class Webhook(Told):
    """
    An address that is told what happens. Its secret is shown when it is made and when it is changed.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    created_at: AwareDatetime
    events: list[
        Literal[
            "image.created",
            "image.deleted",
            "image.recovered",
            "caption.created",
            "caption.approved",
            "caption.rejected",
            "review.undone",
            "job.failed",
        ]
        | str
    ]
    failing_since: AwareDatetime | None
    """
    When the first of an unbroken row of failures happened; null when it works.
    """
    id: UUID
    is_on: bool
    """
    Whether it is told.
    """
    name: str
    off: Literal["person", "failing", "gone"] | str | Literal[""]
    """
    Why it is off: `person`, `failing` for five days, or `gone` (it answered 410); empty when it is on.
    """
    url: str


class BulkJob(Told):
    """
    One thing asked for many pictures. It is done in the background, one picture after the other.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    action: Literal["caption", "approve", "reject", "tag", "delete"] | str
    created_at: AwareDatetime
    done: int
    """
    How many were dealt with and done.
    """
    failures: list[BulkFailure]
    """
    Those that were dealt with and could not be done, and why; in a list of jobs the first 10.
    """
    finished_at: AwareDatetime | None
    id: UUID
    state: Literal["queued", "running", "done", "cancelled"] | str
    total: int
    """
    How many pictures it is about.
    """


class Caption(Told):
    """
    Words for a picture and where they came from; never changed once written.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    author: str | None
    """
    Who wrote, edited or restored it; null for drafts.
    """
    created_at: AwareDatetime
    id: UUID
    image: UUID
    """
    The picture.
    """
    job: UUID | None
    """
    The job that drafted it.
    """
    kind: Literal["generated", "edited", "written", "imported", "restored"] | str
    language: str
    """
    BCP 47, as in HTML's `lang`.
    """
    model: str | None
    """
    The model that drafted it; null for people's words.
    """
    params: dict[str, Any]
    """
    All generation parameters in force; empty for people's words.
    """
    parent: UUID | None
    """
    The caption that it came from.
    """
    purpose: Literal["alt", "long", "trial"] | str
    """
    Only words of purpose `alt` are reviewed and published.
    """
    rank: int | None
    """
    Place among its job's drafts, from 1; drafts only.
    """
    revision: str | None
    """
    The model's revision; null for people's words.
    """
    score: float | None
    """
    Mean log-probability per token, at most 0; drafts only.
    """
    seed: int | None
    """
    The seed in force, when words were picked by chance.
    """
    text: str
    """
    The words.
    """


class CaptionImport(Told):
    """
    What became of a file's texts.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    approved: int
    """
    Of both, how many were published now.
    """
    drafts: int
    """
    A machine's words that nobody touched; they are passed over.
    """
    known: int
    """
    Words that their pictures had already.
    """
    left: int
    """
    How many were not taken.
    """
    unmatched: list[Left]
    """
    The first 50 of them, and why.
    """
    waiting: int
    """
    Texts for which time was too short: send the file again.
    """
    written: int
    """
    New words here.
    """


class Delivery(Told):
    """
    One message on its way to one webhook.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    attempts: list[Attempt]
    """
    Every try, oldest first.
    """
    body: dict[str, Any]
    """
    What is sent.
    """
    created_at: AwareDatetime
    due_at: AwareDatetime | None
    """
    When it is tried next; null when that is over.
    """
    id: UUID
    message: str
    """
    The header `webhook-id`: the same over all tries.
    """
    state: Literal["pending", "delivered", "failed"] | str
    type: str
    """
    The event, or `webhook.test`.
    """


class Failure(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    errors: list[FailureEntry]
    request_id: str
    """
    Quote it when something is our fault.
    """
    type: Literal["validation_error", "client_error", "server_error"] | str


class File(Told):
    """
    A file that comes in pieces, or one out of a ZIP file.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    batch: UUID | None
    """
    The import that it belongs to.
    """
    created_at: AwareDatetime
    error: UploadError | None
    """
    Why it was refused, or what it waits for; else null.
    """
    expires_at: AwareDatetime
    filename: str
    """
    What its sender calls it.
    """
    folder: str
    """
    The folder that it lay in, as its sender calls it; may be empty.
    """
    id: UUID
    image: UUID | None
    """
    The picture that it became.
    """
    length: int
    """
    Bytes of the whole file.
    """
    offset: int
    """
    Bytes that are here; the next piece begins there.
    """
    parent: UUID | None
    """
    The ZIP file that it came in.
    """
    state: Literal["open", "checking", "done", "known", "refused"] | str


class Image(Told):
    """
    One uploaded picture.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    albums: list[AlbumName]
    """
    The albums that it lies in and that you may open.
    """
    alt_text: str | None
    """
    For HTML: the approved caption, empty for a decorative picture, null while nobody has decided.
    """
    bytes: int
    """
    Size of the original.
    """
    caption: Caption | None
    """
    The approved caption, else the newest words.
    """
    created_at: AwareDatetime
    deleted_at: AwareDatetime | None
    """
    In the trash since then.
    """
    filename: str
    format: Literal["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIF", "AVIF"] | str
    frames: int
    """
    More than 1 for animations and pages; captions are about the first.
    """
    height: int
    """
    Pixels of the upright picture.
    """
    id: UUID
    is_decorative: bool
    """
    Somebody said that it needs no words: its alt text is empty.
    """
    long_description: str | None
    """
    More than a sentence, by people; null for none.
    """
    number: int
    """
    Counts the owner's pictures from 1.
    """
    owner: str
    """
    Whose picture it is.
    """
    published_by_rule: bool
    """
    Whether the caption was published by a rule alone, and no person has vouched for it.
    """
    published_caption: Caption | None
    """
    The approved caption.
    """
    quality: float | None
    """
    Chance from 0 to 1 that a reviewer approves the draft on show unchanged; null without one.
    """
    sha256: str
    """
    Of the original's bytes, 64 hexadecimal digits.
    """
    state: Literal["empty", "queued", "drafting", "draft", "approved", "rejected", "failed", "cancelled"] | str
    tags: list[str]
    """
    Yours only; empty on other people's pictures.
    """
    title: str
    """
    What people call it; may be empty.
    """
    urls: PictureUrls
    width: int
    """
    Pixels of the upright picture.
    """


class Job(Told):
    """
    One request to caption one picture.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    attempt: int
    """
    How often it was handed to a worker or taken back.
    """
    captions: list[Caption]
    """
    Its drafts, best first.
    """
    chosen: dict[str, Any]
    """
    The parameters somebody chose for it.
    """
    created_at: AwareDatetime
    error: JobError | None
    """
    Why it failed; null unless it did.
    """
    finished_at: AwareDatetime | None
    id: UUID
    image: UUID
    """
    The picture.
    """
    model: str | None
    """
    The model asked for; null takes any that serves.
    """
    notice: JobNotice | None
    """
    What it lacks while it waits and no worker that runs would take it; null otherwise.
    """
    params: dict[str, Any]
    """
    All generation parameters: those it ran with, until then those it would run with.
    """
    started_at: AwareDatetime | None
    state: Literal["queued", "running", "done", "failed", "cancelled"] | str


class Me(Told):
    """
    Who asks, what they have, and what answers them.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    email: str
    images: dict[str, int]
    """
    How many of your pictures, by state.
    """
    is_reviewer: bool
    """
    Whether you may decide on other people's captions.
    """
    limits: Limits
    service: Service
    token: Token | None
    """
    The token that asks; null for a signed-in page.
    """
    username: str


class NewWebhook(Told):
    """
    A new webhook, with its secret.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    created_at: AwareDatetime
    events: list[
        Literal[
            "image.created",
            "image.deleted",
            "image.recovered",
            "caption.created",
            "caption.approved",
            "caption.rejected",
            "review.undone",
            "job.failed",
        ]
        | str
    ]
    failing_since: AwareDatetime | None
    """
    When the first of an unbroken row of failures happened; null when it works.
    """
    id: UUID
    is_on: bool
    """
    Whether it is told.
    """
    name: str
    off: Literal["person", "failing", "gone"] | str | Literal[""]
    """
    Why it is off: `person`, `failing` for five days, or `gone` (it answered 410); empty when it is on.
    """
    signing_secret: str
    """
    Signs its messages; begins with `whsec_`. Shown only now.
    """
    url: str


class PaginatedBulkJobList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[BulkJob]


class PaginatedCaptionList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[Caption]


class PaginatedDeliveryList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[Delivery]


class PaginatedFileList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[File]


class PaginatedImageList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[Image]


class PaginatedJobList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[Job]


class PaginatedSavedSearchList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[SavedSearch]


class PaginatedShareList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[Share]


class PaginatedTagList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[Tag]


class PaginatedWebhookList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[Webhook]


class PresignedUpload(Told):
    """
    An upload that comes through the storage.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    address: Address | None
    """
    Where its bytes go; null when they have come already, by the same fingerprint.
    """
    upload: File


class Quality(Told):
    """
    How the quality score was learned, and how right it is on decisions held out from the fit.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    approved: int
    """
    How many of them approved the draft unchanged.
    """
    auto_approve_from: float | None
    """
    From which score on drafts are approved by rule; null while the rule is off.
    """
    bins: list[QualityBin]
    """
    The reliability diagram.
    """
    brier: float | None
    """
    Mean squared difference of score and outcome.
    """
    by_model: list[QualityOfModel]
    decisions: int
    """
    How many decisions it was learned from.
    """
    fitted_at: AwareDatetime | None
    method: str
    """
    `prior`, a fixed formula, until enough was decided.
    """
    thresholds: list[QualityThreshold]


class Review(Told):
    """
    One decision of one person.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    caption: Caption
    """
    The caption decided on; after an edit, the corrected one.
    """
    created_at: AwareDatetime
    decision: Literal["approve", "edit", "reject", "undo"] | str
    id: UUID
    image: UUID
    is_automatic: bool
    """
    By the rule that the reviewer switched on, not by their own eyes.
    """
    quality: float | None
    """
    The quality score by which the rule approved; else null.
    """
    reason: str
    reviewer: str
    """
    Who decided.
    """
    undoes: UUID | None
    """
    The decision that this takes back.
    """


class Turn(Told):
    """
    One picture that is before you alone until its lease runs out.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    caption: Caption
    """
    The caption to decide on.
    """
    drafts: list[Caption]
    """
    What may be approved instead, best first, the caption among them.
    """
    image: Image
    lease_seconds: float
    """
    How long nobody else is handed the picture.
    """
    seen: str
    """
    Send it back with the decision.
    """


class ImageWithJobs(Told):
    """
    One picture with its jobs, newest first.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    albums: list[AlbumName]
    """
    The albums that it lies in and that you may open.
    """
    alt_text: str | None
    """
    For HTML: the approved caption, empty for a decorative picture, null while nobody has decided.
    """
    bytes: int
    """
    Size of the original.
    """
    caption: Caption | None
    """
    The approved caption, else the newest words.
    """
    created_at: AwareDatetime
    deleted_at: AwareDatetime | None
    """
    In the trash since then.
    """
    filename: str
    format: Literal["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIF", "AVIF"] | str
    frames: int
    """
    More than 1 for animations and pages; captions are about the first.
    """
    height: int
    """
    Pixels of the upright picture.
    """
    id: UUID
    is_decorative: bool
    """
    Somebody said that it needs no words: its alt text is empty.
    """
    jobs: list[Job]
    """
    Its newest jobs.
    """
    long_description: str | None
    """
    More than a sentence, by people; null for none.
    """
    number: int
    """
    Counts the owner's pictures from 1.
    """
    owner: str
    """
    Whose picture it is.
    """
    published_by_rule: bool
    """
    Whether the caption was published by a rule alone, and no person has vouched for it.
    """
    published_caption: Caption | None
    """
    The approved caption.
    """
    quality: float | None
    """
    Chance from 0 to 1 that a reviewer approves the draft on show unchanged; null without one.
    """
    sha256: str
    """
    Of the original's bytes, 64 hexadecimal digits.
    """
    state: Literal["empty", "queued", "drafting", "draft", "approved", "rejected", "failed", "cancelled"] | str
    tags: list[str]
    """
    Yours only; empty on other people's pictures.
    """
    title: str
    """
    What people call it; may be empty.
    """
    urls: PictureUrls
    width: int
    """
    Pixels of the upright picture.
    """


class PaginatedReviewList(Told):
    model_config = ConfigDict(
        extra="allow",
    )
    next: str | None
    """
    Where the page after this one is; null on the last page.
    """
    previous: str | None
    """
    Where the page before this one is; null on the first page.
    """
    results: list[Review]

"""What the desk answers.

Generated from docs/openapi.json by clients/python/generate.py; do not edit.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Album(BaseModel):
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


class AlbumName(BaseModel):
    """
    An album, named.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    id: UUID
    name: str


class AlbumPictures(BaseModel):
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


class FailureEntry(BaseModel):
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


class JobError(BaseModel):
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


class JobNotice(BaseModel):
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


class Limits(BaseModel):
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


class Link(BaseModel):
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


class Marked(BaseModel):
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


class Model(BaseModel):
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


class NewLink(BaseModel):
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


class PaginatedAlbumList(BaseModel):
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


class PaginatedLinkList(BaseModel):
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


class PaginatedModelList(BaseModel):
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


class PictureUrls(BaseModel):
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


class QualityBin(BaseModel):
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


class QualityOfModel(BaseModel):
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


class QualityThreshold(BaseModel):
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


class SavedSearch(BaseModel):
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


class Service(BaseModel):
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


class Share(BaseModel):
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


class Tag(BaseModel):
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


class Token(BaseModel):
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


class UploadError(BaseModel):
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


class Caption(BaseModel):
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


class Failure(BaseModel):
    model_config = ConfigDict(
        extra="allow",
    )
    errors: list[FailureEntry]
    request_id: str
    """
    Quote it when something is our fault.
    """
    type: Literal["validation_error", "client_error", "server_error"] | str


class File(BaseModel):
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


class Image(BaseModel):
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


class Job(BaseModel):
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


class Me(BaseModel):
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


class PaginatedCaptionList(BaseModel):
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


class PaginatedFileList(BaseModel):
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


class PaginatedImageList(BaseModel):
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


class PaginatedJobList(BaseModel):
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


class PaginatedSavedSearchList(BaseModel):
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


class PaginatedShareList(BaseModel):
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


class PaginatedTagList(BaseModel):
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


class Quality(BaseModel):
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


class Review(BaseModel):
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


class Turn(BaseModel):
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


class ImageWithJobs(BaseModel):
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


class PaginatedReviewList(BaseModel):
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

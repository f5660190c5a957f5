"""The methods of both clients, written once. Each says what to send and how to read the answer."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, TypeVar, Unpack
from uuid import UUID

from captiondesk import errors, models
from captiondesk.parameters import GenerationParams
from captiondesk.pieces import PIECE_BYTES, File, Progress, Sending, Source
from captiondesk.streams import Heard, Stream
from captiondesk.surface import Listing, ModeT, Operations, following, listing, operation, read
from captiondesk.told import Told
from captiondesk.wire import Request, Steps, do, pause

Id: TypeAlias = UUID | str
JobT = TypeVar("JobT", models.Job, models.BulkJob)
Names: TypeAlias = str | Sequence[str] | None
Ordering: TypeAlias = Literal["newest", "oldest"]

#: Files of more bytes go in pieces, unless `resumable` says otherwise.
LARGE_BYTES: Final = 8 * 1024 * 1024
FETCH_SECONDS: Final = 20  #: that the desk takes to fetch a picture by its address, at most
EXPORT_SECONDS: Final = 600  #: that an export may take until its first byte
LONGEST_WAIT: Final = 60  #: seconds that the desk itself waits for a caption, at most
_OPEN: Final = frozenset({"queued", "running"})
_ARRIVING: Final = frozenset({"open", "checking"})
_LOOK_FIRST, _LOOK_LATER = 0.25, 5.0  # seconds between two looks at a job: at first, and in the long run


def _given(**fields: Any) -> dict[str, Any]:
    """Leave out what was not given."""
    return {name: value for name, value in fields.items() if value is not None}


def _text(value: Any) -> str | None:
    """Write one parameter as queries and forms have it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _query(**values: Any) -> dict[str, Any]:
    """Write parameters as queries and forms have them; a list stands for several of one name."""
    several = {name: [value] if isinstance(value, str) else value for name, value in values.items()}
    return {
        name: [_text(one) for one in value] if isinstance(value, (list, tuple)) else _text(value)
        for name, value in several.items()
        if value is not None
    }


def _matching(if_match: str | Told) -> dict[str, str]:
    """Write the header that guards a change. What has no mark must not become a change without a guard."""
    if if_match == "":
        return {}
    etag = if_match.etag if isinstance(if_match, Told) else if_match
    if not etag:
        raise ValueError("This has no etag: it came in a list, or from a change. Get it by its id first.")
    return {"If-Match": etag}


def _ids(images: Iterable[Id]) -> list[str]:
    return [str(one) for one in images]


class Images(Operations[ModeT]):
    """Pictures: `client.images`."""

    @operation
    def upload(
        self,
        source: Source,
        *,
        filename: str | None = None,
        wait: float | None = None,
        resumable: bool | None = None,
        progress: Progress | None = None,
        **params: Unpack[GenerationParams],
    ) -> Steps[models.ImageWithJobs]:
        """Upload a picture from a path or bytes and have it captioned; give the one that is there when it is known.

        `wait` gives the caption so many seconds: `caption` of what comes is None when that was not enough. A file of
        more than 8 MiB goes in pieces, so that a broken line costs no more than one of them; `resumable` says so for
        any, or for none. Generation parameters need an upload in one go. Raises ApiError, UploadRefused,
        ConnectionFailed, OSError.
        """
        file = yield from do(lambda: File.of(source, filename))
        in_pieces = file.length > LARGE_BYTES and not params if resumable is None else resumable
        if in_pieces and params:
            raise ValueError("An upload in pieces takes no generation parameters: request captions after it.")
        if in_pieces:
            image = yield from self._in_pieces(file, progress)
            return (yield from self._waited(image, wait or 0))
        data = yield from do(file.whole)
        seconds = min(wait or 0, LONGEST_WAIT)
        request = Request(
            "upload_image",
            query=_query(wait=seconds or None),
            form=_query(**params),
            file=(file.name or "picture", data, "application/octet-stream"),
            patience=seconds,
        )
        image = yield from self._ask(models.ImageWithJobs, request)
        if progress:
            progress(file.length, file.length)
        return (yield from self._waited(image, (wait or 0) - seconds))

    @operation
    def add_by_url(
        self, url: str, *, wait: float | None = None, **params: Unpack[GenerationParams]
    ) -> Steps[models.ImageWithJobs]:
        """Have the desk fetch a picture from a public address and caption it; give the one that is there when known.

        `wait` as in `upload`. Raises ApiError: with the code `address_refused`, say, or `address_unreachable`.
        """
        seconds = min(wait or 0, LONGEST_WAIT)
        request = Request(
            "upload_image",
            query=_query(wait=seconds or None),
            json=_given(url=url, **params),
            patience=seconds + FETCH_SECONDS,
        )
        image = yield from self._ask(models.ImageWithJobs, request)
        return (yield from self._waited(image, (wait or 0) - seconds))

    def _in_pieces(self, file: File, progress: Progress | None) -> Steps[models.ImageWithJobs]:
        upload = yield from Sending(file, self._runner.retries, progress=progress).steps()
        arrived = yield from _arrived(self, upload)
        if arrived.image is None:
            raise errors.UploadRefused("A ZIP file becomes several pictures: send it with client.uploads.send().")
        return (yield from self._get(arrived.image))

    def _waited(self, image: models.ImageWithJobs, seconds: float) -> Steps[models.ImageWithJobs]:
        waiting = [job for job in image.jobs if job.state in _OPEN]
        if seconds <= 0 or image.caption is not None or not waiting:
            return image
        with contextlib.suppress(
            errors.WaitedTooLong
        ):  # the picture is taken; without its caption, too, it is an answer
            yield from _ended(self, waiting[0].id, seconds)
        return (yield from self._get(image.id))

    @listing
    def list(
        self,
        *,
        q: str | None = None,
        state: Names = None,
        format: Names = None,
        album: Id | None = None,
        tag: str | None = None,
        has_caption: bool | None = None,
        quality_min: float | None = None,
        quality_max: float | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        deleted: bool | None = None,
        ordering: Literal["newest", "oldest", "least_sure", "surest"] | None = None,
        page_size: int | None = None,
    ) -> Listing[models.Image]:
        """Go through your pictures, newest first or the best found first; `q` takes what the search field takes.

        `page_size` is how many a page has, at most 200: all pages are fetched as you go on.
        """
        query = _query(
            q=q, state=state, format=format, album=album, tag=tag, has_caption=has_caption, quality_min=quality_min,
            quality_max=quality_max, created_after=created_after, created_before=created_before, deleted=deleted,
            ordering=ordering, limit=page_size,
        )  # fmt: skip
        return Listing(Request("list_images"), models.PaginatedImageList, query)

    def _get(self, image: Id) -> Steps[models.ImageWithJobs]:
        return self._ask(models.ImageWithJobs, Request("get_image", into={"image_id": image}))

    @operation
    def get(self, image: Id) -> Steps[models.ImageWithJobs]:
        """Give one picture, its captions on show and its newest jobs."""
        return self._get(image)

    @operation
    def change(
        self,
        image: Id,
        *,
        title: str | None = None,
        is_decorative: bool | None = None,
        long_description: str | None = None,
        tags: Sequence[str] | None = None,
        if_match: str | Told = "",
    ) -> Steps[models.ImageWithJobs]:
        """Change what is said about a picture beside its caption; what is left out stays.

        `if_match` takes what `get` gave, or its `etag`: raises ChangedMeanwhile when the picture has changed since.
        """
        named = None if tags is None else list(tags)
        body = _given(title=title, is_decorative=is_decorative, long_description=long_description, tags=named)
        into, headers = {"image_id": image}, _matching(if_match)
        return self._ask(models.ImageWithJobs, Request("change_image", into=into, json=body, headers=headers))

    @operation
    def delete(self, image: Id, *, if_match: str | Told = "") -> Steps[None]:
        """Put a picture into the trash; its open jobs are cancelled. `if_match` as in `change`."""
        return self._tell(Request("delete_image", into={"image_id": image}, headers=_matching(if_match)))

    @operation
    def recover(self, image: Id) -> Steps[models.ImageWithJobs]:
        """Take a picture out of the trash."""
        return self._ask(models.ImageWithJobs, Request("recover_image", into={"image_id": image}))

    @operation
    def caption(self, image: Id, *, wait: float | None = None, **params: Unpack[GenerationParams]) -> Steps[models.Job]:
        """Have a picture captioned again; earlier captions stay. `wait` gives the job so many seconds to end."""
        seconds = min(wait or 0, LONGEST_WAIT)
        request = Request(
            "request_captions",
            into={"image_id": image},
            query=_query(wait=seconds or None),
            json=_given(**params),
            patience=seconds,
        )
        job = yield from self._ask(models.Job, request)
        rest = (wait or 0) - seconds
        if rest <= 0 or job.state not in _OPEN:
            return job
        try:
            return (yield from _ended(self, job.id, rest))
        except errors.WaitedTooLong:
            return job

    @listing
    def captions(
        self, image: Id, *, ordering: Ordering | None = None, page_size: int | None = None
    ) -> Listing[models.Caption]:
        """Go through every caption ever made for a picture."""
        query = _query(ordering=ordering, limit=page_size)
        return Listing(Request("list_captions", into={"image_id": image}), models.PaginatedCaptionList, query)

    @operation
    def write(
        self,
        image: Id,
        text: str,
        *,
        language: str | None = None,
        purpose: Literal["alt", "long"] | None = None,
    ) -> Steps[models.Caption]:
        """Write words by hand: a caption, or with purpose `long` a long description."""
        body = _given(text=text, language=language, purpose=purpose)
        return self._ask(models.Caption, Request("write_caption", into={"image_id": image}, json=body))

    @operation
    def restore(self, image: Id, caption: Id) -> Steps[models.Caption]:
        """Make an earlier caption the newest again, as a copy."""
        into = {"image_id": image, "caption_id": caption}
        return self._ask(models.Caption, Request("restore_caption", into=into))

    @listing
    def jobs(self, image: Id, *, ordering: Ordering | None = None, page_size: int | None = None) -> Listing[models.Job]:
        """Go through a picture's jobs."""
        query = _query(ordering=ordering, limit=page_size)
        return Listing(Request("list_jobs_of_image", into={"image_id": image}), models.PaginatedJobList, query)

    @listing
    def reviews(
        self, image: Id, *, ordering: Ordering | None = None, page_size: int | None = None
    ) -> Listing[models.Review]:
        """Go through every decision on a picture."""
        query = _query(ordering=ordering, limit=page_size)
        return Listing(Request("list_reviews", into={"image_id": image}), models.PaginatedReviewList, query)

    @operation
    def download(
        self, image: Id, size: Literal["original", "screen", "medium", "thumbnail"] = "original"
    ) -> Steps[bytes]:
        """Give a picture's bytes: as they came (for its owner), or a WebP of 1600, 800 or 480 pixels a side at most."""
        operations = {
            "original": "get_original",
            "screen": "get_screen",
            "medium": "get_medium",
            "thumbnail": "get_thumbnail",
        }
        came = yield from self._send(Request(operations[size], into={"image_id": image}, headers={"Accept": "*/*"}))
        return came.body

    @operation
    def export(
        self,
        format: Literal["csv", "jsonl", "zip", "label-studio", "cvat"],
        *,
        q: str | None = None,
        album: Id | None = None,
        ids: Iterable[Id] = (),
    ) -> Steps[bytes]:
        """Give an export of what a search finds, an album holds or ids name; of all your pictures when none is given.

        The file is held in memory whole: fetch large ones from `/api/v1/exports/` with a program that streams.
        """
        query = _query(format=format, q=q, album=album, ids=",".join(_ids(ids)) or None)
        request = Request("export_captions", query=query, headers={"Accept": "*/*"}, patience=EXPORT_SECONDS)
        came = yield from self._send(request)
        return came.body

    @operation
    def import_captions(
        self, file: bytes, *, filename: str = "captions.json", approve: bool = False, language: str | None = None
    ) -> Steps[models.CaptionImport]:
        """Take captions in from a file of Label Studio (JSON) or CVAT (XML, ZIP); nothing is overwritten."""
        request = Request(
            "import_captions",
            query=_query(approve=approve or None, language=language),
            file=(filename, file, "application/octet-stream"),
            patience=LONGEST_WAIT,
        )
        return (yield from self._ask(models.CaptionImport, request))


class Jobs(Operations[ModeT]):
    """Requests for captions: `client.jobs`."""

    @operation
    def get(self, job: Id) -> Steps[models.Job]:
        """Give one job, its drafts, or why it failed."""
        return self._ask(models.Job, Request("get_job", into={"job_id": job}))

    @listing
    def list(
        self,
        *,
        state: Names = None,
        image: Id | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        ordering: Ordering | None = None,
        page_size: int | None = None,
    ) -> Listing[models.Job]:
        """Go through your jobs, newest first."""
        query = _query(
            state=state, image=image, created_after=created_after, created_before=created_before, ordering=ordering,
            limit=page_size,
        )  # fmt: skip
        return Listing(Request("list_jobs"), models.PaginatedJobList, query)

    @operation
    def wait(self, job: Id, *, seconds: float = 300) -> Steps[models.Job]:
        """Look at a job until it is done, failed or cancelled. Raises WaitedTooLong after so many seconds."""
        return _ended(self, job, seconds)

    @following
    def events(self, job: Id) -> Stream[models.Job]:
        """Hear how a job goes: it as it is now and after each change of its state, until it has ended."""
        request = Request("stream_job", into={"job_id": job})
        return Stream(request, _job_of, is_last=_is_over, remembers=1)

    @operation
    def cancel(self, job: Id) -> Steps[models.Job]:
        """Cancel a job that waits or runs."""
        return self._ask(models.Job, Request("cancel_job", into={"job_id": job}))

    @operation
    def retry(self, job: Id) -> Steps[models.Job]:
        """Try a failed or cancelled job again."""
        return self._ask(models.Job, Request("retry_job", into={"job_id": job}))


class Reviews(Operations[ModeT]):
    """Decisions on drafts: `client.reviews`."""

    @operation
    def next(
        self,
        n: int | None = None,
        *,
        order: Literal["least-sure", "oldest", "album"] | None = None,
        album: Id | None = None,
    ) -> Steps[list[models.Turn]]:
        """Be handed the next drafts to decide on; nobody else is, until their leases run out.

        Hand each turn's `seen` to the decision, so that one that somebody made in the meantime is not passed over.
        """
        body = _given(n=n, order=order, album=None if album is None else str(album))
        came = yield from self._send(Request("next_reviews", json=body))
        try:
            turns: Any = json.loads(came.body)
            return [models.Turn.model_validate(one) for one in turns]
        except ValueError as error:
            raise errors.UnexpectedAnswer(f"The answer is none of a Caption Desk's: {error}") from error

    @operation
    def approve(self, image: Id, *, caption: Id | None = None, seen: str | None = None) -> Steps[models.ImageWithJobs]:
        """Publish a caption; the one on show when none is named."""
        return self._decide(image, decision="approve", caption=caption, seen=seen)

    @operation
    def edit(
        self,
        image: Id,
        text: str,
        *,
        caption: Id | None = None,
        language: str | None = None,
        seen: str | None = None,
    ) -> Steps[models.ImageWithJobs]:
        """Publish corrected words."""
        return self._decide(image, decision="edit", text=text, caption=caption, language=language, seen=seen)

    @operation
    def reject(
        self, image: Id, *, reason: str | None = None, caption: Id | None = None, seen: str | None = None
    ) -> Steps[models.ImageWithJobs]:
        """Publish nothing; the reason is for those who improve the model."""
        return self._decide(image, decision="reject", reason=reason, caption=caption, seen=seen)

    def _decide(self, image: Id, *, caption: Id | None, **fields: Any) -> Steps[models.ImageWithJobs]:
        body = _given(caption=None if caption is None else str(caption), **fields)
        return self._ask(models.ImageWithJobs, Request("review_image", into={"image_id": image}, json=body))

    @operation
    def undo(self, image: Id) -> Steps[models.ImageWithJobs]:
        """Take your last decision on a picture back."""
        return self._ask(models.ImageWithJobs, Request("undo_review", into={"image_id": image}))


class Albums(Operations[ModeT]):
    """Albums, with whom they are shared, and links that open them: `client.albums`."""

    @listing
    def list(self, *, ordering: Ordering | None = None, page_size: int | None = None) -> Listing[models.Album]:
        """Go through your albums and those shared with you."""
        return Listing(Request("list_albums"), models.PaginatedAlbumList, _query(ordering=ordering, limit=page_size))

    @operation
    def get(self, album: Id) -> Steps[models.Album]:
        """Give one album; its pictures are `client.images.list(album=...)`."""
        return self._ask(models.Album, Request("get_album", into={"album_id": album}))

    @operation
    def make(self, name: str) -> Steps[models.Album]:
        """Make an empty album."""
        return self._ask(models.Album, Request("make_album", json={"name": name}))

    @operation
    def make_or_find(self, name: str) -> Steps[models.Album]:
        """Give your album of this name, made when there is none."""
        try:
            return (yield from self._ask(models.Album, Request("make_album", json={"name": name})))
        except errors.ApiError as error:
            if error.code != "album_name_taken":
                raise
        pages: Listing[models.Album] = Listing(Request("list_albums"), models.PaginatedAlbumList, {"limit": "200"})
        request: Request | None = pages.first()
        wanted = " ".join(name.split())  # as the desk keeps names: on one line
        while request is not None:
            came = yield from self._send(request)
            albums, request = pages.read(came)
            for album in albums:
                if album.role == "own" and album.name == wanted:
                    return album
        raise errors.UnexpectedAnswer(f"The desk has an album “{wanted}” of yours, but does not list it.")

    @operation
    def rename(self, album: Id, name: str, *, if_match: str | Told = "") -> Steps[models.Album]:
        """Call an album something else.

        `if_match` takes what `get` gave, or its `etag`: raises ChangedMeanwhile when the album has changed since.
        """
        into, headers = {"album_id": album}, _matching(if_match)
        return self._ask(models.Album, Request("rename_album", into=into, json={"name": name}, headers=headers))

    @operation
    def delete(self, album: Id, *, if_match: str | Told = "") -> Steps[None]:
        """Delete an album; its pictures stay. `if_match` as in `rename`."""
        return self._tell(Request("delete_album", into={"album_id": album}, headers=_matching(if_match)))

    @operation
    def add(self, album: Id, images: Iterable[Id]) -> Steps[models.AlbumPictures]:
        """Put pictures of yours into an album, 1,000 at most."""
        body = {"add": _ids(images)}
        return self._ask(models.AlbumPictures, Request("change_album_pictures", into={"album_id": album}, json=body))

    @operation
    def remove(self, album: Id, images: Iterable[Id]) -> Steps[models.AlbumPictures]:
        """Take pictures out of an album, 1,000 at most; they stay."""
        body = {"remove": _ids(images)}
        return self._ask(models.AlbumPictures, Request("change_album_pictures", into={"album_id": album}, json=body))

    @listing
    def shares(self, album: Id, *, page_size: int | None = None) -> Listing[models.Share]:
        """Go through those whom an album is shared with."""
        into = {"album_id": album}
        return Listing(Request("list_album_shares", into=into), models.PaginatedShareList, _query(limit=page_size))

    @operation
    def share(self, album: Id, user: str, role: Literal["view", "caption", "review"]) -> Steps[models.Share]:
        """Share an album with a person, by user name or e-mail address."""
        body = {"user": user, "role": role}
        return self._ask(models.Share, Request("share_album", into={"album_id": album}, json=body))

    @operation
    def change_share(self, album: Id, share: Id, role: Literal["view", "caption", "review"]) -> Steps[models.Share]:
        """Let a person do more or less with an album."""
        into = {"album_id": album, "share_id": share}
        return self._ask(models.Share, Request("change_album_share", into=into, json={"role": role}))

    @operation
    def end_share(self, album: Id, share: Id) -> Steps[None]:
        """Stop sharing."""
        return self._tell(Request("end_album_share", into={"album_id": album, "share_id": share}))

    @listing
    def links(self, album: Id, *, page_size: int | None = None) -> Listing[models.Link]:
        """Go through the links that still open an album, without their addresses."""
        into = {"album_id": album}
        return Listing(Request("list_album_links", into=into), models.PaginatedLinkList, _query(limit=page_size))

    @operation
    def make_link(self, album: Id, *, days: int) -> Steps[models.NewLink]:
        """Make a link that opens an album to whoever has it; its `url` is shown this once."""
        return self._ask(models.NewLink, Request("make_album_link", into={"album_id": album}, json={"days": days}))

    @operation
    def end_link(self, album: Id, link: Id) -> Steps[None]:
        """End a link at once."""
        return self._tell(Request("end_album_link", into={"album_id": album, "link_id": link}))


class Tags(Operations[ModeT]):
    """Tags: `client.tags`."""

    @listing
    def list(self) -> Listing[models.Tag]:
        """Go through your tags."""
        return Listing(Request("list_tags"), models.PaginatedTagList)

    @operation
    def mark(
        self, images: Iterable[Id], *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> Steps[models.Marked]:
        """Put tags on pictures, or take them off."""
        body = {"images": _ids(images), "add": [*add], "remove": [*remove]}
        return self._ask(models.Marked, Request("mark_images", json=body))

    @operation
    def rename(self, tag: Id, name: str) -> Steps[models.Tag]:
        """Rename a tag on all pictures."""
        return self._ask(models.Tag, Request("rename_tag", into={"tag_id": tag}, json={"name": name}))

    @operation
    def delete(self, tag: Id) -> Steps[None]:
        """Take a tag off all pictures."""
        return self._tell(Request("delete_tag", into={"tag_id": tag}))


class Models(Operations[ModeT]):
    """Models that workers serve now: `client.models`."""

    @listing
    def list(self) -> Listing[models.Model]:
        """Go through the models; those that also take jobs without a model come first."""
        return Listing(Request("list_models"), models.PaginatedModelList)


class Searches(Operations[ModeT]):
    """Saved searches: `client.searches`."""

    @listing
    def list(self, *, page_size: int | None = None) -> Listing[models.SavedSearch]:
        """Go through your saved searches."""
        return Listing(Request("list_searches"), models.PaginatedSavedSearchList, _query(limit=page_size))

    @operation
    def get(self, search: Id) -> Steps[models.SavedSearch]:
        """Give one saved search."""
        return self._ask(models.SavedSearch, Request("get_search", into={"search_id": search}))

    @operation
    def save(self, name: str, query: str) -> Steps[models.SavedSearch]:
        """Save a search under a name."""
        return self._ask(models.SavedSearch, Request("save_search", json={"name": name, "query": query}))

    @operation
    def change(self, search: Id, *, name: str | None = None, query: str | None = None) -> Steps[models.SavedSearch]:
        """Rename a saved search, or change what it looks for."""
        body = _given(name=name, query=query)
        return self._ask(models.SavedSearch, Request("change_search", into={"search_id": search}, json=body))

    @operation
    def delete(self, search: Id) -> Steps[None]:
        """Forget a saved search."""
        return self._tell(Request("delete_search", into={"search_id": search}))


class Uploads(Operations[ModeT]):
    """Files in pieces: `client.uploads`."""

    @operation
    def send(
        self,
        source: Source,
        *,
        filename: str | None = None,
        folder: str = "",
        fingerprint: str = "",
        upload: Id | None = None,
        progress: Progress | None = None,
        begun: Callable[[str], None] | None = None,
        piece_bytes: int = PIECE_BYTES,
    ) -> Steps[models.File]:
        """Send a picture or a ZIP file in pieces, and give what became of it.

        `begun` is called with the new upload's id before the first piece goes: keep it, and hand it in as `upload`
        after a crash to go on where the desk is. An id that the desk no longer knows begins anew. A ZIP file is
        `checking` when this returns only if opening it takes more than ten minutes. Raises UploadRefused, ApiError,
        ConnectionFailed, OSError.
        """
        file = yield from do(lambda: File.of(source, filename))
        sending = Sending(file, self._runner.retries, folder, fingerprint, piece_bytes, upload, progress, begun)
        there = yield from sending.steps()
        return (yield from _arrived(self, there))

    @operation
    def begin_presigned(
        self, filename: str, length: int, *, folder: str = "", fingerprint: str = "", batch: Id | None = None
    ) -> Steps[models.PresignedUpload]:
        """Begin an upload of `length` bytes through the desk's storage: `address` says where to PUT them.

        Send them there with the headers of `address` and without your token, then `complete` the upload. Raises
        ApiError, with the code `no_bucket` where the desk has no storage.
        """
        body = _given(
            filename=filename,
            length=length,
            folder=folder or None,
            fingerprint=fingerprint or None,
            batch=None if batch is None else str(batch),
        )
        return self._ask(models.PresignedUpload, Request("begin_presigned_upload", json=body))

    @operation
    def complete(self, upload: Id) -> Steps[models.File]:
        """Say that the bytes are in the storage, and give what became of them. Raises UploadRefused, ApiError."""
        yield from self._send(Request("complete_upload", into={"upload_id": upload}))
        return (yield from _arrived(self, str(upload)))

    @listing
    def list(self, *, ordering: Ordering | None = None, page_size: int | None = None) -> Listing[models.File]:
        """Go through your uploads in pieces, newest first."""
        return Listing(Request("list_uploads"), models.PaginatedFileList, _query(ordering=ordering, limit=page_size))

    @operation
    def get(self, upload: Id) -> Steps[models.File]:
        """Say how far an upload is, and what became of it."""
        return self._ask(models.File, Request("get_upload", into={"upload_id": upload}))

    @operation
    def give_up(self, upload: Id) -> Steps[None]:
        """Give an upload up; its bytes are removed."""
        headers = {"Tus-Resumable": "1.0.0"}
        return self._tell(Request("give_up_upload", into={"upload_id": upload}, headers=headers))


def _job_of(heard: Heard) -> models.Job:
    return models.Job.model_validate_json(heard.data)


def _is_over(job: models.Job) -> bool:
    return job.state not in _OPEN


def _ended(part: Operations[Any], job: Id, seconds: float) -> Steps[models.Job]:
    return _looked_at(part, models.Job, Request("get_job", into={"job_id": job}), seconds)


def _looked_at(part: Operations[Any], model: type[JobT], request: Request, seconds: float) -> Steps[JobT]:
    """Look at a job until it has ended. Raises WaitedTooLong."""
    clock = part._runner.retries.clock
    end, between = clock() + seconds, _LOOK_FIRST
    while True:
        came = yield from part._send(request)
        found = read(model, came)
        if found.state not in _OPEN:
            return found
        rest = end - clock()
        if rest <= 0:
            raise errors.WaitedTooLong(f"The job is still {found.state} after {seconds:g} seconds.")
        yield from pause(min(between, rest))
        between = min(between * 1.5, _LOOK_LATER)


def _arrived(part: Operations[Any], upload: str, seconds: float = 600) -> Steps[models.File]:
    """Look at an upload until it is known what became of it. Raises UploadRefused."""
    clock = part._runner.retries.clock
    end, between = clock() + seconds, _LOOK_FIRST
    while True:
        came = yield from part._send(Request("get_upload", into={"upload_id": upload}))
        file = read(models.File, came)
        if file.state == "refused":
            said = file.error
            raise errors.UploadRefused(said.detail if said else "refused", code=said.code if said else "refused")
        if file.state not in _ARRIVING or clock() > end:
            return file
        yield from pause(between)
        between = min(between * 1.5, _LOOK_LATER)

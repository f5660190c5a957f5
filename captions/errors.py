"""Every failure the product knows: stable code, words for the user, whose fault it is, whether to try again.

Raise `DeskError(code)` in services; the API, the pages and the command line show the same words. docs/errors.md lists
the codes and a test compares it with this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from captions.decoder import REFUSALS
from captions.params import Problem


class Fault(StrEnum):
    """Who can do something about it."""

    CALLER = "caller"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure. `status` is the HTTP status; `retryable` says that the same request may succeed later.

    `english` is what logs and the database keep: whoever reads them later may speak another language than whoever
    caused them.
    """

    code: str
    english: str
    status: int = 400
    fault: Fault = Fault.CALLER
    retryable: bool = False

    @property
    def words(self) -> str:
        """What happened and what to do, in the language of whoever is served."""
        return gettext(self.english)


_FAILURES: Final = (
    # Pictures
    Failure("no_file", _("No file came with the request. Send the picture as the field “file” or as the body.")),
    Failure(
        "disk_full",
        _("The server's disk is nearly full, so the picture was not taken. Tell the operator."),
        507,
        Fault.OURS,
        True,
    ),
    Failure(
        "upload_interrupted",
        _("The upload stopped half way, so nothing was kept. Send the picture again."),
        400,
        Fault.CALLER,
        True,
    ),
    Failure(
        "decoder_busy",
        _("Pictures cannot be read at this moment, so nothing was kept. Send it again in a minute."),
        503,
        Fault.OURS,
        True,
    ),
    # Addresses that somebody named, which the desk asks itself
    Failure("address_wrong", _("This is no web address. Write one such as https://example.org/cat.jpg.")),
    Failure(
        "address_refused",
        _("This desk asks only public web addresses, without a password in them. Name another, or ask the operator."),
    ),
    Failure(
        "address_unreachable",
        _("Nothing could be fetched from this address. See whether it opens in your browser."),
        422,
        Fault.CALLER,
        True,
    ),
    Failure("address_too_slow", _("This address took too long to answer. Try again later."), 422, Fault.CALLER, True),
    Failure(
        "too_many_fetches",
        _("As many pictures are being fetched for you as one person may have at once. Try again in a moment."),
        429,
        Fault.CALLER,
        True,
    ),
    Failure("address_too_large", _("What lies at this address is larger than this server accepts."), 413),
    Failure(
        "address_answered",
        _("This address did not hand out the file. See whether it opens in a browser where you are not logged in."),
        422,
    ),
    # Requests that are sent again
    Failure(
        "idempotency_key_wrong",
        _("The header Idempotency-Key takes 1 to 255 ASCII characters, no space. Draw a new one for each request."),
    ),
    Failure(
        "idempotency_key_reused",
        _("This Idempotency-Key came with another request before. Draw a new one for each request."),
        422,
    ),
    Failure(
        "idempotency_in_progress",
        _("The first request with this Idempotency-Key is still being worked on. Send it again in a moment."),
        409,
        Fault.CALLER,
        True,
    ),
    Failure(
        "idempotency_answer_secret",
        _("This was done by an earlier request with this Idempotency-Key. Its answer held a secret, shown only once."),
        409,
    ),
    # Webhooks
    Failure("webhook_name", _("A webhook needs a name of at most 80 characters.")),
    Failure("webhook_events", _("Choose at least one event, by its name.")),
    Failure("webhook_limit", _("You have 20 webhooks, as many as one person may. Delete one, then add this one."), 409),
    Failure("webhook_off", _("This webhook is switched off. Switch it on, then send to it."), 409),
    Failure("webhook_on_its_way", _("This message is on its way already. Wait until it has arrived or failed."), 409),
    Failure(
        "webhook_secret_unknown",
        _("The secret of this webhook was sealed with another SECRET_KEY. Give it a new one."),
        500,
        Fault.OURS,
    ),
    # Exports
    Failure(
        "too_many_to_export",
        _("Up to 1,000 selected pictures can be exported. Put them into an album or search for them, then export it."),
    ),
    Failure("nothing_to_export", _("There is no picture to export here.")),
    Failure("export_format_unknown", _("Pictures can be exported as csv, jsonl, zip, label-studio or cvat.")),
    # Labelling tools
    Failure(
        "label_config_wrong",
        _("This labelling set-up has no TextArea that belongs to an Image. Add one named “caption”."),
    ),
    Failure(
        "labels_unreadable",
        _("This is neither Label Studio's JSON export nor CVAT's XML 1.1. Export it again, in one of these formats."),
    ),
    Failure("labels_empty", _("There are no captions in this file. Label some pictures, then export it again.")),
    Failure("labels_too_many", _("Up to 2,000 captions are taken at once. Send them in several files."), 413),
    Failure(
        "label_unmatched", _("No picture of yours has this name. Add the picture, then import the file again."), 404
    ),
    Failure("label_ambiguous", _("Several pictures of yours have this name. Write the words on the right one."), 409),
    Failure("xml_unreadable", _("This XML is damaged, so it cannot be read. Export it again.")),
    Failure(
        "xml_declares_type",
        _("This XML has a DOCTYPE, which is never read here: it can name other files. Export it without."),
    ),
    # Uploads in pieces
    Failure("upload_header_wrong", _("A header of this upload is missing or cannot be read.")),
    Failure(
        "upload_offset_wrong",
        _("The server has another number of bytes of this file. Ask for it, then go on there."),
        409,
    ),
    Failure("upload_beyond_length", _("More bytes came than were announced for this file. Begin it again."), 413),
    Failure(
        "upload_locked", _("Another request is writing to this upload. Try again in a moment."), 423, Fault.CALLER, True
    ),
    Failure(
        "upload_expired", _("This upload was not gone on with in time, so its bytes are gone. Begin it again."), 410
    ),
    Failure("upload_being_checked", _("This file is being checked, so it cannot be stopped now."), 409),
    Failure("upload_not_again", _("This file cannot be tried again from here. Choose it once more."), 409),
    Failure("checksum_mismatch", _("These bytes changed on the way, so they were not kept. Send them again."), 460),
    Failure(
        "tus_version",
        _("This server speaks version 1.0.0 of the tus protocol. Say so in the header Tus-Resumable."),
        412,
    ),
    Failure(
        "too_many_uploads",
        _("You have as many files on their way as one person may. Let some arrive, or stop them."),
        429,
        Fault.CALLER,
        True,
    ),
    Failure("no_bucket", _("This server takes no files through a storage. Send the file itself."), 409),
    Failure(
        "upload_not_there",
        _("Nothing lies at the address of this upload. Put the file there, then say so again."),
        409,
    ),
    Failure(
        "upload_length_wrong",
        _("What lies at the address of this upload is shorter or longer than announced. Put the whole file there."),
        409,
    ),
    Failure(
        "storage_unreachable",
        _("The storage for uploads did not answer as it should. Try again in a moment."),
        503,
        Fault.OURS,
        True,
    ),
    Failure("import_too_long", _("Announce at most 500 files in one request."), 413),
    # ZIP files
    Failure("archive_unreadable", _("This ZIP file is damaged or none at all. Make it again, then add it once more.")),
    Failure(
        "archive_too_large", _("This ZIP file is larger than this server accepts. Split it, then add the parts."), 413
    ),
    Failure(
        "archive_too_many_files",
        _("This ZIP file holds more files than this server accepts. Split it, then add the parts."),
    ),
    Failure(
        "archive_bomb",
        _("This grows far beyond its size when it is unpacked, so it was not opened. Add the pictures themselves."),
    ),
    Failure("archive_empty", _("There is no picture in this ZIP file. Choose another one.")),
    Failure(
        "archive_nested",
        _("This is an archive inside the ZIP file, and is not opened. Add it by itself, as a ZIP file."),
    ),
    Failure("archive_encrypted", _("This file is locked with a password. Unlock it, then add it again.")),
    Failure("archive_link", _("This is a link to another file, not a picture. Add the picture itself.")),
    Failure(
        "archive_compression",
        _("This file is compressed in a way that is not opened here. Make the ZIP file with “deflate”."),
    ),
    Failure("archive_entry_damaged", _("This file inside the ZIP file is damaged. Make the ZIP file again.")),
    # Jobs
    Failure(
        "queue_full",
        _("You have as many pictures waiting as one person may. Try again when some are done."),
        429,
        Fault.CALLER,
        True,
    ),
    Failure(
        "model_not_served",
        _("No worker serves this model now. Choose one that is served, or leave the model out."),
        409,
        Fault.CALLER,
        True,
    ),
    Failure("hours_need_two_ends", _("Hours need a beginning and an end. Fill in both, or clear both.")),
    Failure("hours_are_equal", _("The hours begin and end at the same minute. Choose two, or clear both.")),
    Failure("job_not_open", _("This job has ended, so it cannot be cancelled."), 409),
    Failure("job_not_failed", _("Only a failed or cancelled job can be tried again."), 409),
    Failure(
        "poison_image",
        _("Reading this picture stopped the worker twice, so it was set aside. The rest of the queue carries on."),
        422,
        Fault.OURS,
    ),
    Failure(
        "model_failed",
        _("The model could not caption this picture. Try again, or write the words by hand."),
        500,
        Fault.OURS,
        True,
    ),
    Failure("rendition_missing", _("The picture's file is missing on the server. Tell the operator."), 500, Fault.OURS),
    Failure(
        "out_of_memory", _("The worker ran out of memory on this picture. It is tried again."), 503, Fault.OURS, True
    ),
    Failure(
        "no_words",
        _("The model gave no words for this picture. Try other settings, or write the words by hand."),
        422,
        Fault.OURS,
    ),
    Failure("no_picture", _("There is no picture among the messages. Send one as a part of the type image_url.")),
    Failure(
        "caption_late",
        _("The caption was not ready in time. The picture is safe and its caption is on its way: ask again."),
        504,
        Fault.OURS,
        True,
    ),
    Failure("job_cancelled", _("The request for this caption was cancelled. Ask again."), 409),
    # Captions and reviews
    Failure("caption_empty", _("A caption needs at least one word.")),
    Failure("caption_too_long", _("A caption may have 2000 characters. Shorten it.")),
    Failure("nothing_to_review", _("This picture has no caption to decide on.")),
    Failure("caption_of_another_image", _("That caption belongs to another picture.")),
    Failure("nothing_to_undo", _("There is no decision of yours to take back."), 409),
    Failure("reason_too_long", _("A reason may have 200 characters. Shorten it.")),
    Failure("already_decided", _("Somebody decided on this picture in the meantime. Look at it again."), 409),
    # The lab
    Failure("trial_arms_alike", _("Two of the ways are the same. Change the model or a setting of one of them.")),
    Failure("trial_is_revealed", _("The names were shown, so votes are closed. Start another trial."), 409),
    Failure("trial_needs_arms", _("A trial compares two or three ways of captioning.")),
    Failure("trial_not_ready", _("This caption is not drafted yet. Vote when it is here."), 409),
    Failure("trial_not_revealed", _("The names are not shown yet. Finish voting first."), 409),
    Failure("trial_too_large", _("A trial takes up to 20 pictures. Leave some out.")),
    Failure("trial_without_pictures", _("Choose pictures first: a trial needs at least one.")),
    Failure("trial_without_votes", _("Nobody has voted yet. Choose the best caption of at least one picture."), 409),
    Failure(
        "with_another_reviewer",
        _(
            "Your time with this picture ran out, and somebody else has it now. Copy your words if you want to keep "
            "them, or skip it."
        ),
        409,
    ),
    Failure("share_out_of_range", _("Choose a share from 0 to 100 per cent.")),
    # Albums, tags and sharing
    Failure("album_name_empty", _("An album needs a name with at least one letter or digit.")),
    Failure("album_name_too_long", _("An album's name may have 120 characters. Shorten it.")),
    Failure("album_name_taken", _("You already have an album of this name. Choose another name."), 409),
    Failure("tag_empty", _("A tag needs at least one letter or digit.")),
    Failure("tag_too_long", _("A tag may have 60 characters. Shorten it.")),
    Failure("tag_name_taken", _("You already have a tag of this name. Choose another name."), 409),
    Failure("too_many_tags", _("At most 20 tags can be put on pictures at once. Send fewer.")),
    Failure("bulk_empty", _("Name at least one picture.")),
    Failure(
        "bulk_limit",
        _("You have 20 of these under way, as many as one person may. Wait until one has ended."),
        429,
        Fault.CALLER,
        True,
    ),
    Failure("too_many_pictures", _("At most 1000 pictures can be changed at once. Select fewer.")),
    Failure(
        "person_unknown",
        _("Nobody here has this user name or confirmed e-mail address. Ask them how they log in."),
    ),
    Failure("share_with_yourself", _("The album is yours already. Name somebody else.")),
    Failure("role_unknown", _("Choose view, caption or review.")),
    Failure("link_days_out_of_range", _("A link may live 1 to 365 days. Choose a number of days.")),
    Failure("link_ended", _("This link has ended. Ask the person who sent it for a new one."), 410),
    Failure(
        "too_many_requests",
        _("Too many requests came from your network in a short time. Try again in a minute."),
        429,
        Fault.CALLER,
        True,
    ),
    # Words beside the caption
    Failure("title_too_long", _("A title may have 200 characters. Shorten it.")),
    Failure("description_too_long", _("A long description may have 2000 characters. Shorten it.")),
    Failure("language_unknown", _("This is no language tag. Write one such as en, de or pt-BR.")),
    Failure("words_not_reviewed", _("Only captions are decided on, not long descriptions or words tried in the lab.")),
    # The quality score and the rule that approves by it
    Failure("calibration_missing", _("Too few drafts were reviewed to say how often a rule would be right."), 409),
    Failure("calibration_changed", _("The numbers have changed in the meantime. Look at them again."), 409),
    Failure("threshold_unknown", _("Choose one of the thresholds that the table lists.")),
    Failure(
        "threshold_untested",
        _("No reviewed draft scored so high, so nobody can say how often the rule would be right. Choose a lower one."),
        409,
    ),
    Failure("rule_not_confirmed", _("Confirm that you have read how often the rule would have been right.")),
    # Searches
    Failure("search_too_long", _("This search is too long. Leave something out.")),
    Failure("search_unclear", _("This search cannot be read. Write it in another way.")),
    Failure("search_field_unknown", _("There is no such filter. Choose another one, or put the words in quotes.")),
    Failure("search_value_unknown", _("This filter has no such value. Choose another one.")),
    Failure("search_name_unknown", _("This search names an album, a tag or a person that is not there for you.")),
    Failure("search_not_yours", _("Only reviewers and operators may search other people's pictures.")),
    Failure("saved_search_name", _("A saved search needs a name of at most 120 characters.")),
    Failure("saved_search_empty", _("There is nothing to save. Search for something first.")),
    Failure("saved_search_taken", _("You have a saved search of this name. Choose another one."), 409),
    Failure("saved_search_limit", _("You have as many saved searches as one person may. Delete one first."), 409),
    # Addresses and pages
    Failure("body_too_large", _("This request is larger than this address takes. Send less at once."), 413),
    Failure(
        "changed_meanwhile",
        _("This was changed since you looked at it. Look again, then change what is there now."),
        412,
    ),
    Failure("range_not_satisfiable", _("The file has no such bytes. Ask for a range within its length."), 416),
    Failure("not_found", _("There is no such thing here, or it is not yours."), 404),
    Failure("scope_missing", _("This token does not open that. Make one with the scope that it needs."), 403),
    Failure("page_unknown", _("This page of the list cannot be found. Start again from the newest pictures.")),
    Failure("page_too_old", _("The page was open for too long, or cookies are blocked. Load it again."), 403),
    Failure("bad_request", _("The browser sent something that this address does not understand.")),
    Failure("forbidden", _("Your account may not do this. Ask the person who runs this desk."), 403),
    Failure(
        "second_factor_missing",
        _("Your account needs a second factor first. Log in on the pages and set one up, or use an API token."),
        403,
    ),
    # Accounts for programs
    Failure(
        "service_name_wrong",
        _("A name has 1 to 150 letters, digits and the characters @ . + - _. Choose another one."),
    ),
    Failure("service_name_taken", _("There is an account of this name already. Choose another one."), 409),
    Failure("service_role_unknown", _("A service account is a reviewer, an operator, or neither.")),
    # Everything else
    Failure("database_busy", _("The database did not answer in time. Try again in a moment."), 503, Fault.OURS, True),
    Failure(
        "unknown",
        _("Something broke. It is our fault. Try again, or give us the request's number."),
        500,
        Fault.OURS,
        True,
    ),
)

# The decoder runs without Django and keeps its own words, which are served under the same codes.
_DECODER_STATUS: Final = {"unsupported_format": 415, "file_too_large": 413, "format_turned_off": 415}

FAILURES: Final[dict[str, Failure]] = {failure.code: failure for failure in _FAILURES} | {
    code: Failure(code, words, _DECODER_STATUS.get(code, 400)) for code, words in REFUSALS.items()
}


class DeskError(Exception):
    """A failure with a stable code. `attr` names the field of the request it is about, when there is one."""

    def __init__(self, code: str, *, detail: str = "", attr: str | None = None) -> None:
        self.failure = FAILURES[code]
        self.detail = detail or self.failure.words
        self.attr = attr
        super().__init__(f"{code}: {detail or self.failure.english}")

    @property
    def code(self) -> str:
        """The stable code, for programs."""
        return self.failure.code

    @property
    def noted(self) -> str:
        """The words to keep: English, unless this failure has words of its own. `told` says them to a reader."""
        return self.failure.english if self.detail == self.failure.words else self.detail


def told(code: str, noted: str) -> str:
    """Say what was noted of a failure in the reader's language; words of its own stay as they are."""
    failure = FAILURES.get(code)
    return failure.words if failure and noted == failure.english else noted


def problem_words(problem: str) -> str:
    """Say what is wrong with a generation parameter in the reader's language."""
    return gettext(problem.pattern) % problem.values if isinstance(problem, Problem) else problem

"""Every failure the product knows: stable code, words for the user, whose fault it is, whether to try again.

Raise `DeskError(code)` in services; the API, the pages and the command line show the same words. docs/errors.md lists
the codes and a test compares it with this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from captions.decoder import REFUSALS


class Fault(StrEnum):
    """Who can do something about it."""

    CALLER = "caller"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure. `status` is the HTTP status; `retryable` says that the same request may succeed later."""

    code: str
    words: str
    status: int = 400
    fault: Fault = Fault.CALLER
    retryable: bool = False


_FAILURES: Final = (
    # Pictures
    Failure("no_file", "No file came with the request. Send the picture as the field “file” or as the body."),
    Failure(
        "disk_full",
        "The server's disk is nearly full, so the picture was not taken. Tell the operator.",
        507,
        Fault.OURS,
        True,
    ),
    Failure(
        "upload_interrupted",
        "The upload stopped half way, so nothing was kept. Send the picture again.",
        400,
        Fault.CALLER,
        True,
    ),
    Failure(
        "decoder_busy",
        "Pictures cannot be read at this moment, so nothing was kept. Send it again in a minute.",
        503,
        Fault.OURS,
        True,
    ),
    # Jobs
    Failure(
        "queue_full",
        "You have as many pictures waiting as one person may. Try again when some are done.",
        429,
        Fault.CALLER,
        True,
    ),
    Failure(
        "model_not_served",
        "No worker serves this model now. Choose one that is served, or leave the model out.",
        409,
        Fault.CALLER,
        True,
    ),
    Failure("job_not_open", "This job has ended, so it cannot be cancelled.", 409),
    Failure("job_not_failed", "Only a failed or cancelled job can be tried again.", 409),
    Failure(
        "poison_image",
        "Reading this picture stopped the worker twice, so it was set aside. The rest of the queue carries on.",
        422,
        Fault.OURS,
    ),
    Failure(
        "model_failed",
        "The model could not caption this picture. Try again, or write the words by hand.",
        500,
        Fault.OURS,
        True,
    ),
    Failure("rendition_missing", "The picture's file is missing on the server. Tell the operator.", 500, Fault.OURS),
    Failure("out_of_memory", "The worker ran out of memory on this picture. It is tried again.", 503, Fault.OURS, True),
    Failure(
        "no_words",
        "The model gave no words for this picture. Try other settings, or write the words by hand.",
        422,
        Fault.OURS,
    ),
    # Captions and reviews
    Failure("caption_empty", "A caption needs at least one word."),
    Failure("caption_too_long", "A caption may have 2000 characters. Shorten it."),
    Failure("nothing_to_review", "This picture has no caption to decide on."),
    Failure("caption_of_another_image", "That caption belongs to another picture."),
    Failure("nothing_to_undo", "There is no decision of yours to take back.", 409),
    Failure("reason_too_long", "A reason may have 200 characters. Shorten it."),
    Failure("already_decided", "Somebody decided on this picture in the meantime. Look at it again.", 409),
    # The quality score and the rule that approves by it
    Failure("calibration_missing", "Too few drafts were reviewed to say how often a rule would be right.", 409),
    Failure("calibration_changed", "The numbers have changed in the meantime. Look at them again.", 409),
    Failure("threshold_unknown", "Choose one of the thresholds that the table lists."),
    Failure(
        "threshold_untested",
        "No reviewed draft scored so high, so nobody can say how often the rule would be right. Choose a lower one.",
        409,
    ),
    Failure("rule_not_confirmed", "Confirm that you have read how often the rule would have been right."),
    # Addresses and pages
    Failure("body_too_large", "This request is larger than this address takes. Send less at once.", 413),
    Failure("range_not_satisfiable", "The file has no such bytes. Ask for a range within its length.", 416),
    Failure("not_found", "There is no such thing here, or it is not yours.", 404),
    Failure("page_unknown", "This page of the list cannot be found. Start again from the newest pictures."),
    Failure("page_too_old", "The page was open for too long, or cookies are blocked. Load it again.", 403),
    Failure("bad_request", "The browser sent something that this address does not understand."),
    Failure("forbidden", "Your account may not do this. Ask the person who runs this desk.", 403),
    # Everything else
    Failure("database_busy", "The database did not answer in time. Try again in a moment.", 503, Fault.OURS, True),
    Failure(
        "unknown",
        "Something broke. It is our fault. Try again, or give us the request's number.",
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
        super().__init__(f"{code}: {self.detail}")

    @property
    def code(self) -> str:
        """The stable code, for programs."""
        return self.failure.code

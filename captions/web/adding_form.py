"""The form by which pictures are added: what it says, and the words of its script."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _

CLIENT: Final = "captions/vendor/tus-4.3.1.min.js"


def frame() -> dict[str, Any]:
    """Give what the form for adding pictures needs: limits, addresses and the words of its script."""
    limit, archive = settings.MAX_UPLOAD_BYTES // (1024 * 1024), settings.MAX_ARCHIVE_BYTES // (1024 * 1024)
    return {
        "max_bytes": settings.MAX_UPLOAD_BYTES,
        "max_words": f"{limit} MB",
        "max_archive_words": f"{archive} MB",
        "accept": "image/*,.heic,.heif,.avif,.tif,.tiff,.zip",
        "formats": ", ".join(formats()),
        "script": json.dumps(
            {
                "client": static(CLIENT),
                "endpoint": reverse("api-uploads"),
                "announce": reverse("announce_files"),
                "outcome": reverse("file_outcome", args=[UUID(int=0)]),
                "imports": reverse("imports"),
                "most": settings.MAX_UPLOAD_BYTES,
                "mostArchive": settings.MAX_ARCHIVE_BYTES,
                "words": _words(limit, archive),
            }
        ),
    }


def formats() -> Iterable[str]:
    """Name the formats that this desk takes, in the order people know them."""
    names = ["JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP"]
    return names + ["HEIC"] * settings.ACCEPT_HEIF + ["AVIF"] * settings.ACCEPT_AVIF


def _words(limit: int, archive: int) -> dict[str, str]:
    larger = _("This file is larger than %(limit)s MB, so it was not sent. Make it smaller, then add it once more.")
    larger_zip = _("This ZIP file is larger than %(limit)s MB, so it was not sent. Split it, then add the parts.")
    return {
        "pasted": _("Pasted picture"),
        "sending": _("Sending"),
        "checking": _("Checking"),
        "offline": _("Waits for the network"),
        "opening": _("All of it is here. The pictures in it are added one by one."),
        "waiting": _("It is here, and waits its turn to be checked."),
        "follow": _("See how far it is"),
        "stop": _("Stop"),
        "again": _("Try again"),
        "off": _("Take off the list"),
        "adding": _("Adding {name}"),
        "stopped": _("You stopped this file. Nothing of it was kept."),
        "away": _("The desk did not answer, so this file has not arrived. What is here of it is kept."),
        "loginAgain": _("You are logged out. Log in again, choose the same files again, and they go on."),
        "larger": larger % {"limit": limit},
        "largerZip": larger_zip % {"limit": archive},
        "fault": _("This file could not be added. The answer was number {status}. Try again, or tell the operator."),
        "added": _("{added} of {total} pictures added."),
        "addedOne": _("{added} of {total} picture added."),
        "known": _("{known} were here already."),
        "knownOne": _("{known} was here already."),
        "failed": _("{failed} could not be added."),
        "waits": _("{waits} wait."),
        "waitsOne": _("{waits} waits."),
        "passed": _("{passed} files that are no pictures were passed over."),
        "passedOne": _("{passed} file that is no picture was passed over."),
    }

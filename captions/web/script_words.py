"""The words that scripts say by themselves.

They stand in the page as JSON: a catalogue of its own would cost every page one more request.
"""

from __future__ import annotations

from django.utils.translation import gettext as _


def script_words() -> dict[str, str]:
    """Give each sentence under the name by which `desk.words` asks for it; scripts fill in what stands in braces."""
    return {
        "arrivedMany": _("{number} drafts arrived."),
        "arrived": _("A draft arrived for picture {number}: {words}"),
        "failed": _("Picture {number} failed: {words}"),
        "copied": _("Copied."),
        "notCopied": _("The browser did not allow copying. Select the words and copy them yourself."),
        "outage": _("The desk did not answer. Nothing was changed. Try again in a moment."),
        "selected": _("{number} pictures selected"),
        "selectedOne": _("{number} picture selected"),
        "off": _("Off"),
        "draft": _("Draft {number} captions"),
        "draftOne": _("Draft {number} caption"),
        "approveDraft": _("Approve draft {number}"),
        "code": _("Code"),
    }

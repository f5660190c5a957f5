"""What workers say about their models, in other languages.

A worker writes its notice and its model's title in English into the database, because it serves everybody. This module
knows the sentences that come again; what it does not know, such as a path or a cause, stays as it was written.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

SENTENCES: Final = (
    _("A demo model that only knows coloured shapes is answering: on photographs its captions mean nothing."),
    _("The real model is not on this machine, and downloads are off."),
    _("The real model is not on this machine, and the model hub does not answer."),
    _("The real model could not be fetched."),
    _("It was selected with:"),
    _("To get the real model, run:"),
    _("ViT-GPT2: everyday photographs, short English sentences"),
    _("BLIP base: everyday photographs, one short sentence"),
    _("BLIP large: everyday photographs, one sentence with more detail"),
    _("GIT base: everyday photographs, one short sentence"),
    _("BLIP-2 with OPT 2.7B: one short sentence; wants a GPU"),
    _("Florence-2 base: one sentence, small and quick"),
    _("SmolVLM 256M: answers a prompt, one longer sentence"),
    _("SmolVLM 500M: answers a prompt, one longer sentence"),
    _("Qwen2-VL 2B: answers a prompt, one detailed sentence; wants a GPU"),
    _("Demo: only knows coloured shapes"),
)


def told(notice: str) -> str:
    """Say a worker's notice in the reader's language, as far as its sentences are known."""
    for sentence in SENTENCES:
        if sentence in notice:
            notice = notice.replace(sentence, gettext(sentence))
    return notice

"""Template tags that show why a picture was found. Outside searches they give the text as it is."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from captions.models import Image
from captions.web.sought import Sought

register = template.Library()


@register.simple_tag(takes_context=True)
def marked(context: dict[str, Any], text: str) -> SafeString:
    """Give `text`, escaped, with the words that were searched for marked."""
    sought = context.get("sought")
    return sought.mark(text) if isinstance(sought, Sought) else conditional_escape(text)


@register.simple_tag(takes_context=True)
def found_beside(context: dict[str, Any], image: Image) -> SafeString | str:
    """Say that the title or the file name has the words: a card shows neither."""
    sought = context.get("sought")
    if not isinstance(sought, Sought):
        return ""
    lines = [
        format_html('<p class="prov">{}: {}</p>', name, sought.mark(text))
        for name, text in ((_("Title"), image.title), (_("File"), image.filename))
        if sought.is_in(text)
    ]
    return SafeString("".join(lines))

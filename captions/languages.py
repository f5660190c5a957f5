"""Language tags of captions: BCP 47 as HTML's `lang` takes them."""

from __future__ import annotations

import re
from typing import Final

from captions.errors import DeskError

DEFAULT: Final = "en"
LONGEST: Final = 35
# RFC 5646, section 2.1, without the grandfathered tags: language, script, region, variants, extensions, private use.
_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3}(-[a-z]{3}){0,3}|[a-z]{4,8})(-(?P<script>[a-z]{4}))?(-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(-[a-wy-z0-9](-[a-z0-9]{2,8})+)*(-x(-[a-z0-9]{1,8})+)?",
    re.IGNORECASE | re.ASCII,
)


def clean(tag: str) -> str:
    """Give a language tag in its usual case: "PT-br" becomes "pt-BR". Raises DeskError `language_unknown`."""
    wanted = tag.strip().replace("_", "-")
    found = _TAG.fullmatch(wanted)
    if found is None or len(wanted) > LONGEST:
        raise DeskError("language_unknown", attr="language")
    kept = wanted.lower()
    for part, write in (("script", str.title), ("region", str.upper)):
        if found.group(part):
            start, end = found.span(part)
            kept = kept[:start] + write(kept[start:end]) + kept[end:]
    return kept

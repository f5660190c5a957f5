"""What a search looked for, to be marked in the words that it found."""

from __future__ import annotations

import re
from typing import Final

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from captions.finding import NEAR, closeness
from captions.searching import Query, ending, tokens

_WORD: Final = re.compile(r"[^\W_]+")


class Sought:
    """Knows words again in whatever form they stand; `is_near` also those that only come near."""

    def __init__(self, query: Query, *, is_near: bool = False) -> None:
        self.words = {token for term in query.wanted for token in term.tokens}
        self.endings = {ending(word) for word in self.words}
        self.beginning = query.prefix.tokens[-1] if query.prefix else ""
        self.is_near = is_near

    def mark(self, text: str) -> SafeString:
        """Give `text`, escaped, with every such word in a <mark>."""
        pieces, at = [], 0
        for found in _WORD.finditer(text):
            if self._knows(found[0]):
                pieces += [escape(text[at : found.start()]), format_html("<mark>{}</mark>", found[0])]
                at = found.end()
        return SafeString("".join([*pieces, escape(text[at:])]))

    def is_in(self, text: str) -> bool:
        """Whether one of the words is in `text`."""
        return any(self._knows(word) for word in _WORD.findall(text))

    def _knows(self, word: str) -> bool:
        return any(self._is_wanted(token) for token in tokens(word))

    def _is_wanted(self, token: str) -> bool:
        if token in self.words or ending(token) in self.endings:
            return True
        if self.beginning and token.startswith(self.beginning):
            return True
        return self.is_near and any(closeness(word, token) >= NEAR for word in self.words if len(word) >= 3)

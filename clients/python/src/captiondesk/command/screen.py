"""What the command line says, and where: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
import threading
import unicodedata
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final, TextIO

#: Control and format characters, lone surrogates: names and captions come from strangers, and a terminal obeys those.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Exit(IntEnum):
    """How the command ends."""

    DONE = 0
    PARTLY = 1  #: something was refused or did not come in time; the rest is done
    WRONG_USE = 2
    NOT_ALLOWED = 3  #: no token, a wrong one, or one that may not do this
    UNREACHABLE = 4  #: no answer from the desk, or only that it cannot at the moment; the same again later may do
    INTERRUPTED = 130


class Stop(Exception):
    """Ends the command with words for people."""

    def __init__(self, words: str, code: Exit = Exit.WRONG_USE) -> None:
        super().__init__(words)
        self.code = code


def plain(words: object) -> str:
    """Give words fit for one line of a terminal."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(one) in _UNSEEN else one for one in str(words))


class Screen:
    """Standard output and error; lines of several threads do not mix."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.out, self.err = out or sys.stdout, err or sys.stderr
        self._lock = threading.Lock()
        self._status = ""
        for stream in (self.out, self.err):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # a terminal without Unicode shows a question mark

    def line(self, words: str) -> None:
        """Write one line of results."""
        with self._lock:
            self._wipe()
            self.out.write(f"{words}\n")
            self.out.flush()

    def object(self, value: Any) -> None:
        """Write one line of JSON."""
        self.line(json.dumps(value, ensure_ascii=False))

    def note(self, words: str) -> None:
        """Say something beside the results."""
        with self._lock:
            self._wipe()
            self.err.write(f"{plain(words)}\n")
            self.err.flush()

    @property
    def is_live(self) -> bool:
        """Whether a line can be written over, because somebody looks at a terminal."""
        return self.err.isatty()

    def status(self, words: str) -> None:
        """Show how it stands, over what was shown before; nothing where nobody looks."""
        if not self.is_live:
            return
        with self._lock:
            self._wipe()
            self._status = plain(words)
            self.err.write(self._status)
            self.err.flush()

    def _wipe(self) -> None:
        if self._status:
            self.err.write("\r\x1b[K")
            self._status = ""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Lay rows out under each other; the last column is cut where the line would be longer than `width`."""
    cells = [list(columns), *[[plain(cell) for cell in row] for row in rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    lines = ["  ".join(cell.ljust(widths[place]) for place, cell in enumerate(row)).rstrip() for row in cells]
    if width is None:
        return lines
    return [line if len(line) <= width else line[: width - 1] + "…" for line in lines]

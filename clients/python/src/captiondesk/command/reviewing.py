"""`captiondesk review`: decide on drafts in a terminal by the keys of the review desk, or on pictures by their ids."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from captiondesk import ApiError, Client, Conflict, InvalidRequest, NotFound, models
from captiondesk.command.screen import Exit, Screen, Stop, plain

REASONS: Final = {
    "1": ("wrong", "wrong about the picture"),
    "2": ("count", "wrong count"),
    "3": ("vague", "too vague"),
    "4": ("language", "badly worded"),
    "5": ("other", "something else"),
}
KEYS: Final = "[a] approve  [1-5] choose  [e] edit  [x] reject  [s] skip  [z] undo  [q] quit"
_AT_ONCE: Final = 10
_OF_BULK: Final = 1000  # pictures of one bulk job, at most
_BULK_SECONDS: Final = 3600


# --- One picture by its id -----------------------------------------------------------------------------------------


def decide(
    client: Client,
    screen: Screen,
    action: str,
    images: Sequence[str],
    *,
    text: str | None,
    reason: str | None,
    caption: str | None,
    as_json: bool,
) -> Exit:
    """Carry one decision out for each picture that is named."""
    if not images:
        raise Stop(f"Name a picture by its id: captiondesk review {action} ID")
    if action == "edit" and (text is None or len(images) > 1):
        raise Stop("Give one picture and its words: captiondesk review edit ID --text WORDS")
    failed = 0
    for image in images:
        try:
            shown = _decided(client, action, image, text or "", reason, caption)
        except (NotFound, Conflict, InvalidRequest) as error:
            failed += 1
            screen.note(f"{image}: {error}")
            continue
        if as_json:
            screen.object(shown.model_dump(mode="json"))
        else:
            words = shown.published_caption.text if shown.published_caption else ""
            screen.line(f"{shown.id}  {plain(shown.state)}  {plain(words)}".rstrip())
    return Exit.PARTLY if failed else Exit.DONE


def _decided(
    client: Client, action: str, image: str, text: str, reason: str | None, caption: str | None
) -> models.ImageWithJobs:
    if action == "approve":
        return client.reviews.approve(image, caption=caption)
    if action == "edit":
        return client.reviews.edit(image, text, caption=caption)
    if action == "reject":
        return client.reviews.reject(image, reason=reason, caption=caption)
    return client.reviews.undo(image)


# --- All that a search finds ---------------------------------------------------------------------------------------


def decide_on_all(
    client: Client, screen: Screen, action: str, query: str, *, reason: str | None, as_json: bool
) -> Exit:
    """Have the desk approve or reject whatever a search finds, as bulk jobs, and wait for them."""
    if action not in ("approve", "reject"):
        raise Stop("With --query, pictures can be approved or rejected.")
    # All are found before the first is decided on: a decision changes their state, and with it what is found.
    found = [image.id for image in client.images.list(q=query, page_size=200)]
    if not found:
        raise Stop("Nothing was found.", Exit.PARTLY)
    failed = 0
    for begin in range(0, len(found), _OF_BULK):
        some = found[begin : begin + _OF_BULK]
        begun = client.bulk.approve(some) if action == "approve" else client.bulk.reject(some, reason=reason)
        ended = client.bulk.wait(begun.id, seconds=_BULK_SECONDS)
        for one in ended.failures:
            screen.note(f"{one.image}: {one.detail}")
        failed += ended.total - ended.done
        if as_json:
            screen.object(ended.model_dump(mode="json"))
        else:
            screen.line(f"{ended.done} of {ended.total}  {plain(ended.state)}")
    return Exit.PARTLY if failed else Exit.DONE


# --- One after the other -------------------------------------------------------------------------------------------


class Keyboard:
    """Where keys and words come from: single keys of a terminal, or lines of a file."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.is_terminal = sys.stdin.isatty()

    def key(self) -> str:
        """Give the next key in lower case; "q" at the end of the input."""
        if not self.is_terminal:
            return sys.stdin.readline().strip()[:1].lower() or "q"
        pressed = ""
        # Several at once are no key somebody meant: an arrow's sequence ends with a letter, pasted words have many.
        while len(pressed) != 1:
            pressed = self._pressed()
        return "q" if pressed == "\x04" else pressed.lower()

    def _pressed(self) -> str:
        try:
            import termios
            import tty
        except ImportError:  # Windows: a key and Enter
            return input("> ")[:1] or " "
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        try:
            tty.setcbreak(descriptor)  # drops what was pressed before the draft was shown
            return os.read(descriptor, 64).decode(errors="replace") or "q"
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

    def words(self, before: str) -> str:
        """Let somebody change words; what comes is empty when they want to leave them as they are."""
        if not self.is_terminal:
            return sys.stdin.readline().strip()
        with contextlib.suppress(ImportError):
            import readline

            readline.set_startup_hook(lambda: readline.insert_text(before))
        try:
            return input("words: ").strip()
        except EOFError:
            return ""
        finally:
            with contextlib.suppress(ImportError):
                import readline

                readline.set_startup_hook(None)


@dataclass
class Desk:
    """The queue in front of one person."""

    client: Client
    screen: Screen
    keyboard: Keyboard
    url: str
    order: Literal["least-sure", "oldest", "album"] | None = None
    album: str | None = None
    turns: deque[models.Turn] = field(default_factory=deque)
    skipped: set[str] = field(default_factory=set)
    decided: list[str] = field(default_factory=list)
    count: int = 0

    def run(self) -> Exit:
        """Show one draft after the other until none is left or somebody leaves."""
        while True:
            if not self.turns and not self._fetch():
                self.screen.note("No draft is waiting for you.")
                break
            turn = self.turns[0]
            self._show(turn)
            if not self._decide(turn):
                break
        self.screen.note(f"{self.count} decided.")
        return Exit.DONE

    def _fetch(self, first: str | None = None) -> bool:
        """Be handed the next ones; those that were skipped come again when nothing else is left."""
        number = 20 if first or self.skipped else _AT_ONCE
        handed = self.client.reviews.next(number, order=self.order, album=self.album)
        fresh = [turn for turn in handed if str(turn.image.id) not in self.skipped]
        if not fresh:
            self.skipped.clear()
            fresh = handed
        fresh.sort(key=lambda turn: str(turn.image.id) != first)
        self.turns = deque(fresh)
        return bool(fresh)

    def _show(self, turn: models.Turn) -> None:
        image = turn.image
        sure = "" if image.quality is None else f"  likely right: {image.quality:.0%}"
        self.screen.line("")
        name = plain(image.filename or image.title or "picture")
        self.screen.line(f"{name}  {image.width} × {image.height}  {plain(image.owner)}{sure}")
        self.screen.line(f"{self.url}/images/{image.id}/")
        for number, draft in enumerate(turn.drafts, 1):
            mark = ">" if draft.id == turn.caption.id else " "
            self.screen.line(f" {mark} {number}  {plain(draft.text)}")
        self.screen.line(KEYS)

    def _decide(self, turn: models.Turn) -> bool:
        """Take keys until there is a decision; False to leave."""
        chosen = turn.caption
        image, about = str(turn.image.id), {"seen": turn.seen}
        while True:
            key = self.keyboard.key()
            if key == "q":
                return False
            if key in "123456789" and int(key) <= len(turn.drafts):
                chosen = turn.drafts[int(key) - 1]
                self.screen.line(f"chosen: {plain(chosen.text)}")
            elif key == "a":
                return self._send(self.client.reviews.approve, image, caption=chosen.id, **about)
            elif key == "e":
                words = self.keyboard.words(chosen.text)
                if words:
                    return self._send(self.client.reviews.edit, image, words, caption=chosen.id, **about)
                self.screen.line("left as it is")
            elif key == "x":
                return self._send(self.client.reviews.reject, image, reason=self._reason(), caption=chosen.id, **about)
            elif key == "s":
                self.skipped.add(image)
                self.turns.popleft()
                return True
            elif key == "z":
                self._undo()
                return True

    def _reason(self) -> str | None:
        self.screen.line("why?  " + "  ".join(f"[{key}] {words}" for key, (_, words) in REASONS.items()))
        return REASONS.get(self.keyboard.key(), (None, ""))[0]

    def _send(self, decision: Any, image: str, *words: str, **about: Any) -> bool:
        try:
            decision(image, *words, **about)
        except (NotFound, Conflict) as error:  # somebody else was first, or has it now
            self.screen.note(str(error))
        except InvalidRequest as error:  # the words, say: the picture comes again
            self.screen.note(str(error))
            return True
        else:
            self.count += 1
            self.decided.append(image)
        self.turns.popleft()
        return True

    def _undo(self) -> None:
        if not self.decided:
            self.screen.note("There is nothing to take back.")
            return
        image = self.decided.pop()
        try:
            self.client.reviews.undo(image)
        except ApiError as error:
            self.screen.note(str(error))
            return
        self.count -= 1
        self.screen.note("Taken back.")
        self._fetch(first=image)

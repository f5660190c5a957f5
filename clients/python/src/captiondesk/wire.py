"""What the client asks of the outside: to send a request, to wait, to do something with a file.

Everything the client does is written once, as generators that yield these and are sent what came of them. They know
no socket and no event loop; `captiondesk.client` has one small runner that blocks and one that awaits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote

from captiondesk.addresses import OPERATIONS

T = TypeVar("T")
#: A file of a form: its name, its bytes, its type.
Part: TypeAlias = tuple[str, bytes, str]
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of an operation of the API, as data.

    `into` fills the names in the operation's address. None in `query` and `form` is left out. `patience` is how many
    seconds the desk may take for the answer, on top of what is usual. `repeats` allows sending it again: everything
    but a piece of a file, for which the desk must be asked first how far it is.
    """

    operation: str
    into: Mapping[str, object] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, Any] = field(default_factory=dict)
    file: Part | None = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    patience: float = 0
    repeats: bool = True
    head: bool = False  #: ask for the headers of a GET alone

    @property
    def method(self) -> str:
        """Give the HTTP method."""
        return "HEAD" if self.head else OPERATIONS[self.operation][0]

    @property
    def path(self) -> str:
        """Give the address below the desk's own."""
        values = {name: quote(str(value), safe="") for name, value in self.into.items()}
        if not all(values.values()):
            raise ValueError("An empty id names nothing.")  # it would be the address of the whole list
        return OPERATIONS[self.operation][1].format_map(values)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """No answer came: the line, and why."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Send:
    """Send this; give an Answer or a Broken."""

    request: Request


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds; give None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Do:
    """Call this, which may take its time with a disk; give what it gives."""

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Open:
    """Send this and keep the line open; give an Answer, without a body when its status is 200, or a Broken."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Read on from the open line; give the next bytes, none at its end, or a Broken."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand this to whoever follows; give None."""

    item: Any


Command: TypeAlias = Send | Pause | Do
Steps: TypeAlias = Generator[Command, Any, T]


def send(request: Request) -> Steps[Answer | Broken]:
    """Send a request once."""
    came: Answer | Broken = yield Send(request)
    return came


def pause(seconds: float) -> Steps[None]:
    """Wait."""
    yield Pause(seconds)


def do(call: Callable[[], T]) -> Steps[T]:
    """Do something that may block."""
    came: T = yield Do(call)
    return came

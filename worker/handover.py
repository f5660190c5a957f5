"""What a supervisor hands to the worker process it starts: names, the board, and who the parent is."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_PREFIX: Final = "DESK_WORKER_"


@dataclass(frozen=True, slots=True)
class Handover:
    """`name` is that of the supervisor and its row in the database, for the life of the supervisor.

    `generation` counts the processes it started: leases are held under both, so that those of a dead process can be
    told from those of its successor. `board` is a file descriptor, -1 without supervisor; `parent` a process id, 0
    without; `began` the time of the start, in seconds of the machine's clock.
    """

    name: str
    generation: int = 1
    board: int = -1
    parent: int = 0
    began: float = 0.0

    @property
    def lease_name(self) -> str:
        """The name under which this one process holds leases."""
        return f"{self.name}/{self.generation}"

    def environment(self) -> dict[str, str]:
        """Give the variables by which `read` finds it again."""
        return {
            f"{_PREFIX}NAME": self.name,
            f"{_PREFIX}GENERATION": str(self.generation),
            f"{_PREFIX}BOARD": str(self.board),
            f"{_PREFIX}PARENT": str(self.parent),
            f"{_PREFIX}BEGAN": repr(self.began),
        }

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Handover:
        """Read what the supervisor handed over; a worker without supervisor names itself."""
        if f"{_PREFIX}NAME" not in environment:
            return cls(new_name(), began=time.time())
        return cls(
            name=environment[f"{_PREFIX}NAME"],
            generation=int(environment[f"{_PREFIX}GENERATION"]),
            board=int(environment[f"{_PREFIX}BOARD"]),
            parent=int(environment[f"{_PREFIX}PARENT"]),
            began=float(environment[f"{_PREFIX}BEGAN"]),
        )


def new_name() -> str:
    """Make a name no other worker has: a machine's name, even with a process id, comes back after a restart."""
    return f"{socket.gethostname()[:80]}-{secrets.token_hex(3)}"

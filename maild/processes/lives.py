"""This is where the processes of a daemon are named in leases, and where it is told whose work a new one takes over.

A lease is held by ``NODE#WORD.PID``. A number alone comes back after a restart (in a container the same ones each time);
the word, which each run of `maild run` makes for itself, does not.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Life:
    """One run of `maild run`. ``node`` names machine and state directory: only one daemon runs there at a time."""

    node: str
    word: str = field(default_factory=lambda: secrets.token_hex(4))

    def name(self, pid: int | None = None) -> str:
        """What a process (this one, without a number) writes into its leases."""
        return f"{self.node}#{self.word}.{os.getpid() if pid is None else pid}"

    def is_over(self, holder: str) -> bool:
        """Whether the process of our node that holds a lease is no more."""
        word, _, pid = holder.removeprefix(f"{self.node}#").partition(".")
        return word != self.word or not _runs(int(pid))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

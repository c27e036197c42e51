"""This is where a supervisor sees what a worker has spent on the messages in hand.

Processor time tells a message that is too much for its worker from a worker that waits: for the database, a slow disk, a
machine that was suspended. Only the former is the message's fault.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds since a batch was begun, those of them in which the worker ran, and how many messages it has."""

    wall: float
    cpu: float
    messages: int


class Effort:
    """A few shared words in which one worker says when it began with a batch; made before forking."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 24)

    def begin(self, messages: int) -> None:
        """Called by the worker."""
        self._memory[8:] = struct.pack("dd", time.process_time(), float(messages))
        self._memory[:8] = struct.pack("d", time.monotonic())  # last: with it the others count

    def end(self) -> None:
        """The worker has nothing in hand."""
        self._memory[:8] = struct.pack("d", 0.0)

    def spent(self, pid: int) -> Spent | None:
        """What the worker of this number has spent on its batch; None where it has none, or is gone."""
        since, cpu, messages = struct.unpack("ddd", self._memory[:])
        if not since:
            return None
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        ran = (int(fields[11]) + int(fields[12])) / _TICKS
        return Spent(time.monotonic() - since, ran - cpu, int(messages))

"""This is where maild notices that the machine's clock was set: wall time and monotonic time went apart."""

from __future__ import annotations

from datetime import datetime, timedelta

TOLERANCE = timedelta(minutes=5)


class JumpWatch:
    """Compares the two clocks from one look to the next.

    The monotonic clock stands still while a machine is suspended, so a long sleep counts as a jump too: what fell due
    in it must not all go out at once either.
    """

    def __init__(self, tolerance: timedelta = TOLERANCE) -> None:
        self._tolerance = tolerance
        self._last: tuple[datetime, float] | None = None

    def look(self, now: datetime, monotonic: float) -> timedelta | None:
        """By how much the wall clock jumped since the last look (negative: back); None where it did not.

        ``now`` is aware, ``monotonic`` in seconds (`loop.time()`), both taken at the same moment.
        """
        last, self._last = self._last, (now, monotonic)
        if last is None:
            return None
        jump = (now - last[0]) - timedelta(seconds=monotonic - last[1])
        return jump if abs(jump) > self._tolerance else None

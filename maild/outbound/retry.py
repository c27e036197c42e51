"""This is where maild says when a mail that could not be sent is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta

FIRST = timedelta(minutes=1)
LONGEST = timedelta(hours=4)


def next_attempt(
    attempts: int, created_at: datetime, now: datetime, expire_after: timedelta, jitter: float
) -> datetime | None:
    """When to try again after ``attempts`` tries (1 or more): 1 min, doubling to 4 h; None when its time is over.

    ``jitter`` (0 to 1) spreads it by a fifth to both sides, so that what failed together does not come back together.
    The last try falls on the end of its time, not after it (RFC 5321, 4.5.4.1: four to five days).
    """
    end = created_at + expire_after
    if now >= end:
        return None
    delay = min(FIRST * (1 << min(max(attempts - 1, 0), 20)), LONGEST) * (0.8 + 0.4 * min(max(jitter, 0.0), 1.0))
    return min(now + delay, end)

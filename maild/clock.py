"""This is where maild asks what time it is: the only place. Everything else takes ``now`` as an argument."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment as an aware datetime in UTC, to the microsecond."""
    return datetime.now(UTC)

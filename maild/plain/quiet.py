"""This is where it is worked out until when a person wants to be left alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_PERIOD = re.compile(r"\s*(\d{1,2}):(\d\d)\s*[-–]\s*(\d{1,2}):(\d\d)\s*\Z")


def quiet_until(period: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The end of the quiet hours (`20:00-07:00`, in ``zone``) that ``now`` lies in, in UTC; None outside of them."""
    match = _PERIOD.match(period)
    if match is None:
        return None
    start, end = (int(match[at]) * 60 + int(match[at + 1]) for at in (1, 3))
    local = now.astimezone(zone)
    minute = local.hour * 60 + local.minute
    if not (start <= minute < end if start < end else minute >= start or minute < end):
        return None
    day = local.date() + timedelta(days=1 if end % 1440 <= minute else 0)
    return datetime.combine(day, time(end % 1440 // 60, end % 60), zone).astimezone(UTC)

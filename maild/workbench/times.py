"""This is where maild reads the times that tests beside rules are written with: `2026-11-22 20:00`, `sat 20:00`, `+2h`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from maild.errors import CaseError
from maild.settings.values import duration

# The moment of a test that names none: a Tuesday at ten, without a holiday in most places, the same for ever.
USUAL = "2026-06-09 10:00"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*[ ,]+(\d{1,2}):(\d\d)", re.IGNORECASE)


def moment(value: Any, zone: ZoneInfo, before: datetime | None = None) -> datetime:
    """The moment that a test means: a date with a time (in ``zone`` where it names none), a weekday with a time (the
    next one after the usual moment), or `+2h` after ``before``. Raises CaseError where it is none of these.
    """
    text = str(USUAL if value is None else value).strip()
    start = before or datetime.fromisoformat(USUAL).replace(tzinfo=zone)
    try:
        if text.startswith("+"):
            return start + duration(text[1:].strip())
        weekday = _WEEKDAY.fullmatch(text)
        if weekday is not None:
            days = (_DAYS.index(weekday[1].lower()) - start.astimezone(zone).weekday()) % 7
            at = start.astimezone(zone) + timedelta(days=days)
            at = at.replace(hour=int(weekday[2]), minute=int(weekday[3]), second=0, microsecond=0)
            return at if before is None or at > before else at + timedelta(days=7)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CaseError(f"{text!r} is no time; write 2026-11-22 20:00, sat 20:00, or +2h for later than the mail before") from None
    return found if found.tzinfo else found.replace(tzinfo=zone)

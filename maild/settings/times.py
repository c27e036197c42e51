"""This is where maild proves the written forms of time: hours and days of calendars, targets, schedules, how often.

Each function takes the text as written and gives it back, or raises ValueError with a sentence; what follows a newline
in that sentence is what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from maild.settings.values import OneOrMore, duration, lasting

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_WORKING = re.compile(r"(\d+)([mhdw])\Z")
_PERCENTAGE = re.compile(r"\d{1,4}\s*%\Z")
_RANGE = re.compile(r"\s*(\d{1,2}):([0-5]\d)\s*[-–]\s*(\d{1,2}):([0-5]\d)\s*\Z")
_DATES = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.\.(\d{4}-\d\d-\d\d))?\Z")
_AT_MOST = re.compile(
    r"(\d+)(?:\s+per\s+(contact|case|organisation|organization))?(?:\s+(?:in|per)\s+(\d+\s*[smhdw]))?\Z"
)


def working_time(text: str) -> str:
    match = _WORKING.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no target\nwrite minutes, hours or working days: 30m, 4h, 2d")
    if match[2] == "w":
        raise ValueError(f"w is not possible in targets\nwrite working days: {int(match[1]) * 5}d")
    if int(match[1]) == 0:
        raise ValueError("a target of no time is always missed\nleave it out")
    return text


def percentage(text: str) -> str:
    if not _PERCENTAGE.match(text):
        raise ValueError(f"{text!r} is no percentage of the target\nwrite 80%, or use before: 1h or after: 2h")
    return text


WorkingTime = Annotated[str, AfterValidator(working_time)]


def hours(ranges: tuple[str, ...]) -> tuple[str, ...]:
    """Ranges of one day that do not overlap, each `HH:MM-HH:MM` with an end up to 24:00."""
    taken: list[tuple[int, int]] = []
    for text in ranges:
        match = _RANGE.match(text)
        if match is None:
            raise ValueError(f'{text!r} is no range of hours\nwrite "09:00-17:30", the end at most 24:00')
        start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
        if end > 1440 or start >= 1440:
            raise ValueError(f"{text!r} goes beyond the day\na day ends at 24:00")
        if start >= end:
            raise ValueError(
                f"{text!r} ends before it begins\n"
                f'over midnight: "{match[1]}:{match[2]}-24:00", and "00:00-{match[3]}:{match[4]}" on the next day'
            )
        if any(start < other_end and other < end for other, other_end in taken):
            raise ValueError(f"{text!r} overlaps another range of that day\nmake one range of both")
        taken.append((start, end))
    return ranges


_RANGES = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
Hours = Annotated[tuple[str, ...], OneOrMore, AfterValidator(hours), _RANGES]


def days_of(text: str) -> tuple[str, ...]:
    """The days that `mon-thu`, `sat` or `mon,wed-fri` names, or raises ValueError."""
    found: list[str] = []
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        first, last = (word.strip()[:3] if word.strip() in _LONG_DAYS else word.strip() for word in (first, last))
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"{text!r} names no days\nwrite mon, mon-fri or mon,wed; the days are {' '.join(DAYS)}")
        start, end = DAYS.index(first), DAYS.index(last if dash else first)
        found += [DAYS[i % 7] for i in range(start, (end if end >= start else end + 7) + 1)]
    return tuple(found)


def days(text: str) -> str:
    days_of(text)
    return text.lower()


def week(value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if not value:
        raise ValueError('a calendar without hours is never open\nwrite hours: {mon-fri: "09:00-17:00"}')
    seen: dict[str, str] = {}
    for key in value:
        for day in days_of(key):
            if day in seen:
                raise ValueError(
                    f"{day} stands in {seen[day]!r} and in {key!r}\n"
                    f'give both ranges in one list: {day}: ["09:00-12:00", "13:00-17:00"]'
                )
            seen[day] = key
    return value


def special_day(value: Any) -> Any:
    """A day off or on: `2026-12-24`, `2026-12-24..2026-12-31`, or `{2026-12-31: "09:00-12:00"}`."""
    if isinstance(value, dict):
        return {
            dates(str(day)): hours(tuple(map(str, each if isinstance(each, list | tuple) else [each])))
            for day, each in value.items()
        }
    return dates(str(value))


def dates(text: str) -> str:
    match = _DATES.match(text)
    try:
        first, last = (date.fromisoformat(each) for each in (match[1], match[2] or match[1])) if match else (None, None)
    except ValueError:
        first = last = None
    if first is None or last is None:
        raise ValueError(
            f'{text!r} is no day\nwrite 2026-12-24, 2026-12-24..2026-12-31 or {{2026-12-31: "09:00-12:00"}}'
        )
    if first > last:
        raise ValueError(f"{text!r} ends before it begins\nwrite {last}..{first}")
    return text


SpecialDay = Annotated[Any, AfterValidator(special_day)]


@dataclass(frozen=True, slots=True)
class AtMost:
    """`1 per contact in 30d`: how often something may happen, for whom it is counted, in which time (None: ever)."""

    count: int
    per: str
    window: timedelta | None

    def __str__(self) -> str:
        return f"{self.count} per {self.per}" + (f" in {lasting(self.window)}" if self.window else "")


def at_most(value: Any) -> AtMost:
    """Read `2`, `1 per contact`, `1 per 30d` or `1 per contact in 30d`; counted per case where nothing is said."""
    if isinstance(value, AtMost):
        return value
    match = _AT_MOST.match(str(value)) if not isinstance(value, bool) else None
    if match is None:
        raise ValueError("how often is a number, for whom and in which time\nwrite 2, or 1 per contact in 30d")
    per = (match[2] or "case").replace("organization", "organisation")
    return AtMost(int(match[1]), per, duration(match[3].replace(" ", "")) if match[3] else None)


def kept(age: timedelta) -> timedelta:
    if age < timedelta(days=1):
        raise ValueError("what is kept for less than a day is gone before anybody could look\nwrite a day or more: 30d, 2y; without the key it is kept for ever")
    return age


@dataclass(frozen=True, slots=True)
class Absence:
    """Days on which a user is away, both ends included; None is open."""

    first: date | None = None
    last: date | None = None

    def __contains__(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)

    def __str__(self) -> str:
        if self.first is None:
            return f"until {self.last}" if self.last else "true"
        return f"{self.first}..{self.last}" if self.last else f"since {self.first}"


_ABSENCE = re.compile(r"(?:(until|since|from)\s+)?(\d{4}-\d\d-\d\d)(?:\s*\.\.\s*(\d{4}-\d\d-\d\d))?\Z")


def absences(value: Any) -> tuple[Absence, ...]:
    """Read `true`, `2026-12-01` or `until 2026-12-01` (the last day), `since 2026-12-01`, `2026-12-20..2027-01-02`, or a list."""
    given = value if isinstance(value, list | tuple) else [value]
    return tuple(found for one in given if (found := _absence(one)) is not None)


def _absence(value: Any) -> Absence | None:
    if isinstance(value, bool | None):
        return Absence() if value else None
    if isinstance(value, Absence):
        return value
    match = _ABSENCE.match(str(value).strip())
    try:
        day, last = (date.fromisoformat(one) if one else None for one in (match[2], match[3])) if match else (None, None)
    except ValueError:
        match = None
    if match is None or day is None or (last and match[1]):
        raise ValueError(
            f"{str(value)!r} is no absence\nwrite true, until 2026-12-01, since 2026-12-01 or 2026-12-20..2027-01-02, or a list of such"
        )
    if last is not None and last < day:
        raise ValueError(f"{str(value)!r} ends before it begins\nwrite {last}..{day}")
    if last is not None:
        return Absence(day, last)
    return Absence(first=day) if match[1] in {"since", "from"} else Absence(last=day)


_WRITTEN_ABSENCE = {"type": ["boolean", "string"]}
Away = Annotated[
    tuple[Absence, ...], BeforeValidator(absences),
    WithJsonSchema({"anyOf": [_WRITTEN_ABSENCE, {"type": "array", "items": _WRITTEN_ABSENCE}]}),
]  # fmt: skip


HowOften = Annotated[AtMost, BeforeValidator(at_most, json_schema_input_type=str | int)]

_CRON = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("weekday", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


def cron(text: str) -> str:
    """A cron line of five fields: minute, hour, day of the month, month, weekday (crontab(5))."""
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(
            f"a schedule has five fields (minute hour day month weekday), this has {len(fields)}\n"
            'write "0 8 * * mon-fri"'
        )
    for given, (name, low, high, words) in zip(fields, _CRON, strict=True):
        for part in given.lower().split(","):
            span, slash, step = part.partition("/")
            if slash and not (step.isdecimal() and int(step)):
                raise ValueError(f"{part!r} is no {name} of a schedule\nsteps are written */15")
            ends = [] if span == "*" else span.split("-")
            numbers = [
                words.index(end) + (low if name == "month" else 0)
                if end in words
                else int(end)
                if end.isdecimal()
                else -1
                for end in ends
            ]
            if (span != "*" and not ends) or len(ends) > 2 or not all(low <= number <= high for number in numbers):
                raise ValueError(f"{part!r} is no {name} of a schedule\nit goes from {low} to {high}")
    return text


def period(text: str) -> str:
    """A time of the day that may go over midnight: `20:00-07:00`."""
    match = _RANGE.match(text)
    minutes = [int(match[at]) * 60 + int(match[at + 1]) for at in (1, 3)] if match else []
    if not minutes or minutes[0] >= 1440 or minutes[1] > 1440:
        raise ValueError(f'{text!r} is no range of hours\nwrite "20:00-07:00"')
    if minutes[0] % 1440 == minutes[1] % 1440:
        raise ValueError(f'{text!r} leaves no time for mail at all\nwrite "20:00-07:00"')
    return text


_TIME = re.compile(r"(\d{1,2}):([0-5]\d)\Z")
MORNING = "08:00"


def digest(text: str) -> str:
    """When a user's digest comes: a time of the day, `daily` (at 08:00), or a cron line."""
    cron_line(text)
    return text


def cron_line(text: str) -> str:
    """The cron line that a written time of digests means. Raises ValueError as `digest` does."""
    match = _TIME.match(MORNING if text == "daily" else text)
    if match is not None and int(match[1]) < 24:
        return f"{int(match[2])} {int(match[1])} * * *"
    if len(text.split()) == 5:
        return cron(text)
    raise ValueError(f'{text!r} is no time of the day\nwrite "08:00", daily, or a cron line: "0 8 * * mon-fri"')

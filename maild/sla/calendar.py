"""This is where maild knows when a team works: which minutes are open, how many lie between two instants, and when so
many have passed.

A calendar opens at the first moment that its clock shows the opening time, and closes at the first one that shows the
closing time, once each, also on the days on which the clock is changed. Working time between the two is real time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from maild.settings.models import Calendar, Holidays

__all__ = ["ALWAYS", "Minutes", "WorkingCalendar", "from_settings", "problems"]

Minutes = tuple[int, int]  # from and to, in minutes after midnight by the wall clock; 1440 is 24:00
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_PATIENCE = 10  # years without an opening after which a calendar is taken never to open again


class WorkingCalendar:
    """Weekly hours in a time zone, with days that differ.

    ``hours`` maps weekdays (0 is Monday) to ranges, ``holidays`` answers whether a date is one, ``closed`` and ``open``
    map dates to ranges (None: the whole day; for an open day, that weekday's hours or else those of the first weekday
    that has some). Open days win over closed ones and holidays. Instants are aware datetimes; those that come out are
    in UTC. ValueError where the calendar never opens again.
    """

    def __init__(
        self,
        zone: tzinfo,
        hours: Mapping[int, Sequence[Minutes]],
        holidays: Holidays | None = None,
        closed: Mapping[date, Sequence[Minutes] | None] | None = None,
        open: Mapping[date, Sequence[Minutes] | None] | None = None,
        name: str = "",
    ) -> None:
        self.zone = zone
        self.name = name
        self._hours = hours
        self._holidays = holidays
        self._closed = closed or {}
        self._open = open or {}
        self._usual = next((hours[day] for day in range(7) if hours.get(day)), ((0, 1440),))
        self._years: dict[int, _Year] = {}

    def is_open(self, at: datetime) -> bool:
        """Whether work is done at this instant; at the closing time itself it is not."""
        tick = _ticks(at)
        return any(start <= tick < end for start, end in self._around(at, tick))

    def working_between(self, start: datetime, end: datetime) -> timedelta:
        """The open time between two instants; nothing where ``end`` is not after ``start``."""
        if end <= start:
            return timedelta()
        first, last = self._year_of(start), self._year_of(end)
        low, high = _ticks(start), _ticks(end)
        total = sum(year.between(low, high) for year in self._tables(first, last))
        return total * _TICK

    def add_working(self, start: datetime, amount: timedelta) -> datetime:
        """The first instant, not before ``start``, by which ``amount`` of open time has passed."""
        if amount < timedelta():
            raise ValueError("working time can only be added")
        left, low = amount // _TICK, _ticks(start)
        if not left:
            return start.astimezone(UTC)
        for opens, closes in self._spans_from(start):
            opens = max(opens, low)
            if closes - opens >= left:
                return _instant(opens + left)
            left -= closes - opens
        raise AssertionError("unreachable: _spans_from ends with ValueError")

    def next_opening(self, at: datetime) -> datetime:
        """``at`` itself while open, else the next instant at which work begins."""
        low = _ticks(at)
        opens, _ = next(self._spans_from(at))
        return _instant(max(opens, low))

    def days_later(self, start: datetime, days: int) -> datetime:
        """The same local time ``days`` working days after ``start`` (before it if negative), cut to that day's hours.

        A start outside hours counts as the next opening. Where the day has a gap at that time (lunch) it is the gap's
        beginning, where the day opens later it is its opening.
        """
        begin = self.next_opening(start) if days >= 0 else start.astimezone(UTC)
        local = begin.astimezone(self.zone)
        day = local.date()
        for _ in range(abs(days)):
            day = self._open_day(day, timedelta(days=1 if days > 0 else -1))
        if not days:
            return begin
        wanted = _first_shown(self.zone, datetime.combine(day, local.time()))
        spans = self.day(day)
        return next((min(wanted, closes) for opens, closes in reversed(spans) if opens <= wanted), spans[0][0])

    def _open_day(self, day: date, step: timedelta) -> date:
        for _ in range(366 * _PATIENCE):
            day += step
            if self.day(day):
                return day
        raise self._never()

    def day(self, day: date) -> list[tuple[datetime, datetime]]:
        """The open spans of one local date, as instants in UTC."""
        result = []
        for opens, closes in self._day(day):
            start, end = (_first_shown(self.zone, _wall(day, minutes)) for minutes in (opens, closes))
            if start < end:
                result.append((start, end))
        return result

    # tables ---------------------------------------------------------------------------------------------------------

    def _day(self, day: date) -> Sequence[Minutes]:
        usual = self._hours.get(day.weekday(), ())
        if day in self._open:
            hours = self._open[day]
            return _merged(usual or self._usual) if hours is None else _merged(hours)
        if not usual or self._is_holiday(day):
            return ()
        if day in self._closed:
            closed = self._closed[day]
            return () if closed is None else _without(_merged(usual), _merged(closed))
        return _merged(usual)

    def _is_holiday(self, day: date) -> bool:
        return self._holidays is not None and day in _holidays(self._holidays, day.year)

    def _year_of(self, at: datetime) -> int:
        return at.astimezone(self.zone).year

    def _tables(self, first: int, last: int) -> Iterator[_Year]:
        for number in range(max(first, 1), min(last, 9999) + 1):
            table = self._years.get(number)
            if table is None:
                table = self._years[number] = _Year(self._spans_of(number))
            yield table

    def _spans_of(self, year: int) -> Iterator[tuple[int, int]]:
        day, last = date(year, 1, 1), date(year, 12, 31)
        while True:
            for opens, closes in self.day(day):
                yield _ticks(opens), _ticks(closes)
            if day == last:
                return
            day += timedelta(days=1)

    def _around(self, at: datetime, tick: int) -> Iterator[tuple[int, int]]:
        year = self._year_of(at)
        for table in self._tables(year, year):
            yield from table.around(tick)

    def _spans_from(self, at: datetime) -> Iterator[tuple[int, int]]:
        """Open spans that end after ``at``, in order; ValueError after _PATIENCE years without one."""
        low, year = _ticks(at), self._year_of(at)
        last_open = year
        while year - last_open <= _PATIENCE and year < 9999:
            for table in self._tables(year, year):
                for span in table.after(low):
                    last_open = year
                    yield span
            year += 1
        raise self._never()

    def _never(self) -> ValueError:
        return ValueError(f"calendar {self.name or '(unnamed)'} never opens again: give it hours")


class _Year:
    """The open spans of a year in ticks (microseconds since 1970), joined where they touch, with running totals."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.before: list[int] = []  # open ticks of the year before each span
        total = 0
        for start, end in spans:
            if self.ends and start <= self.ends[-1]:
                total += max(0, end - self.ends[-1])
                self.ends[-1] = max(end, self.ends[-1])
                continue
            self.starts.append(start)
            self.ends.append(end)
            self.before.append(total)
            total += end - start

    def between(self, low: int, high: int) -> int:
        return self._until(high) - self._until(low)

    def _until(self, tick: int) -> int:
        index = bisect_right(self.starts, tick) - 1
        if index < 0:
            return 0
        return self.before[index] + min(tick, self.ends[index]) - self.starts[index]

    def around(self, tick: int) -> Iterator[tuple[int, int]]:
        index = bisect_right(self.starts, tick) - 1
        if index >= 0:
            yield self.starts[index], self.ends[index]

    def after(self, tick: int) -> Iterator[tuple[int, int]]:
        index = bisect_right(self.ends, tick)
        yield from zip(self.starts[index:], self.ends[index:], strict=True)


ALWAYS = WorkingCalendar(UTC, dict.fromkeys(range(7), ((0, 1440),)), name="around the clock")


def from_settings(config: Calendar, name: str = "") -> WorkingCalendar:
    """The calendar that sla.yaml describes (its texts were proved when it was loaded)."""
    hours = {day: _ranges(texts) for key, texts in config.hours.items() for day in _weekdays(key)}
    return WorkingCalendar(
        ZoneInfo(config.timezone), hours, config.holidays, _dates(config.closed), _dates(config.open), name
    )


def problems(config: Calendar) -> list[str]:
    """What is wrong with a calendar of sla.yaml beyond its spelling, a line each that says what would be right."""
    if config.holidays is not None:
        from holidays.utils import list_supported_countries

        country, part = config.holidays.country, config.holidays.subdivision
        known = list_supported_countries()
        if country not in known:
            return [f"holidays: country {country!r} is not known; write its two letters (ISO 3166), as in DE"]
        if part is not None and part not in known[country]:
            listed = ", ".join(known[country]) or "none"
            return [f"holidays: {country} has no subdivision {part!r}; it has {listed}"]
    calendar = from_settings(config)
    last = max([date(2026, 1, 1), *_dates(config.closed), *_dates(config.open)])
    try:
        calendar.next_opening(datetime.combine(last + timedelta(days=2), time(), UTC))
    except ValueError:
        return ["the calendar never opens: it has no hours, or holidays take them all; give it hours on a working day"]
    return []


def _weekdays(key: str) -> Iterator[int]:
    """The weekdays (0 is Monday) that `mon-thu`, `sat` or `mon,wed` names."""
    for piece in key.lower().split(","):
        first, dash, last = (word.strip() for word in piece.partition("-"))
        start, end = WEEKDAYS.index(first), WEEKDAYS.index(last if dash else first)
        yield from ((start + step) % 7 for step in range((end - start) % 7 + 1))


def _ranges(texts: Iterable[str]) -> tuple[Minutes, ...]:
    """`09:00-12:30` as minutes after midnight, in order."""
    pairs = (re.findall(r"(\d{1,2}):(\d{2})", text) for text in texts)
    return tuple(sorted((int(a) * 60 + int(b), int(c) * 60 + int(d)) for (a, b), (c, d) in pairs))


def _dates(entries: Iterable[Any]) -> dict[date, tuple[Minutes, ...] | None]:
    """`2026-12-24`, `2026-12-24..2026-12-31` (whole days: None) and `{2026-12-31: "12:00-24:00"}` (those hours)."""
    result: dict[date, tuple[Minutes, ...] | None] = {}
    for entry in entries:
        for text, hours in entry.items() if isinstance(entry, Mapping) else [(entry, None)]:
            first, dots, last = (part.strip() for part in str(text).partition(".."))
            start, end = date.fromisoformat(first), date.fromisoformat(last if dots else first)
            ranges = None if hours is None else _ranges([hours] if isinstance(hours, str) else hours)
            for step in range((end - start).days + 1):
                result[start + timedelta(days=step)] = ranges
    return result


_known_holidays: dict[tuple[str, str | None, int], frozenset[date]] = {}


def _holidays(config: Holidays, year: int) -> frozenset[date]:
    """The public holidays of a country or a part of it in one year, each looked up once."""
    key = (config.country, config.subdivision, year)
    if key not in _known_holidays:
        from holidays.utils import country_holidays  # takes a while to import, and most commands never ask

        found = country_holidays(config.country, subdiv=config.subdivision, years=year, expand=False)
        _known_holidays[key] = frozenset(found.keys())
    return _known_holidays[key]


def _merged(ranges: Iterable[Minutes]) -> tuple[Minutes, ...]:
    return tuple(sorted(ranges))


def _without(ranges: Iterable[Minutes], closed: Sequence[Minutes]) -> tuple[Minutes, ...]:
    """The ranges less the closed ones."""
    result = list(ranges)
    for low, high in closed:
        result = [
            piece
            for start, end in result
            for piece in ((start, min(end, low)), (max(start, high), end))
            if piece[0] < piece[1]
        ]
    return tuple(result)


def _wall(day: date, minutes: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minutes)


def _first_shown(zone: tzinfo, wall: datetime) -> datetime:
    """The first instant at which a clock in ``zone`` shows ``wall`` or, where that is skipped, something later."""
    found = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) <= wall:
        return found
    # skipped: fold=1 gives an instant before the change, fold=0 one after it; find the change between them
    low, high = int(wall.replace(tzinfo=zone, fold=1).timestamp()), int(found.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).replace(tzinfo=None) >= wall:
            high = middle
        else:
            low = middle
    return datetime.fromtimestamp(high, UTC)


def _ticks(at: datetime) -> int:
    return (at - _EPOCH) // _TICK


def _instant(ticks: int) -> datetime:
    return _EPOCH + ticks * _TICK

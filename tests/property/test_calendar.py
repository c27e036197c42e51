"""Working time against a slow model that walks through the minutes one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.sla.calendar import ALWAYS, Minutes, WorkingCalendar

# each with its changes of the clock: at 02:00, at midnight, by half an hour, to before a date, and none
CHANGES = {
    "Europe/Berlin": [date(2026, 3, 29), date(2026, 10, 25)],
    "America/New_York": [date(2026, 3, 8), date(2026, 11, 1)],
    "Australia/Lord_Howe": [date(2026, 4, 5), date(2026, 10, 4)],
    "America/Havana": [date(2026, 3, 8), date(2026, 11, 1)],
    "Africa/Cairo": [date(2026, 4, 24), date(2026, 10, 29)],
    "America/Sao_Paulo": [date(2018, 2, 17), date(2018, 11, 4)],
    "Pacific/Apia": [date(2011, 12, 30), date(2026, 6, 1)],
    "Asia/Kathmandu": [date(2026, 12, 31)],
}
MINUTE = timedelta(minutes=1)
EDGE = 2 * 1440


def model_minutes(
    zone: ZoneInfo, hours: dict[int, list[Minutes]], first: date, last: date
) -> tuple[datetime, list[bool]]:
    """For every minute from three days before ``first`` on, is it open; right but for the first and last two days,
    in which zones far from UTC still have the date before and the date after."""
    begin = datetime.combine(first, time(), UTC) - timedelta(days=3)
    count = ((last - first).days + 7) * 1440
    walls = [(begin + n * MINUTE).astimezone(zone).replace(tzinfo=None) for n in range(count)]
    open_ = [False] * count
    day = first - timedelta(days=2)
    while day <= last + timedelta(days=2):
        midnight = datetime.combine(day, time())
        for start, end in hours.get(day.weekday(), []):
            opens = next((n for n in range(count) if walls[n] >= midnight + start * MINUTE), count)
            closes = next((n for n in range(count) if walls[n] >= midnight + end * MINUTE), count)
            open_[opens:closes] = [True] * (closes - opens)
        day += timedelta(days=1)
    return begin, open_


@st.composite
def day_hours(draw: st.DrawFn) -> list[Minutes]:
    marks = sorted(draw(st.sets(st.integers(0, 96), min_size=0, max_size=6)))
    return [(start * 15, end * 15) for start, end in zip(marks[::2], marks[1::2], strict=False)]


@st.composite
def situations(draw: st.DrawFn) -> tuple[ZoneInfo, dict[int, list[Minutes]], date]:
    name = draw(st.sampled_from(sorted(CHANGES)))
    hours = {day: draw(day_hours()) for day in range(7)}
    return ZoneInfo(name), hours, draw(st.sampled_from(CHANGES[name]))


@settings(max_examples=20, deadline=None)
@given(situations(), st.integers(0, 3 * 1440), st.integers(0, 2 * 1440))
def test_working_time_is_what_counting_minutes_gives(
    situation: tuple[ZoneInfo, dict[int, list[Minutes]], date], offset: int, length: int
) -> None:
    zone, hours, change = situation
    calendar = WorkingCalendar(zone, hours)
    begin, open_ = model_minutes(zone, hours, change - timedelta(days=2), change + timedelta(days=3))
    first = EDGE + offset
    last = min(first + length, len(open_) - EDGE)
    start, end = begin + first * MINUTE, begin + last * MINUTE

    assert calendar.working_between(start, end) == sum(open_[first:last]) * MINUTE
    assert calendar.is_open(start) == open_[first]


@settings(max_examples=20, deadline=None)
@given(situations(), st.integers(0, 3 * 1440), st.integers(1, 2000))
def test_added_working_time_is_what_counting_minutes_gives(
    situation: tuple[ZoneInfo, dict[int, list[Minutes]], date], offset: int, amount: int
) -> None:
    zone, hours, change = situation
    calendar = WorkingCalendar(zone, hours)
    begin, open_ = model_minutes(zone, hours, change - timedelta(days=2), change + timedelta(days=5))
    first, left = EDGE + offset, amount
    reached = None
    for n in range(first, len(open_) - EDGE):
        left -= open_[n]
        if not left:
            reached = begin + (n + 1) * MINUTE
            break
    if reached is not None:
        assert calendar.add_working(begin + first * MINUTE, amount * MINUTE) == reached
    opening = next((n for n in range(first, len(open_) - EDGE) if open_[n]), None)
    if opening is not None:
        assert calendar.next_opening(begin + first * MINUTE) == begin + opening * MINUTE


moments = st.integers(0, 15 * 366 * 86400).map(lambda n: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=n))
amounts = st.timedeltas(timedelta(), timedelta(days=90))


@settings(max_examples=60, deadline=None)
@given(situations(), moments, amounts)
def test_adding_and_measuring_are_inverse(
    situation: tuple[ZoneInfo, dict[int, list[Minutes]], date], start: datetime, amount: timedelta
) -> None:
    zone, hours, _ = situation
    calendar = WorkingCalendar(zone, hours)
    if not any(hours.values()):
        with pytest.raises(ValueError, match="never opens"):
            calendar.next_opening(start)
        return
    try:
        end = calendar.add_working(start, amount)
    except ValueError:
        # all that the week has is skipped by the clock, or a few minutes a year
        return
    assert calendar.working_between(start, end) == amount
    assert end == start or calendar.working_between(start, end - timedelta(microseconds=1)) < amount


@given(moments, moments, moments)
def test_working_time_adds_up(a: datetime, b: datetime, c: datetime) -> None:
    a, b, c = sorted([a, b, c])
    calendar = WorkingCalendar(ZoneInfo("Europe/Berlin"), dict.fromkeys(range(5), ((540, 1020),)))
    assert calendar.working_between(a, c) == calendar.working_between(a, b) + calendar.working_between(b, c)


@given(moments, amounts)
def test_around_the_clock_is_plain_time(start: datetime, amount: timedelta) -> None:
    assert ALWAYS.add_working(start, amount) == start + amount
    assert ALWAYS.working_between(start, start + amount) == amount
    assert ALWAYS.days_later(start, 3) == start + timedelta(days=3)


@settings(deadline=None)
@given(situations(), moments, st.integers(1, 20))
def test_a_working_day_later_lies_in_that_day(
    situation: tuple[ZoneInfo, dict[int, list[Minutes]], date], start: datetime, days: int
) -> None:
    zone, hours, _ = situation
    calendar = WorkingCalendar(zone, hours)
    if any(hours.values()):
        end = calendar.days_later(start, days)
        spans = calendar.day(end.astimezone(zone).date()) + calendar.day(
            (end - timedelta(microseconds=1)).astimezone(zone).date()
        )
        assert any(opens <= end <= closes for opens, closes in spans)
        assert end > start

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from maild.settings.models import Calendar
from maild.sla.calendar import ALWAYS, WorkingCalendar, from_settings, problems

OFFICE: dict[str, Any] = {
    "timezone": "Europe/Berlin",
    "hours": {"mon-thu": ["09:00-12:30", "13:00-17:30"], "fri": "09:00-15:00"},
    "holidays": {"country": "DE", "subdivision": "BE"},
    "closed": ["2026-12-24..2026-12-31"],
}


def calendar(**changes: Any) -> WorkingCalendar:
    return from_settings(Calendar.model_validate({**OFFICE, **changes}), "office")


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


class Office:
    """The calendar of the contract, with instants written as its clock shows them."""

    def __init__(self, calendar: WorkingCalendar) -> None:
        self.calendar = calendar

    def at(self, text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=self.calendar.zone)

    def shown(self, at: datetime) -> str:
        assert at.utcoffset() == timedelta()
        return at.astimezone(self.calendar.zone).strftime("%Y-%m-%d %H:%M")

    def add(self, text: str, amount: timedelta) -> str:
        return self.shown(self.calendar.add_working(self.at(text), amount))

    def days(self, text: str, days: int) -> str:
        return self.shown(self.calendar.days_later(self.at(text), days))


@pytest.fixture
def office() -> Office:
    return Office(calendar())


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        ("2026-11-23 09:00", True),  # a Monday
        ("2026-11-23 08:59", False),
        ("2026-11-23 12:29", True),
        ("2026-11-23 12:30", False),
        ("2026-11-23 12:45", False),
        ("2026-11-23 17:30", False),
        ("2026-11-27 15:00", False),  # a Friday
        ("2026-11-28 10:00", False),
        ("2026-03-09 10:00", True),  # Women's Day was the Sunday before
        ("2027-03-08 10:00", False),  # a holiday in Berlin alone
        ("2026-12-24 10:00", False),
        ("2027-01-04 10:00", True),
    ],
)
def test_open_is_within_hours_on_working_days(office: Office, at: str, open_: bool) -> None:
    assert office.calendar.is_open(office.at(at)) is open_


@pytest.mark.parametrize(
    ("start", "amount", "end"),
    [
        ("2026-11-23 09:00", hours(1), "2026-11-23 10:00"),
        ("2026-11-23 12:00", hours(1), "2026-11-23 13:30"),
        ("2026-11-23 17:00", hours(0.5), "2026-11-23 17:30"),
        ("2026-11-23 17:00", hours(1), "2026-11-24 09:30"),
        ("2026-11-27 14:00", hours(2), "2026-11-30 10:00"),
        ("2026-11-28 11:00", hours(1), "2026-11-30 10:00"),
        ("2026-12-23 16:00", hours(4), "2027-01-04 11:30"),
        ("2026-11-28 11:00", hours(0), "2026-11-28 11:00"),
    ],
)
def test_working_time_is_added_over_nights_lunch_and_holidays(
    office: Office, start: str, amount: timedelta, end: str
) -> None:
    assert office.add(start, amount) == end


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-11-23 10:00", 1, "2026-11-24 10:00"),
        ("2026-11-23 10:00", 5, "2026-11-30 10:00"),
        ("2026-11-26 17:00", 1, "2026-11-27 15:00"),  # cut to Friday's hours
        ("2026-11-27 14:00", 1, "2026-11-30 14:00"),
        ("2026-11-27 16:00", 1, "2026-12-01 09:00"),  # after hours: counts as Monday's opening
        ("2026-11-22 03:00", 1, "2026-11-24 09:00"),
        ("2026-11-27 12:40", 1, "2026-11-30 12:30"),  # Monday's lunch: cut to its beginning
        ("2026-12-23 16:00", 1, "2027-01-04 16:00"),
        ("2026-11-24 10:00", -1, "2026-11-23 10:00"),
        ("2026-11-23 17:00", -1, "2026-11-20 15:00"),
        ("2026-11-28 12:00", 0, "2026-11-30 09:00"),
    ],
)
def test_a_working_day_later_is_the_same_time_cut_to_that_days_hours(
    office: Office, start: str, days: int, end: str
) -> None:
    assert office.days(start, days) == end


def test_a_day_that_opens_later_begins_at_its_opening() -> None:
    late = Office(calendar(hours={"mon": "08:00-16:00", "tue": "10:00-16:00"}))
    assert late.days("2026-11-23 08:30", 1) == "2026-11-24 10:00"


def test_hours_may_end_at_24_00_and_touch_the_next_day() -> None:
    nights = Office(calendar(hours={"mon": "18:00-24:00", "tue": ["00:00-06:00", "22:00-24:00"]}, holidays=None))
    assert nights.add("2026-11-23 23:00", hours(4)) == "2026-11-24 03:00"
    assert nights.calendar.is_open(nights.at("2026-11-24 00:00"))
    assert nights.calendar.working_between(nights.at("2026-11-23 00:00"), nights.at("2026-11-30 00:00")) == hours(14)


def test_days_may_be_listed_and_run_over_the_weekend() -> None:
    shop = Office(calendar(hours={"fri-mon": "10:00-11:00", "tue,wed": "12:00-13:00"}, holidays=None))
    week = [shop.calendar.day(date(2026, 11, 23) + timedelta(days=n)) for n in range(7)]
    assert [len(spans) for spans in week] == [1, 1, 1, 0, 1, 1, 1]
    assert shop.calendar.is_open(shop.at("2026-11-25 12:30"))


def test_closed_hours_are_taken_out_and_open_days_win() -> None:
    office = Office(
        calendar(
            closed=["2026-12-24..2026-12-31", {"2026-11-24": "12:00-24:00"}],
            open=["2026-11-28", "2026-12-28", {"2026-12-31": "09:00-12:00"}, {"2026-12-25": ["10:00-11:00"]}],
        )
    )

    def opened(day: str) -> list[tuple[str, str]]:
        spans = office.calendar.day(date.fromisoformat(day))
        return [(office.shown(a)[11:], office.shown(b)[11:]) for a, b in spans]

    assert opened("2026-11-24") == [("09:00", "12:00")]
    # a Saturday has no hours of its own and takes those of the first weekday that has some
    assert opened("2026-11-28") == [("09:00", "12:30"), ("13:00", "17:30")]
    assert opened("2026-12-28") == [("09:00", "12:30"), ("13:00", "17:30")]
    assert opened("2026-12-31") == [("09:00", "12:00")]
    assert opened("2026-12-25") == [("10:00", "11:00")]
    assert opened("2026-12-29") == []


def test_a_day_on_which_the_clock_is_changed_counts_its_real_hours() -> None:
    night = Office(calendar(hours={"mon-sun": "00:00-24:00"}, holidays=None, closed=[]))
    assert night.calendar.working_between(night.at("2026-03-29 00:00"), night.at("2026-03-30 00:00")) == hours(23)
    assert night.calendar.working_between(night.at("2026-10-25 00:00"), night.at("2026-10-26 00:00")) == hours(25)
    assert night.days("2026-03-28 02:30", 1) == "2026-03-29 03:00"  # 02:30 is skipped
    # opens at the first 02:00, once
    early = Office(calendar(hours={"sun": "02:00-03:00"}, holidays=None, closed=[]))
    assert [b - a for a, b in early.calendar.day(date(2026, 10, 25))] == [hours(2)]
    assert early.calendar.day(date(2026, 3, 29)) == []


def test_any_zone_may_be_asked(office: Office) -> None:
    assert office.calendar.add_working(datetime(2026, 11, 23, 8, 0, tzinfo=UTC), hours(1)).hour == 9


def test_time_is_not_added_backwards(office: Office) -> None:
    with pytest.raises(ValueError, match="only be added"):
        office.add("2026-11-23 10:00", hours(-1))
    assert office.calendar.working_between(office.at("2026-11-24 10:00"), office.at("2026-11-23 10:00")) == hours(0)


def test_a_calendar_that_never_opens_is_a_fault_and_no_endless_loop() -> None:
    config = Calendar.model_construct(timezone="UTC", hours={"mon": ()}, holidays=None, closed=(), open=("2020-01-01",))
    begun = time.monotonic()
    with pytest.raises(ValueError, match="never opens"):
        from_settings(config).add_working(datetime(2026, 1, 1, tzinfo=UTC), hours(1))
    with pytest.raises(ValueError, match="never opens"):
        from_settings(config).days_later(datetime(2026, 1, 1, tzinfo=UTC), 1)
    assert "never opens" in problems(config)[0]
    assert time.monotonic() - begun < 5


def test_the_end_of_time_is_an_error_and_no_crash() -> None:
    with pytest.raises(ValueError, match="never opens"):
        ALWAYS.add_working(datetime(9998, 1, 1, tzinfo=UTC), timedelta(days=5000))


def test_problems_name_what_would_be_right() -> None:
    assert problems(Calendar.model_validate(OFFICE)) == []
    assert "two letters" in problems(Calendar.model_validate({**OFFICE, "holidays": {"country": "Germany"}}))[0]
    (fault,) = problems(Calendar.model_validate({**OFFICE, "holidays": {"country": "DE", "subdivision": "Berlin"}}))
    assert "no subdivision 'Berlin'" in fault and "BE" in fault


def test_sums_are_fast(office: Office) -> None:
    start = office.at("2026-11-23 10:00")
    office.calendar.add_working(start, hours(40))
    begun = time.perf_counter()
    for _ in range(1000):
        office.calendar.add_working(start, hours(40))
        office.calendar.working_between(start, start + timedelta(days=30))
    assert time.perf_counter() - begun < 0.5  # 0.05 s on one core

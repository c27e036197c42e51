"""The written forms of small values: what is taken, and what is refused in which words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maild.settings import formats, times
from maild.settings.origin import plain, written_duration
from maild.settings.times import AtMost
from maild.settings.values import duration, stay


@pytest.mark.parametrize(
    "text", ["support@example.com", "a+b@x.example", "jörg@müller.example", "x@[192.0.2.1]", "a'b@c.d"]
)
def test_addresses(text: str) -> None:
    assert formats.address(text) == text


@pytest.mark.parametrize("text", ["", "support", "a@", "@b", "Jo <jo@a.example>", "a b@c.d", "a@b@c", "a@b,c@d"])
def test_no_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="is no email address"):
        formats.address(text)


@pytest.mark.parametrize(
    "text", ["127.0.0.1:25", "[::1]:25", "*:8025", "mail.example.com:25", "unix:lmtp.sock", "systemd:smtp"]
)
def test_listeners(text: str) -> None:
    assert formats.listen(text) == text


@pytest.mark.parametrize("text", ["25", "127.0.0.1", "127.0.0.1:99999", "unix:", ":25:", "::1:25"])
def test_no_listeners(text: str) -> None:
    with pytest.raises(ValueError, match="is nowhere to listen"):
        formats.listen(text)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", ("mon",)), ("mon-wed", ("mon", "tue", "wed")), ("sat-mon", ("sat", "sun", "mon")),
        ("mon, wed-thu", ("mon", "wed", "thu")), ("Monday-Tue", ("mon", "tue")),
    ],
)  # fmt: skip
def test_days(text: str, days: tuple[str, ...]) -> None:
    assert times.days_of(text) == days


@pytest.mark.parametrize("ranges", [("09:00-12:30", "13:00-17:30"), ("9:00-24:00",), ("13:00-17:00", "08:00-12:00")])
def test_hours(ranges: tuple[str, ...]) -> None:
    assert times.hours(ranges) == ranges


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        (("9-17",), "is no range"), (("09:00-25:00",), "beyond the day"), (("17:00-09:00",), "ends before it begins"),
        (("09:00-13:00", "12:00-17:00"), "overlaps"), (("24:00-24:00",), "beyond the day"),
    ],
)  # fmt: skip
def test_no_hours(ranges: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        times.hours(ranges)


@pytest.mark.parametrize(
    "text", ["0 8 * * mon-fri", "*/15 * * * *", "0 0 1 jan *", "5,35 8-18 * * 1-5", "0 8 * * sun,7"]
)
def test_schedules(text: str) -> None:
    assert times.cron(text) == text


@pytest.mark.parametrize(
    "text", ["", "0 8 * *", "60 * * * *", "* * * * mon-fun", "*/0 * * * *", "a * * * *", "- * * * *"]
)
def test_no_schedules(text: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        times.cron(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2", AtMost(2, "case", None)),
        (3, AtMost(3, "case", None)),
        ("1 per contact", AtMost(1, "contact", None)),
        ("1 per 30d", AtMost(1, "case", timedelta(days=30))),
        ("1 per contact in 30d", AtMost(1, "contact", timedelta(days=30))),
    ],
)
def test_how_often(text: object, meant: AtMost) -> None:
    assert times.at_most(text) == meant


@pytest.mark.parametrize(
    ("text", "said"), [("1w", "write working days: 5d"), ("1.5h", "30m, 4h, 2d"), ("0h", "leave it out")]
)
def test_targets_that_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        times.working_time(text)


@pytest.mark.parametrize("text", ["90s", "15m", "36h", "2d", "0"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    assert written_duration(duration(text)) == text


@pytest.mark.parametrize("text", ["15wd", "1wd", "15d"])
def test_working_days_are_shown_as_they_are_written(text: str) -> None:
    assert plain(stay(text)) == text


def test_days_that_are_no_days() -> None:
    for text in ("2026-02-30", "24.12.2026", "2026-12-31..2026-12-24"):
        with pytest.raises(ValueError, match=r"is no day|ends before it begins"):
            times.special_day(text)
    assert times.special_day({"2026-12-31": "09:00-12:00"}) == {"2026-12-31": ("09:00-12:00",)}


@pytest.mark.parametrize("written", ["next week", "2026-13-01", "2026-12-24..2026-12-20", "until 2026-12-20..2026-12-24", 7])
def test_an_absence_that_names_no_days_is_refused_with_what_to_write(written: object) -> None:
    with pytest.raises(ValueError, match=r"\nwrite "):
        times.absences(written)


def test_an_absence_is_shown_as_it_is_written() -> None:
    written = ["until 2026-12-01", "since 2026-12-01", "2026-12-20..2027-01-02"]
    assert [str(one) for one in times.absences(written)] == written

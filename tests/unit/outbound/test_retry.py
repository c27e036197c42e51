"""When a mail is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from maild.outbound.retry import LONGEST, next_attempt

BORN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAYS = timedelta(days=5)


def test_the_delays_grow_from_a_minute_to_four_hours() -> None:
    delays = []
    for attempts in range(1, 12):
        at = next_attempt(attempts, BORN, BORN, DAYS, 0.5)
        assert at is not None
        delays.append(at - BORN)
    assert delays[:4] == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
    assert delays[8:] == [LONGEST, LONGEST, LONGEST]


def test_f43_it_ends_after_its_lifetime_with_a_last_try_at_the_end() -> None:
    assert next_attempt(40, BORN, BORN + DAYS - timedelta(minutes=5), DAYS, 0.5) == BORN + DAYS
    assert next_attempt(41, BORN, BORN + DAYS, DAYS, 0.5) is None


@given(st.integers(0, 10**6), st.timedeltas(timedelta(), timedelta(days=9)), st.floats(0, 1))
def test_the_next_try_is_always_later_and_within_the_lifetime(attempts: int, age: timedelta, jitter: float) -> None:
    at = next_attempt(attempts, BORN, BORN + age, DAYS, jitter)
    if age >= DAYS:
        assert at is None
    else:
        assert at is not None
        assert BORN + age < at <= min(BORN + DAYS, BORN + age + LONGEST * 1.2)

"""This is where what maild keeps comes to its end: `retention` of maild.yaml; without a value there it is kept for ever.

The raw bytes of mail go where its case is closed or it is in none; held mail that nobody decided about is removed, and so
are cases that have been closed for so long. That each mail came, and where it went, stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from maild.log import get_logger
from maild.schedule.effects import Done
from maild.settings.models import Retention
from maild.settings.values import lasting
from maild.store import erasure, installation, spool
from maild.store.alone import alone
from maild.store.unit_of_work import Store

log = get_logger("retention")

BATCH = 20  # cases or mails a transaction
A_SWEEP = 2000  # of each kind
A_DAY = timedelta(days=1)
_HOURS = "retention_hours"


def keep_to(store: Store, kept: Retention, now: datetime) -> int:
    """Sweep where the clock can be believed; called every hour. Returns how much was removed.

    A clock that is years ahead would remove all that there is. So nothing is removed before the hours have followed each
    other for a day: after a start, a longer downtime, or a clock that was set.
    """
    if kept == Retention() or not _steady(store, now):
        return 0
    return sweep(store, kept, now)


def _steady(store: Store, now: datetime) -> bool:
    with store.write() as connection:
        first, last = (datetime.fromisoformat(one) for one in (installation.get_meta(connection, _HOURS) or f"{now.isoformat()} {now.isoformat()}").split())
        if not timedelta() <= now - last <= A_DAY:
            first = now
        installation.set_meta(connection, _HOURS, f"{first.isoformat()} {now.isoformat()}")
    return now - first >= A_DAY


def sweep(store: Store, kept: Retention, now: datetime) -> int:
    """Remove what is older than it is to be kept, at most so much of each kind; returns how much was removed."""

    def delete_cases(connection: Connection, numbers: Sequence[int]) -> None:
        for number in numbers:
            erasure.delete_case(connection, number, "retention", now)

    mails = _each(store, kept.raw, now, spool.old_raw, spool.drop_raw)
    held = _each(store, kept.held, now, spool.old_held, spool.erase_held)
    cases = _each(store, kept.closed_cases, now, erasure.closed_cases, delete_cases)
    if mails or held or cases:
        log.info("retention.ended", mails=mails, held=held, cases=cases)
    return mails + held + cases


def foretold(store: Store, kept: Retention, until: datetime) -> list[Done]:
    """What will have been removed by then of what is there now: a line for each of the three."""
    found = []
    with store.read() as connection:
        for name, age, old, said in (
            ("raw", kept.raw, spool.old_raw, "the bytes of {} mails as they came are removed"),
            ("held", kept.held, spool.old_held, "{} held mails are removed"),
            ("closed_cases", kept.closed_cases, erasure.closed_cases, "{} closed cases are removed with all their mail"),
        ):
            count = len(old(connection, until - age)) if age is not None else 0
            if age is not None and count:
                found.append(Done(until, None, "retention", said.format(count), f"retention.{name} is {lasting(age)}"))
    return found


def _each(
    store: Store, age: timedelta | None, now: datetime, old: Callable[[Connection, datetime, int], list[int]],
    remove: Callable[[Connection, Sequence[int]], None],
) -> int:  # fmt: skip
    done = 0
    while age is not None and done < A_SWEEP:
        with store.write() as connection:
            alone(connection, "sweep", "retention")
            found = old(connection, now - age, BATCH)
            remove(connection, found)
        done += len(found)
        if len(found) < BATCH:
            break
    return done

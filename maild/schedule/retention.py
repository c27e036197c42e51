"""This is where what maild keeps comes to its end: `retention` of maild.yaml; without a value there it is kept for ever.

The raw bytes of mail go where its case is closed or it is in none; held mail that nobody decided about is removed, and so
are cases that have been closed for so long. That each mail came, and where it went, stays.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from maild.log import get_logger
from maild.settings.models import Retention
from maild.store import erasure, spool
from maild.store.alone import alone
from maild.store.unit_of_work import Store

log = get_logger("retention")

BATCH = 20  # cases or mails a transaction
A_SWEEP = 2000  # of each kind


def sweep(store: Store, kept: Retention, now: datetime) -> int:
    """Remove what is older than it is to be kept, at most so much of each kind; returns how much was removed."""
    mails = _each(store, kept.raw, now, lambda connection, before: spool.drop_raw(connection, before, limit=BATCH))
    held = _each(store, kept.held, now, lambda connection, before: spool.erase_held(connection, before, limit=BATCH))
    cases = _each(
        store, kept.closed_cases, now,
        lambda connection, before: erasure.delete_closed(connection, before, "retention", now, limit=BATCH),
    )  # fmt: skip
    if mails or held or cases:
        log.info("retention.ended", mails=mails, held=held, cases=cases)
    return mails + held + cases


def _each(store: Store, age: timedelta | None, now: datetime, remove: Callable[[Connection, datetime], int]) -> int:
    done = 0
    while age is not None and done < A_SWEEP:
        with store.write() as connection:
            alone(connection, "sweep", "retention")
            found = remove(connection, now - age)
        done += found
        if found < BATCH:
            break
    return done

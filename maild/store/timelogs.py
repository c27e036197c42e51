"""This is where time spent on cases is kept: stop-watches and what was written down by hand, and each case's service.

A user has one running watch at most (a unique index says so); starting another one pauses it. The total of a case is
what is paused and completed, and what a running watch has so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.engine import Row

from maild.store.people import upsert
from maild.store.schema import case_services, cases, time_logs


@dataclass(frozen=True, slots=True)
class TimeLog:
    """One stretch of work; ``seconds`` without what has run since ``started_at``."""

    id: int
    case: int
    user: str
    state: str
    seconds: int
    started_at: datetime | None
    text: str
    billable: bool
    created_at: datetime

    def spent(self, now: datetime) -> int:
        """The seconds so far."""
        running = int((now - self.started_at).total_seconds()) if self.started_at else 0
        return self.seconds + max(0, running)


def _log(row: Row[Any]) -> TimeLog:
    return TimeLog(
        row.id, row.case_number, row.user, row.state, row.seconds, row.started_at, row.text, row.billable, row.created_at
    )


def add(connection: Connection, case: int, user: str, spent: timedelta, text: str, billable: bool, now: datetime) -> int:
    """Write down time spent; it is completed. Returns its number."""
    values = {
        "case_number": case, "user": user, "state": "completed", "seconds": int(spent.total_seconds()), "text": text,
        "billable": billable, "created_at": now,
    }  # fmt: skip
    return int(connection.execute(insert(time_logs).returning(time_logs.c.id), values).scalar_one())


def remove(connection: Connection, number: int) -> None:
    """Take an entry back."""
    connection.execute(delete(time_logs).where(time_logs.c.id == number))


def current(connection: Connection, user: str, case: int | None = None) -> TimeLog | None:
    """The user's running watch; with ``case`` their newest one there that is running or paused."""
    query = select(time_logs).where(time_logs.c.user == user, time_logs.c.state == "working")
    if case is not None:
        query = select(time_logs).where(
            time_logs.c.user == user, time_logs.c.case_number == case, time_logs.c.state.in_(["working", "paused"])
        )
    row = connection.execute(query.order_by(time_logs.c.id.desc()).limit(1)).one_or_none()
    return _log(row) if row is not None else None


def start(connection: Connection, case: int, user: str, billable: bool, now: datetime) -> int | None:
    """Start a new watch; returns the case whose watch was paused for it, or None."""
    paused = pause_running(connection, user, now)
    values = {
        "case_number": case, "user": user, "state": "working", "seconds": 0, "started_at": now, "billable": billable,
        "created_at": now,
    }  # fmt: skip
    connection.execute(insert(time_logs), values)
    return paused


def pause_running(connection: Connection, user: str, now: datetime) -> int | None:
    """Pause the user's running watch; returns its case, or None where none runs."""
    running = current(connection, user)
    if running is None:
        return None
    set_state(connection, running, "paused", now)
    return running.case


def set_state(connection: Connection, log: TimeLog, state: str, now: datetime) -> None:
    """Make a watch working, paused or completed; what it has run is added up."""
    connection.execute(
        update(time_logs)
        .where(time_logs.c.id == log.id)
        .values(state=state, seconds=log.spent(now), started_at=now if state == "working" else None)
    )


def of_case(connection: Connection, number: int) -> list[TimeLog]:
    """A case's entries, oldest first."""
    return [_log(row) for row in connection.execute(
        select(time_logs).where(time_logs.c.case_number == number).order_by(time_logs.c.id))]  # fmt: skip


def spent(connection: Connection, number: int, now: datetime) -> int:
    """The seconds spent on a case so far."""
    return sum(log.spent(now) for log in of_case(connection, number))


def listed(connection: Connection, filters: Mapping[str, Any]) -> list[tuple[TimeLog, str | None, Row[Any] | None]]:
    """Entries with their case's organisation and service, oldest first.

    Filters (all optional): user, case, organisation, since, until (datetimes, of the entry's beginning).
    """
    query = (
        select(time_logs, cases.c.organisation, case_services.c.name, case_services.c.rate, case_services.c.per)
        .join_from(time_logs, cases, cases.c.number == time_logs.c.case_number)
        .join(case_services, case_services.c.case_number == cases.c.number, isouter=True)
    )
    if filters.get("user"):
        query = query.where(time_logs.c.user == filters["user"])
    if filters.get("case") is not None:
        query = query.where(time_logs.c.case_number == filters["case"])
    if filters.get("organisation"):
        query = query.where(cases.c.organisation == filters["organisation"])
    if filters.get("since") is not None:
        query = query.where(time_logs.c.created_at >= filters["since"])
    if filters.get("until") is not None:
        query = query.where(time_logs.c.created_at < filters["until"])
    return [
        (_log(row), row.organisation, row if row.name is not None else None)
        for row in connection.execute(query.order_by(time_logs.c.id))
    ]


# --- a case's service -------------------------------------------------------------------------------------------


def service(connection: Connection, number: int) -> dict[str, Any] | None:
    """What is done on a case: name, rate, per, type and location; None where nothing was said."""
    row = connection.execute(select(case_services).where(case_services.c.case_number == number)).one_or_none()
    if row is None:
        return None
    return {
        "name": row.name, "rate": row.rate or None, "per": row.per, "type": row.type or None, "location": row.location
    }  # fmt: skip


def set_service(connection: Connection, number: int, values: Mapping[str, Any] | None) -> None:
    """Say what is done on a case; None takes it away."""
    if values is None:
        connection.execute(delete(case_services).where(case_services.c.case_number == number))
        return
    kept = {"name": "", "rate": "", "per": "hour", "type": "", "location": None} | {
        key: value for key, value in values.items() if value is not None
    }
    upsert(connection, case_services, ["case_number"], {"case_number": number, **kept})

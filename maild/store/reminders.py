"""This is where reminders that agents set for themselves are kept, and found when they are due."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.engine import Row

from maild.store.schema import reminders


def add(connection: Connection, case: int, user: str, due_at: datetime, text: str, now: datetime) -> int:
    """Remind this user of this case then; returns the reminder's number."""
    values = {"case_number": case, "user": user, "due_at": due_at, "text": text, "created_at": now}
    return int(connection.execute(insert(reminders).returning(reminders.c.id), values).scalar_one())


def due(connection: Connection, now: datetime, *, lock: bool = False, limit: int = 100) -> list[Row[Any]]:
    """The reminders that are due (id, case_number, user, text), oldest first; with ``lock`` each is one daemon's."""
    query = (
        select(reminders)
        .where(reminders.c.done_at.is_(None), reminders.c.due_at <= now)
        .order_by(reminders.c.due_at)
        .limit(limit)
    )
    return list(connection.execute(query.with_for_update(skip_locked=True) if lock else query))


def next_due(connection: Connection, after: datetime) -> datetime | None:
    """When the next reminder after this moment is due, None where there is none."""
    query = select(func.min(reminders.c.due_at)).where(reminders.c.done_at.is_(None), reminders.c.due_at > after)
    found: datetime | None = connection.execute(query).scalar()
    return found


def done(connection: Connection, number: int, now: datetime) -> None:
    """This reminder was given."""
    connection.execute(update(reminders).where(reminders.c.id == number).values(done_at=now))


def put_off(connection: Connection, number: int, until: datetime) -> None:
    """This reminder could not be given, and is due then."""
    connection.execute(update(reminders).where(reminders.c.id == number).values(due_at=until))


def remove(connection: Connection, number: int) -> None:
    """Take a reminder back."""
    connection.execute(delete(reminders).where(reminders.c.id == number))

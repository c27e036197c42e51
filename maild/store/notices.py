"""This is where events wait that a user hears of in a digest, in place of a mail each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.engine import Row

from maild.store.schema import notices


def add(connection: Connection, user: str, case: int, event: str, actor: str, text: str, now: datetime) -> None:
    """Keep an event of a case for this user's next digest."""
    connection.execute(
        insert(notices), {"user": user, "case_number": case, "event": event, "actor": actor, "text": text, "at": now}
    )


def waiting(connection: Connection) -> dict[str, datetime]:
    """Since when something waits, by user."""
    query = select(notices.c.user, func.min(notices.c.at).label("since")).group_by(notices.c.user)
    return {row.user: row.since for row in connection.execute(query)}


def take(connection: Connection, user: str) -> list[Row[Any]]:
    """Everything that waits for this user (case_number, event, actor, text, at), oldest first; it waits no longer.

    Of two daemons that take at once one gets it.
    """
    rows = list(
        connection.execute(
            select(notices).where(notices.c.user == user).order_by(notices.c.id).with_for_update(skip_locked=True)
        )
    )
    if rows:
        connection.execute(delete(notices).where(notices.c.id.in_([row.id for row in rows])))
    return rows

"""This is where agents are reminded of cases, as they asked by `#remind 3d TEXT`: each reminder once, when it is due."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from maild.desk import Desk
from maild.log import get_logger
from maild.office import Office
from maild.schedule.effects import Done, contact_of
from maild.store import cases, reminders
from maild.store.put_off import AGAIN_AFTER
from maild.store.savepoint import apart
from maild.store.unit_of_work import Store

log = get_logger("reminders")


def sweep(store: Store, office: Office, now: datetime) -> list[Done]:
    """Give the reminders that are due; returns them."""
    with store.read() as connection:
        if not reminders.due(connection, now, limit=1):
            return []
    done: list[Done] = []
    with store.write() as connection:
        desk = Desk(office, connection, now)
        for row in reminders.due(connection, now, lock=True):
            with apart(connection, partial(_failed, desk, row)):
                done += _remind(desk, row)
    return done


def _remind(desk: Desk, row: Any) -> list[Done]:
    case = cases.get_final(desk.connection, row.case_number)
    reminders.done(desk.connection, row.id, desk.now)
    if case is None or case.status.value == "closed":
        return []
    text = row.text or "You asked to be reminded of this case."
    reason = f"You asked on {row.created_at:%Y-%m-%d} to be reminded of this case."
    desk.notify(case, contact_of(desk, case), "reminder", [row.user], text=text, reason=reason)
    return [Done(desk.now, case.number, row.user, f"remind {row.user}", f"#remind of {row.created_at:%Y-%m-%d}")]


def _failed(desk: Desk, row: Any, error: Exception) -> None:
    """A reminder that failed is given a while later."""
    log.error("sweep.failed", sweep="reminders", case=row.case_number, reason=error, exc_info=error)
    reminders.put_off(desk.connection, row.id, desk.now + AGAIN_AFTER)

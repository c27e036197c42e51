"""This is where agents are reminded of cases, as they asked by `#remind 3d TEXT`: each reminder once, when it is due."""

from __future__ import annotations

from datetime import datetime

from maild.desk import Desk
from maild.office import Office
from maild.schedule.effects import Done, contact_of
from maild.store import cases, reminders
from maild.store.unit_of_work import Store


def sweep(store: Store, office: Office, now: datetime) -> list[Done]:
    """Give the reminders that are due; returns them."""
    with store.read() as connection:
        if not reminders.due(connection, now, limit=1):
            return []
    done: list[Done] = []
    with store.write() as connection:
        desk = Desk(office, connection, now)
        for row in reminders.due(connection, now, lock=True):
            case = cases.get_final(connection, row.case_number)
            reminders.done(connection, row.id, now)
            if case is None or case.status.value == "closed":
                continue
            text = row.text or "You asked to be reminded of this case."
            reason = f"You asked on {row.created_at:%Y-%m-%d} to be reminded of this case."
            desk.notify(case, contact_of(desk, case), "reminder", [row.user], text=text, reason=reason)
            done.append(Done(now, case.number, row.user, f"remind {row.user}", f"#remind of {row.created_at:%Y-%m-%d}"))
    return done

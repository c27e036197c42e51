"""This is where held mail comes to its end: its time is over, or its owner hears of it, once a day, and decides by mail.

The owner of a mailbox's held mail is its group's manager, else the admins. The list numbers what is held; the numbers are
what `#release 2` in the answer to it means (`agents.held`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from maild.desk import Desk
from maild.model.message import Address
from maild.model.outbox import Draft, OutgoingKind
from maild.office import Office
from maild.store import held, installation, spool
from maild.store.alone import alone
from maild.store.unit_of_work import Store

AGAIN = timedelta(days=1)
MOST = 50  # mails in one list: their ids must fit into one header line
_TOLD = "held_told_at"


def sweep(store: Store, office: Office, now: datetime) -> int:
    """End holds whose time is over, and tell the owners of held mail once a day; returns how much was done."""
    with store.read() as connection:
        if not spool.expired_holds(connection, now) and not _due(connection, now):
            return 0
    done = 0
    with store.write() as connection:
        alone(connection, "sweep", "held")
        for seq, then in spool.expired_holds(connection, now):
            match then:
                case "discard":
                    spool.give_up(connection, seq, "its time of being held is over", now)
                case "case":
                    spool.release(connection, seq, "rule")
                case _:
                    held.keep(connection, seq)
            done += 1
        return done + _tell_owners(connection, office, now)


def _due(connection: Connection, now: datetime) -> bool:
    last = installation.get_meta(connection, _TOLD)
    if last is not None and datetime.fromisoformat(last) > now - AGAIN:
        return False
    return bool(held.waiting(connection, limit=1))


def _tell_owners(connection: Connection, office: Office, now: datetime) -> int:
    """Once a day each owner gets the list of what is held for them; returns how many lists went out."""
    if not _due(connection, now):
        return 0
    by_owner: dict[str, list[Any]] = {}
    for row in held.waiting(connection):
        for owner in owners(office, row.held_mailbox or (row.mailboxes or [""])[0]):
            by_owner.setdefault(owner, []).append(row)
    desk = Desk(office, connection, now)
    for owner, rows in by_owner.items():
        _tell(desk, owner, rows)
    installation.set_meta(connection, _TOLD, now.isoformat())
    return len(by_owner)


def _tell(desk: Desk, owner: str, rows: Sequence[Any]) -> None:
    users = desk.office.settings.directory.users
    times = Counter(row.sender for row in rows if row.sender)
    shown = sorted(rows, key=lambda row: (-times[row.sender], row.seq))[:MOST]  # who wrote again stands first
    first = shown[0].held_mailbox or (shown[0].mailboxes or [""])[0]
    mailbox = first if first in desk.office.settings.main.mailboxes else next(iter(desk.office.settings.main.mailboxes))
    desk.enqueue(
        Draft(
            kind=OutgoingKind.DIGEST, template="held", mailbox=mailbox, case=None, reader=desk.reader(owner),
            to=(Address(users[owner].name, users[owner].email[0]) if owner in users else Address("", owner),),
            language=(users[owner].language if owner in users else None) or "",
            names={
                "event": {
                    "type": "held",
                    "messages": [
                        {"number": number, "id": row.id, "subject": row.subject, "from": row.sender or row.mail_from or "",
                         "reason": row.reason, "received_at": row.received_at}
                        for number, row in enumerate(shown, 1)
                    ],
                    "lines": [f"… and {len(rows) - MOST} more: maild spool list"] if len(rows) > MOST else [],
                },
                "now": desk.now.astimezone(desk.zone_of(owner)),
            },
            title=f"{len(rows)} held", headers=((held.LISTED, " ".join(row.id for row in shown)),),
        ),
        not_before=desk.quiet_until(owner),
    )  # fmt: skip


def owners(office: Office, mailbox: str) -> list[str]:
    """Who decides about held mail of this mailbox: the key of its group's manager, else the admins (their keys where they
    are users, else their addresses)."""
    config = office.settings.main.mailboxes.get(mailbox)
    groups, users = office.settings.directory.groups, office.settings.directory.users
    manager = groups[config.group].manager if config and config.group and config.group in groups else None
    if manager and manager in users and users[manager].active:
        return [manager]
    return [office.addresses.user_of(one) or one for one in office.settings.main.admins]

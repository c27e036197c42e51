"""This is where a manager hears, once a day, of the cases that wait for an agent who is away.

Away is who said so (`#away`, directory.yaml), and whose mail answers by itself: until the day that it named, or for a
month, or until they write themselves. The word goes to the manager of the case's group, else of another group of
theirs, else to the admins.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

from maild.desk import Desk
from maild.log import get_logger
from maild.model.case import Case, StreamEntry, StreamType
from maild.model.message import Address
from maild.model.outbox import Draft, OutgoingKind
from maild.office import Office
from maild.outbound.words import day, when
from maild.plain.thanks import is_bare_thanks
from maild.schedule.digests import MOST, due_at
from maild.schedule.effects import Done
from maild.store import cases, people, put_off
from maild.store.alone import alone
from maild.store.savepoint import apart
from maild.store.unit_of_work import Store

log = get_logger("absent")

AGAIN = timedelta(days=1)
WITHOUT_A_DAY = timedelta(days=30)  # how long a mail that named no day is believed: such answers come once a correspondent

Waiting = list[tuple[Case, datetime]]


def sweep(store: Store, office: Office, now: datetime) -> list[Done]:
    """Tell managers of what waits for absent agents and was not told for a day."""
    with store.read() as connection:
        if not any(at <= now for at in due(connection, office, now).values()):
            return []
    done: list[Done] = []
    with store.write() as connection:
        alone(connection, "sweep", "absent")
        desk = Desk(office, connection, now)
        for user, at in due(connection, office, now).items():
            if at <= now:
                with apart(connection, partial(_failed, desk, user)):
                    done += _tell_of(desk, user)
    return done


def due(connection: Connection, office: Office, now: datetime) -> dict[str, datetime]:
    """When word is due of each absent user for whom cases wait."""
    told = {row.key: row.absence_told_at for row in people.absences(connection)}
    later = put_off.waiting(connection, now)
    return {
        user: max(told[user] + AGAIN, now) if told.get(user) is not None else now
        for user in absent(connection, office, now)
        if f"absent {user}" not in later and _waiting(connection, user)
    }


def absent(connection: Connection, office: Office, now: datetime) -> list[str]:
    """Who of the active users is away now."""
    found = set(office.settings.away(now))
    for row in people.absences(connection):
        said = row.away_until is not None and row.away_until > now
        answers = row.auto_reply_at is not None and (row.auto_reply_until or row.auto_reply_at + WITHOUT_A_DAY) > now
        found |= {row.key} if said or answers else set()
    return [key for key, user in office.settings.directory.users.items() if user.active and key in found]


def _waiting(connection: Connection, user: str) -> Waiting:
    """The cases on which a customer waits for this user, longest first; bare thanks wait for nothing."""
    found = []
    for row in cases.unanswered_of(connection, user):
        case = cases.get(connection, row.number)
        if case is not None and not (case.last_responded_at and is_bare_thanks(row.text, case.language)):
            found.append((case, row.at))
    return found


def _failed(desk: Desk, user: str, error: Exception) -> None:
    log.error("sweep.failed", sweep="absent agents", reason=error, exc_info=error)
    put_off.add(desk.connection, f"absent {user}", desk.now)


def _tell_of(desk: Desk, user: str) -> list[Done]:
    by_owner: dict[str, Waiting] = {}
    for case, since in _waiting(desk.connection, user):
        for owner in _owners(desk.office, user, case):
            by_owner.setdefault(owner, []).append((case, since))
    told = [owner for owner, rows in by_owner.items() if _tell(desk, owner, user, rows)]
    people.absence_told(desk.connection, user, desk.now)
    return [Done(desk.now, None, user, f"told {', '.join(told)} what waits for {user}", f"{user} is away")] if told else []


def _owners(office: Office, user: str, case: Case) -> list[str]:
    groups, users = office.settings.directory.groups, office.settings.directory.users
    named = [case.group, *(key for key, group in groups.items() if user in group.members)]
    for manager in (groups[key].manager for key in named if key in groups):
        if manager and manager != user and manager in users and users[manager].active:
            return [manager]
    admins = [office.addresses.user_of(one) or one for one in office.settings.main.admins]
    return [one for one in admins if one != user]


def _tell(desk: Desk, owner: str, user: str, rows: Sequence[tuple[Case, datetime]]) -> bool:
    users = desk.office.settings.directory.users
    address = users[owner].email[0] if owner in users else owner
    if desk.office.addresses.mailbox_of(address):
        return False
    zone = desk.zone_of(owner)
    now = desk.now.astimezone(zone)
    mailbox = rows[0][0].mailbox
    shown = [
        {
            "number": case.number, "title": case.title, "status": case.status.value, "priority": case.priority.value,
            "assignee": case.assignee or "", "contact": _contact(desk, case), "updated_at": case.updated_at,
            "due_at": due_at(desk, case, zone), "since": since.astimezone(zone),
            "tag": desk.office.settings.main.cases.tag.format(number=case.number),
        }
        for case, since in rows[:MOST]
    ]  # fmt: skip
    number = desk.enqueue(
        Draft(
            kind=OutgoingKind.DIGEST, template="absent", mailbox=mailbox, case=None, reader=desk.reader(owner),
            to=(Address(users[owner].name if owner in users else "", address),),
            language=(users[owner].language if owner in users else None) or "",
            names={
                "event": {
                    "type": "absent", "actor": users[user].name, "reason": _known_by(desk, user, now), "cases": shown,
                    "lines": [f"… and {len(rows) - MOST} more: maild case list"] if len(rows) > MOST else [],
                },
                "now": now,
            },
            title=f"{users[user].name} is away",
        ),
        not_before=desk.quiet_until(owner),
    )  # fmt: skip
    if number is None:
        return False
    for case, _ in rows:
        data = {"event": "absent", "who": [owner]}
        entry = StreamEntry(desk.now, StreamType.NOTIFIED, "maild", False, f"absent: {owner}", data)
        cases.add_stream(desk.connection, case.number, [entry])
    return True


def _known_by(desk: Desk, user: str, now: datetime) -> str:
    """How the absence is known, in words."""
    row = next((one for one in people.absences(desk.connection) if one.key == user), None)
    language = "en"
    if row is not None and row.away_until is not None and row.away_until > desk.now:
        return f"until {day(row.away_until, now, language)}"
    if row is not None and row.auto_reply_at is not None:
        ends = f", and says until {day(row.auto_reply_until, now, language)}" if row.auto_reply_until else ""
        return f"their mail answers by itself since {when(row.auto_reply_at, now, language)}{ends}"
    return "directory.yaml says so"


def _contact(desk: Desk, case: Case) -> str:
    contact: Any = people.contact(desk.connection, case.contact_id) if case.contact_id else None
    return (contact.name or contact.email) if contact is not None else ""

"""This is where a digest is put together: the open cases of a group for each of its members, a user's own cases, and what
happened meanwhile, for users who want one summary in place of single mails.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from maild.desk import Desk
from maild.log import get_logger
from maild.model.case import Case, Status
from maild.model.message import Address
from maild.model.outbox import Draft, OutgoingKind
from maild.model.sla import ClockKind
from maild.office import Office
from maild.schedule.effects import Done
from maild.schedule.ticker import next_fire
from maild.settings.models import Digest, Settings
from maild.settings.times import cron_line
from maild.store import cases, clocks, notices, put_off
from maild.store.savepoint import apart
from maild.store.unit_of_work import Store

log = get_logger("digests")

_OPEN = [status.value for status in Status if status not in {Status.RESOLVED, Status.CLOSED}]
MOST = 200  # cases that one digest lists


def send(desk: Desk, digest: Digest) -> list[str]:
    """Send it to whom it names (groups, users, addresses); nobody gets an empty one. Returns who got one."""
    groups, users = desk.office.settings.directory.groups, desk.office.settings.directory.users
    told: list[str] = []
    for one in named(digest.to, tuple(groups)):
        if one == "admins":
            rows = cases.search(desk.connection, {"status": _OPEN})
            told += [key for key in map(desk.person, desk.office.settings.main.admins) if _to(desk, digest, key, "", rows)]
        elif one in groups:
            rows = cases.search(desk.connection, {"status": _OPEN, "group": [one]})
            told += [key for key in desk.group_members(one) if _to(desk, digest, key, one, rows)]
        else:
            one = desk.person(one)
            filters: dict[str, Any] = {"status": _OPEN} | ({"assignee": [one]} if one in users else {})
            told += [one] if _to(desk, digest, one, "", cases.search(desk.connection, filters)) else []
    return told


def named(to: Sequence[str], groups: tuple[str, ...]) -> list[str]:
    """The receivers that a digest or report names, `groups` being all of them."""
    return list(dict.fromkeys(name for one in to for name in (groups if one in {"groups", "group"} else (one,))))


def _to(desk: Desk, digest: Digest, who: str, group: str, rows: Sequence[tuple[Case, str | None, str | None]]) -> bool:
    """The open cases (and what waited for this user's digest) to one reader; whether there was anything to say."""
    users = desk.office.settings.directory.users
    if who in users and not users[who].active:
        return False
    address = users[who].email[0] if who in users else who
    if "@" not in address or desk.office.addresses.mailbox_of(address):
        return False
    happened = _happened(desk, who)
    if not rows and not happened:
        return False
    zone = desk.zone_of(who)
    shown = [
        {
            "number": case.number, "title": case.title, "status": case.status.value, "priority": case.priority.value,
            "assignee": case.assignee or "", "contact": name or email or "", "updated_at": case.updated_at,
            "due_at": due_at(desk, case, zone),
        }
        for case, name, email in sorted(rows, key=lambda row: (-row[0].priority.rank, row[0].number))[:MOST]
    ]  # fmt: skip
    more = [f"… and {len(rows) - MOST} more: maild case list"] if len(rows) > MOST else []
    mailbox = rows[0][0].mailbox if rows else happened[0]["mailbox"]
    number = desk.enqueue(
        Draft(
            kind=OutgoingKind.DIGEST, template=digest.template, mailbox=mailbox, case=None,
            to=(Address(users[who].name if who in users else "", address),), reader=desk.reader(who),
            language=(users[who].language if who in users else None) or "",
            names={"event": {"type": "digest", "cases": shown, "lines": more, "notices": happened},
                   "case": {"group": group}, "now": desk.now.astimezone(zone)},
            title=f"{len(rows)} open cases",
        ),
        not_before=desk.quiet_until(who),
    )  # fmt: skip
    return number is not None


# --- what a user hears of in a digest of their own --------------------------------------------------------------


def own(store: Store, office: Office, now: datetime) -> list[Done]:
    """Send every user's own digest that is due: the first one after something happened."""
    with store.read() as connection:
        later = put_off.waiting(connection, now)
        ready = [
            user for user, at in due(connection, office).items() if (at is None or at <= now) and f"digest {user}" not in later
        ]
    done: list[Done] = []
    for user in ready:
        with store.write() as connection:
            with apart(connection, partial(_failed, connection, user, now)):
                if _to(Desk(office, connection, now), Digest(), user, "", ()):
                    done.append(Done(now, None, user, f"digest to {user}", "their own digest"))
                else:
                    notices.take(connection, user)  # of somebody who has left, or about what is over
    return done


def _failed(connection: Connection, user: str, now: datetime, error: Exception) -> None:
    """A digest that failed is made a while later."""
    log.error("sweep.failed", sweep="digests", reason=error, exc_info=error)
    put_off.add(connection, f"digest {user}", now)


def due(connection: Connection, office: Office) -> dict[str, datetime | None]:
    """When the digest of each user for whom something waits is due; None: at once. Without a `digest` of their own they
    hear of it in a workflow's, if there is one for them."""
    users = office.settings.directory.users
    found: dict[str, datetime | None] = {}
    for user, since in notices.waiting(connection).items():
        entry = users.get(user)
        if entry is None or not entry.active or (entry.digest is None and not reached(office.settings, user)):
            found[user] = None
        elif entry.digest is not None:
            zone = entry.timezone or office.settings.main.timezone
            found[user] = next_fire(cron_line(entry.digest), zone, since)
    return found


def reached(settings: Settings, user: str) -> bool:
    """Whether a digest goes to this user: their own, or a workflow's that names them or a group of theirs."""
    if user not in settings.directory.users:
        return False
    if settings.directory.users[user].digest is not None:
        return True
    groups = {key for key, group in settings.directory.groups.items() if user in group.members}
    readers = {
        one for workflow in settings.workflows.workflows if workflow.enabled
        for action in workflow.do if action.digest is not None for one in named(action.digest.to, tuple(settings.directory.groups))
    }  # fmt: skip
    return user in readers or bool(groups & readers)


def _happened(desk: Desk, user: str) -> list[dict[str, Any]]:
    """What waited for this user, case by case; what somebody else has taken meanwhile, or what is closed, is left out."""
    zone = desk.zone_of(user)
    found: dict[int, dict[str, Any]] = {}
    rows = notices.take(desk.connection, user)
    new = {row.case_number for row in rows if row.event == "new_case"}  # who heard of it nowhere else need not hear who took it
    for row in rows:
        case = cases.get_final(desk.connection, row.case_number)
        if case is None:
            continue
        if row.event in {"new_case", "taken"} and row.case_number in new and _is_anothers(desk, case, user):
            continue
        shown = found.setdefault(
            case.number,
            {"tag": desk.office.settings.main.cases.tag.format(number=case.number), "title": case.title,
             "status": case.status.value, "assignee": case.assignee or "", "mailbox": case.mailbox, "happened": []},
        )  # fmt: skip
        shown["happened"].append(
            {"type": row.event, "actor": row.actor, "text": row.text, "at": row.at.astimezone(zone)}
        )
    return list(found.values())


def _is_anothers(desk: Desk, case: Case, user: str) -> bool:
    if user in cases.followers_of(desk.connection, case.number):
        return False
    return case.status is Status.CLOSED or case.assignee not in {None, user}


def due_at(desk: Desk, case: Case, zone: ZoneInfo) -> Any:
    """When the next answer on this case is due, else its resolution; None without an SLA."""
    running = [clock for clock in clocks.load(desk.connection, case.number) if clock.running and clock.paused_at is None]
    wanted = [clock.due_at for clock in running if clock.kind is not ClockKind.RESOLUTION] or [c.due_at for c in running]
    return min(wanted).astimezone(zone) if wanted else None

"""This is where a digest is put together: the open cases of a group for each of its members, or a user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from maild.desk import Desk
from maild.model.case import Case, Status
from maild.model.message import Address
from maild.model.outbox import Draft, OutgoingKind
from maild.model.sla import ClockKind
from maild.settings.models import Digest
from maild.store import cases, clocks

_OPEN = [status.value for status in Status if status not in {Status.RESOLVED, Status.CLOSED}]
MOST = 200  # cases that one digest lists


def send(desk: Desk, digest: Digest) -> list[str]:
    """Send it to whom it names (groups, users, addresses); nobody gets an empty one. Returns who got one."""
    groups, users = desk.office.settings.directory.groups, desk.office.settings.directory.users
    told: list[str] = []
    for one in _named(digest.to, tuple(groups)):
        if one == "admins":
            rows = cases.search(desk.connection, {"status": _OPEN})
            told += [address for address in desk.office.settings.main.admins if _to(desk, digest, address, "", rows)]
        elif one in groups:
            rows = cases.search(desk.connection, {"status": _OPEN, "group": [one]})
            told += [key for key in desk.group_members(one) if _to(desk, digest, key, one, rows)]
        else:
            filters: dict[str, Any] = {"status": _OPEN} | ({"assignee": [one]} if one in users else {})
            told += [one] if _to(desk, digest, one, "", cases.search(desk.connection, filters)) else []
    return told


def _named(to: Sequence[str], groups: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(name for one in to for name in (groups if one in {"groups", "group"} else (one,))))


def _to(desk: Desk, digest: Digest, who: str, group: str, rows: Sequence[tuple[Case, str | None, str | None]]) -> bool:
    users = desk.office.settings.directory.users
    if not rows or (who in users and not users[who].active):
        return False
    address = users[who].email[0] if who in users else who
    if "@" not in address or desk.office.addresses.mailbox_of(address):
        return False
    zone = ZoneInfo((users[who].timezone if who in users else None) or desk.office.settings.main.timezone)
    shown = [
        {
            "number": case.number, "title": case.title, "status": case.status.value, "priority": case.priority.value,
            "assignee": case.assignee or "", "contact": name or email or "", "updated_at": case.updated_at,
            "due_at": _due(desk, case, zone),
        }
        for case, name, email in sorted(rows, key=lambda row: (-row[0].priority.rank, row[0].number))[:MOST]
    ]  # fmt: skip
    more = [f"… and {len(rows) - MOST} more: maild case list"] if len(rows) > MOST else []
    number = desk.enqueue(
        Draft(
            kind=OutgoingKind.DIGEST, template=digest.template, mailbox=rows[0][0].mailbox, case=None,
            to=(Address(users[who].name if who in users else "", address),), reader=desk.reader(who),
            language=(users[who].language if who in users else None) or "",
            names={"event": {"type": "digest", "cases": shown, "lines": more}, "case": {"group": group},
                   "now": desk.now.astimezone(zone)},
            title=f"{len(rows)} open cases",
        )
    )  # fmt: skip
    return number is not None


def _due(desk: Desk, case: Case, zone: ZoneInfo) -> Any:
    running = [clock for clock in clocks.load(desk.connection, case.number) if clock.running and clock.paused_at is None]
    wanted = [clock.due_at for clock in running if clock.kind is not ClockKind.RESOLUTION] or [c.due_at for c in running]
    return min(wanted).astimezone(zone) if wanted else None

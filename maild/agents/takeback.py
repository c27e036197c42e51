"""This is where it is remembered what an agent's mail changed, and where `#undo` takes it back.

Taken back is what nothing came after: a value that has changed again since stays as it is. A mail that has left cannot be
taken back; one that still waits is withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from maild.cases import lifecycle
from maild.desk import Desk
from maild.errors import CaseError
from maild.model.case import Case, LinkType, StreamEntry, StreamType
from maild.model.outbox import OutboxState
from maild.store import agents, cases, faq, outbox, people, reminders, timelogs

WINDOW = timedelta(minutes=15)
_VALUES = (
    "title", "status", "priority", "channel", "category", "group", "assignee", "owner", "sla", "tags", "fields",
    "resolution", "billable", "mailbox", "contact_id", "organisation", "merged_into",
)  # fmt: skip
_TIMES = ("status_since", "first_response_at", "last_responded_at", "resolved_at", "closed_at")


@dataclass(slots=True)
class Journal:
    """What one mail has changed beside the case's own values: numbers of the rows that it made."""

    times: list[int] = field(default_factory=list)
    faqs: list[int] = field(default_factory=list)
    reminders: list[int] = field(default_factory=list)
    followed: list[str] = field(default_factory=list)
    unfollowed: list[str] = field(default_factory=list)
    linked: list[int] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    left: list[tuple[str, str, str]] = field(default_factory=list)
    service: Mapping[str, Any] | None = None
    service_set: bool = False
    answer: int | None = None


def snapshot(case: Case) -> dict[str, Any]:
    """The case's values as plain data, to be compared with what they are later."""
    plain: dict[str, Any] = {}
    for name in _VALUES:
        value = getattr(case, name)
        plain[name] = list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
    for name in ("status", "priority", "channel"):
        plain[name] = plain[name].value
    for name in _TIMES:
        at: datetime | None = getattr(case, name)
        plain[name] = at.isoformat() if at else None
    return plain


def remember(
    desk: Desk, before: Case, after: Case, clocks_before: list[dict[str, Any]], journal: Journal, user: str
) -> None:
    """Write down what a mail changed on a case."""
    old, new = snapshot(before), snapshot(after)
    names = [name for name in old if old[name] != new[name]]
    changes = {
        "before": {name: old[name] for name in names},
        "after": {name: new[name] for name in names},
        "clocks_before": clocks_before,
        "clocks_after": agents.clock_rows(desk.connection, before.number),
        "times": journal.times, "faqs": journal.faqs, "reminders": journal.reminders, "followed": journal.followed,
        "unfollowed": journal.unfollowed, "linked": journal.linked, "joined": journal.joined, "left": journal.left,
        "service": dict(journal.service) if journal.service else None, "service_set": journal.service_set,
        "answer": journal.answer,
    }  # fmt: skip
    agents.remember(desk.connection, before.number, user, desk.cause, changes, desk.now)


def undo(desk: Desk, case: Case | None, user: str) -> tuple[Case, list[str]]:
    """Take back the last mail of this user (on this case, where one is given); returns the case and what was done.

    Raises CaseError where there is none in the last 15 minutes.
    """
    last = agents.last_action(desk.connection, case.number if case else None, user)
    newest = agents.last_action(desk.connection, None, user)
    if case is not None and newest is not None and (last is None or newest.id > last.id):
        merged = cases.get(desk.connection, newest.case_number)
        if merged is not None and merged.merged_into == case.number:
            last = newest  # a mail that merged its case is answered in the case that this went into
    if last is None:
        raise CaseError("there is no mail of yours here that could be taken back")
    if last.at < desk.now - max(WINDOW, desk.office.settings.main.agents.grace):
        raise CaseError("your last mail here is more than 15 minutes old; it can no longer be taken back")
    found = cases.get(desk.connection, last.case_number, lock=True)
    assert found is not None
    changes = last.changes
    told = _withdraw(desk, last.spool_seq, changes.get("answer"))
    after, said = _values_back(found, changes["before"], changes["after"])
    told += said
    told += _rows_back(desk, found.number, changes)
    if after != found:
        cases.save_case(desk.connection, replace(after, updated_at=desk.now))
    if found.merged_into is not None and after.merged_into is None:
        agents.unlink(
            desk.connection, found.number, LinkType.MERGED_INTO.value, LinkType.MERGED_FROM.value, found.merged_into
        )
        entry = StreamEntry(desk.now, StreamType.MERGE, user, False, f"taken back: case {found.number} stands alone again")
        cases.add_stream(desk.connection, found.merged_into, [entry])
    if agents.clock_rows(desk.connection, found.number) == changes["clocks_after"]:
        agents.restore_clocks(desk.connection, found.number, changes["clocks_before"])
    agents.undone(desk.connection, last.id, desk.now)
    told = told or ["nothing was left to take back"]
    entry = StreamEntry(desk.now, StreamType.FIELD, user, False, "taken back: " + "; ".join(told), {"undo": last.id})
    cases.add_stream(desk.connection, found.number, [entry])
    return after, told


def _withdraw(desk: Desk, seq: int | None, answer: int | None) -> list[str]:
    """Discard what still waits of the mails that it caused; says so of the answer alone."""
    told: list[str] = []
    waiting = agents.waiting_mails(desk.connection, seq) if seq is not None else []
    for number in waiting:
        if number != answer:
            outbox.set_state(desk.connection, number, OutboxState.DISCARDED, desk.now, "taken back by its writer")
    if answer is None:
        return told
    if answer in waiting and outbox.set_state(desk.connection, answer, OutboxState.DISCARDED, desk.now, "taken back by its writer"):
        agents.withdraw(desk.connection, answer)
        return ["the answer was not sent"]
    return ["the answer has left already and cannot be taken back"]


def _values_back(case: Case, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Case, list[str]]:
    current = snapshot(case)
    told: list[str] = []
    values: dict[str, Any] = {}
    for name, old in before.items():
        if current[name] != after[name]:
            if name not in _TIMES:
                told.append(f"{name} has changed again since and stays {current[name]}")
            continue
        values[name] = (datetime.fromisoformat(old) if old else None) if name in _TIMES else lifecycle.typed(name, old)
        if name not in _TIMES:
            told.append(f"{name.removesuffix('_id')} is {_shown(old)} again")
    if "status" in before and "status" not in values:
        for name in ("status_since", "resolved_at", "closed_at"):
            values.pop(name, None)
    return replace(case, **values), told


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "empty"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={one}" for key, one in value.items()) or "empty"
    return "empty" if value in (None, "") else str(value)


def _rows_back(desk: Desk, number: int, changes: Mapping[str, Any]) -> list[str]:
    connection: Connection = desk.connection
    told: list[str] = []
    for one in changes["times"]:
        timelogs.remove(connection, one)
        told.append("the time is not counted")
    for one in changes["faqs"]:
        entry = faq.get(connection, one)
        if entry is not None and entry.status == "draft":
            faq.remove(connection, one)
            told.append(f"FAQ draft {one} is gone")
    for one in changes["reminders"]:
        reminders.remove(connection, one)
        told.append("the reminder is gone")
    for other in changes["linked"]:
        agents.unlink(connection, number, LinkType.LINKED.value, LinkType.LINKED.value, other)
        told.append(f"no link to case {other}")
    for who in changes["followed"]:
        cases.unfollow(connection, number, who)
        told.append("you do not follow it")
    if changes["unfollowed"]:
        cases.follow(connection, number, changes["unfollowed"])
        told.append("you follow it")
    for address in changes["joined"]:
        people.remove_participant(connection, number, address)
        told.append(f"{address} takes no part")
    for address, name, *role in changes.get("left", ()):
        people.add_participant(connection, number, address, name, *role)
        told.append(f"{address} takes part")
    if changes["service_set"]:
        timelogs.set_service(connection, number, changes["service"])
        told.append("the service is as before")
    return told

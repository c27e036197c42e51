"""This is where a case changes: the one door for every value, with the transition table and what it writes into the stream.

Pure: a case and the wish go in, the changed case and its events come out; `store.cases` saves them. The statuses and
what may follow which are Vtiger's ("Managing Customer Cases"); `closed` is final.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from maild.errors import CaseError, IllegalTransition, UnknownValue
from maild.model.case import (
    CHANNEL_WORDS,
    PRIORITY_WORDS,
    STATUS_WORDS,
    Case,
    Channel,
    CloseReason,
    Priority,
    Status,
    StreamEntry,
    StreamType,
)

_UNRESOLVED = frozenset(
    {Status.NEW, Status.ASSIGNED, Status.OPEN, Status.WAIT_FOR_CUSTOMER, Status.WAIT_FOR_THIRD_PARTY}
)

# What may follow which status. From the unresolved ones `closed` needs a reason (CloseReason).
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.NEW: _UNRESOLVED | {Status.CLOSED},
    Status.ASSIGNED: _UNRESOLVED | {Status.CLOSED},
    Status.OPEN: _UNRESOLVED | {Status.RESOLVED, Status.CLOSED},
    Status.WAIT_FOR_CUSTOMER: _UNRESOLVED | {Status.CLOSED},
    Status.WAIT_FOR_THIRD_PARTY: _UNRESOLVED | {Status.CLOSED},
    Status.RESOLVED: frozenset({Status.OPEN, Status.CLOSED}),
    Status.CLOSED: frozenset(),
}

# Values that any change may set, and the kind of event each makes.
_EVENT = {
    "status": StreamType.STATUS, "priority": StreamType.PRIORITY, "assignee": StreamType.ASSIGNMENT,
    "group": StreamType.ASSIGNMENT, "contact_id": StreamType.CONTACT, "organisation": StreamType.CONTACT,
    "sla": StreamType.SLA, "rating": StreamType.RATED,
}  # fmt: skip
_SETTABLE = frozenset(
    {"title", "summary", "status", "priority", "category", "channel", "group", "assignee", "owner", "sla", "resolution",
     "billable", "tags", "fields", "mailbox", "contact_id", "organisation", "rating", "feedback", "language"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CaseChange:
    """What a change made of a case: ``events`` go into its stream, in order."""

    before: Case
    after: Case
    events: tuple[StreamEntry, ...] = ()

    @property
    def changed(self) -> bool:
        return self.before != self.after


def status_of(word: str) -> Status:
    """The status that a word means (``in progress`` is open). Raises UnknownValue."""
    folded = word.strip().lower()
    try:
        return Status(STATUS_WORDS.get(folded, folded.replace(" ", "_").replace("-", "_")))
    except ValueError:
        raise UnknownValue(f"{word!r} is no status; one of {', '.join(Status)}") from None


def priority_of(word: str) -> Priority:
    """The priority that a word means (``normal`` is medium). Raises UnknownValue."""
    folded = word.strip().lower()
    try:
        return Priority(PRIORITY_WORDS.get(folded, folded))
    except ValueError:
        raise UnknownValue(f"{word!r} is no priority; one of {', '.join(Priority)}") from None


def channel_of(word: str) -> Channel:
    """The channel that a word means (``web`` is webform). Raises UnknownValue."""
    folded = word.strip().lower()
    try:
        return Channel(CHANNEL_WORDS.get(folded, folded))
    except ValueError:
        raise UnknownValue(f"{word!r} is no channel; one of {', '.join(Channel)}") from None


def possible(case: Case) -> list[str]:
    """The statuses that can follow the case's, for people: ``closed`` with its reasons where it needs one."""
    return [
        f"closed ({' | '.join(CloseReason)})" if status is Status.CLOSED and case.status in _UNRESOLVED else status.value
        for status in Status
        if status in TRANSITIONS[case.status] and status is not case.status
    ]


def open_case(case: Case, actor: str, now: datetime, text: str = "") -> CaseChange:
    """A case as it begins: in the status named, else `assigned` with an assignee and `new` without.

    ``case.status`` NEW stands for "none named". A case that starts resolved or closed counts as answered and resolved.
    """
    status = case.status
    if status is Status.NEW and case.assignee:
        status = Status.ASSIGNED
    ended = status in {Status.RESOLVED, Status.CLOSED}
    begun = replace(
        case, status=status, created_at=now, updated_at=now, status_since=now,
        first_response_at=now if ended else case.first_response_at,
        resolved_at=now if ended else None, closed_at=now if status is Status.CLOSED else None,
    )  # fmt: skip
    event = StreamEntry(now, StreamType.STATUS, actor, False, text or f"case made: {status}", {"to": status.value})
    return CaseChange(case, begun, (event,))


def change(
    case: Case, values: Mapping[str, Any], actor: str, now: datetime, *, reason: str | None = None, because: str = ""
) -> CaseChange:
    """Set values of a case; raises IllegalTransition or UnknownValue, and then nothing is changed.

    ``values`` holds typed values by name; ``fields`` is merged into the declared values, ``tags`` replaces the tags.
    ``reason`` is the CloseReason for closing an unresolved case; ``because`` is added to each event's text.
    Assigning a new case makes it assigned, unassigning an assigned one new, unless a status is named.
    """
    unknown = set(values) - _SETTABLE
    if unknown:
        raise UnknownValue(f"a case has no value {sorted(unknown)[0]!r}; one of {', '.join(sorted(_SETTABLE))}")
    wanted = dict(values)
    if "fields" in wanted:
        wanted["fields"] = {**case.fields, **wanted["fields"]}
    if "assignee" in wanted and "status" not in wanted:
        if case.status is Status.NEW and wanted["assignee"]:
            wanted["status"] = Status.ASSIGNED
        elif case.status is Status.ASSIGNED and not wanted["assignee"]:
            wanted["status"] = Status.NEW
    different = {name: value for name, value in wanted.items() if getattr(case, name) != value}
    if not different:
        return CaseChange(case, case)
    if case.status is Status.CLOSED and set(different) - {"rating", "feedback", "contact_id", "organisation", "tags"}:
        raise IllegalTransition(f"case {case.number} is closed, which is final; answer it to begin a follow-up case")
    if "status" in different:
        _check_status(case, different["status"], reason)
    after = replace(case, **different, updated_at=now)
    if "status" in different:
        after = _stamped(after, now)
    suffix = f" ({because})" if because else ""
    events = [
        StreamEntry(now, _EVENT.get(name, StreamType.FIELD), actor, False,
                    _told(name, getattr(case, name), value, reason) + suffix, _data(name, getattr(case, name), value))
        for name, value in different.items()
    ]  # fmt: skip
    return CaseChange(case, after, tuple(events))


def _check_status(case: Case, status: Status, reason: str | None) -> None:
    if status not in TRANSITIONS[case.status]:
        raise IllegalTransition(
            f"case {case.number} cannot go from {case.status} to {status}; possible from here: "
            + (", ".join(possible(case)) or "nothing, closed is final")
        )
    if status is Status.CLOSED and case.status in _UNRESOLVED and reason not in set(CloseReason):
        raise IllegalTransition(
            f"case {case.number} is not resolved: closing it needs a reason ({', '.join(CloseReason)}), "
            "or resolve it first"
        )


def _stamped(case: Case, now: datetime) -> Case:
    """The times that a new status sets."""
    match case.status:
        case Status.RESOLVED:
            return replace(case, status_since=now, resolved_at=now, first_response_at=case.first_response_at or now)
        case Status.CLOSED:
            return replace(case, status_since=now, closed_at=now, first_response_at=case.first_response_at or now)
        case _:
            return replace(case, status_since=now, resolved_at=None)


def _told(name: str, old: Any, new: Any, reason: str | None) -> str:
    if name == "status":
        return f"{old} → {new}" + (f": {reason}" if reason and new is Status.CLOSED else "")
    if name == "fields":
        changed = [key for key in new if old.get(key) != new[key]]
        return "; ".join(f"{key}: {_shown(old.get(key))} → {_shown(new[key])}" for key in changed)
    if name == "tags":
        added, gone = [t for t in new if t not in old], [t for t in old if t not in new]
        return " ".join([f"+{tag}" for tag in added] + [f"-{tag}" for tag in gone])
    return f"{name.removesuffix('_id')}: {_shown(old)} → {_shown(new)}"


def taken_back(case: Case, event: StreamEntry, actor: str, now: datetime) -> CaseChange:
    """The value that this event of the case set, as it was before: no step of the table, for what was a mistake has not been.

    Raises CaseError where the event set no value, or where the value has changed again since.
    """
    name = event.data.get("name", "")
    if name not in _SETTABLE:
        raise CaseError(f"this event ({event.type}: {_shown(event.text)}) set no value that could be taken back")
    old, new, has = typed(name, event.data["from"]), typed(name, event.data["to"]), getattr(case, name)
    if name == "fields":
        changed = [key for key in new if old.get(key) != new[key]]
        old, new = {**has, **{key: old.get(key) for key in changed}}, {**has, **{key: new[key] for key in changed}}
    if has != new:
        raise CaseError(f"{name.removesuffix('_id')} has changed again since; only what nothing came after can be taken back")
    if case.merged_into is not None:
        raise CaseError(f"case {case.number} was merged into case {case.merged_into}; take its values back there")
    after = replace(case, **{name: old}, updated_at=now)
    if name == "status":
        after = replace(
            after, status_since=now, closed_at=None, resolved_at=case.resolved_at if after.status is Status.RESOLVED else None
        )
    events = [StreamEntry(now, event.type, actor, False, f"taken back: {_told(name, new, old, None)}", _data(name, new, old))]
    beside = {Status.ASSIGNED: Status.NEW, Status.NEW: Status.ASSIGNED}.get(after.status)
    if name == "assignee" and beside is not None and (after.status is Status.ASSIGNED) != bool(after.assignee):
        moved = change(after, {"status": beside}, actor, now)
        after, events = moved.after, [*events, *moved.events]
    return CaseChange(case, after, tuple(events))


def typed(name: str, value: Any) -> Any:
    """A value as the case has it, out of an event's data."""
    match name:
        case "status":
            return Status(value)
        case "priority":
            return Priority(value)
        case "channel":
            return Channel(value)
        case "tags":
            return tuple(value)
    return value


def _shown(value: Any) -> str:
    text = "–" if value in (None, "", ()) else str(value)
    return text if len(text) <= 200 else text[:199] + "…"


def _data(name: str, old: Any, new: Any) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value

    return {"name": name, "from": plain(old), "to": plain(new)}


def customer_wrote(
    case: Case, actor: str, now: datetime, *, moves: bool, bare_thanks: bool = False, reopened_today: int = 0,
    reopen_cap: int = 3,
) -> CaseChange:  # fmt: skip
    """A customer's answer: `wait_for_customer` and `resolved` go to `open`.

    ``moves`` is false for machines' answers. Bare thanks leave a resolved case resolved; it is reopened at most
    ``reopen_cap`` times a day, after which an agent is asked.
    """
    if not moves or case.status not in {Status.WAIT_FOR_CUSTOMER, Status.RESOLVED}:
        return CaseChange(case, replace(case, updated_at=now))
    if case.status is Status.RESOLVED:
        if bare_thanks:
            return CaseChange(case, replace(case, updated_at=now))
        if reopened_today >= reopen_cap:
            told = f"not reopened: already {reopened_today} times today; an agent decides"
            event = StreamEntry(now, StreamType.SUPPRESSED, "maild", False, told)
            return CaseChange(case, replace(case, updated_at=now), (event,))
    return change(case, {"status": Status.OPEN}, actor, now, because="the customer answered")


def answered(case: Case, user: str, now: datetime, *, takes: bool = True) -> CaseChange:
    """A user's public answer: the first one is the first response; a new case becomes the answering user's."""
    after = replace(case, first_response_at=case.first_response_at or now, last_responded_at=now, updated_at=now)
    events: Sequence[StreamEntry] = ()
    if takes and case.status is Status.NEW and user:
        taken = change(after, {"assignee": case.assignee or user}, user, now, because="answered")
        after, events = taken.after, taken.events
    return CaseChange(case, after, tuple(events))


def raised(case_priority: Priority, wanted: Priority) -> Priority:
    """The higher of the two: `raise` never lowers."""
    return wanted if wanted.rank > case_priority.rank else case_priority

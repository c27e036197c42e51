"""This is where it is decided what workflows make of an event or of time: pure, over values.

`event_of` says what a stream entry means to workflows, `matches` whether a case is one that a workflow is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from maild.model.case import Case, Status, StreamEntry, StreamType
from maild.settings.models import Action, Event, When, Workflow
from maild.settings.values import WorkingDays

Fits = Callable[[Any], bool]
Over = Callable[[timedelta | WorkingDays, datetime], datetime]

# Changes of the status that workflows make one after the other are cut at this depth.
MAX_DEPTH = 5
_CUSTOMERS = frozenset({"customer", "list"})


def event_of(entry: StreamEntry, *, first: bool = False) -> Event | None:
    """What this stream entry is to workflows, None for what they do not start from.

    ``first``: it is the message that the case began with.
    """
    match entry.type:
        case StreamType.MESSAGE if entry.data.get("kind") == "answer":
            return Event.REPLIED
        case StreamType.MESSAGE if entry.data.get("kind") == "agent" and not entry.public and not first:
            return Event.NOTE
        case StreamType.MESSAGE:
            return Event.CUSTOMER_REPLIED if entry.public and entry.data.get("kind") in _CUSTOMERS and not first else None
        case StreamType.NOTE:
            return Event.NOTE
        case StreamType.STATUS:
            return Event.STATUS_CHANGED if "from" in entry.data else Event.CREATED
        case StreamType.PRIORITY:
            return Event.PRIORITY_CHANGED
        case StreamType.ASSIGNMENT if entry.data.get("name") == "assignee":
            return Event.ASSIGNED if entry.data.get("to") else Event.UPDATED
        case StreamType.SLA if entry.data.get("event"):
            name = str(entry.data["event"])
            return Event(name) if name in set(Event) else None
        case StreamType.BOUNCED:
            return Event.BOUNCED
        case StreamType.RATED:
            return Event.RATED
        case StreamType.FIELD | StreamType.CONTACT | StreamType.ASSIGNMENT | StreamType.SLA if entry.data.get("name"):
            return Event.UPDATED
    return None


def stale(entry: StreamEntry, event: Event, case: Case) -> bool:
    """Whether the case has left the status that the event was about: what was wished of it then is not wished now."""
    return event is Event.STATUS_CHANGED and entry.data.get("to") != case.status.value


def matches(when: When, case: Case, now: datetime, fits: Fits, over: Over) -> bool:
    """Whether the case is one that these conditions mean now. ``fits`` answers a criterion of the rules, ``over`` when a stay
    that began then has lasted so long."""
    if when.status and case.status not in when.status:
        return False
    if when.for_ is not None and (case.status_since is None or over(when.for_, case.status_since) > now):
        return False
    if not all(fits(one) for one in when.criteria):
        return False
    if not all(matches(one, case, now, fits, over) for one in when.all):
        return False
    if when.any and not any(matches(one, case, now, fits, over) for one in when.any):
        return False
    return not any(matches(one, case, now, fits, over) for one in when.none)


def criteria(when: When) -> Iterator[Any]:
    """Every criterion of these conditions, however deep."""
    yield from when.criteria
    for part in (*when.any, *when.all, *when.none):
        yield from criteria(part)


def way_to(case: Case, wanted: Status) -> tuple[Status, ...]:
    """The statuses to go through: resolving an assigned or waiting case goes by way of open, as two events."""
    if wanted is Status.RESOLVED and case.status not in {Status.OPEN, Status.RESOLVED}:
        return (Status.OPEN, Status.RESOLVED)
    return (wanted,)


def active(workflow: Workflow, day: str) -> bool:
    """Whether the workflow is switched on, and its last day (``until``) is not over; ``day`` as 2026-11-24."""
    return workflow.enabled and (workflow.until is None or day <= workflow.until.rpartition("..")[2])


def writes_outside(action: Action) -> bool:
    """Whether the step sends mail to people outside."""
    return bool(action.reply or action.survey)


def needs_case(action: Action) -> bool:
    """Whether the step is about a case that there is."""
    return bool(
        action.set or action.assign or action.notify or action.reply or action.survey or action.tag or action.resolve
    )


def described(action: Action) -> str:
    """The step in a few words: `set status=closed`, `survey satisfaction`."""
    said = []
    if action.set:
        said.append("set " + " ".join(f"{name}={value}" for name, value in action.set.items()))
    if action.resolve:
        said.append("resolve")
    if action.assign is not None:
        said.append(" ".join(["assign", *(one for one in (action.assign.group, action.assign.user) if one)]))
    for verb in ("notify", "tag"):
        if getattr(action, verb):
            said.append(f"{verb} {', '.join(getattr(action, verb))}")
    for verb in ("reply", "survey", "webhook"):
        if getattr(action, verb):
            said.append(f"{verb} {getattr(action, verb)}")
    if action.report is not None:
        said.append(f"report to {', '.join(action.report.to)}")
    if action.digest is not None:
        said.append(f"digest to {', '.join(action.digest.to)}")
    if action.case is not None:
        said.append(f"case {action.case.title!r} in {action.case.mailbox}")
    return "; ".join(said)

"""This is where one SLA clock runs: start, pause, go on, end, be taken up again, be measured anew.

Everything is a pure function of the clock, the policy, its calendar and ``now``. What a function leaves unchanged it
returns as it came, so that comparing tells whether a row must be written.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import assert_never

from maild.model.case import Priority
from maild.model.sla import Clock, ClockKind, Outcome, Pause
from maild.settings.models import Policy
from maild.sla.calendar import WorkingCalendar

_TARGET = re.compile(r"\s*(\d+)\s*(m|h|d)\s*\Z")


def start(kind: ClockKind, policy: Policy, priority: Priority, calendar: WorkingCalendar, at: datetime) -> Clock | None:
    """A clock that runs from ``at``; None where the policy has no such target for this priority."""
    text = _target_text(policy, priority, kind)
    if text is None:
        return None
    at = at.astimezone(UTC)
    target, due_at = _measure(text, calendar, at)
    return Clock(kind, at, target, due_at)


def pause(clock: Clock, now: datetime) -> Clock:
    """The clock standing still from ``now``; as it came if it has ended, stands already or is past its due time."""
    if not clock.running or clock.paused_at is not None or now > clock.due_at:
        return clock
    return replace(clock, pauses=(*clock.pauses, Pause(max(now.astimezone(UTC), clock.started_at))))


def resume(clock: Clock, calendar: WorkingCalendar, now: datetime) -> Clock:
    """The clock going on from ``now``, its due time later by the working time that it stood."""
    since = clock.paused_at
    if since is None:
        return clock
    now = max(now.astimezone(UTC), since)
    stood = calendar.working_between(since, now)
    return replace(
        clock,
        pauses=(*clock.pauses[:-1], Pause(since, now)),
        due_at=calendar.add_working(clock.due_at, stood),
    )


def end(clock: Clock, calendar: WorkingCalendar, now: datetime) -> Clock:
    """The clock ended at ``now``: fulfilled if that is not after its due time, or if it stood still."""
    if not clock.running:
        return clock
    outcome = Outcome.VIOLATED if past_due(clock, now) else Outcome.FULFILLED
    clock = resume(clock, calendar, now)
    return replace(clock, ended_at=max(now.astimezone(UTC), clock.started_at), outcome=outcome)


def reopen(clock: Clock, calendar: WorkingCalendar, now: datetime) -> Clock:
    """The clock going on after its end with the time used: the time between counts as a pause.

    A breach stays one: the due time of a violated clock does not move.
    """
    if clock.ended_at is None:
        return clock
    stood = Pause(clock.ended_at, max(now.astimezone(UTC), clock.ended_at))
    due_at = clock.due_at
    if clock.outcome is not Outcome.VIOLATED:
        due_at = calendar.add_working(due_at, calendar.working_between(clock.ended_at, now))
    return replace(clock, pauses=(*clock.pauses, stood), ended_at=None, outcome=None, due_at=due_at)


def retime(clock: Clock, policy: Policy, priority: Priority, calendar: WorkingCalendar, now: datetime) -> Clock | None:
    """The clock under another policy or priority: same start, same pauses; None where it has no target.

    One that has ended or is past its due time stays as it is: a breach is not undone by a change.
    """
    if not clock.running or past_due(clock, now):
        return clock
    text = _target_text(policy, priority, clock.kind)
    if text is None:
        return None
    target, due_at = _measure(text, calendar, clock.started_at)
    for stood in clock.pauses:
        if stood.end is not None and stood.start <= due_at:
            due_at = calendar.add_working(due_at, calendar.working_between(stood.start, stood.end))
    since = clock.paused_at
    # by the new target it may have been due before it stood: what is past its due time does not stand still
    pauses = clock.pauses[:-1] if since is not None and since > due_at else clock.pauses
    return replace(clock, target=target, due_at=due_at, pauses=pauses)


def elapsed(clock: Clock, calendar: WorkingCalendar, now: datetime) -> timedelta:
    """The working time that the clock has used by ``now``, without its pauses."""
    until = clock.ended_at if clock.ended_at is not None and clock.ended_at < now else now
    used = calendar.working_between(clock.started_at, until)
    for stood in clock.pauses:
        last = until if stood.end is None else min(stood.end, until)
        used -= calendar.working_between(stood.start, last)
    return max(used, timedelta())


def past_due(clock: Clock, now: datetime) -> bool:
    """Whether the clock is violated at ``now``; a clock that stands still is not."""
    if clock.ended_at is not None:
        return clock.outcome is Outcome.VIOLATED
    return clock.paused_at is None and now > clock.due_at


# --- targets ------------------------------------------------------------------------------------------------------


def _target_text(policy: Policy, priority: Priority, kind: ClockKind) -> str | None:
    target = policy.targets.get(priority)
    if target is None:
        return None
    match kind:
        case ClockKind.FIRST_RESPONSE:
            return target.first_response
        case ClockKind.NEXT_RESPONSE:
            return target.next_response
        case ClockKind.RESOLUTION:
            return target.resolution
        case _:
            assert_never(kind)


def working_time(text: str) -> tuple[timedelta, int]:
    """`4h` as (4 hours, 0), `2d` as (nothing, 2 working days). Raises ValueError for any other text."""
    found = _TARGET.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no working time: write 30m, 4h or 2d")
    number = int(found[1])
    match found[2]:
        case "m":
            return timedelta(minutes=number), 0
        case "h":
            return timedelta(hours=number), 0
        case _:
            return timedelta(), number


def _measure(text: str, calendar: WorkingCalendar, at: datetime) -> tuple[timedelta, datetime]:
    """A target as working time, and when it is used up if nothing pauses."""
    amount, days = working_time(text)
    if not days:
        return amount, calendar.add_working(at, amount)
    due_at = calendar.days_later(at, days)
    return calendar.working_between(at, due_at), due_at

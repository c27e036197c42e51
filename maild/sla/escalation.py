"""This is where the steps of a clock are found: the policy's escalations and the breach itself, what is due and when next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from maild.model.sla import Clock, Outcome, Step
from maild.settings.models import Escalation, Policy
from maild.sla.calendar import WorkingCalendar
from maild.sla.stopwatch import past_due, working_time

BREACH = "breach"


def ran(clock: Clock, step: Step) -> Clock:
    """The clock with this step noted as done; it will not be among its steps again."""
    if step.key in clock.steps_done:
        return clock
    over = step.escalation is not None and step.share >= 1
    return replace(clock, steps_done=(*clock.steps_done, step.key), escalated=clock.escalated or over)


def steps(policy: Policy, clock: Clock, calendar: WorkingCalendar) -> tuple[Step, ...]:
    """The steps that this clock has still to take, in order of time: the policy's escalations and the breach itself.

    None for a clock that has ended; for one that stands still only what fell due before. What `due` gives of them is
    to be done, then noted with `ran`.
    """
    if not clock.running:
        return ()
    found = [Step(BREACH, clock.kind, clock.due_at, 1.0)]
    names: dict[str, int] = {}
    for number, escalation in enumerate(policy.escalations):
        if escalation.of != clock.kind:
            continue
        name = _moment(escalation)
        names[name] = names.get(name, 0) + 1
        key = name if names[name] == 1 else f"{name} ({names[name]})"
        due_at, share = _due(escalation, clock, calendar)
        found.append(Step(key, clock.kind, due_at, share, number))
    waiting = [step for step in found if step.key not in clock.steps_done]
    if clock.paused_at is not None:
        since = clock.paused_at
        waiting = [step for step in waiting if step.share < 1 and step.due_at <= since]
    # at one instant the breach comes first, then the policy's order
    return tuple(sorted(waiting, key=lambda step: step.due_at))


def due(policy: Policy, clock: Clock, calendar: WorkingCalendar, now: datetime) -> tuple[Step, ...]:
    """The steps to be taken at ``now``. Those at 100 % and later wait until the clock is past its due time."""
    if missed(clock):
        return (Step(BREACH, clock.kind, clock.due_at, 1.0),)
    late = past_due(clock, now)
    return tuple(step for step in steps(policy, clock, calendar) if step.due_at <= now and (late or step.share < 1))


def upcoming(policy: Policy, calendar: WorkingCalendar) -> Callable[[Clock], datetime | None]:
    """Says of a clock when its next step is due, or None; a breach that nobody saw in time is due as well."""

    def next_step(clock: Clock) -> datetime | None:
        if missed(clock):
            return clock.due_at
        waiting = steps(policy, clock, calendar)
        return waiting[0].due_at if waiting else None

    return next_step


def missed(clock: Clock) -> bool:
    """Whether the clock ended too late without its breach having been noted (no sweep ran in between)."""
    return clock.outcome is Outcome.VIOLATED and BREACH not in clock.steps_done


def _moment(escalation: Escalation) -> str:
    for name in ("at", "before", "after"):
        text = getattr(escalation, name)
        if text is not None:
            return f"{name} {''.join(str(text).split())}"
    raise ValueError("an escalation has one of at, before and after")


def _due(escalation: Escalation, clock: Clock, calendar: WorkingCalendar) -> tuple[datetime, float]:
    """When a step is due, and at which share of the target: working time of the calendar, pauses left out."""
    if escalation.at is not None:
        share = float(escalation.at.strip().removesuffix("%")) / 100
        return _used_up(clock, calendar, clock.target * share), share
    if escalation.before is not None:
        amount, days = working_time(escalation.before)
        if days:
            amount = calendar.working_between(calendar.days_later(clock.due_at, -days), clock.due_at)
        used = max(clock.target - amount, timedelta())
    else:
        amount, days = working_time(escalation.after or "")
        if days:
            amount = calendar.working_between(clock.due_at, calendar.days_later(clock.due_at, days))
        used = clock.target + amount
    return _used_up(clock, calendar, used), used / clock.target if clock.target else 1.0


def _used_up(clock: Clock, calendar: WorkingCalendar, used: timedelta) -> datetime:
    """When the clock has used so much of its time, as far as its pauses are known."""
    if used == clock.target:
        return clock.due_at
    at, left = clock.started_at, used
    for stood in clock.pauses:
        run = calendar.working_between(at, stood.start)
        if run >= left or stood.end is None:
            break
        left -= run
        at = stood.end
    return calendar.add_working(at, left)

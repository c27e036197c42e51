"""This is where maild runs the SLA clocks of a case: start, pause, resume, retime, end, and what is due when.

Everything is a pure function of the clocks, the policy, its calendar and ``now``. What a function leaves unchanged it
returns as it came, so that comparing tells whether a row must be written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from maild.model.case import Priority, Status
from maild.model.sla import Clock, ClockKind, ClockState, Outcome, Pause, ResponseStatus, SlaState, SlaStatus, Step
from maild.settings.models import Escalation, Policy, SlaYaml
from maild.sla.calendar import ALWAYS, WorkingCalendar, from_settings

BREACH = "breach"
_TARGET = re.compile(r"\s*(\d+)\s*(m|h|d)\s*\Z")


def calendars(sla: SlaYaml) -> dict[str, WorkingCalendar]:
    """The calendar of each policy by the policy's key; a policy without one runs around the clock."""
    built = {name: from_settings(config, name) for name, config in sla.calendars.items()}
    return {key: ALWAYS if policy.calendar is None else built[policy.calendar] for key, policy in sla.policies.items()}


# One clock --------------------------------------------------------------------------------------------------------


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


# All clocks of a case ---------------------------------------------------------------------------------------------


def opened(
    policy: Policy,
    priority: Priority,
    calendar: WorkingCalendar,
    status: Status,
    now: datetime,
    *,
    since: datetime | None,
    first_response_at: datetime | None = None,
) -> tuple[Clock, ...]:
    """The clocks of a new case, or of one that gets its first SLA.

    ``since`` is when the customer's first message came, None where none did: then there is no response to wait for, and
    resolution runs from ``now``. ``first_response_at`` is when a user's text went out, if it did (`#new` with a text):
    the first response is fulfilled by it. A case that starts resolved or closed has ended clocks.
    """
    begin = since or first_response_at or now
    found = []
    if since is not None or first_response_at is not None:
        first = start(ClockKind.FIRST_RESPONSE, policy, priority, calendar, begin)
        if first is not None:
            found.append(first if first_response_at is None else end(first, calendar, first_response_at))
    resolution = start(ClockKind.RESOLUTION, policy, priority, calendar, begin)
    if resolution is not None:
        found.append(resolution)
    return moved(found, policy, calendar, status, now)


def responded(clocks: Iterable[Clock], calendar: WorkingCalendar, now: datetime) -> tuple[Clock, ...]:
    """After a user's public answer: the response clocks end."""
    return tuple(clock if clock.kind is ClockKind.RESOLUTION else end(clock, calendar, now) for clock in clocks)


def asked(
    clocks: Iterable[Clock], policy: Policy, priority: Priority, calendar: WorkingCalendar, at: datetime
) -> tuple[Clock, ...]:
    """After a customer's further message of ``at``: next_response starts, unless an answer is waited for already.

    Where the case had no response clock yet (a user opened it without a text) it is the first response that starts.
    """
    clocks = tuple(clocks)
    responses = [clock for clock in clocks if clock.kind is not ClockKind.RESOLUTION]
    if any(clock.running for clock in responses):
        return clocks
    kind = ClockKind.NEXT_RESPONSE if responses else ClockKind.FIRST_RESPONSE
    clock = start(kind, policy, priority, calendar, at)
    return clocks if clock is None else (*clocks, clock)


def moved(
    clocks: Iterable[Clock], policy: Policy, calendar: WorkingCalendar, status: Status, now: datetime
) -> tuple[Clock, ...]:
    """After a change of status: resolution pauses, goes on, ends or is taken up again; resolved and closed end all.

    A clock that is taken up again has the target it ended with: call `retimed` if the priority changed meanwhile.
    """
    return tuple(_moved(clock, policy, calendar, status, now) for clock in clocks)


def _moved(clock: Clock, policy: Policy, calendar: WorkingCalendar, status: Status, now: datetime) -> Clock:
    if status in (Status.RESOLVED, Status.CLOSED):
        return end(clock, calendar, now)
    if clock.kind is not ClockKind.RESOLUTION:
        return clock
    clock = reopen(clock, calendar, now)
    return pause(clock, now) if status in policy.pause_in else resume(clock, calendar, now)


def retimed(
    clocks: Iterable[Clock],
    policy: Policy,
    priority: Priority,
    calendar: WorkingCalendar,
    status: Status,
    now: datetime,
    *,
    since: datetime | None,
    first_response_at: datetime | None = None,
) -> tuple[Clock, ...]:
    """After a change of policy or priority: every clock by the new targets.

    A first response or resolution clock that the case had not is made as for a new case (see `opened`).
    """
    before = tuple(clocks)
    had = {clock.kind for clock in before}
    after = [found for clock in before if (found := retime(clock, policy, priority, calendar, now)) is not None]
    fresh = opened(policy, priority, calendar, status, now, since=since, first_response_at=first_response_at)
    return (*moved(after, policy, calendar, status, now), *(clock for clock in fresh if clock.kind not in had))


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


def state(clocks: Iterable[Clock], calendar: WorkingCalendar, status: Status, now: datetime) -> SlaState:
    """How a case stands: contract section 7. Of several next_response clocks the latest is shown."""
    latest = {clock.kind: clock for clock in sorted(clocks, key=lambda clock: clock.started_at)}
    if not latest:
        return SlaState()
    shown = {
        kind: ClockState(_status(clock, status, now), clock.due_at, elapsed(clock, calendar, now))
        for kind, clock in latest.items()
    }
    resolution = latest.get(ClockKind.RESOLUTION)
    until = now if resolution is None or resolution.ended_at is None else resolution.ended_at
    total = max(until - min(clock.started_at for clock in latest.values()), timedelta())
    main = resolution if resolution is not None else next(iter(latest.values()))
    return SlaState(
        _resolution_status(main, status, now),
        total,
        shown.get(ClockKind.FIRST_RESPONSE),
        shown.get(ClockKind.NEXT_RESPONSE),
        shown.get(ClockKind.RESOLUTION),
    )


def as_json(state: SlaState) -> dict[str, Any]:
    """`sla_state` as `maild case show --json` prints it: seconds, and instants left as datetimes."""

    def one(clock: ClockState | None) -> dict[str, Any] | None:
        if clock is None:
            return None
        return {"status": clock.status.value, "due_at": clock.due_at, "elapsed": int(clock.elapsed.total_seconds())}

    total = None if state.total_elapsed is None else int(state.total_elapsed.total_seconds())
    shown = {
        "status": None if state.status is None else state.status.value,
        "total_elapsed": total,
        "first_response": one(state.first_response),
        "resolution": one(state.resolution),
    }
    return shown if state.next_response is None else {**shown, "next_response": one(state.next_response)}


# ------------------------------------------------------------------------------------------------------------------


def _status(clock: Clock, status: Status, now: datetime) -> ResponseStatus | SlaStatus:
    if clock.kind is ClockKind.RESOLUTION:
        return _resolution_status(clock, status, now)
    if past_due(clock, now):
        return ResponseStatus.VIOLATED
    return ResponseStatus.PENDING if clock.running else ResponseStatus.FULFILLED


def _resolution_status(clock: Clock, status: Status, now: datetime) -> SlaStatus:
    """fulfilled, escalated, violated, paused, time_left, running: the first that is true."""
    if clock.outcome is Outcome.FULFILLED:
        return SlaStatus.FULFILLED
    if past_due(clock, now):
        return SlaStatus.ESCALATED if clock.escalated else SlaStatus.VIOLATED
    if clock.paused_at is not None:
        return SlaStatus.PAUSED
    return SlaStatus.RUNNING if status in (Status.NEW, Status.ASSIGNED) else SlaStatus.TIME_LEFT


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


def _read(text: str) -> tuple[timedelta, int]:
    """`4h` as (4 hours, 0), `2d` as (nothing, 2 working days)."""
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
    amount, days = _read(text)
    if not days:
        return amount, calendar.add_working(at, amount)
    due_at = calendar.days_later(at, days)
    return calendar.working_between(at, due_at), due_at


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
        amount, days = _read(escalation.before)
        if days:
            amount = calendar.working_between(calendar.days_later(clock.due_at, -days), clock.due_at)
        used = max(clock.target - amount, timedelta())
    else:
        amount, days = _read(escalation.after or "")
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

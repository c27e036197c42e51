"""This is where the SLA clocks of a case move with it: opened, answered, asked again, moved by its status, retimed.

Pure, like the clocks themselves (`stopwatch`); `casework` calls these with each change of a case and stores what comes of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from maild.model.case import Priority, Status
from maild.model.sla import Clock, ClockKind
from maild.settings.models import Policy, SlaYaml
from maild.sla.calendar import ALWAYS, WorkingCalendar, from_settings
from maild.sla.stopwatch import end, pause, reopen, resume, retime, start


def calendars(sla: SlaYaml) -> dict[str, WorkingCalendar]:
    """The calendar of each policy by the policy's key; a policy without one runs around the clock."""
    built = {name: from_settings(config, name) for name, config in sla.calendars.items()}
    return {key: ALWAYS if policy.calendar is None else built[policy.calendar] for key, policy in sla.policies.items()}


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


def responded(
    clocks: Iterable[Clock], policy: Policy, priority: Priority, calendar: WorkingCalendar, now: datetime
) -> tuple[Clock, ...]:
    """After a user's public answer: the response clocks end.

    Where no customer's mail has started one (a case on a customer's behalf) this is the first response, given at once.
    """
    clocks = tuple(clocks)
    if all(clock.kind is ClockKind.RESOLUTION for clock in clocks):
        first = start(ClockKind.FIRST_RESPONSE, policy, priority, calendar, now)
        return clocks if first is None else (end(first, calendar, now), *clocks)
    return tuple(clock if clock.kind is ClockKind.RESOLUTION else end(clock, calendar, now) for clock in clocks)


def asked(
    clocks: Iterable[Clock], policy: Policy, priority: Priority, calendar: WorkingCalendar, at: datetime
) -> tuple[Clock, ...]:
    """After a customer's further message of ``at``: next_response starts, unless an answer is waited for already.

    Where the case had no response clock yet (a user opened it and wrote to nobody) it is the first response that starts.
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

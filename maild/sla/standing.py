"""This is where it is said how a case stands against its SLA: `sla_state` of `maild case show`, the seed's SLA block."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from maild.model.case import Status
from maild.model.sla import Clock, ClockKind, ClockState, Outcome, ResponseStatus, SlaState, SlaStatus
from maild.sla.calendar import WorkingCalendar
from maild.sla.stopwatch import elapsed, past_due


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

"""This is where figures are made of cases: how much came, how fast it was answered, whether promises were kept, how
customers rated it, and how long it took. Times are seconds; a share is a number from 0 to 1, None where nothing counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from statistics import mean, median
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from maild.cases.shape import instant
from maild.model.case import Status
from maild.model.sla import Clock, ClockKind, Outcome
from maild.settings.models import Settings
from maild.sla import escalation, stopwatch, timers
from maild.sla.calendar import ALWAYS
from maild.store import clocks, due, figures
from maild.store.unit_of_work import Store

_ENDED = {Status.RESOLVED.value, Status.CLOSED.value}


def report(settings: Settings, store: Store | None, since: datetime, now: datetime) -> dict[str, Any]:
    """Everything since then: `totals`, `by_day`, `by_group`, `by_agent`, `by_organisation`, `by_mailbox`, `ratings`."""
    if store is None:
        return made(settings, None, since, now)
    with store.read() as connection:
        return made(settings, connection, since, now)


def made(settings: Settings, connection: Connection | None, since: datetime, now: datetime) -> dict[str, Any]:
    """The same in a transaction; without one there is nothing to count."""
    rows: list[Any] = []
    mails: list[Any] = []
    running: dict[int, tuple[Clock, ...]] = {}
    if connection is not None:
        rows, mails = figures.of_cases(connection, since), figures.of_mail(connection, since)
        running = clocks.all_of(connection)
    zone = ZoneInfo(settings.main.timezone)
    totals = _line("all", rows, running, since, now)
    totals |= {
        "mails_in": sum(row.direction == "in" for row in mails), "mails_out": sum(row.direction == "out" for row in mails),
    }  # fmt: skip
    totals.pop("name")
    return {
        "since": instant(since), "until": instant(now), "totals": totals, "by_day": _days(rows, mails, since, now, zone),
        "by_group": _by(lambda row: row.group, rows, running, since, now),
        "by_agent": _by(lambda row: row.assignee, rows, running, since, now),
        "by_organisation": _by(lambda row: row.organisation or row.contact_organisation, rows, running, since, now),
        "by_mailbox": _by(lambda row: row.mailbox, rows, running, since, now),
        "ratings": {str(n): sum(row.rating == n for row in rows) for n in range(1, 6)},
    }  # fmt: skip


def _by(
    key: Callable[[Any], str | None], rows: Sequence[Any], running: dict[int, tuple[Clock, ...]], since: datetime,
    now: datetime,
) -> list[dict[str, Any]]:  # fmt: skip
    names = sorted({key(row) or "" for row in rows}, key=lambda name: (not name, name))
    return [_line(name, [r for r in rows if (key(r) or "") == name], running, since, now) for name in names]


def _line(
    name: str, rows: Sequence[Any], running: dict[int, tuple[Clock, ...]], since: datetime, now: datetime
) -> dict[str, Any]:
    first = [(r.first_response_at - r.created_at).total_seconds() for r in rows
             if r.first_response_at is not None and r.first_response_at >= since]  # fmt: skip
    solved = [(r.resolved_at - r.created_at).total_seconds() for r in rows
              if r.resolved_at is not None and r.resolved_at >= since]  # fmt: skip
    rated = [r.rating for r in rows if r.rating is not None]
    ended = [clock for r in rows for clock in running.get(r.number, ()) if _counts(clock, now)]
    return {
        "name": name,
        "created": sum(r.created_at >= since for r in rows),
        "resolved": len(solved),
        "open": sum(r.status not in _ENDED for r in rows),
        "first_response_median": _whole(median(first)) if first else None,
        "resolution_median": _whole(median(solved)) if solved else None,
        "sla_kept": _share(ended, now),
        "rating": round(mean(rated), 2) if rated else None,
        "rated": len(rated),
        "time_spent": int(sum(r.spent for r in rows)),
    }


def _whole(value: float) -> int:
    return round(value)


def _counts(clock: Clock, now: datetime) -> bool:
    return clock.ended_at is not None or stopwatch.past_due(clock, now)


def _kept(clock: Clock) -> bool:
    return clock.ended_at is not None and clock.outcome is Outcome.FULFILLED


def _share(ended: Sequence[Clock], now: datetime) -> float | None:
    return round(sum(_kept(clock) for clock in ended) / len(ended), 4) if ended else None


def _days(
    rows: Iterable[Any], mails: Iterable[Any], since: datetime, now: datetime, zone: ZoneInfo
) -> list[dict[str, Any]]:
    days: dict[str, dict[str, Any]] = {}
    day = since.astimezone(zone).date()
    while day <= now.astimezone(zone).date():
        days[day.isoformat()] = {"day": day.isoformat(), "in": 0, "out": 0, "created": 0, "resolved": 0}
        day += timedelta(days=1)

    def count(at: datetime | None, what: str) -> None:
        found = days.get(at.astimezone(zone).date().isoformat()) if at is not None else None
        if found is not None:
            found[what] += 1

    for row in rows:
        count(row.created_at, "created")
        count(row.resolved_at, "resolved")
    for mail in mails:
        count(mail.at, mail.direction)
    return list(days.values())


def sla_report(settings: Settings, store: Store | None, since: datetime, now: datetime) -> dict[str, Any]:
    """How promises were kept since then: `policies` (a line a policy, priority and clock), `overdue` cases now, and the
    `downtimes` in which nothing could be done."""
    rows: list[Any] = []
    running: dict[int, tuple[Clock, ...]] = {}
    downtimes: list[tuple[datetime, datetime]] = []
    if store is not None:
        with store.read() as connection:
            rows, running = figures.of_cases(connection, since), clocks.all_of(connection)
            downtimes = due.all_downtimes(connection, since)
    calendars = timers.calendars(settings.sla)
    lines: dict[tuple[str, str, str], list[tuple[Any, Clock]]] = {}
    overdue = []
    for row in rows:
        for clock in running.get(row.number, ()):
            if row.sla and (clock.ended_at is None or clock.ended_at >= since):
                lines.setdefault((row.sla, row.priority, clock.kind.value), []).append((row, clock))
            if clock.ended_at is None and stopwatch.past_due(clock, now):
                overdue.append(
                    {"number": row.number, "title": row.title, "clock": clock.kind.value, "due_at": instant(clock.due_at),
                     "group": row.group, "assignee": row.assignee, "sla": row.sla, "escalated": clock.escalated}
                )  # fmt: skip
    return {
        "since": instant(since), "until": instant(now),
        "policies": [_promise(key, found, calendars, now) for key, found in sorted(lines.items())],
        "overdue": sorted(overdue, key=lambda one: (one["due_at"], one["number"])),
        "downtimes": [{"since": instant(a), "until": instant(b)} for a, b in downtimes],
    }  # fmt: skip


def _promise(
    key: tuple[str, str, str], found: Sequence[tuple[Any, Clock]], calendars: dict[str, Any], now: datetime
) -> dict[str, Any]:
    policy, priority, kind = key
    all_clocks = [clock for _, clock in found]
    ended = [clock for clock in all_clocks if _counts(clock, now)]
    calendar = calendars.get(policy, ALWAYS)
    used = [stopwatch.elapsed(clock, calendar, now).total_seconds() for clock in all_clocks if clock.ended_at is not None]
    return {
        "policy": policy, "priority": priority, "clock": kind, "cases": len(all_clocks),
        "fulfilled": sum(_kept(clock) for clock in ended), "violated": sum(not _kept(clock) for clock in ended),
        "running": len(all_clocks) - len(ended), "escalated": sum(clock.escalated for clock in all_clocks),
        "kept": _share(ended, now), "elapsed_median": _whole(median(used)) if used else None,
    }  # fmt: skip


def tried(settings: Settings, policy: str, priority: str, at: datetime) -> list[dict[str, Any]]:
    """Each deadline of a case that begins at this moment, and each step on the way: what, when, why. Raises KeyError."""
    from maild.cases.lifecycle import priority_of

    terms = settings.sla.policies[policy]
    calendar = timers.calendars(settings.sla)[policy]
    zone = ZoneInfo(
        settings.sla.calendars[terms.calendar].timezone if terms.calendar is not None else settings.main.timezone
    )
    found = []
    for kind in ClockKind:
        clock = stopwatch.start(kind, terms, priority_of(priority), calendar, at)
        if clock is None:
            continue
        target = getattr(terms.targets[priority_of(priority)], kind.value)
        for step in escalation.steps(terms, clock, calendar):
            why = f"{target} of {terms.calendar or 'all hours'} from {calendar.next_opening(at).astimezone(zone):%a %Y-%m-%d %H:%M}"
            acts = terms.escalations[step.escalation] if step.escalation is not None else None
            found.append(
                {"clock": kind.value, "step": step.key, "at": instant(step.due_at),
                 "local": f"{step.due_at.astimezone(zone):%a %Y-%m-%d %H:%M %Z}", "why": why,
                 "does": _does(acts) if acts is not None else "violated"}
            )  # fmt: skip
    return found


def _does(escalation: Any) -> str:
    said = [f"notify {', '.join(escalation.notify)}"] if escalation.notify else []
    said += [f"set {name}={value}" for name, value in escalation.set.items()]
    said += [f"assign {' '.join(escalation.assign.values())}"] if escalation.assign else []
    said += [f"tag {', '.join(escalation.tag)}"] if escalation.tag else []
    said += [f"{verb} {getattr(escalation, verb)}" for verb in ("webhook", "reply") if getattr(escalation, verb)]
    return "; ".join(said)

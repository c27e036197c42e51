"""This is where the SLA clocks of cases are kept: a row a clock, its due time beside it so that sweeps find it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update

from maild.model.sla import Clock, ClockKind, Outcome, Pause
from maild.store.schema import UNCLOSED, cases, sla_clocks


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _to_json(clock: Clock) -> dict[str, Any]:
    return {
        "started_at": clock.started_at.isoformat(),
        "target": clock.target.total_seconds(),
        "due_at": clock.due_at.isoformat(),
        "pauses": [[p.start.isoformat(), p.end.isoformat() if p.end else None] for p in clock.pauses],
        "ended_at": clock.ended_at.isoformat() if clock.ended_at else None,
        "outcome": clock.outcome.value if clock.outcome else None,
        "steps_done": list(clock.steps_done),
        "escalated": clock.escalated,
    }


def _from_json(kind: str, state: dict[str, Any]) -> Clock:
    return Clock(
        kind=ClockKind(kind.partition(":")[0]),
        started_at=datetime.fromisoformat(state["started_at"]),
        target=timedelta(seconds=state["target"]),
        due_at=datetime.fromisoformat(state["due_at"]),
        pauses=tuple(Pause(datetime.fromisoformat(a), _time(b)) for a, b in state["pauses"]),
        ended_at=_time(state["ended_at"]),
        outcome=Outcome(state["outcome"]) if state["outcome"] else None,
        steps_done=tuple(state["steps_done"]),
        escalated=state["escalated"],
    )


def load(connection: Connection, number: int) -> tuple[Clock, ...]:
    """The clocks of a case, in the order in which they were started."""
    rows = connection.execute(select(sla_clocks).where(sla_clocks.c.case_number == number)).all()
    return tuple(sorted((_from_json(row.kind, row.state) for row in rows), key=lambda clock: clock.started_at))


def save(
    connection: Connection, number: int, clocks: Iterable[Clock], *, new: bool = False,
    next_step: Callable[[Clock], datetime | None] = lambda clock: None,
) -> None:  # fmt: skip
    """Keep these clocks as the case's, in place of those it had (a ``new`` case has none).

    ``next_step`` says when a clock's next step is due; the sweep looks for that.
    """
    if not new:
        connection.execute(delete(sla_clocks).where(sla_clocks.c.case_number == number))
    rows = []
    seen: dict[str, int] = {}
    for clock in clocks:
        count = seen[clock.kind] = seen.get(clock.kind, 0) + 1
        rows.append(
            {
                "case_number": number,
                "kind": clock.kind.value if count == 1 else f"{clock.kind.value}:{count}",
                "state": _to_json(clock),
                "due_at": clock.due_at if clock.running and clock.paused_at is None else None,
                "next_at": next_step(clock),
            }
        )
    if rows:
        connection.execute(insert(sla_clocks), rows)


def overdue(connection: Connection, now: datetime) -> list[int]:
    """The cases with a clock that is running and past its due time."""
    return list(
        connection.execute(
            select(sla_clocks.c.case_number).where(sla_clocks.c.due_at.is_not(None), sla_clocks.c.due_at < now).distinct()
        ).scalars()
    )


def waiting(connection: Connection, now: datetime, limit: int) -> list[int]:
    """The cases of which a clock has a step due, the longest due first."""
    first = func.min(sla_clocks.c.next_at)
    return list(
        connection.execute(
            select(sla_clocks.c.case_number).where(sla_clocks.c.next_at <= now)
            .group_by(sla_clocks.c.case_number).order_by(first).limit(limit)
        ).scalars()
    )  # fmt: skip


def next_due(connection: Connection, after: datetime) -> datetime | None:
    """When the next step after this moment is due, or None."""
    return connection.execute(select(func.min(sla_clocks.c.next_at)).where(sla_clocks.c.next_at > after)).scalar()


def put_off(connection: Connection, number: int, until: datetime) -> None:
    """Look at this case's due steps again at that time: they could not be taken now."""
    due = sla_clocks.c.next_at < until
    connection.execute(update(sla_clocks).where(sla_clocks.c.case_number == number, due).values(next_at=until))


def with_sla(connection: Connection) -> list[int]:
    """The unclosed cases that have clocks or an SLA."""
    has = exists().where(sla_clocks.c.case_number == cases.c.number)
    return list(
        connection.execute(
            select(cases.c.number).where(UNCLOSED, or_(cases.c.sla.is_not(None), has))
            .order_by(cases.c.number)
        ).scalars()
    )  # fmt: skip


def all_of(connection: Connection) -> dict[int, tuple[Clock, ...]]:
    """The clocks of every case, for figures."""
    found: dict[int, list[Clock]] = {}
    for row in connection.execute(select(sla_clocks.c.case_number, sla_clocks.c.kind, sla_clocks.c.state)):
        found.setdefault(row.case_number, []).append(_from_json(row.kind, row.state))
    return {number: tuple(sorted(clocks, key=lambda clock: clock.started_at)) for number, clocks in found.items()}

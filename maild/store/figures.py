"""This is where the figures of reports are asked of the database, a row a case and a row a day's mail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select
from sqlalchemy.engine import Row

from maild.store.schema import cases, contacts, messages, time_logs


def of_cases(connection: Connection, since: datetime) -> list[Row[Any]]:
    """The cases that were made, resolved, closed or rated since then, or are open, with the seconds spent on each."""
    spent = (
        select(func.sum(time_logs.c.seconds)).where(
            time_logs.c.case_number == cases.c.number, time_logs.c.state != "working"
        ).scalar_subquery()
    )  # fmt: skip
    case = cases.c
    query = select(
        case.number, case.title, case.status, case.priority, case.mailbox, case.group, case.assignee, case.organisation,
        case.sla, case.rating, case.created_at, case.first_response_at, case.resolved_at, case.closed_at,
        contacts.c.organisation.label("contact_organisation"), func.coalesce(spent, 0).label("spent"),
    ).join_from(cases, contacts, contacts.c.id == case.contact_id, isouter=True)  # fmt: skip
    recent = or_(
        case.created_at >= since, case.resolved_at >= since, case.closed_at >= since,
        case.status.not_in(["resolved", "closed"]),
    )  # fmt: skip
    return list(connection.execute(query.where(recent, case.merged_into.is_(None)).order_by(case.number)))


def of_mail(connection: Connection, since: datetime) -> list[Row[Any]]:
    """(at, direction, kind) of the messages of cases since then."""
    query = select(messages.c.at, messages.c.direction, messages.c.kind).where(messages.c.at >= since)
    return list(connection.execute(query.order_by(messages.c.at)))


"""This is where a case gets the shape that people and programs see: the JSON of `maild case list`, also used by templates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from maild.model.case import Case


def instant(value: datetime | None) -> str | None:
    """ISO 8601 in UTC ending in Z, whole seconds; None stays None."""
    return None if value is None else value.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def as_json(case: Case, contact_name: str | None, contact_email: str | None) -> dict[str, Any]:
    """The case with names in place of ids, times as text, null where empty (contract, section 2)."""
    contact = None
    if contact_email is not None:
        contact = {"name": contact_name or None, "email": contact_email}
    return {
        "number": case.number,
        "title": case.title,
        "summary": case.summary or None,
        "status": case.status.value,
        "priority": case.priority.value,
        "category": case.category,
        "channel": case.channel.value,
        "mailbox": case.mailbox,
        "contact": contact,
        "organisation": case.organisation,
        "group": case.group,
        "assignee": case.assignee,
        "owner": case.owner,
        "sla": case.sla,
        "tags": list(case.tags),
        "fields": dict(case.fields),
        "resolution": case.resolution,
        "billable": case.billable,
        "rating": case.rating,
        "feedback": case.feedback,
        "created_at": instant(case.created_at),
        "updated_at": instant(case.updated_at),
        "first_response_at": instant(case.first_response_at),
        "last_responded_at": instant(case.last_responded_at),
        "resolved_at": instant(case.resolved_at),
        "closed_at": instant(case.closed_at),
    }

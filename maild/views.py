"""This is where stored cases are put together into the records that commands print as JSON (contract, section 2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from maild.cases.shape import as_json, instant
from maild.model.case import Case
from maild.settings.models import Settings
from maild.sla import standing, timers
from maild.sla.calendar import ALWAYS
from maild.store import agents, cases, clocks, people, timelogs


def case(connection: Connection, settings: Settings, number: int, now: datetime) -> dict[str, Any] | None:
    """A case with its contacts, stream, messages, SLA state, links and figures; None where there is none."""
    found = cases.get(connection, number)
    if found is None:
        return None
    contact = people.contact(connection, found.contact_id) if found.contact_id else None
    shown = as_json(found, contact.name if contact else None, contact.email if contact else None)
    shown["contacts"] = [
        {"name": name or None, "email": address, "role": role}
        for address, name, role in people.participants_of(connection, number)
    ]
    shown["stream"] = [
        {
            "at": instant(entry.at), "type": entry.type.value, "actor": entry.actor, "public": entry.public,
            "text": entry.text, **({"message": entry.message} if entry.message is not None else {}),
            **({"data": dict(entry.data)} if entry.data else {}),
        }
        for entry in cases.stream_of(connection, number)
    ]  # fmt: skip
    shown["messages"] = [message(row) for row in cases.messages_of(connection, number)]
    shown["sla_state"] = sla_state(connection, settings, found, now)
    shown["time_in_status"] = int((now - found.status_since).total_seconds()) if found.status_since else 0
    shown["followers"] = cases.followers_of(connection, number)
    shown["time_spent"] = timelogs.spent(connection, number, now)
    shown["service"] = timelogs.service(connection, number)
    shown["threads"] = [
        {"to": row.address, "by": row.user, "question": row.question, "asked_at": instant(row.asked_at),
         "answered_at": instant(row.answered_at)}
        for row in agents.side_threads_of(connection, number)
    ]  # fmt: skip
    shown["links"] = [{"type": kind, "number": other} for kind, other in cases.links_of(connection, number)]
    return shown


def message(row: Any) -> dict[str, Any]:
    """One message of a case."""
    return {
        "id": row.id,
        "message_id": row.message_id or None,
        "from": {"name": row.from_name or None, "email": row.from_email},
        "to": row.to,
        "cc": row.cc,
        "subject": row.subject,
        "direction": row.direction,
        "kind": row.kind,
        "public": row.public,
        "at": instant(row.at),
        "text": row.text,
        "attachments": [
            {"name": a["name"], "type": a["type"], "size": a["size"], **{word: True for word in ("decoration", "refused") if a.get(word)}}
            for a in row.attachments
        ],
    }


def sla_state(connection: Connection, settings: Settings, found: Case, now: datetime) -> dict[str, Any]:
    """How the case stands against its SLA."""
    calendars = timers.calendars(settings.sla)
    state = standing.as_json(
        standing.state(clocks.load(connection, found.number), calendars.get(found.sla or "", ALWAYS), found.status, now)
    )
    for part in state.values():
        if isinstance(part, dict) and isinstance(part.get("due_at"), datetime):
            part["due_at"] = instant(part["due_at"])
    return state

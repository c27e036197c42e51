"""This is where escalations and workflows act on a case: set values, assign, tag, write to the customer, call a webhook.

Each function works in the desk's transaction, so that what was done and that it was done commit together.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from maild import casework
from maild.cases import lifecycle, workflows
from maild.cases.shape import as_json, instant
from maild.desk import Desk
from maild.model.case import Case, Status, StreamEntry, StreamType
from maild.model.contact import Contact
from maild.model.decision import Assign
from maild.model.message import Address, Automatic
from maild.model.outbox import Draft, OutgoingKind
from maild.outbound.names import complete
from maild.plain import sandbox
from maild.plain.domains import fold_address
from maild.store import cases, due, people, surveys, webhooks

HOW = frozenset({"round_robin", "least_busy"})


@dataclass(frozen=True, slots=True)
class Done:
    """Something that maild did by itself: when, on which case, by which workflow or SLA, what, and why."""

    at: datetime
    case: int | None
    by: str
    action: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        return {
            "time": instant(self.at), "case": self.case, "by": self.by, "action": self.action, "reason": self.reason,
        }  # fmt: skip


def contact_of(desk: Desk, case: Case) -> Contact | None:
    """The case's contact, as far as stored."""
    return people.contact(desk.connection, case.contact_id) if case.contact_id else None


def rendered(desk: Desk, case: Case | None, value: Any, **more: Any) -> Any:
    """A value of the configuration with its templates filled in (the names of mail templates)."""
    if not sandbox.is_template(value):
        return value
    names = desk.names(case, contact_of(desk, case)) if case is not None else {"now": desk.now}
    return sandbox.render(value, complete(names) | more)


def set_values(desk: Desk, case: Case, given: Mapping[str, Any], actor: str, *, retime: bool = True) -> Case:
    """Set what `set:` names. Raises CaseError where that is not possible, and then the caller's savepoint undoes it."""
    wanted: dict[str, Any] = {}
    for name, value in given.items():
        value = rendered(desk, case, value)
        key = "assignee" if name == "user" else name
        if name.startswith("fields."):
            wanted.setdefault("fields", {})[name.removeprefix("fields.")] = value
        elif name == "fields":
            wanted.setdefault("fields", {}).update(value)
        elif name == "status":
            wanted["status"] = lifecycle.status_of(str(value))
        elif name == "priority":
            wanted["priority"] = lifecycle.priority_of(str(value))
        elif name == "channel":
            wanted["channel"] = lifecycle.channel_of(str(value))
        elif name == "tags":
            wanted["tags"] = tuple(dict.fromkeys(value if isinstance(value, list | tuple) else [value]))
        elif name == "billable":
            wanted["billable"] = value is True or str(value).lower() in {"true", "yes"}
        else:
            wanted[key] = None if value in ("none", None) else str(value)
    status: Status | None = wanted.pop("status", None)
    if wanted.get("assignee") in HOW:
        case = assign(desk, case, wanted.get("group"), wanted.pop("assignee"), actor, retime=retime)
    if wanted:
        case = casework.change(desk, case, wanted, actor, retime=retime)
    for one in workflows.way_to(case, status) if status is not None else ():
        if one is not case.status:
            case = casework.change(desk, case, {"status": one}, actor, retime=retime)
    return case


def assign(
    desk: Desk, case: Case, group: str | None, user: str | None, actor: str, *, retime: bool = True
) -> Case:
    """Give the case to a group, a user, or whoever's turn it is; where nobody is there the stream says so."""
    if user == "none":
        return casework.change(desk, case, {"assignee": None, **({"group": group} if group else {})}, actor, retime=retime)
    wanted = Assign(group or case.group, None if user in HOW else user, user if user in HOW else None)
    to_group, chosen, nobody = casework.pick(desk, wanted)
    values: dict[str, Any] = {"group": to_group} if group else {}
    if chosen:
        values["assignee"] = chosen
    elif group and group != case.group and user is None:
        values["assignee"] = None  # the group's now: whoever had it is not of this group
    if nobody:
        note(desk, case, f"{actor}: {nobody}")
    return casework.change(desk, case, values, actor, retime=retime) if values else case


def tag(desk: Desk, case: Case, tags: tuple[str, ...], actor: str) -> Case:
    """Add tags."""
    return casework.change(desk, case, {"tags": tuple(dict.fromkeys((*case.tags, *tags)))}, actor)


def note(desk: Desk, case: Case, text: str) -> None:
    """Write into the stream what was not done, and why."""
    cases.add_stream(desk.connection, case.number, [StreamEntry(desk.now, StreamType.SUPPRESSED, "maild", False, text)])


def told_nobody(desk: Desk, case: Case, wanted: Sequence[str], actor: str) -> None:
    """Write into the stream that a step was to tell somebody, and nobody is there to be told."""
    if tuple(wanted) != ("none",):
        here = desk.named(case, wanted)
        why = "nobody of them gets mail" if here else f"the case has no {' and no '.join(wanted)} that could be told"
        note(desk, case, f"{actor}: nobody was told: {why}")


def why_not_write(desk: Desk, case: Case, contact: Contact | None) -> str:
    """Why no mail goes to the customer by itself; '' where one may."""
    if contact is None or not contact.email:
        return "the case has no contact"
    address = fold_address(contact.email)
    if desk.office.addresses.mailbox_of(address):
        return f"{address} is an address of our own"
    if desk.office.addresses.user_of(address):
        return f"{address} is a user's"
    if contact.undeliverable or due.undelivered(desk.connection, case.number):
        return f"mail to {address} could not be delivered"
    if desk.paused & {"automatic", f"mailbox {case.mailbox}"}:
        return "automatic mail is paused"
    if surveys.unsubscribed_since(desk.connection, address) is not None:
        return f"{address} wants no more surveys and reminders"
    first = due.first_mail(desk.connection, case.number)
    if first is not None and first[1] not in (None, Automatic.NO.value):
        return f"the case was made by a machine's mail ({first[1]})"
    return ""


def write(
    desk: Desk, case: Case, contact: Contact, template: str, kind: OutgoingKind, actor: str, *,
    link: Mapping[str, Any] | None = None, not_before: datetime | None = None,
) -> tuple[int | None, str]:  # fmt: skip
    """Send a mail of this template to the case's contact, in their thread; returns its outbox number and Message-ID."""
    mailbox = desk.office.settings.main.mailboxes[case.mailbox]
    last = [row for row in cases.messages_of(desk.connection, case.number) if row.public]
    parent = last[-1] if last else None
    number = desk.enqueue(
        Draft(
            kind=kind, template=template, mailbox=case.mailbox, case=case.number, title=case.title,
            to=(Address(contact.name, contact.email),), language=contact.language or mailbox.language or "",
            names=desk.names(case, contact, event={"type": kind.value, "actor": actor}, link=dict(link or {})),
            about_subject=desk.office.tag_pattern.sub("", parent.subject) if parent is not None else "",
            parent_id=parent.message_id if parent is not None else "",
        ),
        not_before=not_before,
    )  # fmt: skip
    if number is None:
        return None, ""
    sent = desk.mails[-1][1]
    row = desk.record_outgoing(number, case.number, public=True, text=sent.text)
    entry = StreamEntry(desk.now, StreamType.MESSAGE, actor, True, sent.text, {"kind": kind.value}, row)
    cases.add_stream(desk.connection, case.number, [entry])
    return number, sent.message_id


def webhook(desk: Desk, case: Case | None, url: str, by: str, event: str) -> None:
    """Have the case posted to a URL; who gets it can verify that it is from here (see `webhooks`)."""
    name = f"msg_{secrets.token_hex(12)}"
    contact = contact_of(desk, case) if case is not None else None
    shown = None
    if case is not None:
        shown = as_json(case, contact.name if contact else None, contact.email if contact else None)
    body = {"type": event, "timestamp": instant(desk.now), "data": {"by": by, "case": shown}}
    webhooks.add(
        desk.connection, url, json.dumps(body, ensure_ascii=False), name, desk.now, case.number if case else None
    )

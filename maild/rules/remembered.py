"""This is where maild writes down what a decision looked at beside the message itself, and reads it again years after.

What the raw message says is not kept twice, and what today's configuration says (calendars, organisations) is not kept
at all: a replay asks it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from maild.model.case import Priority, Status
from maild.model.message import Address, Authentication, AuthResult, Automatic, MachineSort, Message, MessageKind
from maild.rules.facts import CaseFacts, ContactFacts, Facts, OrganisationFacts


def remember(facts: Facts) -> dict[str, Any]:
    """The facts about a message that it does not hold itself, as JSON without what is empty."""
    contact, case = facts.contact, facts.case
    kept: dict[str, Any] = {
        "mailbox": facts.mailbox,
        "sort": facts.sort.value if facts.sort is not None else None,
        "answer": facts.is_answer,
        "follows": facts.follow_up_of,
        "organisation": facts.organisation.name if facts.organisation is not None else None,
        "forwarded": [facts.forwarded_from.name, facts.forwarded_from.email] if facts.forwarded_from is not None else None,
        "contact": _full(
            known=contact.known, email=contact.email, name=contact.name, phone=contact.phone, language=contact.language,
            sla=contact.sla, tags=list(contact.tags),
        ) if contact is not None else None,
        "case": _full(
            number=case.number, status=case.status.value, priority=case.priority.value, group=case.group,
            category=case.category, tags=list(case.tags), sla=case.sla, assignee=case.assignee, fields=dict(case.fields),
        ) if case is not None else None,
    }  # fmt: skip
    return _full(**kept)


def _full(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [], {}, False)}


def recall(
    kept: Mapping[str, Any], message: Message, *, received_at: datetime, kind: str, automatic: str, mailbox_address: str,
    recipients: tuple[str, ...], envelope_from: str | None, envelope_to: tuple[str, ...], outside: frozenset[str],
    auth: Mapping[str, Any], organisation: OrganisationFacts | None,
) -> Facts:  # fmt: skip
    """The facts of a stored message again: what was remembered, its message parsed anew, and today's surroundings."""
    contact, case, forwarded = kept.get("contact"), kept.get("case"), kept.get("forwarded")
    return Facts(
        message=message, mailbox=str(kept["mailbox"]), received_at=received_at, mailbox_address=mailbox_address,
        kind=MessageKind(kind), automatic=Automatic(automatic), sort=MachineSort(kept["sort"]) if kept.get("sort") else None,
        recipients=recipients, envelope_from=envelope_from, envelope_to=envelope_to, outside=outside,
        auth=authentication(auth),
        contact=ContactFacts(
            bool(contact.get("known")), contact.get("email", ""), contact.get("name", ""), contact.get("phone", ""),
            contact.get("language", ""), contact.get("sla", ""), tuple(contact.get("tags", ())),
        ) if contact else None,
        organisation=organisation,
        case=CaseFacts(
            int(case["number"]), Status(case["status"]), Priority(case["priority"]), case.get("group", ""),
            case.get("category", ""), tuple(case.get("tags", ())), case.get("sla", ""), case.get("assignee", ""),
            case.get("fields", {}),
        ) if case else None,
        is_answer=bool(kept.get("answer")), follow_up_of=kept.get("follows"),
        forwarded_from=Address(forwarded[0], forwarded[1]) if forwarded else None,
    )  # fmt: skip


def authentication(kept: Mapping[str, Any]) -> Authentication:
    """What was found out about the sender then."""
    results = {name: AuthResult(kept[name]) for name in ("spf", "dkim", "dmarc") if kept.get(name)}
    return Authentication(
        **results, login=str(kept.get("login") or ""), passed=bool(kept.get("passed")), failed=bool(kept.get("failed")),
        source=str(kept.get("source") or ""),
    )  # fmt: skip

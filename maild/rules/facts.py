"""This is where maild says what a decision may look at: everything about one mail, gathered before `decide`.

Nothing here is looked up later: no clock, no database, no DNS. The same facts give the same decision, years after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maild.model.case import Priority, Status
from maild.model.message import Address, Authentication, Automatic, MachineSort, Message, MessageKind

_UNKNOWN = Authentication()


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """Who wrote, as far as known. ``known``: there was a contact of this address before this mail."""

    known: bool
    email: str
    name: str = ""
    phone: str = ""
    language: str = ""
    sla: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrganisationFacts:
    """The company that the sender writes from."""

    name: str
    tags: tuple[str, ...] = ()
    sla: str = ""
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """The case that the mail answers (or follows), as it stood when the mail came."""

    number: int
    status: Status
    priority: Priority
    group: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    sla: str = ""
    assignee: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything about one mail for one mailbox.

    ``mailbox`` is a key of maild.yaml, ``mailbox_address`` its address. ``recipients`` are all addresses the mail was
    sent to (envelope, To, Cc, Delivered-To, X-Original-To, X-Forwarded-To). ``received_at`` is aware. ``outside`` names
    the calendars that are closed at that moment. ``is_answer``: threading found ``case`` and the mail goes to it.
    ``follow_up_of`` is the closed case that this mail continues in a new one. ``forwarded_text`` is the text of a mail
    that was forwarded here, ``forwarded_from`` who wrote that; empty where it is no forward or the caller does not know.
    """

    message: Message
    mailbox: str
    received_at: datetime
    mailbox_address: str = ""
    kind: MessageKind = MessageKind.CUSTOMER
    automatic: Automatic = Automatic.NO
    sort: MachineSort | None = None
    recipients: tuple[str, ...] = ()
    envelope_from: str | None = None
    envelope_to: tuple[str, ...] = ()
    outside: frozenset[str] = frozenset()
    auth: Authentication = _UNKNOWN
    contact: ContactFacts | None = None
    organisation: OrganisationFacts | None = None
    case: CaseFacts | None = None
    is_answer: bool = False
    follow_up_of: int | None = None
    forwarded_text: str = ""
    forwarded_from: Address | None = None

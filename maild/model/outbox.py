"""This is where maild says what a mail to be sent is, and how an attempt to send it can end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from maild.model.message import Address


class OutgoingKind(StrEnum):
    """Why a mail goes out. The last five go to users, the others to people outside."""

    ACKNOWLEDGEMENT = "acknowledgement"
    ANSWER = "answer"
    STATUS = "status"
    SURVEY = "survey"
    REMINDER = "reminder"
    THIRD_PARTY = "third_party"
    FORWARD = "forward"
    NOTIFICATION = "notification"
    RECEIPT = "receipt"
    REFUSED = "refused"
    DIGEST = "digest"
    ADMIN = "admin"

    @property
    def to_users(self) -> bool:
        return self in {self.NOTIFICATION, self.RECEIPT, self.REFUSED, self.DIGEST, self.ADMIN}

    @property
    def written_by_person(self) -> bool:
        return self in {self.ANSWER, self.THIRD_PARTY, self.FORWARD}


class OutboxState(StrEnum):
    """Where a mail to be sent stands. Every one ends in sent, failed or discarded."""

    PENDING = "pending"
    SENDING = "sending"
    DEFERRED = "deferred"
    HELD = "held"
    SENT = "sent"
    FAILED = "failed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class PartRef:
    """A part of a stored message that goes along: its bytes are read from the store when the mail is sent.

    ``content`` is for what came with no message, a picture that maild drew: its bytes in base64.
    """

    spool_id: str
    part: int
    name: str
    type: str
    size: int
    inline: bool = False
    content_id: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A mail rendered once and never again. ``headers`` are complete, in order, without Bcc; ``sender`` is the
    envelope sender ('' for the empty one), ``recipients`` the envelope recipients."""

    kind: OutgoingKind
    case: int | None
    message_id: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str = ""
    attachments: tuple[PartRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """The smarthost took it; ``reply`` is its answer (it may name another Message-ID)."""

    reply: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: tried again later. ``code`` is the SMTP code, 0 for a connection fault."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A final no for this recipient or mail."""

    code: int
    reason: str


Outcome = Sent | Deferred | Refused


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A stored mail to be sent. ``waiting`` are the recipients not yet served; ``approved`` mail goes out in mode hold."""

    id: int
    state: OutboxState
    message: OutgoingMessage
    waiting: tuple[str, ...]
    attempts: int
    created_at: datetime
    next_at: datetime
    reason: str = ""
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How a try to send a mail ended ``at`` that time, for each recipient that it was for. Who was deferred is due again
    at ``next_at``; where that is None they have waited long enough, and it failed."""

    entry: OutboxEntry
    outcomes: Mapping[str, Outcome]
    at: datetime
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail that a decision asks for, not yet rendered: `outbound.compose` makes an OutgoingMessage of it.

    ``template`` names the template; ``reader`` is 0 for people outside, else the user's number. ``to`` and ``cc`` are
    what everybody sees, ``bcc`` extra envelope recipients. ``about_subject`` is the subject of the mail that is answered
    ('' for none), ``parent_id`` and ``parent_references`` its Message-ID and References (brackets off). ``body_text``
    and ``body_html`` are what a person wrote (answers); ``had`` are addresses that have the mail already: shown in To and
    Cc, not sent to. ``names`` are the values that templates may use, by their
    documented names (details.md: message, case, fields, contact, organisation, mailbox, agent, event …) as plain data.
    """

    kind: OutgoingKind
    template: str
    mailbox: str
    case: int | None
    to: tuple[Address, ...]
    names: Mapping[str, Any]
    cc: tuple[Address, ...] = ()
    bcc: tuple[str, ...] = ()
    reader: int = 0
    language: str = ""
    about_subject: str = ""
    title: str = ""
    parent_id: str = ""
    parent_references: tuple[str, ...] = ()
    body_text: str = ""
    body_html: str = ""
    from_name: str = ""
    attachments: tuple[PartRef, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    had: tuple[str, ...] = ()

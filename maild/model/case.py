"""This is where maild says what a case is: its values, its closed sets, and what happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Where a case stands; which changes are possible is `cases.lifecycle.TRANSITIONS`."""

    NEW = "new"
    ASSIGNED = "assigned"
    OPEN = "open"
    WAIT_FOR_CUSTOMER = "wait_for_customer"
    WAIT_FOR_THIRD_PARTY = "wait_for_third_party"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Priority(StrEnum):
    """How urgent a case is; `rank` grows with urgency."""

    URGENT = "urgent"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        return {"low": 0, "medium": 1, "high": 2, "urgent": 3}[self.value]


class Channel(StrEnum):
    """Where the customer raised the issue (Vtiger's field of this name)."""

    EMAIL = "email"
    PHONE = "phone"
    CHAT = "chat"
    SOCIAL = "social"
    WEBFORM = "webform"
    OTHER = "other"


class CloseReason(StrEnum):
    """Why a case may be closed without having been resolved."""

    SPAM = "spam"
    DUPLICATE = "duplicate"
    NO_ANSWER_NEEDED = "no_answer_needed"


# Words that people type for the closed sets above (OroCRM, Vtiger, EspoCRM); matched without case.
STATUS_WORDS = {
    "in_progress": "open", "in progress": "open", "accepted": "open",
    "wait for customer": "wait_for_customer", "waiting": "wait_for_customer",
    "wait for 3rd party": "wait_for_third_party", "wait for third party": "wait_for_third_party",
    "wait_for_3rd_party": "wait_for_third_party",
}  # fmt: skip
PRIORITY_WORDS = {"normal": "medium"}
CHANNEL_WORDS = {"web": "webform", "mail": "email", "e-mail": "email"}


class StreamType(StrEnum):
    """What kind of event a stream entry is."""

    MESSAGE = "message"
    NOTE = "note"
    STATUS = "status"
    PRIORITY = "priority"
    ASSIGNMENT = "assignment"
    FIELD = "field"
    CONTACT = "contact"
    MERGE = "merge"
    LINK = "link"
    SLA = "sla"
    TIME = "time"
    NOTIFIED = "notified"
    SUPPRESSED = "suppressed"
    BOUNCED = "bounced"
    RATED = "rated"


class LinkType(StrEnum):
    """How two cases belong together, seen from the first."""

    FOLLOWS = "follows"
    FOLLOWED_BY = "followed_by"
    MENTIONS = "mentions"
    MENTIONED_BY = "mentioned_by"
    MERGED_INTO = "merged_into"
    MERGED_FROM = "merged_from"
    LINKED = "linked"
    PARENT = "parent"
    CHILD = "child"


@dataclass(frozen=True, slots=True)
class Case:
    """A case as stored. Users, groups, mailboxes and SLAs are keys of the configuration; '' or None where empty."""

    number: int
    title: str
    mailbox: str
    status: Status = Status.NEW
    priority: Priority = Priority.MEDIUM
    channel: Channel = Channel.EMAIL
    summary: str = ""
    category: str | None = None
    contact_id: int | None = None
    organisation: str | None = None
    group: str | None = None
    assignee: str | None = None
    owner: str | None = None
    sla: str | None = None
    tags: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    resolution: str | None = None
    billable: bool = False
    rating: int | None = None
    feedback: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    status_since: datetime | None = None
    first_response_at: datetime | None = None
    last_responded_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    merged_into: int | None = None
    language: str = ""


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One event of a case. ``actor`` is a user's key, an address, a rule or workflow (`rule:NAME`), or `maild`."""

    at: datetime
    type: StreamType
    actor: str
    public: bool
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    message: int | None = None

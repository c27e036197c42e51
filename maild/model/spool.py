"""This is where maild says what an accepted, stored message is on its way to becoming a case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from maild.model.message import Door, Envelope


class SpoolState(StrEnum):
    """Where a stored message stands. Every accepted message ends in done, dead (given up by a person) or erased;
    held ones wait for a person."""

    PENDING = "pending"
    PROCESSING = "processing"
    DONE = "done"
    HELD = "held"
    DEAD = "dead"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """An accepted message. ``mailboxes`` are the keys it was for, in the order named; ``raw`` the bytes as they came.

    ``seq`` grows in the order of arrival, ``id`` is what people type. ``case`` and ``disposition`` say what came of it.
    ``released_by`` is the person who took it out of being held: then it becomes a case whatever the rules say.
    ``holder`` is the process that has it leased, '' where none has.
    """

    seq: int
    id: str
    state: SpoolState
    door: Door
    mail_from: str | None
    rcpt_tos: tuple[str, ...]
    mailboxes: tuple[str, ...]
    message_id: str
    subject: str
    conversation: str
    size: int
    received_at: datetime
    attempts: int
    reason: str
    client: str
    login: str | None
    trusted: bool
    import_id: int | None = None
    case: int | None = None
    disposition: str = ""
    released_by: str | None = None
    holder: str = ""
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An envelope with what the door could read of it: all that is needed to store it.

    ``digest`` is its identity (hex SHA-256); ``identified`` says whether it has a Message-ID or a Date: without, the same
    bytes again are a repeat only within an hour. ``conversation`` is '' where the mail names no id. ``mailboxes`` are keys.
    """

    envelope: Envelope
    digest: str
    identified: bool
    message_id: str
    subject: str
    sender: str
    conversation: str
    mailboxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far an IMAP folder has been fetched: every UID up to ``uid`` is durable here, but those in ``skipped``.

    A UID means something only together with ``uidvalidity`` (RFC 3501, 2.3.1.1). ``skipped`` are messages that could
    not be fetched (too large, refused by the server); they stay there and are tried again.
    """

    uidvalidity: int
    uid: int
    skipped: tuple[int, ...] = ()

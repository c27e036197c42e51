"""This is where maild says what a door refused, for people who ask why a mail never came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """One no at a door: who was connected, for whom the mail was, and the whole reply that was given.

    ``client`` is the peer's address ('' on a Unix socket), ``rcpt`` '' where no recipient was concerned.
    """

    at: datetime
    client: str
    mail_from: str
    rcpt: str
    reply: str

"""This is where maild says what its SMTP and LMTP doors ask of the rest of maild, and what the sessions of one door share."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from maild.ingest.limits import Load, Network
from maild.model.message import Envelope
from maild.model.refusal import Refusal
from maild.settings.models import SmtpDoor
from maild.settings.values import Secret


class Guest(Protocol):
    """A session as the door sees it when it closes."""

    def retire(self) -> None:
        """End when no message is being taken."""

    def abort(self) -> None:
        """End at once."""


def _no_secret(_: Secret) -> str:
    raise LookupError("no function for secrets was given")


@dataclass(frozen=True)
class DoorHooks:
    """What a door asks of the rest of maild. All but ``accept`` are called in the loop and must not block.

    ``accept`` returns the spool id when the message is durable; raises StoreFull (452) or another TransientError (451).
    ``mailbox_of`` gives the mailbox of an address, postmaster included, or None. ``has_room`` says whether a message
    of so many octets may come now. ``refused`` writes a refusal down. ``login`` checks a user and password.
    ``secret`` reads the TLS key where it is a secret.
    """

    accept: Callable[[Envelope], Awaitable[str]]
    mailbox_of: Callable[[str], str | None]
    has_room: Callable[[int], bool]
    refused: Callable[[Refusal], None]
    now: Callable[[], datetime]
    login: Callable[[str, bytes], bool] = lambda user, password: False
    secret: Callable[[Secret], str] = _no_secret


@dataclass
class Desk:
    """What the sessions of one listener share."""

    config: SmtpDoor
    hooks: DoorHooks
    load: Load
    trusted: tuple[Network, ...]
    hostname: str
    tls: ssl.SSLContext | None
    sessions: set[Guest] = field(default_factory=set)
    storing: set[asyncio.Task[str]] = field(default_factory=set)
    all_gone: asyncio.Event = field(default_factory=asyncio.Event)
    draining: bool = False

    def store(self, envelope: Envelope) -> asyncio.Task[str]:
        """Begin to store a message; it goes on whatever becomes of the session."""
        task = asyncio.ensure_future(self._accept(envelope))
        self.storing.add(task)
        task.add_done_callback(self._stored)
        return task

    async def _accept(self, envelope: Envelope) -> str:
        return await self.hooks.accept(envelope)

    def _stored(self, task: asyncio.Task[str]) -> None:
        self.storing.discard(task)
        if not task.cancelled():
            task.exception()  # a session that still waits reports it; none is told twice
        self.look()

    def look(self) -> None:
        """Say so when nobody is here any more."""
        if not self.sessions and not self.storing:
            self.all_gone.set()
